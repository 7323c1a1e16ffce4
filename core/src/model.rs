//! The networks by name. A topology is a type: to add one, write its alias and give it a row in [`with_topology`].

use crate::adapt::Adapt;
use crate::blob::{Header, Mirrors};
use crate::{Autoencoder, Backward, Dense, Identity, Parameters, Relu, Sigmoid, Zeroed};

/// The encoder of the classic autoencoder tutorial: an image of 784 pixels to a code of 128.
pub type Encoder = (Dense<784, 256, Sigmoid>, Dense<256, 128, Sigmoid>);
/// Its decoder: a code of 128 to an image of 784 pixels.
pub type Decoder = (Dense<128, 256, Sigmoid>, Dense<256, 784, Sigmoid>);
/// 784-256-128-256-784, the default: 468,368 parameters.
pub type Classic = Autoencoder<Encoder, Decoder>;

/// The encoder of the small network: an image to a code of 32.
pub type SmallEncoder = (Dense<784, 128, Sigmoid>, Dense<128, 32, Sigmoid>);
/// Its decoder.
pub type SmallDecoder = (Dense<32, 128, Sigmoid>, Dense<128, 784, Sigmoid>);
/// 784-128-32-128-784: its weights fit a part with 256 KiB of flash.
pub type Small = Autoencoder<SmallEncoder, SmallDecoder>;

/// A hidden layer of the anomaly detector.
type Hidden<const I: usize, const O: usize> = Dense<I, O, Relu>;
/// The encoder of MLPerf Tiny's anomaly detector: five frames of 128 mel bands to a code of 8.
pub type AnomalyEncoder =
    (Hidden<640, 128>, (Hidden<128, 128>, (Hidden<128, 128>, (Hidden<128, 128>, Hidden<128, 8>))));
/// Its decoder, with a linear output.
pub type AnomalyDecoder =
    (Hidden<8, 128>, (Hidden<128, 128>, (Hidden<128, 128>, (Hidden<128, 128>, Dense<128, 640, Identity>))));
/// 640-128×4-8-128×4-640.
pub type Anomaly = Autoencoder<AnomalyEncoder, AnomalyDecoder>;

/// The encoder of the tiny network: an image of 8 by 8 pixels to a code of 4.
pub type TinyEncoder = (Dense<64, 16, Sigmoid>, Dense<16, 4, Sigmoid>);
/// Its decoder.
pub type TinyDecoder = (Dense<4, 16, Sigmoid>, Dense<16, 64, Sigmoid>);
/// 64-16-4-16-64: small enough to be trained whole on a device. No blob is made of it, so it has no row in [`with_topology`].
pub type Tiny = Autoencoder<TinyEncoder, TinyDecoder>;

/// What the programs ask of either half of a topology.
pub trait Half: Backward + Parameters + Adapt + Zeroed + Send + Sync + 'static {}
impl<T: Backward + Parameters + Adapt + Zeroed + Send + Sync + 'static> Half for T {}

/// Code that runs for whichever topology is named at run time.
pub trait Visitor {
    /// What it returns.
    type Output;

    /// Runs for the topology `Autoencoder<E, D>`.
    fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output;
}

/// The names that [`with_topology`] knows.
pub const NAMES: [&str; 3] = ["classic", "small", "anomaly"];

/// Calls `visitor` with the types of the topology `name`; `None` if there is none of that name.
pub fn with_topology<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
    Some(match name {
        "classic" => visitor.visit::<Encoder, Decoder>(),
        "small" => visitor.visit::<SmallEncoder, SmallDecoder>(),
        "anomaly" => visitor.visit::<AnomalyEncoder, AnomalyDecoder>(),
        _ => return None,
    })
}

/// The name of the topology that a blob is of.
pub fn name_of(header: &Header) -> Option<&'static str> {
    struct Matches<'a>(&'a Header);

    impl Visitor for Matches<'_> {
        type Output = bool;

        fn visit<E: Half, D: Half + Mirrors<E>>(self) -> bool {
            self.0.describes::<E, D>()
        }
    }

    NAMES.into_iter().find(|name| with_topology(name, Matches(header)) == Some(true))
}
