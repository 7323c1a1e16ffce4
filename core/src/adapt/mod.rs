//! Learning on the device: a scale and a bias for each output channel, over integer weights that stay in flash.
//!
//! ```text
//! z' = s · (Σ w·x) + b          a hidden layer
//! z' = s · (Σ w·x + b)          the last layer
//! ```
//!
//! In the integer network both are the channel's own numbers, [`Channel`](crate::quant::Channel): a table in RAM in the
//! place of the one in flash. So inference costs after learning what it cost before, and the table is the parameters:
//! there is no second copy in `f32`. A multiplier has a relative resolution of about 10⁻⁶, a bias one of 10⁻⁵ of `z`. A
//! step is cut to it, towards 0; Adam's are larger, but SGD at its usual rate takes steps of 10⁻⁷, too. That this costs
//! nothing was measured, on a sensor that has lost contrast: cut or rounded to nearest, MSE is 0.00160 and 0.00160 with
//! Adam, 0.00297 and 0.00298 with SGD.
//!
//! # A step
//!
//! Forward is the integer pass itself. Backward is `f32` through the integer weights, as if nothing had been rounded
//! (straight-through): [`Adapt::backward`]. Neither `z` nor the sum of the weights is kept by the forward pass. Both are
//! read back from the output byte; where an output is saturated, they are the middle of what it can have been.
//!
//! No gradient is stored. A channel takes its step as soon as its gradient is known, or for batches of more than one
//! takes the gradient into its moments ([`Rule`]): so a batch of eight takes the RAM of a batch of one.
//!
//! # What it takes
//!
//! For the default network's 1,424 channels, in bytes: tables 11,392, moments 22,784, gradients between the layers 2,560.
//!
//! # Which of the two scales
//!
//! The formulas differ in what the bias does while the scale changes. Measured after one pass over 4,000 images with
//! Adam, on a sensor that has lost contrast and on one that is inverted: as above, MSE 0.0016 and 0.0049; with the first
//! formula in every layer 0.0037 and 0.0049, with the second 0.0016 and 0.0081. Outputs of images are mostly saturated:
//! there, a scale of the sum alone drives `z` far away, and the bias has to follow.

mod dense;
mod rule;

pub use rule::{Course, Moments, Rule, Turn};

use crate::Zeroed;
use crate::blob::Stored;
use crate::layer::Row;

/// A network that can learn in its integer form. `(F, G)` can if both can.
pub trait Adapt: Stored {
    /// The [`Channel`](crate::quant::Channel)s of every layer: what it learns.
    type Tables: Zeroed + Send + Sync;
    /// The [`Moments`] of each scale and each bias.
    type Moments: Zeroed + Send + Sync;
    /// `dL/dy` of every layer but the last: what the layers hand back to each other.
    type Joints: Zeroed + Send + Sync;

    /// Copies the tables that a network has.
    fn copy_tables(net: &Self::Int8<'_>, tables: &mut Self::Tables);

    /// The same network with other tables.
    fn with_tables<'t, 'b: 't>(net: &Self::Int8<'b>, tables: &'t Self::Tables) -> Self::Int8<'t>;

    /// The tables as bytes, layer by layer: for a record of what was learned.
    fn bytes(tables: &Self::Tables) -> impl Iterator<Item = &[u8]>;

    /// The same, to be written.
    fn bytes_mut(tables: &mut Self::Tables) -> impl Iterator<Item = &mut [u8]>;

    /// Takes the gradient of one image into the moments and, at the end of a batch, the step of every channel.
    ///
    /// `factory` is the network as it lies in flash: its multipliers are the unit of the scales. `acts` are of the forward
    /// pass with `tables`. All gradients are by the `u8` values: `dy` is `dL/dy` of the network's outputs in turn,
    /// `dx` becomes `dL/dx` where it is asked for. `output_layer`: these outputs are the whole network's.
    #[expect(clippy::too_many_arguments, reason = "each is another thing: two inputs, two gradients, three memories")]
    fn backward(
        factory: &Self::Int8<'_>,
        turn: &Turn,
        output_layer: bool,
        acts: &Self::Acts8,
        dy: impl Iterator<Item = f32>,
        dx: Option<&mut [f32]>,
        tables: &mut Self::Tables,
        moments: &mut Self::Moments,
        joints: &mut Self::Joints,
    );
}

impl<F: Adapt, G: Adapt<In = F::Out, In8 = F::Out8>> Adapt for (F, G) {
    type Tables = (F::Tables, G::Tables);
    type Moments = (F::Moments, G::Moments);
    type Joints = (F::Joints, (F::Out, G::Joints));

    fn copy_tables(net: &Self::Int8<'_>, tables: &mut Self::Tables) {
        F::copy_tables(&net.0, &mut tables.0);
        G::copy_tables(&net.1, &mut tables.1);
    }

    fn with_tables<'t, 'b: 't>(net: &Self::Int8<'b>, tables: &'t Self::Tables) -> Self::Int8<'t> {
        (F::with_tables(&net.0, &tables.0), G::with_tables(&net.1, &tables.1))
    }

    fn bytes(tables: &Self::Tables) -> impl Iterator<Item = &[u8]> {
        F::bytes(&tables.0).chain(G::bytes(&tables.1))
    }

    fn bytes_mut(tables: &mut Self::Tables) -> impl Iterator<Item = &mut [u8]> {
        F::bytes_mut(&mut tables.0).chain(G::bytes_mut(&mut tables.1))
    }

    #[inline]
    fn backward(
        factory: &Self::Int8<'_>,
        turn: &Turn,
        output_layer: bool,
        acts: &Self::Acts8,
        dy: impl Iterator<Item = f32>,
        dx: Option<&mut [f32]>,
        tables: &mut Self::Tables,
        moments: &mut Self::Moments,
        (f, (joint, g)): &mut Self::Joints,
    ) {
        let dh = Some(joint.elements_mut());
        G::backward(&factory.1, turn, output_layer, &acts.1, dy, dh, &mut tables.1, &mut moments.1, g);
        let dh = joint.elements().iter().copied();
        F::backward(&factory.0, turn, false, &acts.0, dh, dx, &mut tables.0, &mut moments.0, f);
    }
}
