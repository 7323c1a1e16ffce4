//! `firmware-sim budget`

use super::train;
use crate::args;
use crate::board::firmware::Program;
use crate::board::needs::{CODE_BYTES, Footprint, LEARNING_CODE_BYTES, LearningNeeds, Needs};
use crate::board::{BOARDS, Board, RESERVE};
use crate::link::flashed::Firmware;
use crate::link::session::Session;
use crate::link::{Kind, Ram, Target, measure};
use crate::random;
use crate::weights::Weights;
use autoencoder_core::Topology;
use autoencoder_core::topology::NAMES;
use autoencoder_device::tiny;
use serde_json::{Value, json};
use std::fmt::Write;

pub fn run(args: &args::Budget) -> anyhow::Result<String> {
    let args::Budget { shape, common } = args;
    let target = common.target()?;
    // A device has one board and one network.
    let device = target.link != Kind::InProcess;
    let boards: Vec<&Board> =
        if device || common.board.is_some() { vec![target.board] } else { BOARDS.iter().collect() };
    let networks = match shape.get() {
        Some(topology) => vec![random::weights(topology)?],
        None if device || common.weights.is_some() => vec![Weights::find(common.weights.as_deref())?],
        None => NAMES
            .into_iter()
            .filter_map(Topology::named)
            .map(|topology| random::weights(&topology))
            .collect::<Result<_, _>>()?,
    };
    let estimates: Vec<Estimate> = networks.iter().map(Estimate::new).collect::<anyhow::Result<_>>()?;
    let measured = match &networks[..] {
        [weights] if device => Some(Measured::new(&target, weights)?),
        _ => None,
    };
    let training = train::measure()?;
    if common.json {
        let rows: Vec<Value> =
            estimates.iter().flat_map(|estimate| boards.iter().map(|board| estimate.json(board))).collect();
        let training = json!({
            "topology": "tiny",
            "ram_bytes": training.used(),
            "static_bytes": training.statics,
            "stack_bytes": training.stack,
            "ram_available": tiny::RAM,
        });
        let measured = measured.map(|measured| measured.json());
        return Ok(format!("{}\n", json!({ "budget": rows, "training": training, "measured": measured })));
    }
    let mut text = String::new();
    table(&mut text, &estimates, training, &boards)?;
    if let Some(measured) = measured {
        measured.text(&mut text)?;
    }
    Ok(text)
}

/// What networks need, and which of the boards have it.
fn table(text: &mut String, estimates: &[Estimate], training: Ram, boards: &[&Board]) -> std::fmt::Result {
    let width = estimates.iter().map(|estimate| estimate.name.len()).max().unwrap_or_default().max(10);
    writeln!(
        text,
        "{:width$}  flash    RAM  = static + stack   encoder alone    decoder alone    learning    kept",
        "topology"
    )?;
    for Estimate { name, footprint, ram, learning } in estimates {
        let Footprint { whole, halves } = footprint;
        let half = |half: usize| {
            halves.map_or(format!("{:>14}", "-"), |halves| format!("{:6}, {:6}", halves[half].flash, halves[half].ram))
        };
        writeln!(
            text,
            "{name:width$} {:6}  {:5}    {:6} + {:5}   {}   {}   {:6}, {:5}   {:5}",
            whole.flash,
            whole.ram,
            ram.statics,
            ram.stack,
            half(0),
            half(1),
            learning.needs.flash,
            learning.needs.ram,
            learning.slots
        )?;
    }
    let Ram { statics, stack, .. } = training;
    writeln!(text, "{:width$}       {:6}    {statics:6} + {stack:5}   trained whole in f32", "tiny", training.used())?;
    writeln!(
        text,
        "\nboard          {:width$} flash of available   RAM of available   learns                fits",
        "topology"
    )?;
    for Estimate { name, footprint, learning, .. } in estimates {
        for board in boards {
            writeln!(
                text,
                "{:14} {name:width$} {:6} {:10}   {:6} {:8}     {:19}   {}",
                board.name,
                footprint.whole.flash,
                board.flash,
                footprint.whole.ram,
                board.free_ram(),
                learning.on(board),
                footprint.on(board)
            )?;
        }
    }
    writeln!(
        text,
        "\nBytes. Flash: the weights and {CODE_BYTES} of code, {LEARNING_CODE_BYTES} where it learns: estimates. RAM: the application's\n\
         statics and its stack, measured in this process; {RESERVE} bytes of each board's RAM are kept free for everything\n\
         outside the application. Kept: two slots of flash for what was learned, in this flash or another one."
    )
}

/// What a network needs, measured in this process.
struct Estimate {
    name: String,
    footprint: Footprint,
    ram: Ram,
    learning: LearningNeeds,
}

impl Estimate {
    fn new(weights: &Weights) -> anyhow::Result<Self> {
        let (footprint, ram) = (measure::footprint(weights)?, measure::application(weights)?);
        Ok(Self { name: weights.name(), footprint, ram, learning: measure::learning(weights)? })
    }

    fn json(&self, board: &Board) -> Value {
        let Self { name, footprint, learning, .. } = self;
        json!({
            "board": board.name,
            "topology": name,
            "flash_bytes": footprint.whole.flash,
            "flash_available": board.flash,
            "ram_bytes": footprint.whole.ram,
            "ram_available": board.free_ram(),
            "fits": footprint.on(board).to_string(),
            "learning_flash_bytes": learning.needs.flash,
            "learning_ram_bytes": learning.needs.ram,
            "kept_bytes": learning.slots,
            "learns": learning.on(board).to_string(),
        })
    }
}

/// What a device takes, as it says itself, beside the estimate.
struct Measured {
    link: Kind,
    board: &'static str,
    topology: String,
    /// For the whole network, or for its encoder if that is all that the device holds.
    estimate: Needs,
    encoder_alone: bool,
    /// Bytes of the image in flash; a board cannot say.
    image: Option<usize>,
    weights: usize,
    ram: Ram,
}

impl Measured {
    /// Has a device carry out each command of the network, and asks it.
    fn new(target: &Target, weights: &Weights) -> anyhow::Result<Self> {
        let (board, image) = if target.link == Kind::Qemu {
            let firmware = Firmware::new(target.board, weights)?;
            (target.board.emulated(), Some(firmware.images.layout(Program::Application)?.flash))
        } else {
            (target.board, None)
        };
        let mut device = Session::open(target.clone(), weights)?;
        let encoder_alone = device.encoder_alone();
        // A stack is as deep as its deepest call, whatever the values: some are zero, some are not.
        let row: Vec<u8> = (0..weights.row()).map(|i| if i % 3 == 0 { 0 } else { i as u8 }).collect();
        let topology = weights.topology();
        if topology.has_encoder() && topology.has_decoder() {
            device.reconstruct(&row)?;
            if !encoder_alone {
                device.score(&row)?;
            }
        } else if topology.has_encoder() {
            device.encode(&row)?;
        } else {
            device.decode(weights.crc, &vec![1; weights.code_bytes()])??;
        }
        let Footprint { whole, halves } = measure::footprint(weights)?;
        let encoder = weights.encoder().zip(halves).filter(|_| encoder_alone);
        Ok(Self {
            link: target.link.clone(),
            board: board.name,
            topology: weights.name(),
            estimate: encoder.map_or(whole, |(_, [encoder, _])| encoder),
            encoder_alone,
            image,
            weights: encoder.map_or(weights.length, |(encoder, _)| encoder.bytes().len()),
            ram: device.finish()?.ram,
        })
    }

    fn json(&self) -> Value {
        let Self { link, board, topology, estimate, encoder_alone, image, weights, ram } = self;
        json!({
            "link": link.to_string(),
            "board": board,
            "topology": topology,
            "encoder_only": encoder_alone,
            "flash_bytes": image.map(|image| image + weights),
            "image_bytes": image,
            "weights_bytes": weights,
            "ram_bytes": ram.used(),
            "static_bytes": ram.statics,
            "spare_bytes": ram.spare,
            "stack_bytes": ram.stack,
            "flash_estimate": estimate.flash,
            "ram_estimate": estimate.ram,
        })
    }

    fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { link, board, topology, estimate, encoder_alone, image, weights, ram } = self;
        let half = if *encoder_alone { ", the encoder alone" } else { "" };
        writeln!(text, "\n{topology}{half} on {board}, --link {link}\n         estimate  measured")?;
        let flash = image.map_or("unknown".to_owned(), |image| (image + weights).to_string());
        let parts = image.map_or("a board cannot tell its image".to_owned(), |image| format!("image {image}"));
        writeln!(text, "  flash  {:8}  {flash:>8}   {parts}, weights {weights}", estimate.flash)?;
        let Ram { statics, spare, stack, .. } = ram;
        writeln!(text, "  RAM    {:8}  {:8}   static {statics}, stack {stack}", estimate.ram, ram.used())?;
        if *spare > 0 {
            let all = ram.used() + spare;
            writeln!(
                text,
                "                   {all:8}   with the {spare} bytes that the image has for larger networks"
            )?;
        }
        Ok(())
    }
}
