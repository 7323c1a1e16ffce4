//! Boards and what they have room for; the images that are built for them.

pub mod budget_file;
pub mod firmware;
pub mod needs;

use anyhow::Context;

/// A board's memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Board {
    pub name: &'static str,
    pub flash: usize,
    pub ram: usize,
    /// The Rust target of its image, if there is one and the emulator has the board.
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

/// The board that is meant if none is named.
const DEFAULT: &str = "nucleo-f446re";

/// Kept free of a board's RAM for everything outside the application: vectors, the driver of the line, interrupts.
pub const RESERVE: usize = 2 * KIB;

/// The board whose image stands in for those that have none.
pub const STAND_IN: &Board = &BOARDS[BOARDS.len() - 1];

/// This computer, for a network that is only compared with another: it has room for all of them.
pub const UNLIMITED: &Board = &Board { name: "unlimited", flash: usize::MAX, ram: usize::MAX, target: None };

/// The board of that name.
pub fn find(name: Option<&str>) -> anyhow::Result<&'static Board> {
    let name = name.unwrap_or(DEFAULT);
    BOARDS.iter().find(|board| board.name == name).with_context(|| {
        let known: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
        format!("no board is named {name:?}; there are {}", known.join(", "))
    })
}

impl Board {
    /// The board that the emulator runs in its place.
    pub fn emulated(&'static self) -> &'static Self {
        if self.target.is_some() { self } else { STAND_IN }
    }

    /// RAM for the application and its stack.
    pub fn free_ram(&self) -> usize {
        self.ram - RESERVE
    }
}
