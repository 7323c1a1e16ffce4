//! Boards, and what they have room for.

use anyhow::Context;

/// A board's memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Board {
    pub name: &'static str,
    pub flash: usize,
    pub ram: usize,
    /// The Rust target of its image, where there is one and the emulator has the board.
    pub target: Option<&'static str>,
}

const KIB: usize = 1024;

/// Sizes from the vendors' data sheets; of the last three, what the emulator gives them.
pub const BOARDS: [Board; 10] = [
    Board { name: "nucleo-f401re", flash: 512 * KIB, ram: 96 * KIB, target: None },
    Board { name: "nucleo-f446re", flash: 512 * KIB, ram: 128 * KIB, target: None },
    Board { name: "nrf52840", flash: 1024 * KIB, ram: 256 * KIB, target: None },
    Board { name: "rp2040", flash: 2048 * KIB, ram: 264 * KIB, target: None },
    Board { name: "nrf52832", flash: 512 * KIB, ram: 64 * KIB, target: None },
    Board { name: "stm32f103", flash: 64 * KIB, ram: 20 * KIB, target: None },
    Board { name: "microbit", flash: 256 * KIB, ram: 16 * KIB, target: Some("thumbv6m-none-eabi") },
    Board { name: "lm3s6965evb", flash: 256 * KIB, ram: 64 * KIB, target: Some("thumbv7m-none-eabi") },
    Board { name: "mps2-an505", flash: 4096 * KIB, ram: 4096 * KIB, target: Some("thumbv8m.main-none-eabihf") },
    Board { name: "mps2-an386", flash: 4096 * KIB, ram: 4096 * KIB, target: Some("thumbv7em-none-eabihf") },
];

/// The board that is meant where none is named.
pub const DEFAULT: &str = "nucleo-f446re";

/// Kept free of a board's RAM for what is not the application: the vectors, the driver of the line, interrupts.
pub const RESERVE: usize = 2 * KIB;

/// The board of that name.
pub fn find(name: Option<&str>) -> anyhow::Result<&'static Board> {
    let name = name.unwrap_or(DEFAULT);
    BOARDS.iter().find(|board| board.name == name).with_context(|| {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        format!("no board is named {name:?}; there are {}", known.join(", "))
    })
}

/// The board whose image stands in for those that have none.
pub const STAND_IN: &Board = &BOARDS[BOARDS.len() - 1];

impl Board {
    /// The board that the emulator runs in its place, and the Rust target of its image.
    pub fn emulated(&'static self) -> (&'static Self, &'static str) {
        match self.target {
            Some(target) => (self, target),
            None => (STAND_IN, STAND_IN.target.unwrap_or_default()),
        }
    }

    /// RAM for the application and its stack.
    pub fn free_ram(&self) -> usize {
        self.ram - RESERVE
    }
}
