//! `firmware-sim reset`

use crate::args;
use crate::flash_file::{LockedFlash, describe, wear};
use crate::link::Kind;
use crate::link::session::Session;
use crate::weights::WeightsBlob;
use anyhow::ensure;
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::RecordState;
use autoencoder_io::files::ensure_not_input;
use serde_json::json;
use std::fmt::Write;

pub fn run(args: &args::Reset) -> anyhow::Result<String> {
    let weights = WeightsBlob::find(args.common.weights.as_deref())?;
    let path = args.flash.display();
    // A board on a serial port has its own flash; the file is a copy of it.
    let on_a_board = matches!(args.common.link, Kind::Serial(_));
    ensure!(on_a_board || args.flash.exists(), "{path}: no such file: nothing was learned there");
    ensure_not_input(&args.flash, [weights.path.as_path()])?;
    let flash_file = LockedFlash::to_reset(&args.flash, &weights)?;
    let mut session = Session::learning(args.common.target()?, &weights, flash_file.file.contents.clone())?;
    let damaged = flash_file.file.state == RecordState::Damaged;
    let before = session.kept(&flash_file.file, damaged)?;
    let after = session.status(LearningCommand::Reset)?.kept?;
    let contents = session.flash()?;
    flash_file.write(&contents)?; // before anything else can fail: the device has forgotten
    let report = session.finish()?;
    if args.common.json {
        let persisted = matches!(after, RecordState::Learned(_));
        return Ok(report.json(json!({
            "persisted": persisted,
            "wear": wear(after),
            "flash": args.flash.display().to_string(),
        })));
    }
    let mut text = String::new();
    writeln!(text, "{path}")?;
    writeln!(text, "  before: {}", describe(before))?;
    writeln!(text, "  now:    {}", describe(after))?;
    report.text(&mut text)?;
    Ok(text)
}
