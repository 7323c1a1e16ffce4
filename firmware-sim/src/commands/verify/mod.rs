//! `firmware-sim verify`: whether a device computes the bytes that plain loops compute, layer by layer; for a network that
//! takes samples, window by window.

mod detector;
mod plain;
mod training;

use crate::args;
use crate::link::measure::ensure_whole_fits;
use crate::link::report::Report;
use crate::link::session::Session;
use crate::link::{Kind, Target};
use crate::rows::{self, Count};
use crate::terminal::progress;
use crate::weights::WeightsBlob;
use anyhow::{Context, bail, ensure};
use plain::{PlainNetwork, digest};
use serde_json::json;
use std::io::{Write, stdout};
use std::thread::{Builder, ScopedJoinHandle, available_parallelism, scope};

pub fn run(args: &args::Verify) -> anyhow::Result<String> {
    if args.training {
        return training::run(args);
    }
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    weights.ensure_whole("verify")?;
    let against = args.against.as_deref().map(|path| WeightsBlob::find(Some(path))).transpose()?;
    let against = against.as_ref().unwrap_or(&weights);
    ensure!(
        against.topology() == weights.topology(),
        "{}: of the topology {}, not {}",
        against.path.display(),
        against.name(),
        weights.name()
    );
    if let Some(section) = weights.section()? {
        return detector::run(args, &weights, against, &section);
    }
    let rows::Rows { rows, shape } = rows::test(&args.data.path()?, Count::of("--rows", args.rows), &weights)?;
    let reference = PlainNetwork::new(against)?;
    let target = args.common.target()?;
    ensure_whole_fits(target.board, &weights)?;
    // One emulator for each core, because each spends most of its time on the line.
    let devices = if target.link == Kind::Qemu { available_parallelism().map_or(1, usize::from) } else { 1 };
    let chunk = rows.len().div_ceil(devices);
    let parts: Vec<anyhow::Result<Part>> = scope(|scope| {
        let chunks = rows.chunks(chunk).enumerate();
        let parts: Vec<_> = chunks
            .map(|(i, rows)| {
                let (weights, reference) = (&weights, &reference);
                let target = Target { quiet: target.quiet || i > 0, ..target.clone() };
                let compare = move || compare(target, weights, reference, rows, i * chunk);
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
    let of = if args.against.is_some() { format!("of plain loops over {path}") } else { "of plain loops".to_owned() };
    let summary = format!("{equal} of {all}: the outputs of {} and the score are the bytes {of}", layers_of(layers));
    if args.common.json {
        let object = report.json(json!({
            "rows": rows.len(),
            "layers": layers,
            "equal_rows": equal,
            "first_row": first.map(|first| first.row),
            "first_layer": first.and_then(|first| first.layer),
        }));
        if first.is_none() {
            return Ok(object);
        }
        let _ = write!(stdout(), "{object}"); // standard output may be closed
    }
    if let Some(first) = first {
        let (noun, row) = (shape.noun(), first.row);
        bail!("the first difference: {noun} {row}, {}; {summary}", first.what());
    }
    let mut text = format!("{summary}\n");
    report.text(&mut text)?;
    Ok(text)
}

/// The first row for which the device computes something else, and the first layer that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    row: usize,
    /// Counted from 1, the encoder's first layer. `None` if all layers agree and only the score differs.
    layer: Option<u8>,
}

impl Difference {
    /// The name of the part that differs.
    fn what(&self) -> String {
        self.layer.map_or_else(|| "the score".to_owned(), |layer| format!("layer {layer}"))
    }
}

/// `the one layer`, `all 4 layers`
fn layers_of(layers: usize) -> String {
    if layers == 1 { "the one layer".to_owned() } else { format!("all {layers} layers") }
}

/// The result over a part of the rows.
struct Part {
    equal: usize,
    first: Option<Difference>,
    report: Report,
}

/// Compares a device with plain loops over the weights of `reference`. `at` is the number of the first row.
fn compare(
    target: Target,
    weights: &WeightsBlob,
    reference: &PlainNetwork,
    rows: &[Vec<u8>],
    at: usize,
) -> anyhow::Result<Part> {
    let mut device = Session::open(target, weights)?;
    let layers = weights.topology().layers().len();
    let (mut equal, mut first) = (0, None);
    for (number, row) in (at..).zip(progress(rows)) {
        let outputs = reference.outputs(row);
        if device.digest(row, layers as u8)? == digest(row, &outputs, layers) {
            equal += 1;
        } else if first.is_none() {
            first = Some(Difference { row: number, layer: differing_layer(&mut device, row, &outputs)? });
        }
    }
    Ok(Part { equal, first, report: device.finish()? })
}

/// Finds the first layer whose outputs differ, by asking for one more layer at a time.
fn differing_layer(device: &mut Session<'_>, row: &[u8], outputs: &[Vec<u8>]) -> anyhow::Result<Option<u8>> {
    for layer in 1..=outputs.len() {
        if device.digest(row, layer as u8)?.crc != digest(row, outputs, layer).crc {
            return Ok(Some(layer as u8));
        }
    }
    Ok(None)
}
