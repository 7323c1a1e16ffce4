//! `firmware-sim encode`

use super::drawing::{self, DRAWN};
use super::images::Count;
use super::session::Session;
use super::weights::Weights;
use super::{args, codes, images, progress};
use anyhow::ensure;
use host::files;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// Test images that are taken where nothing else is said.
const IMAGES: usize = 16;

pub fn run(args: &args::Encode) -> anyhow::Result<String> {
    let weights = Weights::find(args.device.common.weights.as_deref())?;
    let images = if args.inputs.is_empty() {
        images::test(&args.source.data, Count::or("--images", args.images, IMAGES), &weights)?
    } else {
        images::files(&args.inputs, &weights)?
    };
    let picture = args.out.with_extension("png");
    ensure!(picture != args.out, "{}: that is where the picture of the codes goes", args.out.display());
    let inputs =
        args.inputs.iter().chain(&args.device.flash).chain([&weights.path, &args.source.data]).map(PathBuf::as_path);
    for out in [&args.out, &picture] {
        files::spare(out, inputs.clone())?;
    }
    let mut session = Session::using(&args.device, &weights)?;
    let mut packets = Vec::new();
    for image in progress(&images) {
        packets.extend(session.encode(image)?);
    }
    let report = session.finish()?;
    files::replace(&args.out, &packets)?;
    let drawn = &images[..images.len().min(DRAWN)];
    let (read, _) = codes::read(&packets);
    let pictures: Vec<_> = read.iter().take(DRAWN).map(|code| drawing::code(&code.packed, weights.inputs)).collect();
    drawing::png(&[drawn, &pictures], weights.inputs).write(&picture)?;
    if args.device.common.json {
        return Ok(report.json(json!({
            "images": images.len(), "out": args.out.display().to_string(), "out_bytes": packets.len(),
            "picture": picture.display().to_string(),
        })));
    }
    let mut text = drawing::terminal(Some(drawn), &pictures, weights.inputs);
    writeln!(text, "\nimages above the bytes of their codes: {}", picture.display())?;
    writeln!(
        text,
        "{}: {} images of {} bytes in {} bytes",
        args.out.display(),
        images.len(),
        weights.inputs,
        packets.len()
    )?;
    report.text(&mut text)?;
    Ok(text)
}
