//! `firmware-sim encode`

use crate::link::Target;
use crate::link::session::Session;
use crate::rows::{self, Count, Rows};
use crate::terminal::{notes, progress};
use crate::weights::WeightsBlob;
use crate::writable::{ensure_writable, text_after};
use crate::{args, codes, drawing};
use anyhow::ensure;
use autoencoder_core::blob::Thresholds;
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The default number of test rows.
const ROWS: usize = 16;
/// The most rows in the picture.
const PICTURED: usize = 64;

pub fn run(args: &args::Encode) -> anyhow::Result<String> {
    let weights = WeightsBlob::find(args.device.common.weights.as_deref())?;
    weights.ensure_encodes("encode")?;
    let data = if args.inputs.is_empty() { Some(args.data.path()?) } else { None };
    let Rows { rows, shape } = match &data {
        Some(data) => rows::test(data, Count::or("--rows", args.rows, ROWS), &weights)?,
        None => rows::files(&args.inputs, &weights)?,
    };
    let picture = picture(&args.out)?;
    let outputs: Vec<&Path> = [args.out.as_path()].into_iter().chain(picture.as_deref()).collect();
    let inputs = args.inputs.iter().chain(&args.device.flash).chain(&data).chain([&weights.path]);
    ensure_writable(&outputs, inputs.map(PathBuf::as_path))?;
    let mut session = Session::with_flash(args.device.common.target()?, &weights, args.device.flash.as_deref())?;
    let mut packets = Vec::new();
    for row in progress(&rows) {
        packets.extend(session.encode(row)?);
    }
    let report = session.finish()?;
    files::replace(&args.out, &packets, &PROTECTED)?;
    let drawn = &rows[..rows.len().min(PICTURED)];
    let read = codes::read(&packets).codes;
    let pictures: Vec<_> = read.iter().take(drawn.len()).map(|code| drawing::code(&code.packed, shape)).collect();
    let sheet = drawing::png(&[drawn, &pictures], shape);
    let written = picture.as_ref().map_or(Ok(()), |picture| sheet.write(picture));
    let unlike = unlike(&weights, args.device.flash.as_deref(), &rows)?;
    let noun = shape.noun();
    let warnings: Vec<String> = unlike.iter().map(|unlike| unlike.warning(noun)).collect();
    notes("warning", &warnings);
    if args.device.common.json {
        let unlike: Vec<_> =
            unlike.iter().map(|unlike| json!({ "packet": unlike.packet, "score": unlike.score })).collect();
        let text = report.json(json!({
            "rows": rows.len(), "out": args.out.display().to_string(), "out_bytes": packets.len(),
            "picture": picture.map(|picture| picture.display().to_string()), "unlike_training": unlike,
        }));
        return text_after(text, written);
    }
    let mut text = drawing::terminal(Some(drawn), &pictures, shape);
    let (what, cut) = (shape.plural(), drawing::cut(rows.len()));
    write!(text, "\n{what} above the bytes of their codes{cut}")?;
    if let Some(picture) = picture {
        let first = if rows.len() > PICTURED { format!("the first {PICTURED} in ") } else { String::new() };
        write!(text, ": {first}{}", picture.display())?;
    }
    let (out, count) = (args.out.display(), shape.counted(rows.len()));
    writeln!(text, "\n{out}: {count} of {} bytes in {} bytes", weights.row(), packets.len())?;
    report.text(&mut text)?;
    text_after(text, written)
}

/// The path of the picture of the codes, beside their file. `None` if the codes go to standard output, a pipe or a device.
fn picture(out: &Path) -> anyhow::Result<Option<PathBuf>> {
    if files::is_stdout(out) || out.exists() && !out.is_file() {
        return Ok(None);
    }
    let picture = out.with_extension("png");
    ensure!(picture != out, "{}: this path is for the picture of the codes", out.display());
    Ok(Some(picture))
}

/// A row that is unlike the rows that the network was trained on.
struct Unlike {
    /// The number of its packet.
    packet: usize,
    score: u32,
    thresholds: Thresholds,
}

impl Unlike {
    fn warning(&self, noun: &str) -> String {
        let Self { packet, score, thresholds: Thresholds { lower, upper } } = self;
        format!(
            "packet {packet}: its score {score} is outside {lower} to {upper}; the {noun} is unlike the training data"
        )
    }
}

/// The rows whose scores, computed in this process, are outside the thresholds. None without a decoder or thresholds.
fn unlike(weights: &WeightsBlob, flash: Option<&Path>, rows: &[Vec<u8>]) -> anyhow::Result<Vec<Unlike>> {
    if !weights.topology().has_decoder() || weights.header.thresholds == Thresholds::NONE {
        return Ok(Vec::new());
    }
    let mut here = Session::with_flash(Target::reference(), weights, flash)?;
    let thresholds = here.thresholds()?;
    let mut unlike = Vec::new();
    for (packet, row) in (1..).zip(rows) {
        let score = here.score(row)?;
        if !(thresholds.lower..=thresholds.upper).contains(&score) {
            unlike.push(Unlike { packet, score, thresholds });
        }
    }
    Ok(unlike)
}
