//! What a network needs of a board's flash and RAM, and whether the board has it.

use super::{BOARDS, Board, RESERVE};
use std::fmt;

/// The code of the whole image: application, driver and start-up. An estimate: what the image is allowed to take.
pub const CODE_BYTES: usize = 24 * 1024;
/// The same of the image that learns.
pub const LEARNING_CODE_BYTES: usize = 28 * 1024;

/// Bytes of flash and RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Weights and code.
    pub flash: usize,
    /// Statics and stack.
    pub ram: usize,
}

/// What a network needs, and each half of it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    pub whole: Needs,
    /// Encoder and decoder, of a network that has both.
    pub halves: Option<[Needs; 2]>,
}

/// What a board has room for.
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

impl Needs {
    /// Whether a board has them.
    pub fn fit(self, board: &Board) -> bool {
        self.flash <= board.flash && self.ram <= board.free_ram()
    }

    /// The first board in the table that has them.
    pub fn smallest_board(self) -> Option<&'static Board> {
        BOARDS.iter().find(|board| self.fit(board))
    }
}

impl Footprint {
    /// What of the network fits a board.
    pub fn on(&self, board: &Board) -> Fit {
        let [encoder, decoder] = self.halves.map_or([false; 2], |halves| halves.map(|half| half.fit(board)));
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

/// What learning needs.
#[derive(Clone, Copy, Debug)]
pub struct LearningNeeds {
    pub needs: Needs,
    /// Bytes of flash for the two slots that keep what was learned. They are not in `needs`: another flash can have them.
    pub slots: usize,
}

/// Whether a network learns on a board.
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
    /// Whether the network learns on a board.
    pub fn on(&self, board: &Board) -> Learns {
        match self.needs.fit(board) {
            true if self.needs.flash + self.slots <= board.flash => Learns::Yes,
            true => Learns::KeptElsewhere,
            false => Learns::No,
        }
    }
}

/// Why something does not fit a board, in one line.
#[derive(Debug, thiserror::Error)]
pub struct OverBudget {
    pub board: &'static Board,
    /// The network, and whether it learns.
    pub what: String,
    pub needs: Needs,
    /// What would fit.
    pub instead: Vec<String>,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { board, what, needs, instead } = self;
        write!(f, "over budget: {what} on {} exceeds ", board.name)?;
        let flash = needs.flash.saturating_sub(board.flash);
        let ram = needs.ram.saturating_sub(board.free_ram());
        let flash_text = format!("flash by {flash} bytes ({} of {})", needs.flash, board.flash);
        let reserve = format!("{RESERVE} of the board's {} are reserved", board.ram);
        let ram_text = format!("RAM by {ram} bytes ({} of {}; {reserve})", needs.ram, board.free_ram());
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

    #[test]
    fn a_board_takes_the_whole_or_the_half_that_it_has_room_for() {
        const BOARD: Board = Board { name: "a", flash: 100, ram: RESERVE + 10, target: None };
        let needs = |flash, ram| Needs { flash, ram };
        let on = |whole, halves| Footprint { whole, halves }.on(&BOARD);
        assert_eq!(on(needs(100, 10), None), Fit::Whole);
        assert_eq!(on(needs(101, 10), None), Fit::Nothing);
        assert_eq!(on(needs(101, 10), Some([needs(50, 5), needs(51, 5)])), Fit::EitherHalf);
        assert_eq!(on(needs(100, 11), Some([needs(50, 10), needs(51, 11)])), Fit::Encoder);
        assert_eq!(on(needs(100, 11), Some([needs(50, 11), needs(51, 10)])), Fit::Decoder);
        let learns = |slots| LearningNeeds { needs: needs(90, 10), slots }.on(&BOARD);
        assert_eq!((learns(10), learns(11)), (Learns::Yes, Learns::KeptElsewhere));
    }
}
