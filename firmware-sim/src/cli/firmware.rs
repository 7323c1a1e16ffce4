//! Which board is meant, whether the network fits it, and the images that the emulator runs for it.

use super::args::Common;
use super::boards::{self, Board};
use super::image::{Images, Program};
use super::ledger::{Footprint, OverBudget};
use super::link::{Kind, LinkError};
use super::qemu::Qemu;
use super::weights::Weights;

/// The board whose memory is the limit: the one that was named, or the one that the emulator has.
pub fn board(common: &Common) -> anyhow::Result<&'static Board> {
    let named = common.board.as_deref();
    if common.link == Kind::Qemu && named.is_none() {
        return Ok(boards::STAND_IN);
    }
    boards::find(named)
}

/// What the application takes with these weights, measured in this process.
pub fn footprint(weights: &Weights) -> anyhow::Result<Footprint> {
    let (_, memory) = Footprint::measured(weights.topology)?;
    Footprint::of(weights.topology, Some((weights.format, weights.length)), memory)
}

/// An error unless both halves of the network fit the board: for what takes both.
pub fn whole(common: &Common, weights: &Weights) -> anyhow::Result<()> {
    OverBudget::check(board(common)?, weights.topology, &footprint(weights)?)
}

/// What the emulator runs: a board's images, with the whole network or, where it has no room for that, the encoder.
pub struct Firmware<'w> {
    pub images: Images,
    pub encoder_only: bool,
    board: &'static Board,
    blob: &'w [u8],
}

impl<'w> Firmware<'w> {
    /// The images of a board, or of the one that stands in for it, for these weights.
    pub fn of(board: &'static Board, weights: &'w Weights) -> anyhow::Result<Self> {
        let (board, target) = board.emulated();
        let encoder_only = footprint(weights)?.encoder_alone(board);
        let images = Images::build(board, target, weights.topology, encoder_only)?;
        let blob = if encoder_only { weights.encoder.bytes() } else { weights.bytes() };
        Ok(Self { images, encoder_only, board, blob })
    }

    /// Board, topology and, if it is alone, half.
    pub fn name(&self, topology: &str) -> String {
        format!("{}-{topology}{}", self.board.name, if self.encoder_only { "-encoder-only" } else { "" })
    }

    /// An emulator that runs one of them.
    pub fn boot(&self, program: Program) -> Result<Qemu, LinkError> {
        Qemu::boot(self.board, &self.images, program, self.blob)
    }
}
