//! `firmware-sim budget`

use super::boards::{self, BOARDS, Board};
use super::firmware::{self, Firmware};
use super::image::Program;
use super::ledger::{CODE_BYTES, Footprint, LEARNING_CODE_BYTES, Learning, Needs};
use super::link::{Kind, Memory};
use super::session::Session;
use super::weights::Weights;
use super::{args, train};
use autoencoder_core::model::NAMES;
use firmware_sim::whole;
use serde_json::{Value, json};
use std::fmt::Write;

pub fn run(args: &args::Common) -> anyhow::Result<String> {
    // A device has one board, and weights.
    let device = args.link != Kind::InProcess;
    let boards: Vec<&Board> = match &args.board {
        None if !device => BOARDS.iter().collect(),
        _ => vec![firmware::board(args)?],
    };
    let weights = (device || args.weights.is_some()).then(|| Weights::find(args.weights.as_deref())).transpose()?;
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
    let measured = match &weights {
        Some(weights) if device => Some(Measured::of(args, weights)?),
        _ => None,
    };
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
        let measured = measured.map(|measured| measured.json());
        return Ok(format!("{}\n", json!({ "budget": rows, "training": training, "measured": measured })));
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
    if let Some(measured) = measured {
        measured.text(&mut text)?;
    }
    Ok(text)
}

/// What a device takes, as it says itself, beside what was estimated.
struct Measured {
    link: Kind,
    board: &'static str,
    topology: &'static str,
    /// Of the whole network, or of its encoder where that is all that the device holds.
    estimate: Needs,
    encoder_only: bool,
    /// Bytes of the image in flash; a board cannot say.
    image: Option<usize>,
    weights: usize,
    memory: Memory,
}

impl Measured {
    /// Has a device carry out each command of the network, and asks it.
    fn of(args: &args::Common, weights: &Weights) -> anyhow::Result<Self> {
        let board = firmware::board(args)?;
        let (board, image) = if args.link == Kind::Qemu {
            let firmware = Firmware::of(board, weights)?;
            (board.emulated().0, Some(firmware.images.layout(Program::Application)?.flash))
        } else {
            (board, None)
        };
        let mut device = Session::open(args, weights)?;
        let encoder_only = device.encoder_only();
        // A stack is as deep as its deepest call, whatever the pixels: some are zero, some are not.
        let pixels: Vec<u8> = (0..weights.inputs).map(|i| if i % 3 == 0 { 0 } else { i as u8 }).collect();
        device.reconstruct(&pixels)?;
        if !encoder_only {
            device.score(&pixels)?;
        }
        let footprint = firmware::footprint(weights)?;
        Ok(Self {
            link: args.link.clone(),
            board: board.name,
            topology: weights.topology,
            estimate: if encoder_only { footprint.encoder } else { footprint.whole },
            encoder_only,
            image,
            weights: if encoder_only { weights.encoder.bytes().len() } else { weights.length },
            memory: device.finish()?.memory,
        })
    }

    fn json(&self) -> Value {
        let Self { link, board, topology, estimate, encoder_only, image, weights, memory } = self;
        json!({
            "link": link.to_string(),
            "board": board,
            "topology": topology,
            "encoder_only": encoder_only,
            "flash_bytes": image.map(|image| image + weights),
            "image_bytes": image,
            "weights_bytes": weights,
            "ram_bytes": memory.ram(),
            "static_bytes": memory.statics,
            "stack_bytes": memory.stack,
            "flash_estimate": estimate.flash,
            "ram_estimate": estimate.ram,
        })
    }

    fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { link, board, topology, estimate, encoder_only, image, weights, memory } = self;
        let half = if *encoder_only { ", the encoder alone" } else { "" };
        writeln!(text, "\n{topology}{half} on {board}, --link {link}\n         estimate  measured")?;
        let flash = image.map_or("unknown".to_owned(), |image| (image + weights).to_string());
        let parts = image.map_or("a board cannot tell its image".to_owned(), |image| format!("image {image}"));
        writeln!(text, "  flash  {:8}  {flash:>8}   {parts}, weights {weights}", estimate.flash)?;
        let Memory { statics, stack, .. } = memory;
        writeln!(text, "  RAM    {:8}  {:8}   static {statics}, stack {stack}", estimate.ram, memory.ram())
    }
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
