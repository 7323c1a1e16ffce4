//! Boards, their memory, and the images that are built for them.

pub mod budget_file;
pub mod c_program;
pub mod firmware;
pub mod needs;

use anyhow::{Context, bail};
use autoencoder_core::quant::dsp_scratch_bytes;
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
    M55,
    Rv32Imc,
}

impl Processor {
    /// The Rust target of its images.
    pub fn target(self) -> &'static str {
        match self {
            Self::M0 | Self::M0Plus => "thumbv6m-none-eabi",
            Self::M3 => "thumbv7m-none-eabi",
            Self::M4 => "thumbv7em-none-eabihf",
            Self::M33 | Self::M55 => "thumbv8m.main-none-eabihf",
            Self::Rv32Imc => "riscv32imc-unknown-none-elf",
        }
    }

    /// The compiler flag for instructions that the target alone does not have.
    pub fn rustflag(self) -> Option<&'static str> {
        match self {
            Self::M33 => Some("-Ctarget-cpu=cortex-m33"),
            Self::M55 => Some("-Ctarget-cpu=cortex-m55"),
            _ => None,
        }
    }

    /// Whether it has the DSP extension.
    pub fn has_dsp(self) -> bool {
        matches!(self, Self::M4 | Self::M33 | Self::M55)
    }

    /// Whether it has Helium, the vector extension.
    pub fn has_helium(self) -> bool {
        self == Self::M55
    }

    /// The program that emulates it.
    pub fn emulator(self) -> Emulator {
        match self {
            Self::Rv32Imc => Emulator { program: "qemu-system-riscv32", package: "qemu-system-misc" },
            _ => Emulator { program: "qemu-system-arm", package: "qemu-system-arm" },
        }
    }

    /// Bytes of scratch that its kernel needs for a layer of `inputs` inputs, a multiple of four. With the DSP
    /// extension, this is the size of the longest input program; without it, there is no scratch.
    pub fn scratch_bytes(self, inputs: usize) -> usize {
        if self.has_dsp() { dsp_scratch_bytes(inputs) } else { 0 }
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
            Self::M55 => "Cortex-M55",
            Self::Rv32Imc => "RV32IMC",
        })
    }
}

/// A program that emulates boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emulator {
    pub program: &'static str,
    /// Debian's package of it.
    pub package: &'static str,
}

/// A board's memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Board {
    pub name: &'static str,
    pub processor: Processor,
    pub flash: usize,
    pub ram: usize,
    /// The capacities of its image, if the emulator has the board.
    pub image: Option<Image>,
}

/// The areas and capacities of a board's image. `images/boards` and `images/src/capacity.rs` define them.
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
    /// The image that learns, if there is one.
    pub learner: Option<LearnerImage>,
}

/// Bytes for activations and scratch in the image of the engine alone, as in `images/src/capacity.rs`.
pub const ENGINE_ACTIVATIONS: usize = 3_235;

/// Bytes of the rows that a detector's run of learning goes over again, as in `images/src/capacity.rs`.
pub const STORED_BYTES: usize = 16 * KIB;

/// The areas and capacities of an image that learns.
#[derive(Debug, PartialEq, Eq)]
pub struct LearnerImage {
    /// Bytes of flash for code.
    pub code: usize,
    /// Bytes of flash for the blob.
    pub blob: usize,
    /// Bytes of flash for the learned parameters.
    pub kept: usize,
    /// Bytes of the longest row or code.
    pub row: usize,
    /// Bytes for activations and the kernel's scratch.
    pub activations: usize,
    /// Number of gradients of neighbouring hidden layers.
    pub gradients: usize,
    /// Number of output channels, including padding.
    pub channels: usize,
}

impl Image {
    /// An image with `statics` bytes of RAM for statics.
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

/// An emulated board, with the memory that its image uses. All of that RAM but 4 KiB is for statics.
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

/// The boards. Their sizes are from the vendors' data sheets. The MPS boards have 2 MiB and more of each memory, and QEMU's
/// `virt` has as much as it is given; the sizes here are those that their images use.
pub const BOARDS: [Board; 14] = [
    board("nucleo-f401re", Processor::M4, 512, 96),
    board("nucleo-f446re", Processor::M4, 512, 128),
    board("nrf52840", Processor::M4, 1024, 256),
    board("rp2040", Processor::M0Plus, 2048, 264),
    board("rp2350", Processor::M33, 4096, 520),
    board("nrf52832", Processor::M4, 512, 64),
    board("stm32f103", Processor::M3, 64, 20),
    board("esp32-c3", Processor::Rv32Imc, 4096, 400),
    emulated("microbit", Processor::M0, [24, 232], 16, None),
    emulated("lm3s6965evb", Processor::M3, [32, 224], 64, None),
    emulated("virt-riscv32", Processor::Rv32Imc, [32, 2048], 64, None),
    emulated("mps3-an547", Processor::M55, [32, 2048], 64, None),
    emulated("mps2-an505", Processor::M33, [32, 2048], 64, None),
    emulated("mps2-an386", Processor::M4, [32, 2048], 64, Some(LEARNER)),
];

const LEARNER: LearnerImage = LearnerImage::new(64 * KIB - 2560, 32 * KIB, 512 * KIB, 32 * KIB);

/// The default board.
const DEFAULT: &str = "nucleo-f446re";

/// Bytes of a board's RAM that are kept free for everything outside the application: vectors, the line's driver,
/// interrupts.
pub const RESERVE: usize = 2 * KIB;

/// An estimate of the code of the whole image, which is its budget: application, driver and start-up.
pub const CODE_BYTES: usize = 24 * KIB;
/// An estimate of the code of the whole image that learns.
pub const LEARNING_CODE_BYTES: usize = 28 * KIB;

/// An estimate of the code of the whole image of a detector, with learning or without.
pub const DETECTOR_CODE_BYTES: usize = 44 * KIB;

/// The default emulated board, which is also the one that devices train on: `mps2-an386`.
pub const STAND_IN: &Board = &BOARDS[BOARDS.len() - 1];

/// This computer, for a network that is only compared with another. Every network fits.
pub const UNLIMITED: &Board =
    &Board { name: "unlimited", processor: Processor::M4, flash: usize::MAX, ram: usize::MAX, image: None };

/// The board of this name, or the default board.
pub fn find(name: Option<&str>) -> anyhow::Result<&'static Board> {
    let name = name.unwrap_or(DEFAULT);
    BOARDS.iter().find(|board| board.name == name).with_context(|| {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        format!("no board is named {name:?}; expected one of {}", known.join(", "))
    })
}

impl Board {
    /// The board that the emulator runs in its place: the board itself, or one with the same processor. Returns an
    /// error if the emulator has neither.
    pub fn emulated(&'static self) -> anyhow::Result<&'static Self> {
        if self.image.is_some() {
            return Ok(self);
        }
        let like = |board: &&Self| board.image.is_some() && board.processor == self.processor;
        let Some(board) = BOARDS.iter().find(like) else {
            let known = BOARDS.iter().filter(|board| board.image.is_some());
            let known: Vec<String> = known.map(|board| format!("{} ({})", board.name, board.processor)).collect();
            let (name, processor) = (self.name, self.processor);
            bail!("--board {name}: a {processor} is not emulated; expected one of {}", known.join(", "));
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

    /// Flash for the code of an application that learns: the area of its image, or an estimate.
    pub fn learning_code_bytes(&self) -> usize {
        self.learner().map_or(LEARNING_CODE_BYTES.max(self.code_bytes()), |image| image.code)
    }

    /// Flash of its image that learns, without the two slots; the board's flash if there is no such image.
    pub fn learning_flash(&self) -> usize {
        self.learner().map_or(self.flash, |image| image.code + image.blob)
    }

    /// The emulator's options that choose the board.
    pub fn machine(&self) -> Vec<&'static str> {
        match self.processor {
            // Without the extensions that it does not have: using one faults.
            Processor::Rv32Imc => {
                let processor = "rv32,a=false,f=false,d=false,zba=false,zbb=false,zbc=false,zbs=false";
                vec!["-M", "virt", "-bios", "none", "-cpu", processor]
            }
            _ => vec!["-M", self.name],
        }
    }

    /// Whether its image of the detector learns.
    pub fn detector_learns(&self) -> bool {
        self.image.is_some() && matches!(self.processor, Processor::M4 | Processor::M33)
    }

    /// Its image that learns, if there is one.
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
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("images/boards/{name}.x"))).unwrap()
    }

    #[test]
    fn the_areas_match_the_linker_scripts() {
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
    fn the_room_for_stored_rows_is_that_of_the_detectors_image() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/src/capacity.rs");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("pub const STORED_BYTES: usize = {} * 1024;", STORED_BYTES / 1024)));
    }

    #[test]
    fn the_buffer_of_the_engine_alone_is_that_of_its_image() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/src/capacity.rs");
        let text = fs::read_to_string(path).unwrap().replace('_', "");
        assert!(text.contains(&format!("pub const ENGINE: usize = {ENGINE_ACTIVATIONS};")));
        let classic = "784-256-128-256-784".parse().unwrap();
        assert_eq!(needs::activations(&classic, STAND_IN), ENGINE_ACTIVATIONS);
    }

    #[test]
    fn a_board_without_an_image_is_emulated_by_one_with_its_processor_or_not_at_all() {
        let emulated = |name| find(Some(name)).unwrap().emulated();
        for name in ["nucleo-f401re", "nucleo-f446re", "nrf52840", "nrf52832", "mps2-an386"] {
            assert_eq!(emulated(name).unwrap().name, "mps2-an386", "{name}");
        }
        for (name, expected) in [
            ("stm32f103", "lm3s6965evb"),
            ("rp2350", "mps2-an505"),
            ("esp32-c3", "virt-riscv32"),
            ("microbit", "microbit"),
            ("mps2-an505", "mps2-an505"),
            ("mps3-an547", "mps3-an547"),
        ] {
            assert_eq!(emulated(name).unwrap().name, expected);
        }
        let said = emulated("rp2040").unwrap_err().to_string();
        assert!(said.starts_with("--board rp2040: a Cortex-M0+ is not emulated; expected one of microbit "), "{said}");
    }
}
