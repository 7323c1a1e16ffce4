//! `firmware-sim bench`: instructions that the device takes, and whether it gives the bytes of this process.

use super::link::Kind;
use super::session::Session;
use super::weights::Weights;
use super::{args, images, progress};
use anyhow::{Context, ensure};
use serde_json::json;
use std::fmt::Write;

pub fn run(args: &args::Bench) -> anyhow::Result<String> {
    ensure!(args.link == Kind::Qemu, "instructions are counted on the emulated board: --link qemu");
    let weights = Weights::find(args.common.weights.as_deref())?;
    let mut device = Session::open(&args.common, args.link, &weights)?;
    let mut here = Session::open(&args::Common { json: true, ..args.common.clone() }, Kind::InProcess, &weights)?;
    let images = images::test(&args.data, Some(args.images), &weights)?;
    let (mut encode, mut decode, mut equal) = (0, 0, 0);
    for image in progress(&images) {
        let code = device.encode(image)?;
        encode += u64::from(device.instructions()?);
        let decoded = device.decode_frame(&mut code.clone())?;
        decode += u64::from(device.instructions()?);
        let own = here.encode(image)?;
        equal += usize::from(code == own && decoded == here.decode_frame(&mut own.clone())?);
    }
    // The digit again, no pixel of it zero: nothing can be left out.
    let first = images.first().context("no images")?;
    device.encode(&first.iter().map(|pixel| (*pixel).max(1)).collect::<Vec<_>>())?;
    let dense = device.instructions()?;
    let report = device.finish()?;
    let count = images.len() as u64;
    let (encode, decode) = (encode / count, decode / count);
    if args.common.json {
        return Ok(report.json(json!({
            "images": images.len(),
            "encode_instructions": encode,
            "encode_dense_instructions": dense,
            "decode_instructions": decode,
            "equal_digits": equal,
        })));
    }
    let mut text = String::new();
    writeln!(text, "instructions, the mean of {count} digits")?;
    writeln!(text, "  encode {encode:9}   without a zero pixel {dense}")?;
    writeln!(text, "  decode {decode:9}")?;
    writeln!(text, "{equal} of {count} digits: codes and images the same bytes as in process")?;
    report.text(&mut text)?;
    Ok(text)
}
