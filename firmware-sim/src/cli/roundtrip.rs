//! `firmware-sim roundtrip`

use super::images::Count;
use super::session::Session;
use super::weights::Weights;
use super::{args, images, shift};
use autoencoder_core::loss::psnr;
use serde_json::json;
use std::fmt::Write;

pub fn run(args: &args::Roundtrip) -> anyhow::Result<String> {
    let weights = Weights::find(args.device.common.weights.as_deref())?;
    let images = shift::test(args.shift.as_ref(), &args.source.data, Count::of("--images", args.images), &weights)?;
    let mut session = Session::using(&args.device, &weights)?;
    let decoded = session.reconstruct_all(&images)?;
    let sum = images.iter().zip(&decoded).map(|(a, b)| images::squared_error(a, b)).sum();
    let report = session.finish()?;
    let mse = images::mse(sum, images.len() * weights.inputs);
    if args.device.common.json {
        return Ok(report.json(json!({ "images": images.len(), "mse": mse })));
    }
    let mut text = String::new();
    writeln!(text, "{} images encoded and decoded, MSE {mse:.6}, PSNR {:.2} dB", images.len(), psnr(mse))?;
    report.text(&mut text)?;
    Ok(text)
}
