//! Training a whole network in `f32`, one step at a time, with all memory in one struct.
//!
//! ```text
//! L  = mean over B images and their pixels of (y - x)²     forward
//! g  = dL/dp                                               backward, for each parameter p
//! p -= step(g, m, v)                                       update: an Optimizer with moments m and v
//! ```
//!
//! It holds the network, its gradient, two moments for each parameter, and for `B` images the outputs of every layer
//! and their gradients. [`Layer`], [`Backward`] and [`Optimizer`] are those of the core, so every machine computes the
//! same bits.

use autoencoder_core::layer::Row;
use autoencoder_core::optimizer::Optimizer;
use autoencoder_core::{Backward, Layer, Parameters, Zeroed, loss};
use zerocopy::FromZeros;

/// The memory of training with batches of `B` images: a `static` on a device, a box on the host.
#[derive(FromZeros)]
#[repr(C)]
pub struct Training<N: Layer, const B: usize> {
    pub(crate) net: N,
    pub(crate) gradient: N,
    /// `m` and `v`.
    moments: [N; 2],
    pub(crate) outputs: N::Acts<B>,
    pub(crate) output_gradients: N::Acts<B>,
    images: [N::In; B],
}

impl<N, const B: usize> Zeroed for Training<N, B>
where
    N: Layer + Zeroed,
{
    const ZERO: Self = Self {
        net: N::ZERO,
        gradient: N::ZERO,
        moments: [N::ZERO; 2],
        outputs: N::Acts::<B>::ZERO,
        output_gradients: N::Acts::<B>::ZERO,
        images: [N::In::ZERO; B],
    };
}

impl<N, const B: usize> Training<N, B>
where
    N: Backward + Parameters,
{
    /// The network as trained so far.
    pub fn net(&self) -> &N {
        &self.net
    }

    /// Takes `B` images as the next batch: one `u8` for each pixel, scaled to [0, 1].
    pub fn take<'p>(&mut self, images: impl IntoIterator<Item = &'p [u8]>) {
        for (image, pixels) in self.images.iter_mut().zip(images) {
            for (x, pixel) in image.elements_mut().iter_mut().zip(pixels) {
                *x = f32::from(*pixel) / 255.0;
            }
        }
    }

    /// Computes all outputs and `dL/dy` at the last layer. Returns `L`, the MSE of the batch.
    #[inline(never)] // keeps this frame out of the caller's stack
    pub fn forward(&mut self) -> f32 {
        let Self { net, outputs, output_gradients, images, .. } = self;
        let y = net.forward(images, outputs);
        let scale = 1.0 / (B * N::In::LEN) as f32;
        let mut sum = 0.0;
        for ((y, x), d) in y.iter().zip(&*images).zip(N::output_mut(output_gradients, B)) {
            sum += loss::squared_error(y.elements(), x.elements(), scale, d.elements_mut());
        }
        sum * scale
    }

    /// Computes the gradient of all parameters; to be called after [`Self::forward`].
    #[inline(never)] // keeps this frame out of the caller's stack
    pub fn backward(&mut self) {
        let Self { net, gradient, outputs, output_gradients, images, .. } = self;
        net.backward(images, outputs, output_gradients, None, gradient);
    }

    /// Takes step `t`, counted from 1, with an optimizer and a learning rate. The gradient is overwritten by the step.
    #[inline(never)] // keeps this frame out of the caller's stack
    pub fn update(&mut self, t: u32, rate: f32, optimizer: &impl Optimizer) {
        let Self { net, gradient, moments: [m, v], .. } = self;
        let moments = m.slices_mut().zip(v.slices_mut());
        for ((p, g), (m, v)) in net.slices_mut().zip(gradient.slices_mut()).zip(moments) {
            optimizer.steps(t, rate, g, m, v);
            for (p, step) in p.iter_mut().zip(g) {
                *p -= *step;
            }
        }
    }
}
