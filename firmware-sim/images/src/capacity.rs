//! The capacities of the images, derived from each board's RAM. An image refuses a network that needs more, with both
//! numbers.

use autoencoder_device::frame::frame_bytes;

/// Bytes of RAM for statics, the same as in `boards/`.
const STATICS: usize = match () {
    () if cfg!(feature = "microbit") => 12 * 1024,
    () if cfg!(all(feature = "learn", not(feature = "detector"))) => 64 * 1024 - 2560,
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

/// The capacities of the detector.
#[cfg(feature = "detector")]
pub mod detector {
    use super::{STATICS, frame_bytes};

    const MICROBIT: bool = cfg!(feature = "microbit");

    /// Elements of the row of a window.
    pub const ROW: usize = if MICROBIT { 256 } else { 1024 };
    /// Bytes of the longest frame.
    pub const FRAME: usize = frame_bytes(ROW);
    /// Numbers of a window and of its front end: three channels of 1,024 samples and the scratch of a spectrum; on a
    /// micro:bit, three channels of 256.
    pub const NUMBERS: usize = if MICROBIT { 4 * 256 } else { 4 * 1024 };
    /// Bytes for activations and scratch.
    #[cfg(feature = "learn")]
    pub const ACTIVATIONS: usize = 5 * 1024;
    /// Bytes for activations and scratch, which are the rest.
    #[cfg(not(feature = "learn"))]
    pub const ACTIVATIONS: usize = STATICS - 2 * FRAME - 4 * NUMBERS - ROW - 64;

    /// Number of gradients of neighbouring hidden layers.
    #[cfg(feature = "learn")]
    pub const GRADIENTS: usize = 256;
    /// Bytes of the held-out rows.
    #[cfg(feature = "learn")]
    pub const HELD_OUT_BYTES: usize = autoencoder_device::learn::HELD_OUT * 512;
    /// Bytes of the rows that a run goes over again.
    #[cfg(feature = "learn")]
    pub const STORED_BYTES: usize = 16 * 1024;
    /// Number of output channels that can learn, which fill the rest.
    #[cfg(feature = "learn")]
    pub const CHANNELS: usize =
        (STATICS - 2 * FRAME - 4 * NUMBERS - ROW - ACTIVATIONS - 4 * GRADIENTS - HELD_OUT_BYTES - STORED_BYTES - 256)
            / (size_of::<autoencoder_core::quant::ChannelParams>()
                + size_of::<[autoencoder_core::adapt::Moments; 2]>());
}
