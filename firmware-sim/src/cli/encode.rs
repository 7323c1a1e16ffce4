//! `firmware-sim encode`

use super::session::Session;
use super::weights::Weights;
use super::{args, images, progress};
use host::files;
use serde_json::json;
use std::fmt::Write;

/// Test images that are taken where nothing else is said.
const IMAGES: u32 = 16;

pub fn run(args: &args::Encode) -> anyhow::Result<String> {
    let weights = Weights::find(args.common.weights.as_deref())?;
    let mut session = Session::open(&args.common, &args.link, &weights)?;
    let images = if args.inputs.is_empty() {
        images::test(&args.data, Some(args.images.unwrap_or(IMAGES)), &weights)?
    } else {
        images::files(&args.inputs, &weights)?
    };
    let mut codes = Vec::new();
    for image in progress(&images) {
        codes.extend(session.encode(image)?);
    }
    let report = session.finish()?;
    files::replace(&args.out, &codes)?;
    if args.common.json {
        return Ok(report
            .json(json!({ "images": images.len(), "out": args.out.display().to_string(), "out_bytes": codes.len() })));
    }
    let mut text = String::new();
    writeln!(
        text,
        "{}: {} images of {} bytes in {} bytes",
        args.out.display(),
        images.len(),
        weights.inputs,
        codes.len()
    )?;
    report.text(&mut text)?;
    Ok(text)
}
