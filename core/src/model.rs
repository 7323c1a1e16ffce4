//! Named networks as types: a topology that is written in code is a type alias.
//!
//! ```text
//! Classic   784-256-128-256-784      sigmoid: MNIST digits, the default
//! Small     784-128-32-128-784       sigmoid: the same with a code of 32
//! Anomaly   640-128×4-8-128×4-640    ReLU, linear output: MLPerf Tiny's anomaly detector
//! Tiny      64-16-4-16-64            sigmoid: a device trains all of it
//! ```
//!
//! [`Topology`](crate::Topology) has the same shapes as values, by the same names.

use crate::{Autoencoder, Dense, Identity, Relu, Sigmoid};

/// The encoder of the classic autoencoder tutorial: an image of 784 pixels to a code of 128.
pub type Encoder = (Dense<784, 256, Sigmoid>, Dense<256, 128, Sigmoid>);
/// The decoder of the classic autoencoder: a code of 128 to an image of 784 pixels.
pub type Decoder = (Dense<128, 256, Sigmoid>, Dense<256, 784, Sigmoid>);
/// 784-256-128-256-784, the default network: 468,368 parameters.
pub type Classic = Autoencoder<Encoder, Decoder>;

/// The encoder of the small network: an image of 784 pixels to a code of 32.
pub type SmallEncoder = (Dense<784, 128, Sigmoid>, Dense<128, 32, Sigmoid>);
/// The decoder of the small network: a code of 32 to an image of 784 pixels.
pub type SmallDecoder = (Dense<32, 128, Sigmoid>, Dense<128, 784, Sigmoid>);
/// 784-128-32-128-784: its 8-bit weights fit a microcontroller with 256 KiB of flash.
pub type Small = Autoencoder<SmallEncoder, SmallDecoder>;

/// A hidden layer of the anomaly detector.
type Hidden<const I: usize, const O: usize> = Dense<I, O, Relu>;
/// The encoder of MLPerf Tiny's anomaly detector: five frames of 128 mel bands to a code of 8.
pub type AnomalyEncoder =
    (Hidden<640, 128>, (Hidden<128, 128>, (Hidden<128, 128>, (Hidden<128, 128>, Hidden<128, 8>))));
/// The decoder of the anomaly detector, with a linear output.
pub type AnomalyDecoder =
    (Hidden<8, 128>, (Hidden<128, 128>, (Hidden<128, 128>, (Hidden<128, 128>, Dense<128, 640, Identity>))));
/// 640-128×4-8-128×4-640: ReLU except for the linear output.
pub type Anomaly = Autoencoder<AnomalyEncoder, AnomalyDecoder>;

/// The encoder of the tiny network: an image of 8 by 8 pixels to a code of 4.
pub type TinyEncoder = (Dense<64, 16, Sigmoid>, Dense<16, 4, Sigmoid>);
/// The decoder of the tiny network: a code of 4 to an image of 8 by 8 pixels.
pub type TinyDecoder = (Dense<4, 16, Sigmoid>, Dense<16, 64, Sigmoid>);
/// 64-16-4-16-64: small enough for a device to train all of it.
pub type Tiny = Autoencoder<TinyEncoder, TinyDecoder>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layer, Topology};

    fn is<N: Layer>(name: &str) -> bool {
        N::specs().eq(Topology::named(name).unwrap().layers().iter().copied())
    }

    #[test]
    fn a_type_and_a_value_with_the_same_name_are_the_same_topology() {
        assert!(is::<Classic>("classic") && is::<Small>("small") && is::<Anomaly>("anomaly") && is::<Tiny>("tiny"));
    }
}
