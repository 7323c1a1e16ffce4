//! Learning on the device: a scale and a bias for each output channel, over integer weights that stay in flash.
//!
//! ```text
//! z' = s · (Σ w·x) + b          a hidden layer
//! z' = s · (Σ w·x + b)          the last layer
//! ```
//!
//! In the integer network, both are the channel's own parameters, [`ChannelParams`]. A table in RAM replaces the one in
//! flash, so inference costs the same after learning as before. There is no second copy of the parameters in `f32`.
//!
//! A multiplier has a relative resolution of about 10⁻⁶, and a bias has a resolution of 10⁻⁵ in units of `z`. A step is
//! rounded to nearest, halves away from 0. If it were truncated, channels would move towards 0, whatever their
//! gradients. The MSE after long runs, with rounding and with truncation:
//!
//! | run | rounded | truncated |
//! |---|--:|--:|
//! | 16,000 images, sensor unchanged, rate 10⁻⁵ | 0.00107 | 0.00140 |
//! | 59,000 images, contrast lost, Adam | 0.00157 | 0.00160 |
//! | 59,000 images, contrast lost, SGD | 0.00158 | 0.00184 |
//!
//! # A step
//!
//! The forward pass is the integer pass itself. The backward pass is in `f32` through the integer weights, as if
//! nothing had been rounded (straight-through): [`backward`]. The forward pass stores neither `z` nor the sum `Σ w·x`.
//! Both are read back from the output byte. If the output is saturated, the middle of the possible values is used.
//!
//! No gradient is stored. A channel takes its step as soon as its gradient is known. In batches of more than one row,
//! it adds the gradient to its moments ([`LearningRun`]), so a batch of eight needs the RAM of a batch of one.
//!
//! # RAM
//!
//! The default network's 1,424 channels need 11,392 bytes of channel parameters, 22,784 of moments, and 1,536 of
//! gradients between the layers.
//!
//! # Two formulas for the scale
//!
//! The formulas differ in whether the bias follows the scale. The MSE after one pass over 4,000 images with Adam:
//!
//! | formula | contrast lost | inverted |
//! |---|--:|--:|
//! | as above | 0.0016 | 0.0048 |
//! | the first in every layer | 0.0036 | 0.0048 |
//! | the second in every layer | 0.0016 | 0.0081 |
//!
//! The outputs of images are mostly saturated. There, a scale of the sum alone drives `z` far away, and the bias has to
//! follow.

mod dense;
mod run;

pub use dense::OutputGradient;
pub use run::{LearningRun, Moments, StepContext};

use crate::quant::{ChannelParams, padded};
use crate::{Error, Network, Resource, Topology};

/// The memory for learning, which the caller owns: the learned parameters, their moments, and gradients.
#[derive(Debug)]
pub struct LearningMemory<'m> {
    /// The channels of all layers in order, [`Network::channels`] of them.
    pub channels: &'m mut [ChannelParams],
    /// The moments of each channel's scale and bias.
    pub moments: &'m mut [[Moments; 2]],
    /// Gradients between the layers, [`gradients`] of them.
    pub gradients: &'m mut [f32],
}

/// The number of gradients between layers that a network needs: those of two neighbouring hidden layers.
pub fn gradients(topology: &Topology) -> usize {
    let layers = topology.layers().len();
    let hidden = |boundary: usize| if boundary < layers { padded(topology.size(boundary)) } else { 0 };
    (1..layers).map(|boundary| hidden(boundary) + hidden(boundary + 1)).max().unwrap_or_default()
}

/// Returns an error unless the memory is large enough for this network.
pub fn check(network: &Network<'_>, memory: &LearningMemory<'_>) -> Result<(), Error> {
    let channels = memory.channels.len().min(memory.moments.len());
    Error::check_capacity(Resource::Channels, network.channels(), channels)?;
    Error::check_capacity(Resource::Gradients, gradients(network.topology()), memory.gradients.len())
}

/// Copies the channels of a network's blob.
pub fn copy_channels(network: &Network<'_>, channels: &mut [ChannelParams]) {
    let own = network.layers().flat_map(|layer| layer.channels());
    channels.iter_mut().zip(own).for_each(|(channel, own)| *channel = *own);
}

/// Learns from one row, after its forward pass with `memory.channels`. From the last layer to the first, each layer
/// adds its gradient to its moments or takes its step, and passes `dL/dx` to the layer before it. The memory must be
/// large enough: [`check`].
pub fn backward(
    network: &Network<'_>,
    step: &StepContext,
    row: &[u8],
    activations: &[u8],
    memory: &mut LearningMemory<'_>,
) {
    let last = network.topology().layers().len();
    let mut after = network.channels();
    for boundary in (1..=last).rev() {
        let Some(layer) = network.layers().nth(boundary - 1) else { return };
        let [inputs, outputs] = layer.padded_sizes();
        let before = after.saturating_sub(outputs);
        let channels = memory.channels.get_mut(before..after).unwrap_or_default();
        let moments = memory.moments.get_mut(before..after).unwrap_or_default();
        let inputs = if boundary == 1 { 0 } else { inputs }; // the network's inputs need no gradient
        let outputs = if boundary == last { 0 } else { outputs }; // the last gradient is computed from the row
        let (dx, dy) = neighbours(memory.gradients, boundary, inputs, outputs);
        let y = network.padded_activations(boundary, activations);
        let dy =
            if boundary == last { OutputGradient::Reconstruction { x: row, y } } else { OutputGradient::Hidden(dy) };
        dense::backward(&layer, step, boundary == last, y, dy, dx, channels, moments);
        after = before;
    }
}

/// The gradients before a boundary and at it. Those of even boundaries are at the front of the buffer, those of odd
/// boundaries at its end.
fn neighbours(buffer: &mut [f32], boundary: usize, before: usize, at: usize) -> (&mut [f32], &[f32]) {
    let length = buffer.len();
    if boundary.is_multiple_of(2) {
        let Some((dy, dx)) = buffer.split_at_mut_checked(length.saturating_sub(before)) else {
            return Default::default();
        };
        (dx, dy.get(..at).unwrap_or_default())
    } else {
        let Some((dx, dy)) = buffer.split_at_mut_checked(before) else { return Default::default() };
        (dx, dy.get(dy.len().saturating_sub(at)..).unwrap_or_default())
    }
}
