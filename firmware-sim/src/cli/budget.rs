//! `firmware-sim budget`

use super::args;
use super::boards::{self, BOARDS, Board};
use super::ledger::{CODE_BYTES, Footprint};
use super::weights::Weights;
use autoencoder_core::model::NAMES;
use serde_json::{Value, json};
use std::fmt::Write;

pub fn run(args: &args::Common) -> anyhow::Result<String> {
    let boards: Vec<&Board> = match &args.board {
        Some(name) => vec![boards::find(Some(name))?],
        None => BOARDS.iter().collect(),
    };
    let weights = args.weights.as_deref().map(|path| Weights::find(Some(path))).transpose()?;
    let names = weights.as_ref().map_or(NAMES.to_vec(), |weights| vec![weights.topology]);
    let mut rows = Vec::new();
    let mut text = String::new();
    writeln!(text, "topology    flash    RAM  = static + stack  encoder alone: flash, RAM  decoder alone: flash, RAM")?;
    for name in names {
        let (mut footprint, memory) = Footprint::measured(name)?;
        if let Some(weights) = &weights {
            footprint = Footprint::of(name, Some((weights.format, weights.length)), memory)?;
        }
        let Footprint { whole, encoder, decoder } = footprint;
        writeln!(
            text,
            "{name:10} {:6}  {:5}    {:6} + {:5}  {:18}, {:5}   {:18}, {:5}",
            whole.flash,
            whole.ram,
            memory.statics,
            memory.stack,
            encoder.flash,
            encoder.ram,
            decoder.flash,
            decoder.ram
        )?;
        rows.extend(boards.iter().map(|board| (name, footprint, *board)));
    }
    if args.json {
        return Ok(format!("{}\n", json(&rows)));
    }
    writeln!(text, "\nboard          topology   flash of available   RAM of available   fits")?;
    for (name, footprint, board) in &rows {
        let needs = footprint.whole;
        writeln!(
            text,
            "{:14} {name:10} {:6} {:10}   {:6} {:8}     {}",
            board.name,
            needs.flash,
            board.flash,
            needs.ram,
            board.free_ram(),
            footprint.on(board)
        )?;
    }
    writeln!(
        text,
        "\nBytes. Flash: the weights and {CODE_BYTES} of code, an estimate. RAM: the application's statics and its measured\n\
         stack in this process; of each board's RAM {} are kept free for what is not the application.",
        boards::RESERVE
    )?;
    Ok(text)
}

fn json(rows: &[(&str, Footprint, &Board)]) -> Value {
    let row = |(name, footprint, board): &(&str, Footprint, &Board)| {
        json!({
            "board": board.name,
            "topology": name,
            "flash_bytes": footprint.whole.flash,
            "flash_available": board.flash,
            "ram_bytes": footprint.whole.ram,
            "ram_available": board.free_ram(),
            "fits": footprint.on(board).to_string(),
        })
    };
    json!({ "budget": rows.iter().map(row).collect::<Vec<_>>() })
}
