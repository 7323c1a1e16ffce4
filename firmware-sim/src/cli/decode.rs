//! `firmware-sim decode`

use super::session::{Report, Session};
use super::weights::Weights;
use super::{args, codes, images, note};
use anyhow::{bail, ensure};
use firmware_sim::Error;
use host::files;
use host::picture::{Gray, colours, columns, half_blocks};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Test images that are taken where nothing else is said.
const IMAGES: u32 = 16;
/// Images beside each other in the PNG.
const COLUMNS: usize = 16;
/// Most images that are drawn in the terminal.
const DRAWN: usize = 64;
/// Screen pixels for each pixel in the PNG.
const ZOOM: usize = 2;

pub fn run(args: &args::Decode) -> anyhow::Result<String> {
    let weights = Weights::find(args.common.weights.as_deref())?;
    let mut session = Session::open(&args.common, &args.link, &weights)?;
    let (originals, decoded) = if let Some(path) = &args.codes {
        (None, from_file(path, &mut session)?)
    } else {
        let originals = images::test(&args.data, Some(args.images.unwrap_or(IMAGES)), &weights)?;
        let decoded = session.reconstruct_all(&originals)?;
        (Some(originals), decoded)
    };
    let report = session.finish()?;
    let originals = originals.as_deref();
    picture(originals, &decoded, weights.inputs).write(&args.out)?;
    let mse = originals.map(|originals| {
        let sum = originals.iter().zip(&decoded).map(|(a, b)| images::squared_error(a, b)).sum();
        images::mse(sum, decoded.len() * weights.inputs)
    });
    if args.common.json {
        return Ok(report.json(json!({ "images": decoded.len(), "mse": mse, "out": args.out.display().to_string() })));
    }
    text(args, originals, &decoded, mse, &report, weights.inputs)
}

/// The images of a file of codes; what is wrong with it is said on the way.
fn from_file(path: &Path, session: &mut Session<'_>) -> anyhow::Result<Vec<Vec<u8>>> {
    let bytes = files::read(path)?;
    ensure!(!bytes.is_empty(), "{}: the file is empty", path.display());
    let (codes, problems) = codes::read(&bytes);
    for problem in problems {
        note(&format!("{}: {problem}", path.display()));
    }
    let mut decoded = Vec::new();
    let mut foreign = Vec::new();
    for code in codes {
        match session.decode(code.weights, &code.elements)? {
            Ok(image) => decoded.push(image),
            Err(Error::OtherWeights { .. }) => foreign.push(code.weights),
            Err(error) => note(&format!("{}: byte {}: skipped a packet: {error}", path.display(), code.at)),
        }
    }
    if let Some(first) = foreign.first() {
        let refused = format!(
            "{}: refused {} packets made with other weights ({first:08x}; these are {:08x}, {})",
            path.display(),
            foreign.len(),
            session.weights.crc,
            session.weights.path.display()
        );
        if decoded.is_empty() {
            bail!(refused);
        }
        note(&refused);
    }
    ensure!(!decoded.is_empty(), "{}: no packet in it can be decoded", path.display());
    Ok(decoded)
}

/// Originals, where there are any, above what was decoded.
fn picture(originals: Option<&[Vec<u8>]>, decoded: &[Vec<u8>], inputs: usize) -> Gray {
    let mut rows: Vec<Vec<&[u8]>> = Vec::new();
    for (i, below) in decoded.chunks(COLUMNS).enumerate() {
        if let Some(above) = originals.and_then(|originals| originals.chunks(COLUMNS).nth(i)) {
            rows.push(above.iter().map(Vec::as_slice).collect());
        }
        rows.push(below.iter().map(Vec::as_slice).collect());
    }
    Gray::grid(&rows, images::width(inputs), ZOOM)
}

fn text(
    args: &args::Decode,
    originals: Option<&[Vec<u8>]>,
    decoded: &[Vec<u8>],
    mse: Option<f64>,
    report: &Report,
    inputs: usize,
) -> anyhow::Result<String> {
    let below: Vec<&[u8]> = decoded.iter().take(DRAWN).map(Vec::as_slice).collect();
    let above: Vec<&[u8]> = match originals {
        Some(originals) => originals.iter().take(DRAWN).map(Vec::as_slice).collect(),
        None => vec![&[]; below.len()],
    };
    let mut text = half_blocks(&above, &below, images::width(inputs), columns(), colours());
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
