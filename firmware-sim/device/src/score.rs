//! Passes through the network that both the codec and the learner run.

use crate::Error;
use autoencoder_core::Network;
use autoencoder_core::network::Half;
use autoencoder_core::quant::{ChannelParams, Native, code};

/// Encodes a row into [`Network::code_mut`], one byte for each element.
pub(crate) fn encode(
    network: &Network<'_>,
    channels: Option<&[ChannelParams]>,
    memory: &mut [u8],
    row: &[u8],
) -> Result<(), Error> {
    if !network.topology().has_encoder() {
        return Err(Error::Absent);
    }
    copy(row, network.input_mut(memory))?;
    network.forward(&Native {}, channels, Half::Encoder, memory);
    Ok(())
}

/// Encodes a row, rounds the code as packing does, decodes it and returns the squared distance `Σ (x - y)²`.
pub(crate) fn score(
    network: &Network<'_>,
    channels: Option<&[ChannelParams]>,
    memory: &mut [u8],
    row: &[u8],
) -> Result<u32, Error> {
    if !network.topology().has_decoder() {
        return Err(Error::Absent);
    }
    encode(network, channels, memory, row)?;
    let bits = network.blob().header().code_bits;
    let code = network.code_mut(memory);
    code::pack(code, bits);
    code::unpack(code, bits);
    network.forward(&Native {}, channels, Half::Decoder, memory);
    Ok(squared_distance(row, network.output(memory)))
}

/// `Σ (x - y)²`
#[inline(never)]
pub(crate) fn squared_distance(x: &[u8], y: &[u8]) -> u32 {
    x.iter().zip(y).map(|(x, y)| u32::from(x.abs_diff(*y)).pow(2)).sum()
}

/// Copies a row or a code. Returns [`Error::Length`] unless the lengths agree.
#[inline(never)]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> Result<(), Error> {
    if from.len() != to.len() {
        return Err(Error::Length { expected: to.len() as u32, found: from.len() as u32 });
    }
    to.copy_from_slice(from);
    Ok(())
}
