//! `firmware-sim roundtrip`

use crate::link::session::Session;
use crate::rows::{Count, Rows, mse, squared_error};
use crate::weights::WeightsBlob;
use crate::{args, shift};
use autoencoder_core::loss::psnr;
use serde_json::json;
use std::fmt::Write;

pub fn run(args: &args::Roundtrip) -> anyhow::Result<String> {
    let weights = WeightsBlob::find(args.device.common.weights.as_deref())?;
    weights.ensure_whole("roundtrip")?;
    let count = Count::of("--rows", args.rows);
    let Rows { rows, shape } = shift::test(args.shift.as_ref(), &args.data.path()?, count, &weights)?;
    let mut session = Session::with_flash(args.device.common.target()?, &weights, args.device.flash.as_deref())?;
    let decoded = session.reconstruct_all(&rows)?;
    let sum = rows.iter().zip(&decoded).map(|(a, b)| squared_error(a, b)).sum();
    let report = session.finish()?;
    let mse = mse(sum, rows.len() * weights.row());
    if args.device.common.json {
        return Ok(report.json(json!({ "rows": rows.len(), "mse": mse })));
    }
    let mut text = String::new();
    let what = shape.counted(rows.len());
    writeln!(text, "{what} encoded and decoded, MSE {mse:.6}, PSNR {:.2} dB", psnr(mse))?;
    report.text(&mut text)?;
    Ok(text)
}
