//! `firmware-sim reset`

use crate::args;
use crate::flash_file::{self, describe, wear};
use crate::link::session::Session;
use crate::weights::Weights;
use autoencoder_device::message::Learning;
use autoencoder_device::store::RecordState;
use serde_json::json;
use std::fmt::Write;

pub fn run(args: &args::Reset) -> anyhow::Result<String> {
    let weights = Weights::find(args.common.weights.as_deref())?;
    let flash = flash_file::read(&args.flash, &weights)?;
    let mut session = Session::learning(args.common.target()?, &weights, flash)?;
    let before = session.status(Learning::Status)?.kept?;
    let after = session.status(Learning::Reset)?.kept?;
    let contents = session.flash()?;
    let report = session.finish()?;
    flash_file::write(&args.flash, &contents)?;
    if args.common.json {
        let persisted = matches!(after, RecordState::Learned(_));
        return Ok(report.json(json!({
            "persisted": persisted,
            "wear": wear(after),
            "flash": args.flash.display().to_string(),
        })));
    }
    let mut text = String::new();
    writeln!(text, "{}", args.flash.display())?;
    writeln!(text, "  before: {}", describe(before))?;
    writeln!(text, "  now:    {}", describe(after))?;
    report.text(&mut text)?;
    Ok(text)
}
