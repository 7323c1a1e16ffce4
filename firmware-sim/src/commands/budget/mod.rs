//! `firmware-sim budget`

mod detector;
mod measured;

use crate::args;
use crate::board::needs::Footprint;
use crate::board::{BOARDS, Board, CODE_BYTES, LEARNING_CODE_BYTES, RESERVE};
use crate::link::measure::{Estimate, ensure_room};
use crate::link::training;
use crate::link::{Kind, Ram};
use crate::random;
use crate::weights::WeightsBlob;
use autoencoder_core::Topology;
use autoencoder_core::topology::NAMES;
use autoencoder_device::tiny;
use autoencoder_io::topology::{ensure_autoencoder, name};
use detector::DetectorEstimate;
use measured::Measured;
use serde_json::{Value, json};
use std::fmt::Write;

pub fn run(args: &args::Budget) -> anyhow::Result<String> {
    let args::Budget { network, common } = args;
    let target = common.target()?;
    // A device is one board with one network.
    let device = target.link != Kind::InProcess;
    let boards: Vec<&Board> =
        if device || common.board.is_some() { vec![target.board] } else { BOARDS.iter().collect() };
    network.get().map(ensure_autoencoder).transpose()?;
    let weights = match network.get() {
        None if device || common.weights.is_some() => Some(WeightsBlob::find(common.weights.as_deref())?),
        _ => None,
    };
    let boards: Vec<&Board> = match &weights {
        Some(weights) if boards.len() > 1 => boards.into_iter().filter(|board| weights.is_readable(board)).collect(),
        Some(weights) => weights.ensure_readable(target.board).map(|()| boards)?,
        None => boards,
    };
    if let Some(weights) = &weights
        && let Some(estimate) = DetectorEstimate::of(weights)?
    {
        return detector::run(args, &target, &boards, weights, &estimate);
    }
    // Without weights, the sizes alone are enough. The network may be too large to build.
    let named = || NAMES.into_iter().filter_map(Topology::named).collect();
    let topologies: Vec<Topology> = match (&weights, network.get()) {
        (Some(weights), _) => vec![weights.topology().clone()],
        (_, Some(topology)) => vec![topology.clone()],
        _ => named(),
    };
    let estimates: Vec<Estimate> = match &weights {
        Some(weights) => vec![Estimate::of(weights)?],
        None => topologies.iter().map(Estimate::of_sizes).collect::<anyhow::Result<_>>()?,
    };
    let detector = match (&weights, network.get()) {
        (None, None) => DetectorEstimate::example()?,
        _ => None,
    };
    let measured = match &topologies[..] {
        [topology] if device => {
            let weights = if let Some(weights) = weights {
                weights
            } else {
                ensure_room(&target, topology, &estimates[0].footprint, &name(topology))?; // before making the weights
                random::weights(topology)?
            };
            Some(Measured::codec(&target, &weights)?)
        }
        _ => None,
    };
    let training = training::measure()?;
    let has_ram = |board: &Board| training.used() <= board.free_ram();
    if common.json {
        let rows: Vec<Value> =
            estimates.iter().flat_map(|estimate| boards.iter().map(|board| json(estimate, board))).collect();
        let trains: Vec<&str> = boards.iter().filter(|board| has_ram(board)).map(|board| board.name).collect();
        let training = json!({
            "topology": "tiny",
            "boards": trains,
            "ram_bytes": training.used(),
            "static_bytes": training.statics,
            "stack_bytes": training.stack,
            "ram_available": tiny::RAM,
        });
        let measured = measured.map(|measured| measured.json());
        return Ok(format!(
            "{}\n",
            json!({
                "budget": rows,
                "detectors": detector.map(|detector| detector.json(&boards)),
                "training": training,
                "measured": measured,
            })
        ));
    }
    let mut text = String::new();
    table(&mut text, &estimates, training, &boards)?;
    if let Some(detector) = detector {
        writeln!(text)?;
        detector.text(&mut text, &boards)?;
    }
    if let Some(measured) = measured {
        measured.text(&mut text)?;
    }
    Ok(text)
}

/// Writes what each network needs, and which boards have enough.
fn table(text: &mut String, estimates: &[Estimate], training: Ram, boards: &[&Board]) -> std::fmt::Result {
    let width = estimates.iter().map(|estimate| estimate.name().len()).max().unwrap_or_default().max(10);
    writeln!(
        text,
        "{:width$}  flash    RAM  = static + stack   encoder alone    decoder alone    learning    kept",
        "topology"
    )?;
    for estimate in estimates {
        let Estimate { footprint, ram, learning } = estimate;
        let (name, Footprint { whole, halves }) = (estimate.name(), footprint);
        let half = |half: usize| match halves {
            Some(halves) => format!("{:6}, {:6}", halves[half].weights + CODE_BYTES, halves[half].ram),
            None => format!("{:>14}", "-"),
        };
        writeln!(
            text,
            "{name:width$} {:6}  {:5}    {:6} + {:5}   {}   {}   {:6}, {:5}   {:5}",
            whole.weights + CODE_BYTES,
            whole.ram,
            ram.statics,
            ram.stack,
            half(0),
            half(1),
            learning.needs.weights + LEARNING_CODE_BYTES,
            learning.needs.ram,
            learning.slots
        )?;
    }
    let Ram { statics, stack, .. } = training;
    write!(text, "{:width$}       {:6}    {statics:6} + {stack:5}   trained whole in f32", "tiny", training.used())?;
    if let [board] = boards {
        let has = if training.used() <= board.free_ram() { "with enough RAM on" } else { "with too little RAM on" };
        write!(text, ", {has} {}", board.name)?;
    }
    writeln!(text)?;
    writeln!(
        text,
        "\nboard          {:width$} flash of available   RAM of available   learns                fits",
        "topology"
    )?;
    for estimate in estimates {
        let Estimate { footprint, learning, .. } = estimate;
        let name = estimate.name();
        for board in boards {
            writeln!(
                text,
                "{:14} {name:width$} {:6} {:10}   {:6} {:8}     {:19}   {}",
                board.name,
                footprint.whole.flash(board),
                board.flash,
                footprint.whole.ram,
                board.free_ram(),
                learning.on(board),
                fits(footprint, board)
            )?;
        }
    }
    writeln!(
        text,
        "\nAll sizes are in bytes. Flash: the weights and the code. The code is estimated as {CODE_BYTES}, or\n\
         {LEARNING_CODE_BYTES} with learning; on an emulated board it is that of the board's image. RAM: the\n\
         application's statics and its stack, measured in this process; {RESERVE} bytes of each board's RAM are\n\
         kept free for everything outside the application. Kept: two slots of flash for the learned parameters,\n\
         in this flash or another one."
    )
}

/// The part of a network that fits a board, with the reason if the board's image is the limit.
fn fits(footprint: &Footprint, board: &Board) -> String {
    let (fit, whole) = (footprint.on(board), &footprint.whole);
    let memory = whole.flash(board) <= board.flash && whole.ram <= board.free_ram();
    match whole.check_image(board) {
        Err(error) if memory => format!("{fit} ({error})"),
        _ => fit.to_string(),
    }
}

/// What a network needs of a board, and whether it fits, for `--json`.
fn json(estimate: &Estimate, board: &Board) -> Value {
    let Estimate { footprint, learning, .. } = estimate;
    json!({
        "board": board.name,
        "topology": estimate.name(),
        "flash_bytes": footprint.whole.flash(board),
        "flash_available": board.flash,
        "ram_bytes": footprint.whole.ram,
        "ram_available": board.free_ram(),
        "fits": footprint.on(board).to_string(),
        "image": footprint.whole.check_image(board).err().map(|error| error.to_string()),
        "learning_flash_bytes": learning.flash(board),
        "learning_flash_available": board.learning_flash(),
        "learning_ram_bytes": learning.needs.ram,
        "kept_bytes": learning.slots,
        "learns": learning.on(board).to_string(),
    })
}
