//! What the images have room for: constants of each board's RAM. A blob that needs more is refused with both numbers.

use autoencoder_device::frame::frame_bytes;
use autoencoder_device::learn::HELD_OUT;

/// Bytes of RAM for statics, those that `boards/` has.
const STATICS: usize = match () {
    () if cfg!(feature = "microbit") => 12 * 1024,
    () => 8 * 1024,
};

/// Elements of the longest row: its frames, in both directions, take a quarter of the RAM.
pub const ROW: usize = STATICS / 8;
/// Bytes of the longest frame.
pub const FRAME: usize = frame_bytes(ROW);
/// Bytes for activations and the kernel's scratch: what the frames leave.
pub const ACTIVATIONS: usize = STATICS - 2 * FRAME - 64;

/// Bytes for activations and scratch in the engine alone: what 784-256-128-256-784 needs.
pub const ENGINE: usize = 3_235;

/// What the image that learns has room for, in 48 KiB: 784-256-128-256-784, or any other network that needs no more of
/// anything.
pub mod learn {
    use super::{HELD_OUT, frame_bytes};

    /// Elements of the longest row.
    pub const ROW: usize = 784;
    /// Bytes of the longest frame.
    pub const FRAME: usize = frame_bytes(ROW);
    /// Bytes for activations and scratch.
    pub const ACTIVATIONS: usize = 3_264;
    /// Output channels that learn.
    pub const CHANNELS: usize = 1_440;
    /// Gradients of neighbouring hidden layers.
    pub const GRADIENTS: usize = 448;
    /// Bytes of the rows held out.
    pub const HELD_OUT_BYTES: usize = HELD_OUT * ROW;
}
