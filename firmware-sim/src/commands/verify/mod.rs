//! `firmware-sim verify`: whether a device computes what this process computes, layer by layer.

mod training;

use crate::args;
use crate::link::measure::ensure_whole_fits;
use crate::link::report::Report;
use crate::link::session::Session;
use crate::link::{Kind, Target};
use crate::rows::{self, Count};
use crate::terminal::progress;
use crate::weights::Weights;
use anyhow::{Context, bail, ensure};
use serde_json::json;
use std::io::{Write, stdout};
use std::thread::{Builder, ScopedJoinHandle, available_parallelism, scope};

pub fn run(args: &args::Verify) -> anyhow::Result<String> {
    if args.training {
        return training::run(args);
    }
    let weights = Weights::find(args.common.weights.as_deref())?;
    weights.ensure_whole("verify")?;
    let against = args.against.as_deref().map(|path| Weights::find(Some(path))).transpose()?;
    let against = against.as_ref().unwrap_or(&weights);
    ensure!(
        against.topology() == weights.topology(),
        "{}: of the topology {}, not {}",
        against.path.display(),
        against.name(),
        weights.name()
    );
    let rows::Rows { rows, shape } = rows::test(&args.data.path()?, Count::of("--rows", args.rows), &weights)?;
    let target = args.common.target()?;
    ensure_whole_fits(target.board, &weights)?;
    // As many emulators as there are cores: what takes most of their time is the line.
    let devices = if target.link == Kind::Qemu { available_parallelism().map_or(1, usize::from) } else { 1 };
    let chunk = rows.len().div_ceil(devices);
    let parts: Vec<anyhow::Result<Part>> = scope(|scope| {
        let chunks = rows.chunks(chunk).enumerate();
        let parts: Vec<_> = chunks
            .map(|(i, rows)| {
                let (weights, target) = (&weights, Target { quiet: target.quiet || i > 0, ..target.clone() });
                let compare = move || compare(target, [weights, against], rows, i * chunk);
                Builder::new().spawn_scoped(scope, compare).context("a thread for an emulator")
            })
            .collect();
        let join = |part: ScopedJoinHandle<'_, anyhow::Result<Part>>| part.join().expect("a comparison that ends");
        parts.into_iter().map(|part| part.and_then(join)).collect()
    });
    let (mut equal, mut first, mut report) = (0, None, None);
    for part in parts {
        let part = part?;
        equal += part.equal;
        first = first.or(part.first);
        report = report.or(Some(part.report));
    }
    let Some(report) = report else { bail!("no rows") };
    let layers = weights.topology().layers().len();
    let (all, path) = (shape.counted(rows.len()), against.path.display());
    let here = if args.against.is_some() { format!("as {path} in process") } else { "as in process".to_owned() };
    let summary =
        format!("{equal} of {all}: the outputs of {} and the score are the same bytes {here}", layers_of(layers));
    if args.common.json {
        let object = report.json(json!({
            "rows": rows.len(),
            "layers": layers,
            "equal_rows": equal,
            "first_image": first.map(|first| first.row),
            "first_layer": first.and_then(|first| first.layer),
        }));
        if first.is_none() {
            return Ok(object);
        }
        let _ = write!(stdout(), "{object}"); // nobody may be listening
    }
    if let Some(first) = first {
        let (noun, row) = (shape.noun(), first.row);
        bail!("the first difference: {noun} {row}, {}; {summary}", first.what());
    }
    let mut text = format!("{summary}\n");
    report.text(&mut text)?;
    Ok(text)
}

/// The first row of which the device makes something else, and the first layer that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    row: usize,
    /// From 1, the encoder's first; `None` if all layers agree and only the score does not.
    layer: Option<u8>,
}

impl Difference {
    /// What of the row differs.
    fn what(&self) -> String {
        self.layer.map_or_else(|| "the score".to_owned(), |layer| format!("layer {layer}"))
    }
}

/// `the one layer`, `all 4 layers`
fn layers_of(layers: usize) -> String {
    if layers == 1 { "the one layer".to_owned() } else { format!("all {layers} layers") }
}

/// The result of some of the rows.
struct Part {
    equal: usize,
    first: Option<Difference>,
    report: Report,
}

/// Compares a device with the first weights to this process with the second. `at` is the number of the first row.
fn compare(target: Target, [weights, against]: [&Weights; 2], rows: &[Vec<u8>], at: usize) -> anyhow::Result<Part> {
    let mut device = Session::open(target, weights)?;
    let mut here = Session::open(Target::reference(), against)?;
    let layers = weights.topology().layers().len() as u8;
    let (mut equal, mut first) = (0, None);
    for (number, row) in (at..).zip(progress(rows)) {
        if device.digest(row, layers)? == here.digest(row, layers)? {
            equal += 1;
        } else if first.is_none() {
            first = Some(Difference { row: number, layer: differing_layer(row, layers, &mut device, &mut here)? });
        }
    }
    Ok(Part { equal, first, report: device.finish()? })
}

/// The first layer whose outputs differ, found by asking for one more layer at a time.
fn differing_layer(
    row: &[u8],
    layers: u8,
    device: &mut Session<'_>,
    here: &mut Session<'_>,
) -> anyhow::Result<Option<u8>> {
    for layer in 1..=layers {
        if device.digest(row, layer)?.crc != here.digest(row, layer)?.crc {
            return Ok(Some(layer));
        }
    }
    Ok(None)
}
