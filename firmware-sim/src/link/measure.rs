//! The memory that a network needs. All of it but the stack follows from the sizes of the network. The stack is
//! measured with the application in this process. Without weights, a network with the same layers in miniature is
//! measured.

use super::in_process::{InProcess, learning_static_bytes, static_bytes};
use super::{Link, LinkError, Ram, Target};
use crate::board::needs::{DetectorNeeds, Fit, Footprint, LearningNeeds, Learns, Needs, OverBudget};
use crate::board::{BOARDS, Board, UNLIMITED};
use crate::weights::WeightsBlob;
use crate::{flash_file, random};
use anyhow::{Context, anyhow};
use autoencoder_core::adapt::gradients;
use autoencoder_core::quant::code::packed_bytes;
use autoencoder_core::{Topology, topology};
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::{Begin, HELD_OUT, Method, record_bytes};
use autoencoder_device::store::Store;
use autoencoder_device::{Command, Request, frame, message};
use autoencoder_io::topology::name;
use std::fmt::Display;

/// The memory that a network needs, with and without learning.
pub struct Estimate {
    pub ram: Ram,
    pub footprint: Footprint,
    pub learning: LearningNeeds,
}

impl Estimate {
    /// The name of the network.
    pub fn name(&self) -> String {
        name(&self.footprint.whole.topology)
    }

    /// The estimate for these weights.
    pub fn of(weights: &WeightsBlob) -> anyhow::Result<Self> {
        Ok(Self { ram: application(weights)?, footprint: footprint(weights)?, learning: learning(weights)? })
    }

    /// The estimate for a network without weights, from its sizes alone.
    pub fn of_sizes(topology: &Topology) -> anyhow::Result<Self> {
        let model = random::weights(&random::miniature(topology)?)?;
        let stack = application(&model)?.stack;
        let lengths = Lengths::of_sizes(topology)?;
        let footprint = lengths.footprint(topology, random::CODE_BITS, stack);
        let ram = Ram { statics: static_bytes(topology, random::CODE_BITS), stack, ..Ram::default() };
        let stack = learning_ram(&model)?.stack;
        let learning = learning_of(topology, random::CODE_BITS, lengths.whole, stack);
        Ok(Self { ram, footprint, learning })
    }
}

/// Bytes of the blob of a network, and of a blob of each half if it has both.
struct Lengths {
    whole: usize,
    halves: Option<[usize; 2]>,
}

impl Lengths {
    fn of_sizes(topology: &Topology) -> anyhow::Result<Self> {
        let whole = random::length(topology)?;
        let halves = match (topology.encoder(), topology.decoder()) {
            (Some(encoder), Some(decoder)) => Some([random::length(&encoder)?, random::length(&decoder)?]),
            _ => None,
        };
        Ok(Self { whole, halves })
    }

    /// The needs of the network with a stack of `stack` bytes.
    fn footprint(&self, topology: &Topology, code_bits: u8, stack: usize) -> Footprint {
        let code = packed_bytes(topology.code(), code_bits);
        let needs = |topology: &Topology, weights| {
            let ram = static_bytes(topology, code_bits) + stack;
            Needs { weights, ram, topology: topology.clone(), code }
        };
        let halves = self.halves.and_then(|[encoder, decoder]| {
            Some([needs(&topology.encoder()?, encoder), needs(&topology.decoder()?, decoder)])
        });
        Footprint { whole: needs(topology, self.whole), halves }
    }
}

/// RAM of the application with this network.
fn application(weights: &WeightsBlob) -> anyhow::Result<Ram> {
    exercise(InProcess::boot(weights.bytes())?, weights, &[])
}

/// The needs of a network and of each half. Each has its own statics; the stack is measured with the whole network.
pub fn footprint(weights: &WeightsBlob) -> anyhow::Result<Footprint> {
    let lengths = Lengths { whole: weights.length, halves: weights.half_lengths()? };
    let stack = match weights.stack.get() {
        Some(stack) => *stack,
        None => application(weights)?.stack,
    };
    let _ = weights.stack.set(stack); // to measure it leaks the application's buffers: once is enough
    Ok(lengths.footprint(weights.topology(), weights.header.code_bits, stack))
}

/// The needs of learning with this network.
pub fn learning(weights: &WeightsBlob) -> anyhow::Result<LearningNeeds> {
    let stack = learning_ram(weights)?.stack;
    Ok(learning_of(weights.topology(), weights.header.code_bits, weights.length, stack))
}

/// RAM of the application that learns with this network.
fn learning_ram(weights: &WeightsBlob) -> anyhow::Result<Ram> {
    // The flash holds a record, which the device loads first.
    let record = record_bytes(weights.channels());
    let mut flash = Nor::<Vec<u8>>::new(flash_file::erased(weights.topology()));
    Store::new(&mut flash, weights.crc, record)?.save([&vec![0; record][..]])?;
    let device = InProcess::boot_learning(weights.bytes(), flash.bytes().to_vec())?;
    // The rows differ, so that the device holds out as many as it can.
    let row = |i: usize| (0..weights.row()).map(|j| (i * (j + 1)) as u8).collect();
    let rows: Vec<Vec<u8>> = (1..=HELD_OUT + 1).map(row).collect();
    let begin = Begin { method: Method::Adam, rate: 1, batch: 1, rows: 1, passes: 1, forced: false };
    let mut run = vec![message::LearningCommand::Begin(begin)];
    run.extend(rows.iter().map(|row| message::LearningCommand::Row(row)));
    run.extend([
        message::LearningCommand::End,
        message::LearningCommand::Reset,
        message::LearningCommand::Flash { at: 0 },
    ]);
    exercise(device, weights, &run)
}

/// The needs of learning, with a blob of `weights` bytes and a stack of `stack` bytes.
fn learning_of(topology: &Topology, code_bits: u8, weights: usize, stack: usize) -> LearningNeeds {
    let ram = learning_static_bytes(topology, code_bits) + stack;
    let code = packed_bytes(topology.code(), code_bits);
    learning_needs(Needs { weights, ram, topology: topology.clone(), code })
}

/// Adds the slots and the gradients to the needs of a device that learns.
pub fn learning_needs(needs: Needs) -> LearningNeeds {
    let (slots, gradients) = (flash_file::slots(&needs.topology), gradients(&needs.topology));
    LearningNeeds { needs, slots, gradients }
}

/// Runs the commands that need the most stack on a device, then those of a run of learning. The device refuses commands
/// for a half that the network lacks.
fn exercise(
    mut device: InProcess<'_>,
    weights: &WeightsBlob,
    run: &[message::LearningCommand<'_>],
) -> anyhow::Result<Ram> {
    let (row, code) = (vec![0; weights.row()], vec![0; weights.code_bytes()]);
    let commands = [
        Command::Info,
        Command::Encode { row: &row },
        Command::Decode { identity: weights.crc, code: &code },
        Command::Score { row: &row },
    ];
    let mut buffer = vec![0; frame::frame_bytes(row.len().max(code.len()))];
    let run = run.iter().map(|command| Command::Learn(*command));
    for (sequence, command) in (1..).zip(commands.into_iter().chain(run)) {
        device.exchange(frame::write(&Request { sequence, command }, &mut buffer)?)?;
    }
    Ok(device.ram()?)
}

/// Returns an error unless a board has room for both halves of a network.
pub fn ensure_whole_fits(board: &'static Board, weights: &WeightsBlob) -> anyhow::Result<()> {
    let footprint = footprint(weights)?;
    match footprint.on(board) {
        Fit::Whole => Ok(()),
        _ => Err(refusal(board, weights.topology(), &footprint, &weights.path.display())),
    }
}

/// Returns an error unless the board has room for a network or for its encoder, and so has the board that is emulated
/// in its place. A board on a serial port is not checked. `file` names the network in the error.
pub fn ensure_room(
    target: &Target,
    topology: &Topology,
    footprint: &Footprint,
    file: &dyn Display,
) -> anyhow::Result<()> {
    target.boards().try_for_each(|board| match footprint.on(board) {
        Fit::Whole | Fit::EitherHalf | Fit::Encoder => Ok(()),
        Fit::Decoder | Fit::Nothing => Err(refusal(board, topology, footprint, file)),
    })
}

/// The error for a board without room for a network, with advice on what would fit. `file` names the network.
fn refusal(board: &'static Board, topology: &Topology, footprint: &Footprint, file: &dyn Display) -> anyhow::Error {
    let whole = &footprint.whole;
    let memory = Needs { topology: topology.clone(), ..whole.clone() };
    if memory.flash(board) <= board.flash
        && memory.ram <= board.free_ram()
        && let Err(error) = memory.check_image(board)
    {
        return anyhow!("{file}: {error}");
    }
    let mut instead = match footprint.on(board) {
        Fit::Whole | Fit::Nothing => Vec::new(),
        half => vec![format!("the {half}")],
    };
    instead.extend(others(topology, |other| other.footprint.whole.fit(board)));
    instead.extend(whole.smallest_board().map(|board| format!("the board {}", board.name)));
    let flash = [whole.flash(board), board.flash];
    OverBudget { board, what: name(topology), flash, ram: whole.ram, instead }.into()
}

/// Returns an error unless a board has as much memory as a device has used.
pub fn ensure_fits(board: &'static Board, weights: &WeightsBlob, needs: &Needs) -> anyhow::Result<()> {
    if needs.fit(board) {
        return Ok(());
    }
    ensure_whole_fits(board, weights)?;
    let instead = needs.smallest_board().map(|board| format!("the board {}", board.name)).into_iter().collect();
    let flash = [needs.flash(board), board.flash];
    Err(OverBudget { board, what: weights.name(), flash, ram: needs.ram, instead }.into())
}

/// Returns an error unless a board has as much memory as learning needs.
pub fn ensure_learning_fits(
    board: &'static Board,
    weights: &WeightsBlob,
    learning: &LearningNeeds,
) -> anyhow::Result<()> {
    let (flash, ram) = (learning.flash(board), learning.needs.ram);
    if flash <= board.learning_flash() && ram <= board.free_ram() {
        return Ok(());
    }
    let name = weights.name();
    let mut instead = Vec::new();
    if footprint(weights)?.whole.fit(board) {
        instead.push(format!("{name} without learning"));
    }
    instead.extend(others(weights.topology(), |other| other.learning.on(board) != Learns::No));
    let smallest = BOARDS.iter().find(|board| learning.on(board) != Learns::No);
    instead.extend(smallest.map(|board| format!("the board {}", board.name)));
    let flash = [flash, board.learning_flash()];
    Err(OverBudget { board, what: format!("learning with {name}"), flash, ram, instead }.into())
}

/// Returns an error unless a board has as much memory as a detector has used.
pub fn ensure_detector_fits(board: &'static Board, weights: &WeightsBlob, needs: &DetectorNeeds) -> anyhow::Result<()> {
    if needs.fit(board) {
        return Ok(());
    }
    let name = weights.name();
    let learns = needs.slots > 0;
    let mut instead = Vec::new();
    if learns && (DetectorNeeds { slots: 0, ..*needs }).fit(board) {
        instead.push(format!("{name}, if what it learns is kept in another flash"));
    }
    let smallest = BOARDS.iter().find(|board| needs.fit(board));
    instead.extend(smallest.map(|board| format!("the board {}", board.name)));
    let flash = [needs.flash().saturating_add(needs.slots), board.flash];
    let what = if learns { format!("learning with the detector {name}") } else { format!("the detector {name}") };
    Err(OverBudget { board, what, flash, ram: needs.ram, instead }.into())
}

/// Returns an error unless the board has room for learning, and so has the image of the board that is emulated in its
/// place. No image is built for this. `flash` is the length in bytes of the slots.
pub fn ensure_learning_room(target: &Target, weights: &WeightsBlob, flash: usize) -> anyhow::Result<()> {
    if target.board == UNLIMITED {
        return Ok(());
    }
    let learning = learning(weights)?;
    target.boards().try_for_each(|board| ensure_learning_fits(board, weights, &learning))?;
    let Some((board, image)) = target.emulated.and_then(|board| Some((board, board.learner()?))) else { return Ok(()) };
    if flash > image.kept {
        return Err(LinkError::Room { what: "the learned parameters", bytes: flash, room: image.kept }.into());
    }
    learning.check_image(board).with_context(|| weights.path.display().to_string())
}

/// The named topologies that take rows of the same length and fit, as advice.
fn others(topology: &Topology, fit: impl Fn(&Estimate) -> bool) -> Vec<String> {
    let named = topology::NAMES.into_iter().filter_map(|name| Some((name, Topology::named(name)?)));
    let other = named.filter(|(_, other)| other != topology && other.row() == topology.row());
    let fitting = other.filter(|(_, other)| Estimate::of_sizes(other).is_ok_and(|estimate| fit(&estimate)));
    fitting.map(|(name, _)| format!("the topology {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_from_sizes_alone_equals_the_measurement_of_the_network() {
        for text in ["classic", "small", "anomaly", "tiny", "70-9r-3-9r-70i", "30-30", "4-8-4", "784-16", "300-41-300i"]
        {
            let topology: Topology = text.parse().unwrap();
            let (sizes, there) = (Estimate::of_sizes(&topology).unwrap(), random::weights(&topology).unwrap());
            assert_eq!(sizes.footprint, footprint(&there).unwrap(), "{text}");
            let learning = learning(&there).unwrap();
            assert_eq!((sizes.learning.needs, sizes.learning.slots), (learning.needs, learning.slots), "{text}");
            assert_eq!(sizes.ram, application(&there).unwrap(), "{text}");
            let measured = learning_ram(&there).unwrap();
            assert_eq!(measured.statics, learning_static_bytes(&topology, random::CODE_BITS), "{text}");
        }
    }
}
