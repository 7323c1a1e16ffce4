//! What the images share: the processor, the board, the types of the network.
//!
//! A board is a `memory.x` in `boards/` and a module in `board/`, chosen by the feature of its name.
#![no_std]

pub mod chip;

#[cfg_attr(
    any(feature = "mps2-an386", feature = "mps2-an386-training", feature = "mps2-an386-whole", feature = "mps2-an505"),
    path = "board/mps2.rs"
)]
#[cfg_attr(feature = "microbit", path = "board/microbit.rs")]
#[cfg_attr(feature = "lm3s6965evb", path = "board/lm3s6965evb.rs")]
pub mod board;

use autoencoder_core::blob::{Mirrors, Stored};
use autoencoder_core::model;
use firmware_sim::learn::Learning;
use firmware_sim::{App, Board, Codec};

#[cfg(feature = "anomaly")]
pub use model::{AnomalyDecoder as WholeDecoder, AnomalyEncoder as Encoder};
#[cfg(feature = "classic")]
pub use model::{Decoder as WholeDecoder, Encoder};
#[cfg(feature = "small")]
pub use model::{SmallDecoder as WholeDecoder, SmallEncoder as Encoder};
#[cfg(feature = "tiny")]
pub use model::{TinyDecoder as WholeDecoder, TinyEncoder as Encoder};

/// From a code to its image.
#[cfg(not(feature = "encoder-only"))]
pub type Decoder = WholeDecoder;
/// Not there.
#[cfg(feature = "encoder-only")]
pub type Decoder = autoencoder_core::blob::Without<Encoder>;

/// The network and its activations.
pub type Engine = Codec<'static, Encoder, Decoder>;
/// The application.
pub type Device = App<'static, Encoder, Decoder>;

/// What the board measures of itself.
pub const BOARD: Board =
    Board { static_bytes: chip::static_bytes, stack_bytes: chip::stack_bytes, instructions: board::instructions };

/// What tells an image to begin that waits for it: a line feed.
const BEGIN: u8 = b'\n';

/// Guards the stack, starts the clock and the line: what every image with a line begins with.
#[inline]
pub fn init() {
    chip::guard_stack();
    board::init();
}

/// Sends bytes.
#[inline]
pub fn send(bytes: &[u8]) {
    bytes.iter().copied().for_each(board::put);
}

/// Waits until the host says that it listens.
pub fn wait() {
    while board::get() != BEGIN {}
}

/// Answers what comes over the line, for as long as the board runs.
#[allow(clippy::inline_always)] // where the application is a static, its addresses are constants: 60 bytes less
#[inline(always)]
pub fn serve<E, D, L, const FRAME: usize>(app: &mut App<'_, E, D, FRAME, L>) -> !
where
    E: Stored,
    D: Mirrors<E>,
    L: Learning<E, D>,
{
    loop {
        for byte in app.push_on(&BOARD, board::get()).unwrap_or_default() {
            board::put(*byte);
        }
    }
}
