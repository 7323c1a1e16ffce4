//! The capacities of the images, derived from each board's RAM. An image refuses a network that needs more, with both
//! numbers.

use autoencoder_device::frame::frame_bytes;

/// Bytes of RAM for statics, the same as in `boards/`.
const STATICS: usize = match () {
    () if cfg!(feature = "microbit") => 12 * 1024,
    () if cfg!(feature = "learn") => 64 * 1024 - 2560,
    () => 60 * 1024,
};

/// Elements of the longest row. The frames for both directions use a quarter of the RAM.
pub const ROW: usize = STATICS / 8;
/// Bytes of the longest frame.
pub const FRAME: usize = frame_bytes(ROW);
/// Bytes for activations and the kernel's scratch, which is the rest.
pub const ACTIVATIONS: usize = STATICS - 2 * FRAME - 64;

/// Bytes for activations and scratch in the engine alone: the needs of 784-256-128-256-784.
pub const ENGINE: usize = 3_235;

/// The capacities of the image that learns, in 64 KiB.
#[cfg(feature = "learn")]
pub mod learn {
    use super::{STATICS, frame_bytes};
    use autoencoder_core::adapt::Moments;
    use autoencoder_core::quant::ChannelParams;
    use autoencoder_device::learn::HELD_OUT;

    /// Elements of the longest row.
    pub const ROW: usize = 1024;
    /// Bytes of the longest frame.
    pub const FRAME: usize = frame_bytes(ROW);
    /// Bytes for activations and scratch.
    pub const ACTIVATIONS: usize = 5 * 1024;
    /// Number of gradients of neighbouring hidden layers.
    pub const GRADIENTS: usize = 768;
    /// Bytes of the held-out rows.
    pub const HELD_OUT_BYTES: usize = HELD_OUT * ROW;
    /// Number of output channels that can learn, which fill the rest.
    pub const CHANNELS: usize = (STATICS - 2 * FRAME - ACTIVATIONS - 4 * GRADIENTS - HELD_OUT_BYTES - 64)
        / (size_of::<ChannelParams>() + size_of::<[Moments; 2]>());
}
