//! `firmware-sim verify` for a network that takes samples: pseudo-random ones, also such as no sensor gives, go through
//! the device. Its windows must have the rows that this process computes, and their scores those of plain loops.

use super::plain::{PlainNetwork, digest};
use crate::args;
use crate::link::session::Session;
use crate::random_samples::{hard, windows};
use crate::samples::ensure_unused;
use crate::weights::WeightsBlob;
use anyhow::bail;
use autoencoder_core::crc::{Digest, checksum};
use autoencoder_core::front_end::Section;
use autoencoder_io::number::counted;
use serde_json::json;
use std::io::{Write, stdout};

/// The default number of windows.
const WINDOWS: usize = 200;

pub fn run(
    args: &args::Verify,
    weights: &WeightsBlob,
    against: &WeightsBlob,
    section: &Section<'_>,
) -> anyhow::Result<String> {
    ensure_unused("a detector is compared on pseudo-random samples", &[("--data", args.data.is_given())])?;
    let count = args.rows.map_or(WINDOWS, |rows| rows as usize);
    let samples = hard(&section.spec, count);
    let reference = PlainNetwork::new(against)?;
    let layers = weights.topology().layers().len();
    let mut device = Session::detector(args.common.target()?, weights, None)?;
    let found = device.observe(&samples)?;
    let (mut equal, mut first, mut rows) = (0, None, Digest::new());
    for (i, window) in windows(section, &samples)?.iter().enumerate() {
        let row = checksum(&window.row);
        rows.update(&row.to_le_bytes());
        let score = digest(&window.row, &reference.outputs(&window.row), layers).score;
        match found.get(i) {
            Some(found) if (found.row, found.clipped, found.score) == (row, window.clipped, score) => equal += 1,
            other => first = first.or(Some((i, what(other.map(|found| found.row == row))))),
        }
    }
    let rows = rows.finalize();
    let report = device.finish()?;
    let all = counted(count, "window");
    let summary = format!("{equal} of {all}: row and score are those that this process computes; rows {rows:08x}");
    if args.common.json {
        let object = report.json(json!({
            "windows": count,
            "equal_windows": equal,
            "first_window": first.map(|(window, _)| window),
            "rows_crc": rows,
        }));
        if first.is_none() {
            return Ok(object);
        }
        let _ = write!(stdout(), "{object}"); // standard output may be closed
    }
    if let Some((window, what)) = first {
        bail!("the first difference: window {window}, {what}; {summary}");
    }
    let mut text = format!("{summary}\n");
    report.text(&mut text)?;
    Ok(text)
}

/// The name of the part that differs, if the device has completed the window.
fn what(row_is_equal: Option<bool>) -> &'static str {
    match row_is_equal {
        None => "which the device has not completed",
        Some(false) => "the row",
        Some(true) => "the score",
    }
}
