//! `firmware-sim budget`

use super::boards::{self, BOARDS, Board};
use super::ledger::{CODE_BYTES, Footprint, LEARNING_CODE_BYTES, Learning};
use super::weights::Weights;
use super::{args, train};
use autoencoder_core::model::NAMES;
use firmware_sim::whole;
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
    writeln!(text, "topology    flash    RAM  = static + stack   encoder alone    decoder alone    learning    kept")?;
    for name in names {
        let (mut footprint, memory) = Footprint::measured(name)?;
        if let Some(weights) = &weights {
            footprint = Footprint::of(name, Some((weights.format, weights.length)), memory)?;
        }
        let learning = Learning::measured(name, weights.as_ref().map(|weights| weights.length))?;
        let Footprint { whole, encoder, decoder } = footprint;
        writeln!(
            text,
            "{name:10} {:6}  {:5}    {:6} + {:5}   {:6}, {:5}   {:6}, {:5}   {:6}, {:5}   {:5}",
            whole.flash,
            whole.ram,
            memory.statics,
            memory.stack,
            encoder.flash,
            encoder.ram,
            decoder.flash,
            decoder.ram,
            learning.needs.flash,
            learning.needs.ram,
            learning.kept
        )?;
        rows.extend(boards.iter().map(|board| Row { board, topology: name, footprint, learning }));
    }
    let training = train::measured()?;
    if args.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        let training = json!({
            "topology": "tiny",
            "ram_bytes": training.ram(),
            "static_bytes": training.statics,
            "stack_bytes": training.stack,
            "ram_available": whole::RAM,
        });
        return Ok(format!("{}\n", json!({ "budget": rows, "training": training })));
    }
    writeln!(
        text,
        "tiny             {:6}    {:6} + {:5}   trained whole in f32",
        training.ram(),
        training.statics,
        training.stack
    )?;
    writeln!(text, "\nboard          topology   flash of available   RAM of available   learns                fits")?;
    for Row { board, topology, footprint, learning } in &rows {
        let needs = footprint.whole;
        writeln!(
            text,
            "{:14} {topology:10} {:6} {:10}   {:6} {:8}     {:19}   {}",
            board.name,
            needs.flash,
            board.flash,
            needs.ram,
            board.free_ram(),
            learning.on(board),
            footprint.on(board)
        )?;
    }
    writeln!(
        text,
        "\nBytes. Flash: the weights and {CODE_BYTES} of code, {LEARNING_CODE_BYTES} where it learns: estimates. RAM: the application's\n\
         statics and its measured stack in this process; of each board's RAM {} are kept free for what is not the\n\
         application. Kept: two slots of flash for what was learned, in this flash or another one.",
        boards::RESERVE
    )?;
    Ok(text)
}

/// One topology on one board.
struct Row<'a> {
    board: &'a Board,
    topology: &'a str,
    footprint: Footprint,
    learning: Learning,
}

impl Row<'_> {
    fn json(&self) -> Value {
        let Self { board, topology, footprint, learning } = self;
        json!({
            "board": board.name,
            "topology": topology,
            "flash_bytes": footprint.whole.flash,
            "flash_available": board.flash,
            "ram_bytes": footprint.whole.ram,
            "ram_available": board.free_ram(),
            "fits": footprint.on(board).to_string(),
            "learning_flash_bytes": learning.needs.flash,
            "learning_ram_bytes": learning.needs.ram,
            "kept_bytes": learning.kept,
            "learns": learning.on(board).to_string(),
        })
    }
}
