//! Learning on the device: what it takes in RAM, and when what was learned is kept.
//!
//! A course of learning holds its first images out: it does not learn from them but keeps them, with their score by the
//! tables it began with. At its end they are scored again. Only if the sum is lower are the new tables written to flash;
//! if not, those it began with come back, from flash or from the blob. So learning can be tried on any stream: what does
//! not help leaves no trace, and no second copy of the tables is in RAM.
//!
//! With the tables goes a threshold for the [`monitor`](crate::monitor), of what the network knows now.

mod learner;

use crate::flash::Nor;
use crate::frame::frame_bytes;
use crate::store::{Kept, StoreError};
use crate::{App, Codec, Error, Reply, message};
use autoencoder_core::adapt::Rule;
use autoencoder_core::blob::Stored;
use autoencoder_core::model::{Decoder, Encoder};
use autoencoder_core::optimizer::{Adam, RmsProp, Sgd};
use autoencoder_core::{Autoencoder, Layer};
use serde::{Deserialize, Serialize};

pub use learner::Learner;

/// Images that a course holds out.
pub const HELD_OUT: usize = 6;

/// RAM in which the default network learns with Adam: of the whole image, its stack included.
pub const RAM: usize = 48 * 1024;
/// How much of it is the stack's.
pub const STACK: usize = 3 * 1024 + 512;

/// A device that learns: 28 by 28 pixels, a flash that is memory.
type Device<'m> = App<'m, Encoder, Decoder, { frame_bytes(784) }, Learner<Encoder, Decoder, Nor<&'m mut [u8]>>>;

const _: () = assert!(Device::STATIC_BYTES + STACK <= RAM, "the default network learns within its RAM");

/// The largest batch.
pub const MAX_BATCH: u8 = 8;

/// What an application can do about learning: nothing ([`Frozen`]) or everything ([`Learner`]).
pub trait Learning<E: Stored, D: Stored>: Sized {
    /// Nothing learned yet.
    const NEW: Self;
    /// Bytes of the longest row that it answers with, besides images and codes.
    const ROW: usize;

    /// Weights were loaded, with this CRC.
    fn start(&mut self, net: &Autoencoder<E::Int8<'_>, D::Int8<'_>>, weights: u32);

    /// The encoder as it has learned to be.
    fn encoder<'t, 'b: 't>(
        &'t self,
        factory: &'t E::Int8<'b>,
    ) -> impl Layer<In = E::In8, Out = E::Out8, Acts<1> = E::Acts8>;

    /// The decoder as it has learned to be.
    fn decoder<'t, 'b: 't>(
        &'t self,
        factory: &'t D::Int8<'b>,
    ) -> impl Layer<In = D::In8, Out = D::Out8, Acts<1> = D::Acts8>;

    /// From which score on an image is unlike those that were learned from, if any were.
    fn threshold(&self) -> Option<u32>;

    /// A number for the tables, 0 for the factory's.
    fn identity(&self) -> u32;

    /// Carries out a command about learning.
    fn answer<'a>(codec: &'a mut Codec<'_, E, D, Self>, command: message::Learning<'_>) -> Result<Reply<'a>, Error>;
}

/// A network that stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frozen;

impl<E: Stored, D: Stored> Learning<E, D> for Frozen {
    const NEW: Self = Self;
    const ROW: usize = 0;

    fn start(&mut self, _: &Autoencoder<E::Int8<'_>, D::Int8<'_>>, _: u32) {}

    fn encoder<'t, 'b: 't>(
        &'t self,
        factory: &'t E::Int8<'b>,
    ) -> impl Layer<In = E::In8, Out = E::Out8, Acts<1> = E::Acts8> {
        *factory
    }

    fn decoder<'t, 'b: 't>(
        &'t self,
        factory: &'t D::Int8<'b>,
    ) -> impl Layer<In = D::In8, Out = D::Out8, Acts<1> = D::Acts8> {
        *factory
    }

    fn threshold(&self) -> Option<u32> {
        None
    }

    fn identity(&self) -> u32 {
        0
    }

    fn answer<'a>(_: &'a mut Codec<'_, E, D, Self>, _: message::Learning<'_>) -> Result<Reply<'a>, Error> {
        Err(Error::Frozen)
    }
}

/// Which optimizer a course learns with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Gradient descent with a momentum of 0.9.
    Sgd,
    /// A decay of 0.95.
    RmsProp,
    /// `β₁ = 0.9`, `β₂ = 0.95`: one image says little of the next one's gradients, so that `v` should not look back far.
    Adam,
}

impl Method {
    fn rule(self) -> Rule {
        match self {
            Self::Sgd => Rule::Sgd(Sgd { momentum: 0.9 }),
            Self::RmsProp => Rule::RmsProp(RmsProp { decay: 0.95, epsilon: 1e-10 }),
            Self::Adam => Rule::Adam(Adam { beta1: 0.9, beta2: 0.95, ..Adam::default() }),
        }
    }

    /// The learning rate that did best, in millionths, for a batch of one.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Sgd => 30,
            Self::RmsProp | Self::Adam => 10_000,
        }
    }
}

/// A course of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The optimizer.
    pub method: Method,
    /// The learning rate in millionths. It falls linearly, over `images`, to a hundredth.
    pub rate: u32,
    /// Images for each step, 1 to [`MAX_BATCH`].
    pub batch: u8,
    /// How many images will be learned from.
    pub images: u32,
}

/// What a device has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What is in its flash.
    pub kept: Result<Kept, StoreError>,
    /// Images that were learned from since.
    pub images: u32,
    /// From which score on an image is unlike those that the network knows.
    pub threshold: u32,
}

/// What came of a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The sum of the scores of the images held out, by the tables that the course began with.
    pub before: u32,
    /// The same by those that it ended with.
    pub after: u32,
    /// The number of the record that was written to flash; `None` where `after` is not lower than `before`, and the
    /// tables are as before the course.
    pub kept: Option<u32>,
}
