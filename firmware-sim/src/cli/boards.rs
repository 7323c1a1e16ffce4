//! Boards, and what they have room for.

use anyhow::Context;

/// A board's memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Board {
    pub name: &'static str,
    pub flash: usize,
    pub ram: usize,
}

const KIB: usize = 1024;

/// Sizes from the vendors' data sheets; of the last two, what the emulator gives them.
pub const BOARDS: [Board; 9] = [
    Board { name: "nucleo-f401re", flash: 512 * KIB, ram: 96 * KIB },
    Board { name: "nucleo-f446re", flash: 512 * KIB, ram: 128 * KIB },
    Board { name: "nrf52840", flash: 1024 * KIB, ram: 256 * KIB },
    Board { name: "rp2040", flash: 2048 * KIB, ram: 264 * KIB },
    Board { name: "nrf52832", flash: 512 * KIB, ram: 64 * KIB },
    Board { name: "stm32f103", flash: 64 * KIB, ram: 20 * KIB },
    Board { name: "microbit", flash: 256 * KIB, ram: 16 * KIB },
    Board { name: "lm3s6965evb", flash: 256 * KIB, ram: 64 * KIB },
    Board { name: "mps2-an386", flash: 4096 * KIB, ram: 4096 * KIB },
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

impl Board {
    /// RAM for the application and its stack.
    pub fn free_ram(&self) -> usize {
        self.ram - RESERVE
    }
}
