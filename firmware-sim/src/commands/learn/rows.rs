//! `firmware-sim learn` from rows of a shifted sensor.

use super::run::{Learning, Run, ensure_outputs};
use crate::link::session::Session;
use crate::rows::{self, Count, Rows, Set, Shape, ensure_some_left};
use crate::shift::Shift;
use crate::weights::WeightsBlob;
use crate::writable::text_after;
use crate::{args, drawing};
use autoencoder_device::learn::{Begin, HELD_OUT};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The default number of training rows.
const ROWS: usize = 4000;
/// Rows in the picture.
const DRAWN: usize = 16;

/// The mean squared error over a set of test rows, before and after learning.
struct Change {
    before: f64,
    after: f64,
}

/// Learns from the training rows of a folder, and measures on its test rows.
pub fn run(args: &args::Learn, data: &Path) -> anyhow::Result<String> {
    let shift = args.shift.clone().unwrap_or_default();
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    weights.ensure_whole("learn")?;
    ensure_outputs(args, [weights.path.as_path(), data].into_iter().chain(shift.folder()))?;
    let test_rows = Count::of("--test-rows", args.test_rows);
    let Rows { rows: shifted, shape } = shift.rows(data, Set::Test, test_rows, &weights)?;
    let original = rows::test(data, test_rows, &weights)?.rows;
    let count = Count::or("--rows", args.rows, ROWS).and(HELD_OUT);
    let stream = shift.rows(data, Set::Training, count, &weights)?.rows;
    let count = ensure_some_left(stream.len(), shape, shift.folder().unwrap_or(data))?;
    let drawn = &shifted[..DRAWN.min(shifted.len())];

    let target = args.common.target()?;
    let mut learning = Learning::open(args, &weights, |flash| Session::learning(target, &weights, flash))?;
    let (drawn_before, before) =
        learning.before(|session| Ok((session.reconstruct_all(drawn)?, measure(session, &shifted, &original)?)))?;
    let method = args.optimizer;
    let rate = args.rate.unwrap_or(method.rate());
    let begin = Begin { method, rate, batch: args.batch, rows: count as u32, passes: 1, forced: false };
    let run = learning.run(begin, &stream, |session, row| session.learn(row))?;
    let after = learning.after(|session| measure(session, &shifted, &original))?;
    let [on_shifted, on_original] = [0, 1].map(|i| Change { before: before[i], after: after[i] });
    let mut session = learning.session;
    let drawn_after = session.reconstruct_all(drawn)?;
    let report = session.finish()?;
    let picture = drawing::png(&[drawn, &drawn_before, &drawn_after], shape).write(&args.out);
    let outcome = Outcome { args, shift, shape, rows: count, test_rows: shifted.len(), run, on_shifted, on_original };
    let text = report.output(args.common.json, || outcome.json(), |text| outcome.text(text))?;
    text_after(text, picture)
}

/// The outcome of a run of learning.
struct Outcome<'a> {
    args: &'a args::Learn,
    shift: Shift,
    shape: Shape,
    /// Rows learned from.
    rows: usize,
    test_rows: usize,
    run: Run<'a>,
    on_shifted: Change,
    on_original: Change,
}

impl Outcome<'_> {
    fn json(&self) -> Value {
        let Self { shift, on_shifted, on_original, .. } = self;
        let mut keys = json!({
            "shift": shift.to_string(),
            "rows": self.rows,
            "test_rows": self.test_rows,
            "mse_before": on_shifted.before,
            "mse_after": on_shifted.after,
            "mse_old_data_before": on_original.before,
            "mse_old_data": on_original.after,
        });
        self.run.add_to(&mut keys);
        keys
    }

    fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { args, shift, shape, run, on_shifted, on_original, .. } = self;
        writeln!(text, "learned from {}, sensor {}: {}", shape.counted(self.rows), shift, args.out.display())?;
        run.chart(text)?;
        writeln!(text, "                 MSE before     after   {} for testing", shape.counted(self.test_rows))?;
        for (name, Change { before, after }) in [("shifted sensor", on_shifted), ("original sensor", on_original)] {
            writeln!(text, "  {name:15}  {before:.6}  {after:.6}")?;
        }
        if let Some([before, after]) = run.held_out() {
            writeln!(
                text,
                "  held out         {before:.6}  {after:.6}   {HELD_OUT} {} from all over the run, \
                 by which the device decides",
                shape.plural()
            )?;
        }
        run.text(text, "row")
    }
}

/// The MSE of the rows of the shifted sensor, and of the original one.
fn measure(session: &mut Session<'_>, shifted: &[Vec<u8>], original: &[Vec<u8>]) -> anyhow::Result<[f64; 2]> {
    Ok([session.mse(shifted)?, session.mse(original)?])
}
