//! `firmware-sim decode`

use crate::drawing::{self, most_drawn};
use crate::link::session::Session;
use crate::rows::{Count, Rows, Shape, mse, squared_error};
use crate::shift::{self, Shift};
use crate::terminal::note;
use crate::weights::Weights;
use crate::{args, codes};
use anyhow::ensure;
use autoencoder_device::Error;
use autoencoder_io::files;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// How many test rows are encoded and decoded by default.
const ROWS: usize = 16;

pub fn run(args: &args::Decode) -> anyhow::Result<String> {
    let weights = Weights::find(args.device.common.weights.as_deref())?;
    weights.ensure_decodes("decode")?;
    let packets = args.codes.as_deref().map(files::read).transpose()?;
    let originals = if packets.is_some() {
        None
    } else {
        weights.ensure_encodes("decode of test rows")?;
        let count = Count::or("--images", args.images, ROWS);
        Some(shift::test(args.shift.as_ref(), &args.source.data, count, &weights)?)
    };
    let inputs =
        args.codes.iter().chain(&args.device.flash).chain([&weights.path, &args.source.data]).map(PathBuf::as_path);
    let shifted = args.shift.as_ref().and_then(Shift::folder);
    files::ensure_not_input(&args.out, inputs.chain(shifted))?;
    let mut session = Session::with_flash(args.device.common.target()?, &weights, args.device.flash.as_deref())?;
    let (decoded, skipped) = match (&args.codes, packets, &originals) {
        (Some(path), Some(packets), _) => from_file(path, &packets, &mut session)?,
        (_, _, originals) => {
            let rows = originals.as_ref().map_or(&[][..], |originals| &originals.rows);
            (session.reconstruct_all(rows)?, 0)
        }
    };
    let report = session.finish()?;
    let shape = originals.as_ref().map_or(Shape::guess(weights.row()), |originals| originals.shape);
    let originals = originals.map(|Rows { rows, .. }| rows);
    let kinds: Vec<_> = originals.as_deref().into_iter().chain([&decoded[..]]).collect();
    drawing::png(&kinds, shape).write(&args.out)?;
    let mse = originals.as_ref().map(|originals| {
        let sum = originals.iter().zip(&decoded).map(|(a, b)| squared_error(a, b)).sum();
        mse(sum, decoded.len() * weights.row())
    });
    if args.device.common.json {
        return Ok(report.json(json!({
            "images": decoded.len(), "skipped": skipped, "mse": mse, "out": args.out.display().to_string(),
        })));
    }
    let mut text = drawing::terminal(originals.as_deref(), &decoded, shape);
    summary(&mut text, decoded.len(), mse, shape, &args.out)?;
    report.text(&mut text)?;
    Ok(text)
}

/// The rows of a file of codes, and how many packets were skipped. What is wrong with the file is said on standard error.
fn from_file(path: &Path, bytes: &[u8], session: &mut Session<'_>) -> anyhow::Result<(Vec<Vec<u8>>, usize)> {
    /// Lines about damage, of which there may be thousands.
    const LINES: usize = 10;
    ensure!(!bytes.is_empty(), "{}: the file is empty", path.display());
    let (codes, mut problems) = codes::read(bytes);
    let mut skipped = problems.iter().filter(|problem| problem.contains("skipped")).count();
    let mut decoded = Vec::new();
    let mut foreign = Vec::new(); // what the packets were made with, and what the device has
    for code in codes {
        match session.decode(code.weights, &code.packed)? {
            Ok(row) => decoded.push(row),
            Err(Error::OtherWeights { expected, found }) => foreign.push((found, expected)),
            Err(error) => {
                skipped += 1;
                problems.push(format!("byte {}: skipped a packet: {error}", code.at));
            }
        }
    }
    if let Some((found, expected)) = foreign.first() {
        skipped += foreign.len();
        let refused = format!(
            "refused {} packets made with other weights or other learned parameters ({found:08x}; these are {expected:08x}, {})",
            foreign.len(),
            session.weights.path.display()
        );
        ensure!(!decoded.is_empty(), "{}: {refused}", path.display());
        problems.push(refused);
    }
    ensure!(!decoded.is_empty(), "{}: no packet in it can be decoded", path.display());
    for problem in problems.iter().take(LINES) {
        note(&format!("{}: {problem}", path.display()));
    }
    if let Some(more) = problems.len().checked_sub(LINES).filter(|more| *more > 0) {
        note(&format!("{}: and {more} more of the kind", path.display()));
    }
    Ok((decoded, skipped))
}

/// How many rows were decoded, how well, and where they are.
fn summary(text: &mut String, count: usize, mse: Option<f64>, shape: Shape, out: &Path) -> std::fmt::Result {
    write!(text, "\n{count} {}", shape.plural())?;
    if count > most_drawn(shape) {
        write!(text, " (the first {} are drawn here)", most_drawn(shape))?;
    }
    if let Some(mse) = mse {
        write!(text, ", originals above their reconstructions, MSE {mse:.6}")?;
    }
    writeln!(text, ": {}", out.display())
}
