//! `firmware-sim decode`

use super::drawing::{self, DRAWN};
use super::images::Count;
use super::report::Report;
use super::session::Session;
use super::weights::Weights;
use super::{args, codes, images, note, shift};
use anyhow::ensure;
use firmware_sim::Error;
use host::files;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Test images that are taken where nothing else is said.
const IMAGES: usize = 16;

pub fn run(args: &args::Decode) -> anyhow::Result<String> {
    let weights = Weights::find(args.device.common.weights.as_deref())?;
    let packets = args.codes.as_deref().map(files::read).transpose()?;
    let originals = if packets.is_some() {
        None
    } else {
        let count = Count::or("--images", args.images, IMAGES);
        Some(shift::test(args.shift.as_ref(), &args.source.data, count, &weights)?)
    };
    let mut session = Session::using(&args.device, &weights)?;
    let (decoded, skipped) = match (&args.codes, packets, &originals) {
        (Some(path), Some(packets), _) => from_file(path, &packets, &mut session)?,
        (_, _, originals) => (session.reconstruct_all(originals.as_deref().unwrap_or_default())?, 0),
    };
    let report = session.finish()?;
    let originals = originals.as_deref();
    let inputs =
        args.codes.iter().chain(&args.device.flash).chain([&weights.path, &args.source.data]).map(PathBuf::as_path);
    let shifted = args.shift.as_ref().and_then(shift::Shift::folder);
    files::spare(&args.out, inputs.chain(shifted))?;
    let kinds: Vec<_> = originals.into_iter().chain([&decoded[..]]).collect();
    drawing::png(&kinds, weights.inputs).write(&args.out)?;
    let mse = originals.map(|originals| {
        let sum = originals.iter().zip(&decoded).map(|(a, b)| images::squared_error(a, b)).sum();
        images::mse(sum, decoded.len() * weights.inputs)
    });
    if args.device.common.json {
        return Ok(report.json(json!({
            "images": decoded.len(), "skipped": skipped, "mse": mse, "out": args.out.display().to_string(),
        })));
    }
    text(args, originals, &decoded, mse, &report, weights.inputs)
}

/// The images of a file of codes, and how many packets were skipped; what is wrong with it is said on the way.
fn from_file(path: &Path, bytes: &[u8], session: &mut Session<'_>) -> anyhow::Result<(Vec<Vec<u8>>, usize)> {
    /// Lines about damage, of which there may be thousands.
    const TOLD: usize = 10;
    ensure!(!bytes.is_empty(), "{}: the file is empty", path.display());
    let (codes, mut problems) = codes::read(bytes);
    let mut skipped = problems.iter().filter(|problem| problem.contains("skipped")).count();
    let mut decoded = Vec::new();
    let mut foreign = Vec::new(); // what the packets were made with, and what the device has
    for code in codes {
        match session.decode(code.weights, &code.packed)? {
            Ok(image) => decoded.push(image),
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
            "refused {} packets made with other weights or other learned tables ({found:08x}; these are {expected:08x}, {})",
            foreign.len(),
            session.weights.path.display()
        );
        ensure!(!decoded.is_empty(), "{}: {refused}", path.display());
        problems.push(refused);
    }
    ensure!(!decoded.is_empty(), "{}: no packet in it can be decoded", path.display());
    for problem in problems.iter().take(TOLD) {
        note(&format!("{}: {problem}", path.display()));
    }
    if let Some(more) = problems.len().checked_sub(TOLD).filter(|more| *more > 0) {
        note(&format!("{}: and {more} more of the kind", path.display()));
    }
    Ok((decoded, skipped))
}

fn text(
    args: &args::Decode,
    originals: Option<&[Vec<u8>]>,
    decoded: &[Vec<u8>],
    mse: Option<f64>,
    report: &Report,
    inputs: usize,
) -> anyhow::Result<String> {
    let mut text = drawing::terminal(originals, decoded, inputs);
    write!(text, "\n{} images", decoded.len())?;
    if decoded.len() > DRAWN {
        write!(text, " (the first {DRAWN} are drawn here)")?;
    }
    if let Some(mse) = mse {
        write!(text, ", originals above their reconstructions, MSE {mse:.6}")?;
    }
    writeln!(text, ": {}", args.out.display())?;
    report.text(&mut text)?;
    Ok(text)
}
