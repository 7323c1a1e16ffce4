//! Boards and what they have room for; the images that are built for them.

pub mod budget_file;
pub mod firmware;
pub mod needs;

use anyhow::{Context, bail};
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::learn::HELD_OUT;
use std::fmt;

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    M0,
    M0Plus,
    M3,
    M4,
    M33,
}

impl Processor {
    /// The Rust target of its images.
    pub fn target(self) -> &'static str {
        match self {
            Self::M0 | Self::M0Plus => "thumbv6m-none-eabi",
            Self::M3 => "thumbv7m-none-eabi",
            Self::M4 => "thumbv7em-none-eabihf",
            Self::M33 => "thumbv8m.main-none-eabihf",
        }
    }

    /// Bytes that its kernel needs beside the activations for a layer of so many inputs, a multiple of four: on those with
    /// the DSP extension, room for the longest input program.
    pub fn scratch_bytes(self, inputs: usize) -> usize {
        match self {
            Self::M0 | Self::M0Plus | Self::M3 => 0,
            Self::M4 | Self::M33 => {
                let blocks = inputs / 8;
                let rest = if inputs.is_multiple_of(8) { 0 } else { 6 };
                4 * (4 + 4 * blocks + 2 * blocks.div_ceil(4) + rest + 6) + 3
            }
        }
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::M0 => "Cortex-M0",
            Self::M0Plus => "Cortex-M0+",
            Self::M3 => "Cortex-M3",
            Self::M4 => "Cortex-M4",
            Self::M33 => "Cortex-M33",
        })
    }
}

/// A board's memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Board {
    pub name: &'static str,
    pub processor: Processor,
    pub flash: usize,
    pub ram: usize,
    /// What its image has room for, if the emulator has the board.
    pub image: Option<Image>,
}

/// The areas and capacities of a board's image, as `cortex-m/boards` and `cortex-m/src/capacity.rs` have them.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// Bytes of flash for code.
    pub code: usize,
    /// Bytes of flash for the blob.
    pub blob: usize,
    /// Bytes of the longest row or code.
    pub row: usize,
    /// Bytes for activations and the kernel's scratch.
    pub activations: usize,
    /// Of the image that learns, if there is one.
    pub learner: Option<LearnerImage>,
}

/// The same of an image that learns.
#[derive(Debug, PartialEq, Eq)]
pub struct LearnerImage {
    /// Bytes of flash for code.
    pub code: usize,
    /// Bytes of flash for the blob.
    pub blob: usize,
    /// Bytes of flash for what is learned.
    pub kept: usize,
    /// Bytes of the longest row or code.
    pub row: usize,
    /// Bytes for activations and the kernel's scratch.
    pub activations: usize,
    /// Gradients of neighbouring hidden layers.
    pub gradients: usize,
    /// Output channels, padding included.
    pub channels: usize,
}

impl Image {
    /// An image with so many bytes of RAM for statics.
    const fn new(statics: usize, code: usize, blob: usize, learner: Option<LearnerImage>) -> Self {
        let row = statics / 8;
        Self { code, blob, row, activations: statics - 2 * frame_bytes(row) - 64, learner }
    }
}

impl LearnerImage {
    const fn new(statics: usize, code: usize, blob: usize, kept: usize) -> Self {
        let (row, activations, gradients) = (1024, 5 * KIB, 768);
        let rest = statics - 2 * frame_bytes(row) - activations - 4 * gradients - HELD_OUT * row - 64;
        Self { code, blob, kept, row, activations, gradients, channels: rest / (8 + 16) }
    }
}

const KIB: usize = 1024;

const fn board(name: &'static str, processor: Processor, flash: usize, ram: usize) -> Board {
    Board { name, processor, flash: flash * KIB, ram: ram * KIB, image: None }
}

/// A board of the emulator's: what its image uses of it. All of its RAM but 4 KiB is for statics.
const fn emulated(
    name: &'static str,
    processor: Processor,
    [code, blob]: [usize; 2],
    ram: usize,
    learner: Option<LearnerImage>,
) -> Board {
    let image = Image::new((ram - 4) * KIB, code * KIB, blob * KIB, learner);
    Board { image: Some(image), ..board(name, processor, code + blob, ram) }
}

/// Sizes from the vendors' data sheets; of the last two, which have 4 MiB of each memory, what their images use.
pub const BOARDS: [Board; 10] = [
    board("nucleo-f401re", Processor::M4, 512, 96),
    board("nucleo-f446re", Processor::M4, 512, 128),
    board("nrf52840", Processor::M4, 1024, 256),
    board("rp2040", Processor::M0Plus, 2048, 264),
    board("nrf52832", Processor::M4, 512, 64),
    board("stm32f103", Processor::M3, 64, 20),
    emulated("microbit", Processor::M0, [24, 232], 16, None),
    emulated("lm3s6965evb", Processor::M3, [32, 224], 64, None),
    emulated("mps2-an505", Processor::M33, [32, 2048], 64, None),
    emulated("mps2-an386", Processor::M4, [32, 2048], 64, Some(LEARNER)),
];

const LEARNER: LearnerImage = LearnerImage::new(64 * KIB - 2560, 32 * KIB, 512 * KIB, 32 * KIB);

/// The board that is meant if none is named.
const DEFAULT: &str = "nucleo-f446re";

/// Kept free of a board's RAM for everything outside the application: vectors, the driver of the line, interrupts.
pub const RESERVE: usize = 2 * KIB;

/// The code of the whole image: application, driver and start-up. An estimate: what the image is allowed to take.
pub const CODE_BYTES: usize = 24 * KIB;
/// The same for the image that learns.
pub const LEARNING_CODE_BYTES: usize = 28 * KIB;

/// The board that is emulated if none is named, and on which devices train.
pub const STAND_IN: &Board = &BOARDS[BOARDS.len() - 1];

/// This computer, for a network that is only compared with another: it has room for all of them.
pub const UNLIMITED: &Board =
    &Board { name: "unlimited", processor: Processor::M4, flash: usize::MAX, ram: usize::MAX, image: None };

/// The board of that name.
pub fn find(name: Option<&str>) -> anyhow::Result<&'static Board> {
    let name = name.unwrap_or(DEFAULT);
    BOARDS.iter().find(|board| board.name == name).with_context(|| {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        format!("no board is named {name:?}; there are {}", known.join(", "))
    })
}

impl Board {
    /// The board that the emulator runs in its place: itself, or one with the same processor. An error if it has none.
    pub fn emulated(&'static self) -> anyhow::Result<&'static Self> {
        if self.image.is_some() {
            return Ok(self);
        }
        let like = |board: &&Self| board.image.is_some() && board.processor == self.processor;
        let Some(board) = BOARDS.iter().find(like) else {
            let known = BOARDS.iter().filter(|board| board.image.is_some());
            let known: Vec<String> = known.map(|board| format!("{} ({})", board.name, board.processor)).collect();
            let (name, processor) = (self.name, self.processor);
            bail!("--board {name}: a {processor}, which is not emulated; there are {}", known.join(", "));
        };
        Ok(board)
    }

    /// RAM for the application and its stack.
    pub fn free_ram(&self) -> usize {
        self.ram - RESERVE
    }

    /// Flash for code: the area of its image, or an estimate.
    pub fn code_bytes(&self) -> usize {
        self.image.as_ref().map_or(CODE_BYTES, |image| image.code)
    }

    /// The same with an application that learns.
    pub fn learning_code_bytes(&self) -> usize {
        self.learner().map_or(LEARNING_CODE_BYTES.max(self.code_bytes()), |image| image.code)
    }

    /// The flash of its image that learns, without what is kept; that of the board if there is none.
    pub fn learning_flash(&self) -> usize {
        self.learner().map_or(self.flash, |image| image.code + image.blob)
    }

    /// What its image that learns has room for, if there is one.
    pub fn learner(&self) -> Option<&LearnerImage> {
        self.image.as_ref().and_then(|image| image.learner.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// The length of an area in a linker script, in bytes.
    fn area(script: &str, name: &str) -> usize {
        let is = |line: &&str| line.contains("ORIGIN") && line.trim_start().starts_with(&format!("{name} "));
        let line = script.lines().find(is).unwrap();
        let length = line.rsplit("LENGTH = ").next().unwrap();
        let number = |text: &str| match text.strip_suffix('K') {
            Some(kib) => kib.parse::<usize>().unwrap() * KIB,
            None => text.strip_suffix('M').map_or_else(|| text.parse().unwrap(), |m| m.parse::<usize>().unwrap() << 20),
        };
        length.split(" - ").map(number).reduce(|all, part| all - part).unwrap()
    }

    fn script(name: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("cortex-m/boards/{name}.x"))).unwrap()
    }

    #[test]
    fn the_areas_are_those_of_the_linker_scripts() {
        for board in BOARDS.iter().filter(|board| board.image.is_some()) {
            let (areas, image) = (script(board.name), board.image.as_ref().unwrap());
            assert_eq!([area(&areas, "FLASH"), area(&areas, "BLOB")], [image.code, image.blob], "{}", board.name);
            assert_eq!(area(&areas, "RAM") + area(&areas, "STACK"), board.ram, "{}", board.name);
            assert_eq!(area(&areas, "RAM") / 8, image.row, "{}", board.name);
            assert_eq!(board.flash, image.code + image.blob);
            if let Some(learner) = &image.learner {
                let script = script(&format!("{}-learn", board.name));
                let areas = ["FLASH", "BLOB", "KEPT"].map(|name| area(&script, name));
                assert_eq!(areas, [learner.code, learner.blob, learner.kept]);
                assert_eq!(area(&script, "RAM") + area(&script, "STACK"), board.ram);
            }
        }
    }

    #[test]
    fn a_board_without_an_image_is_emulated_by_one_with_its_processor_or_not_at_all() {
        let emulated = |name| find(Some(name)).unwrap().emulated();
        for name in ["nucleo-f401re", "nucleo-f446re", "nrf52840", "nrf52832", "mps2-an386"] {
            assert_eq!(emulated(name).unwrap().name, "mps2-an386", "{name}");
        }
        for (name, expected) in [("stm32f103", "lm3s6965evb"), ("microbit", "microbit"), ("mps2-an505", "mps2-an505")] {
            assert_eq!(emulated(name).unwrap().name, expected);
        }
        let said = emulated("rp2040").unwrap_err().to_string();
        assert!(said.starts_with("--board rp2040: a Cortex-M0+, which is not emulated; there are microbit "), "{said}");
    }
}
