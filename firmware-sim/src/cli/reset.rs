//! `firmware-sim reset`

use super::learn::{describe, wear};
use super::session::Session;
use super::weights::Weights;
use super::{args, flash};
use firmware_sim::message::Learning;
use firmware_sim::store::Kept;
use serde_json::json;
use std::fmt::Write;

pub fn run(args: &args::Reset) -> anyhow::Result<String> {
    let weights = Weights::find(args.common.weights.as_deref())?;
    let mut session = Session::learning(&args.common, &weights, flash::read(&args.flash)?)?;
    let before = session.status(Learning::Status)?.kept?;
    let after = session.status(Learning::Reset)?.kept?;
    let contents = session.flash()?;
    let report = session.finish()?;
    flash::write(&args.flash, &contents)?;
    if args.common.json {
        let persisted = matches!(after, Kept::Learned(_));
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
