//! What a network takes of a board, measured on the application in this process.

use super::in_process::{InProcess, static_bytes};
use super::{Link, Ram};
use crate::board::Board;
use crate::board::needs::{CODE_BYTES, Fit, Footprint, LEARNING_CODE_BYTES, LearningNeeds, Needs, OverBudget};
use crate::flash_file;
use crate::random;
use crate::weights::Weights;
use autoencoder_core::{Topology, topology};
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::{Begin, HELD_OUT, Method, record_bytes};
use autoencoder_device::store::Store;
use autoencoder_device::{Command, Request, frame, message};

/// RAM of the application with this network.
pub fn application(weights: &Weights) -> anyhow::Result<Ram> {
    exercise(InProcess::boot(weights.bytes())?, weights, &[])
}

/// What a network needs, and each of its halves: statics as they are, the stack as measured with the whole.
pub fn footprint(weights: &Weights) -> anyhow::Result<Footprint> {
    let ram = application(weights)?;
    let halves = weights.half_lengths()?.map(|lengths| {
        let topologies = [weights.topology().encoder(), weights.topology().decoder()];
        let ram = topologies.map(|half| half.map_or(0, |half| static_bytes(&half, weights.header.code_bits)));
        [0, 1].map(|half| (lengths[half], ram[half]))
    });
    let needs = |length, statics| Needs { flash: length + CODE_BYTES, ram: statics + ram.stack };
    Ok(Footprint {
        whole: needs(weights.length, ram.statics),
        halves: halves.map(|halves| halves.map(|(length, statics)| needs(length, statics))),
    })
}

/// What learning with this network needs.
pub fn learning(weights: &Weights) -> anyhow::Result<LearningNeeds> {
    // A flash with a record, which is loaded first.
    let record = record_bytes(weights.channels());
    let mut flash = Nor::<Vec<u8>>::new(flash_file::erased(weights));
    Store::new(&mut flash, weights.crc, record)?.save([&vec![0; record][..]])?;
    let device = InProcess::boot_learning(weights.bytes(), flash.bytes().to_vec())?;
    let row = vec![0; weights.row()];
    let begin = Begin { method: Method::Adam, rate: 1, batch: 1, images: 1 };
    let mut run = vec![message::Learning::Begin(begin)];
    run.extend(vec![message::Learning::Image(&row); HELD_OUT + 1]);
    run.extend([message::Learning::End, message::Learning::Reset, message::Learning::Flash { at: 0 }]);
    Ok(learning_needs(weights, exercise(device, weights, &run)?))
}

/// What learning with this network needs, on a device that has taken so much RAM.
pub fn learning_needs(weights: &Weights, ram: Ram) -> LearningNeeds {
    let needs = Needs { flash: weights.length + LEARNING_CODE_BYTES, ram: ram.used() };
    LearningNeeds { needs, slots: flash_file::slots(weights) }
}

/// Has a device carry out the commands that take most stack, and these about learning. A command that needs a half that the
/// network does not have is refused, and takes no stack.
fn exercise(mut device: InProcess<'_>, weights: &Weights, run: &[message::Learning<'_>]) -> anyhow::Result<Ram> {
    let (row, code) = (vec![0; weights.row()], vec![0; weights.code_bytes()]);
    let commands = [
        Command::Info,
        Command::Encode { image: &row },
        Command::Decode { weights: weights.crc, code: &code },
        Command::Score { image: &row },
    ];
    let mut buffer = vec![0; frame::frame_bytes(row.len().max(code.len()))];
    let run = run.iter().map(|command| Command::Learning(*command));
    for (sequence, command) in (1..).zip(commands.into_iter().chain(run)) {
        device.exchange(frame::write(&Request { sequence, command }, &mut buffer)?)?;
    }
    Ok(device.ram()?)
}

/// Returns an error unless a board has room for both halves of a network.
pub fn ensure_whole_fits(board: &'static Board, weights: &Weights) -> anyhow::Result<()> {
    let footprint = footprint(weights)?;
    let mut instead = match footprint.on(board) {
        Fit::Whole => return Ok(()),
        Fit::Nothing => Vec::new(),
        half => vec![format!("the {half}")],
    };
    instead.extend(others(weights.topology(), |other| Ok(self::footprint(other)?.whole.fit(board)))?);
    instead.extend(footprint.whole.smallest_board().map(|board| format!("the board {}", board.name)));
    Err(OverBudget { board, what: weights.name(), needs: footprint.whole, instead }.into())
}

/// Returns an error unless a board has what a device has taken of it.
pub fn ensure_fits(board: &'static Board, weights: &Weights, needs: Needs) -> anyhow::Result<()> {
    if needs.fit(board) {
        return Ok(());
    }
    ensure_whole_fits(board, weights)?;
    let instead = needs.smallest_board().map(|board| format!("the board {}", board.name)).into_iter().collect();
    Err(OverBudget { board, what: weights.name(), needs, instead }.into())
}

/// Returns an error unless a board has what learning needs.
pub fn ensure_learning_fits(board: &'static Board, weights: &Weights, learning: LearningNeeds) -> anyhow::Result<()> {
    let needs = learning.needs;
    if needs.fit(board) {
        return Ok(());
    }
    let name = weights.name();
    let mut instead = Vec::new();
    if footprint(weights)?.whole.fit(board) {
        instead.push(format!("{name} without learning"));
    }
    instead.extend(others(weights.topology(), |other| Ok(self::learning(other)?.needs.fit(board)))?);
    instead.extend(needs.smallest_board().map(|board| format!("the board {}", board.name)));
    Err(OverBudget { board, what: format!("learning with {name}"), needs, instead }.into())
}

/// The topologies with a name that take the same rows and fit, as advice.
fn others(topology: &Topology, fit: impl Fn(&Weights) -> anyhow::Result<bool>) -> anyhow::Result<Vec<String>> {
    let mut fitting = Vec::new();
    let named = topology::NAMES.into_iter().filter_map(|name| Some((name, Topology::named(name)?)));
    for (name, other) in named.filter(|(_, other)| other != topology && other.row() == topology.row()) {
        if fit(&random::weights(&other)?)? {
            fitting.push(format!("the topology {name}"));
        }
    }
    Ok(fitting)
}
