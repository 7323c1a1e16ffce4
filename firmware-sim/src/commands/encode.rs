//! `firmware-sim encode`

use crate::drawing::{self, most_drawn};
use crate::link::session::Session;
use crate::rows::{self, Count, Rows};
use crate::terminal::progress;
use crate::weights::Weights;
use crate::{args, codes};
use anyhow::ensure;
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// How many test rows are encoded by default.
const ROWS: usize = 16;

pub fn run(args: &args::Encode) -> anyhow::Result<String> {
    let weights = Weights::find(args.device.common.weights.as_deref())?;
    weights.ensure_encodes("encode")?;
    let Rows { rows, shape } = match rows::files(&args.inputs, &weights)? {
        Some(rows) => rows,
        None => rows::test(&args.source.data, Count::or("--images", args.images, ROWS), &weights)?,
    };
    let picture = args.out.with_extension("png");
    ensure!(picture != args.out, "{}: that is where the picture of the codes goes", args.out.display());
    let inputs =
        args.inputs.iter().chain(&args.device.flash).chain([&weights.path, &args.source.data]).map(PathBuf::as_path);
    for out in [&args.out, &picture] {
        files::ensure_not_input(out, inputs.clone())?;
    }
    let mut session = Session::with_flash(args.device.common.target()?, &weights, args.device.flash.as_deref())?;
    let mut packets = Vec::new();
    for row in progress(&rows) {
        packets.extend(session.encode(row)?);
    }
    let report = session.finish()?;
    files::replace(&args.out, &packets, &PROTECTED)?;
    let drawn = &rows[..rows.len().min(most_drawn(shape))];
    let (read, _) = codes::read(&packets);
    let pictures: Vec<_> = read.iter().take(drawn.len()).map(|code| drawing::code(&code.packed, shape)).collect();
    drawing::png(&[drawn, &pictures], shape).write(&picture)?;
    if args.device.common.json {
        return Ok(report.json(json!({
            "images": rows.len(), "out": args.out.display().to_string(), "out_bytes": packets.len(),
            "picture": picture.display().to_string(),
        })));
    }
    let mut text = drawing::terminal(Some(drawn), &pictures, shape);
    let what = shape.plural();
    writeln!(text, "\n{what} above the bytes of their codes: {}", picture.display())?;
    writeln!(
        text,
        "{}: {} {what} of {} bytes in {} bytes",
        args.out.display(),
        rows.len(),
        weights.row(),
        packets.len()
    )?;
    report.text(&mut text)?;
    Ok(text)
}
