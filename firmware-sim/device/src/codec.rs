//! The network on the device: encode, decode and score.
//!
//! ```text
//! score = Σ (x[i] - y[i])²     x: a row, y: its reconstruction, elements 0 to 255
//! ```
//!
//! The code is rounded to the number of bits of a packed code. So the score of a row is the one that another device
//! would find after decoding the code.

use crate::Error;
use crate::learn::Learn;
use crate::score::{copy, encode, score};
use autoencoder_core::blob::Thresholds;
use autoencoder_core::crc::Digest;
use autoencoder_core::network::Half;
use autoencoder_core::quant::{ChannelParams, Native, code};
use autoencoder_core::{Error as WeightsError, Network};

/// A network whose weights stay in flash, and memory for the activations of one row.
///
/// `L` determines whether the network learns ([`Learner`](crate::Learner)) or not ([`Frozen`](crate::Frozen)).
pub struct Codec<'b, 'm, L> {
    network: Result<Network<'b>, WeightsError>,
    memory: &'m mut [u8],
    learner: L,
}

impl<'b, 'm, L: Learn> Codec<'b, 'm, L> {
    /// A codec without weights: every method returns [`WeightsError::Empty`].
    pub fn new(memory: &'m mut [u8], learner: L) -> Self {
        Self { network: Err(WeightsError::Empty), memory, learner }
    }

    /// Loads the network of `blob`, or stores the reason why it cannot be used: every method then returns it.
    #[inline(never)] // keeps this frame out of the caller's stack
    pub fn load(&mut self, blob: &'b [u8]) {
        self.network = Network::open(blob);
        let Ok(network) = &self.network else { return };
        let usable = network.check_memory(self.memory.len()).and_then(|()| self.learner.start(network));
        if let Err(error) = usable {
            self.refuse(error);
        }
    }

    /// Drops the network and stores this reason.
    pub(crate) fn refuse(&mut self, error: WeightsError) {
        self.network = Err(error);
    }

    /// The network, or [`Error::Weights`] with the reason why there is none.
    pub fn network(&self) -> Result<&Network<'b>, Error> {
        self.network.as_ref().map_err(|error| Error::Weights(*error))
    }

    /// CRC-32 of the weights blob.
    pub fn weights(&self) -> Result<u32, Error> {
        Ok(self.network()?.blob().crc())
    }

    /// Identifies the network that a code belongs to: the CRC of the weights, combined by XOR with the CRC of the
    /// channels once they have learned.
    pub fn identity(&self) -> Result<u32, Error> {
        let network = self.network()?;
        Ok(network.blob().crc() ^ self.learner.identity(network))
    }

    /// The thresholds of the scores: those that were learned with the channels, else the blob's. Rows outside them
    /// differ from those that the network was trained on or has learned.
    pub fn thresholds(&self) -> Result<Thresholds, Error> {
        Ok(self.learner.thresholds().unwrap_or(self.network()?.blob().header().thresholds))
    }

    /// Bytes of memory that the network leaves unused; 0 without a network.
    pub fn spare_bytes(&self) -> usize {
        let Ok(network) = &self.network else { return 0 };
        self.memory.len().saturating_sub(network.memory_bytes()) + self.learner.spare_bytes(network)
    }

    /// Bytes of memory that codec and learner were given.
    pub fn memory_bytes(&self) -> usize {
        self.memory.len() + self.learner.memory_bytes()
    }

    /// Encodes a row and packs its code. Errors: [`Error::Length`], and [`Error::Absent`] without an encoder.
    pub fn encode(&mut self, row: &[u8]) -> Result<&[u8], Error> {
        let Parts { network, channels, memory, .. } = self.parts()?;
        encode(network, channels, memory, row)?;
        Ok(code::pack(network.code_mut(memory), network.blob().header().code_bits))
    }

    /// Unpacks a code and decodes it to a row. Errors: [`Error::Length`], and [`Error::Absent`] without a decoder.
    pub fn decode(&mut self, code: &[u8]) -> Result<&[u8], Error> {
        let Parts { network, channels, memory, .. } = self.parts()?;
        if !network.topology().has_decoder() {
            return Err(Error::Absent);
        }
        let length = network.code_bytes();
        copy(code, network.code_mut(memory).get_mut(..length).unwrap_or_default())?;
        code::unpack(network.code_mut(memory), network.blob().header().code_bits);
        network.forward(&Native {}, channels, Half::Decoder, memory);
        Ok(network.output(memory))
    }

    /// The score of a row. Errors: [`Error::Length`], and [`Error::Absent`] unless there are encoder and decoder.
    pub fn score(&mut self, row: &[u8]) -> Result<u32, Error> {
        let Parts { network, channels, memory, .. } = self.parts()?;
        score(network, channels, memory, row)
    }

    /// CRC-32 of the outputs of the first `layers` layers, in order and without padding, and the score of the row. If
    /// `layers` exceeds the number of layers, all of them count.
    pub fn digest(&mut self, row: &[u8], layers: usize) -> Result<(u32, u32), Error> {
        let Parts { network, channels, memory, .. } = self.parts()?;
        let score = score(network, channels, memory, row)?;
        let mut digest = Digest::new();
        for boundary in 1..=layers.min(network.topology().layers().len()) {
            digest.update(network.activations(boundary, memory));
        }
        Ok((digest.finalize(), score))
    }

    /// The learner, the network and the memory for a pass; an error without a network.
    pub(crate) fn learner(&mut self) -> Result<(&mut L, &Network<'b>, &mut [u8]), Error> {
        let network = self.network.as_ref().map_err(|error| Error::Weights(*error))?;
        Ok((&mut self.learner, network, self.memory))
    }

    fn parts(&mut self) -> Result<Parts<'_, 'b>, Error> {
        let network = self.network.as_ref().map_err(|error| Error::Weights(*error))?;
        Ok(Parts { network, channels: self.learner.channels(network), memory: self.memory })
    }
}

/// The arguments of a pass. `channels` replace those of the blob once they have learned.
struct Parts<'a, 'b> {
    network: &'a Network<'b>,
    channels: Option<&'a [ChannelParams]>,
    memory: &'a mut [u8],
}
