//! Learning on the device: a scale and a bias for each output channel, over integer weights that stay in flash.
//!
//! ```text
//! z' = s · (Σ w·x) + b          a hidden layer
//! z' = s · (Σ w·x + b)          the last layer
//! ```
//!
//! In the integer network both are the channel's own parameters, [`ChannelParams`]: a table in
//! RAM takes the place of the one in flash. So inference costs the same after learning as before, and the table is the
//! parameters: there is no second copy in `f32`. A multiplier has a relative resolution of about 10⁻⁶, a bias one of
//! 10⁻⁵ of `z`. A step is rounded to the nearest of these, halves away from 0. If it were cut towards 0, channels would
//! move towards 0, whatever their gradients. Measured over long runs, MSE after rounding and after cutting: 16,000
//! images of a sensor that has not changed, at a rate of 10⁻⁵, 0.00107 and 0.00140; 59,000 images of one that has lost
//! contrast, 0.00157 and 0.00160 with Adam, 0.00158 and 0.00184 with SGD.
//!
//! # A step
//!
//! Forward is the integer pass itself. Backward is `f32` through the integer weights, as if nothing had been rounded
//! (straight-through): [`backward`]. The forward pass keeps neither `z` nor the sum of the weights. Both are read back from
//! the output byte; where an output is saturated, the middle of what it can have been is taken.
//!
//! No gradient is stored. A channel takes its step as soon as its gradient is known, or for batches of more than one
//! takes the gradient into its moments ([`LearningRun`]): so a batch of eight takes the RAM of a batch of one.
//!
//! # RAM
//!
//! For the default network's 1,424 channels, in bytes: channel parameters 11,392, moments 22,784, gradients between the
//! layers 1,536.
//!
//! # Which of the two scales
//!
//! The formulas differ in what the bias does while the scale changes. Measured after one pass over 4,000 images with
//! Adam, on a sensor that has lost contrast and on one that is inverted: as above, MSE 0.0016 and 0.0048; with the first
//! formula in every layer 0.0036 and 0.0048, with the second 0.0016 and 0.0081. The outputs of images are mostly saturated:
//! there, a scale of the sum alone drives `z` far away, and the bias has to follow.

mod dense;
mod run;

pub use dense::OutputGradient;
pub use run::{LearningRun, Moments, StepContext};

use crate::quant::{ChannelParams, padded};
use crate::{Error, Network, Resource};

/// The parameters that a network learns, and what learning them takes: the caller's memory.
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
pub fn gradients(network: &Network<'_>) -> usize {
    let topology = network.topology();
    let hidden = |boundary: usize| if boundary < topology.layers().len() { padded(topology.size(boundary)) } else { 0 };
    (1..topology.layers().len()).map(|boundary| hidden(boundary) + hidden(boundary + 1)).max().unwrap_or_default()
}

/// Returns an error unless the memory is large enough for this network.
pub fn check(network: &Network<'_>, memory: &LearningMemory<'_>) -> Result<(), Error> {
    let channels = memory.channels.len().min(memory.moments.len());
    Error::check_capacity(Resource::Channels, network.channels(), channels)?;
    Error::check_capacity(Resource::Gradients, gradients(network), memory.gradients.len())
}

/// Copies the channels of a network's blob.
pub fn copy_channels(network: &Network<'_>, channels: &mut [ChannelParams]) {
    let own = network.layers().flat_map(|layer| layer.channels());
    channels.iter_mut().zip(own).for_each(|(channel, own)| *channel = *own);
}

/// Learns from one row, whose forward pass with `memory.channels` has left its activations: from the last layer to the
/// first, each takes its gradient or its step and hands `dL/dx` to the layer before it. The memory is large enough: [`check`].
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
        let inputs = if boundary == 1 { 0 } else { inputs }; // the network's own need no gradient
        let outputs = if boundary == last { 0 } else { outputs }; // theirs is computed from the row
        let (dx, dy) = neighbours(memory.gradients, boundary, inputs, outputs);
        let y = network.padded_activations(boundary, activations);
        let dy =
            if boundary == last { OutputGradient::Reconstruction { x: row, y } } else { OutputGradient::Hidden(dy) };
        dense::backward(&layer, step, boundary == last, y, dy, dx, channels, moments);
        after = before;
    }
}

/// Where the gradients before and at a boundary lie: those of even boundaries at the front of the buffer, those of odd ones at
/// its end.
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
