//! The flash and RAM that a network needs, and whether a board has them.

use super::{BOARDS, Board, DETECTOR_CODE_BYTES, RESERVE};
use autoencoder_core::network::activation_bytes;
use autoencoder_core::topology::padded;
use autoencoder_core::{Error, Resource, Topology};
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::learn::HELD_OUT;
use std::fmt;

/// The memory that a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Bytes of the blob.
    pub weights: usize,
    /// Bytes of statics and stack.
    pub ram: usize,
    pub topology: Topology,
    /// Bytes of a packed code.
    pub code: usize,
}

/// The needs of a network and of each half alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    pub whole: Needs,
    /// The encoder and the decoder, if the network has both.
    pub halves: Option<[Needs; 2]>,
}

/// The part of a network that a board has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Whole,
    EitherHalf,
    Encoder,
    Decoder,
    Nothing,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::EitherHalf => "encoder alone or decoder alone",
            Self::Encoder => "encoder alone",
            Self::Decoder => "decoder alone",
            Self::Nothing => "no",
        })
    }
}

/// Bytes for activations and the kernel's scratch of a network on a board.
pub fn activations(topology: &Topology, board: &Board) -> usize {
    let layers = topology.layers().iter();
    let scratch = layers.map(|layer| board.processor.scratch_bytes(padded(layer.inputs.into()))).max();
    activation_bytes(topology) + scratch.unwrap_or_default()
}

impl Needs {
    /// Bytes of flash for weights and code.
    pub fn flash(&self, board: &Board) -> usize {
        self.weights.saturating_add(board.code_bytes())
    }

    /// Whether a board has enough flash and RAM.
    pub fn fit(&self, board: &Board) -> bool {
        self.flash(board) <= board.flash && self.ram <= board.free_ram() && self.check_image(board).is_ok()
    }

    /// Returns an error if the board's image has too little room for this network: the error that the image itself
    /// would report.
    pub fn check_image(&self, board: &Board) -> Result<(), Error> {
        let Some(image) = &board.image else { return Ok(()) };
        self.check_activations(board, image.activations)?;
        self.check_message(image.row)
    }

    fn check_activations(&self, board: &Board, available: usize) -> Result<(), Error> {
        Error::check_capacity(Resource::Activations, activations(&self.topology, board), available)
    }

    fn check_message(&self, row: usize) -> Result<(), Error> {
        let longest = self.topology.row().max(self.code);
        Error::check_capacity(Resource::Message, frame_bytes(longest), frame_bytes(row))
    }

    /// The first board in the table that has enough flash and RAM.
    pub fn smallest_board(&self) -> Option<&'static Board> {
        BOARDS.iter().find(|board| self.fit(board))
    }
}

impl Footprint {
    /// The part of the network that fits a board.
    pub fn on(&self, board: &Board) -> Fit {
        let halves = self.halves.as_ref();
        let [encoder, decoder] = halves.map_or([false; 2], |halves| halves.each_ref().map(|half| half.fit(board)));
        match (self.whole.fit(board), encoder, decoder) {
            (true, ..) => Fit::Whole,
            (_, true, true) => Fit::EitherHalf,
            (_, true, false) => Fit::Encoder,
            (_, false, true) => Fit::Decoder,
            (_, false, false) => Fit::Nothing,
        }
    }

    /// Whether a board has room for the encoder, but not for the whole network.
    pub fn encoder_alone(&self, board: &Board) -> bool {
        matches!(self.on(board), Fit::Encoder | Fit::EitherHalf)
    }
}

/// The needs of learning.
#[derive(Clone, Debug)]
pub struct LearningNeeds {
    pub needs: Needs,
    /// Bytes of flash for the two slots of learned parameters. `needs` excludes them, because they can be in another
    /// flash.
    pub slots: usize,
    /// Number of gradients between hidden layers.
    pub gradients: usize,
}

/// Whether a network can learn on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    Yes,
    /// Weights and code leave too little flash for the slots.
    KeptElsewhere,
    No,
}

impl fmt::Display for Learns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::KeptElsewhere => "yes, kept elsewhere",
            Self::No => "no",
        })
    }
}

impl LearningNeeds {
    /// Bytes of flash for weights and code.
    pub fn flash(&self, board: &Board) -> usize {
        self.needs.weights.saturating_add(board.learning_code_bytes())
    }

    /// Whether the network can learn on a board.
    pub fn on(&self, board: &Board) -> Learns {
        let fits = self.flash(board) <= board.learning_flash() && self.needs.ram <= board.free_ram();
        match board.learner() {
            _ if !fits => Learns::No,
            Some(image) if self.slots > image.kept || self.check_image(board).is_err() => Learns::No,
            Some(_) => Learns::Yes,
            None if self.flash(board) + self.slots <= board.flash => Learns::Yes,
            None => Learns::KeptElsewhere,
        }
    }

    /// Returns an error if the board's image that learns has too little room for this network: the error that the image
    /// itself would report.
    pub fn check_image(&self, board: &Board) -> Result<(), Error> {
        let Some(image) = board.learner() else { return Ok(()) };
        let topology = &self.needs.topology;
        // In the order of the device's own checks.
        self.needs.check_activations(board, image.activations)?;
        Error::check_capacity(Resource::Channels, topology.channels(), image.channels)?;
        Error::check_capacity(Resource::Gradients, self.gradients, image.gradients)?;
        Error::check_capacity(Resource::HeldOut, HELD_OUT * topology.row(), HELD_OUT * image.row)?;
        self.needs.check_message(image.row)
    }
}

/// The memory that a detector needs: the application that takes samples.
#[derive(Clone, Copy, Debug)]
pub struct DetectorNeeds {
    /// Bytes of the blob.
    pub weights: usize,
    /// Bytes of statics and stack.
    pub ram: usize,
    /// Bytes of flash for what it learns; 0 without learning.
    pub slots: usize,
}

impl DetectorNeeds {
    /// Bytes of flash for weights and code.
    pub fn flash(&self) -> usize {
        self.weights.saturating_add(DETECTOR_CODE_BYTES)
    }

    /// Whether a board has enough flash and RAM.
    pub fn fit(&self, board: &Board) -> bool {
        self.flash().saturating_add(self.slots) <= board.flash && self.ram <= board.free_ram()
    }
}

/// A network does not fit a board. The message is one line.
#[derive(Debug, thiserror::Error)]
pub struct OverBudget {
    pub board: &'static Board,
    /// The network, and whether it learns.
    pub what: String,
    /// Bytes of flash that it needs, and bytes that the board has.
    pub flash: [usize; 2],
    /// Bytes of RAM that it needs.
    pub ram: usize,
    /// Advice: what would fit.
    pub instead: Vec<String>,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { board, what, flash: [needed, available], ram: needed_ram, instead } = self;
        write!(f, "over budget: {what} on {} exceeds ", board.name)?;
        let flash = needed.saturating_sub(*available);
        let ram = needed_ram.saturating_sub(board.free_ram());
        let flash_text = format!("flash by {flash} bytes ({needed} of {available})");
        let reserve = format!("{RESERVE} of the board's {} are reserved", board.ram);
        let ram_text = format!("RAM by {ram} bytes ({needed_ram} of {}; {reserve})", board.free_ram());
        match (flash > 0, ram > 0) {
            (true, true) => write!(f, "{flash_text} and {ram_text}")?,
            (true, false) => f.write_str(&flash_text)?,
            _ => f.write_str(&ram_text)?,
        }
        if instead.is_empty() { Ok(()) } else { write!(f, "; what would fit: {}", instead.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::{CODE_BYTES, Image, LEARNING_CODE_BYTES, Processor};

    fn needs(weights: usize, ram: usize) -> Needs {
        Needs { weights, ram, topology: "64-16-4-16-64".parse().unwrap(), code: 4 }
    }

    #[test]
    fn a_board_holds_the_whole_network_or_the_half_that_fits() {
        const BOARD: Board =
            Board { name: "a", processor: Processor::M4, flash: CODE_BYTES + 100, ram: RESERVE + 10, image: None };
        let on = |whole, halves| Footprint { whole, halves }.on(&BOARD);
        assert_eq!(on(needs(100, 10), None), Fit::Whole);
        assert_eq!(on(needs(101, 10), None), Fit::Nothing);
        assert_eq!(on(needs(101, 10), Some([needs(50, 5), needs(51, 5)])), Fit::EitherHalf);
        assert_eq!(on(needs(100, 11), Some([needs(50, 10), needs(51, 11)])), Fit::Encoder);
        assert_eq!(on(needs(100, 11), Some([needs(50, 11), needs(51, 10)])), Fit::Decoder);
        assert_eq!(on(needs(usize::MAX, 10), None), Fit::Nothing);
        let learns = |slots| LearningNeeds { needs: needs(0, 10), slots, gradients: 0 };
        let board = Board { flash: LEARNING_CODE_BYTES + 100, ..BOARD };
        assert_eq!((learns(100).on(&board), learns(101).on(&board)), (Learns::Yes, Learns::KeptElsewhere));
    }

    #[test]
    fn an_image_refuses_a_network_that_exceeds_its_buffers() {
        let image = Image { code: CODE_BYTES, blob: 1 << 20, row: 64, activations: 1000, learner: None };
        let board = Board { name: "a", processor: Processor::M3, flash: 1 << 24, ram: 1 << 20, image: Some(image) };
        let fits = |sizes: &str| Needs { topology: sizes.parse().unwrap(), ..needs(10, 10) }.check_image(&board);
        assert_eq!(
            (fits("64-8-64"), fits("64-936-1*-64")),
            (Ok(()), Err(Error::Capacity { resource: Resource::Activations, needed: 1004, available: 1000 }))
        );
        assert!(matches!(fits("65-8-65"), Err(Error::Capacity { resource: Resource::Message, .. })));
        let long = Needs { code: 65, ..needs(10, 10) };
        assert!(long.check_image(&board).is_err(), "a code that is longer than its row");
    }
}
