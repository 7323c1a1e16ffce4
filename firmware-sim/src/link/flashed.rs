//! The contents of a board's flash for a network: the image, and the part of the blob that fits.

use super::LinkError;
use super::measure::footprint;
use super::qemu::Qemu;
use crate::board::Board;
use crate::board::firmware::{BoardImages, Program};
use crate::weights::WeightsBlob;

/// The blob for a board's flash.
pub struct Flashed<'w> {
    pub blob: &'w [u8],
    /// Whether the blob is the encoder alone.
    pub encoder_alone: bool,
}

impl<'w> Flashed<'w> {
    /// The whole network, or its encoder if the board has room only for that.
    pub fn new(board: &Board, weights: &'w WeightsBlob) -> anyhow::Result<Self> {
        let encoder = if footprint(weights)?.encoder_alone(board) { weights.encoder() } else { None };
        let blob = encoder.map_or(weights.bytes(), |encoder| encoder.bytes());
        Ok(Self { blob, encoder_alone: encoder.is_some() })
    }
}

/// A board's images, and the blob, for the emulator.
pub struct Firmware<'w> {
    pub images: BoardImages,
    pub flashed: Flashed<'w>,
    board: &'static Board,
}

impl<'w> Firmware<'w> {
    /// Builds the images of an emulated board, for these weights.
    pub fn new(board: &'static Board, weights: &'w WeightsBlob) -> anyhow::Result<Self> {
        Ok(Self { images: BoardImages::application(board)?, flashed: Flashed::new(board, weights)?, board })
    }

    /// Its name in the budget file: the board, the network and, for the encoder alone, a suffix.
    pub fn name(&self, network: &str) -> String {
        format!("{}-{network}{}", self.board.name, if self.flashed.encoder_alone { "-encoder-only" } else { "" })
    }

    /// Boots one of the images in an emulator.
    pub fn boot(&self, program: Program) -> Result<Qemu, LinkError> {
        Qemu::boot(self.board, &self.images, program, self.flashed.blob)
    }
}
