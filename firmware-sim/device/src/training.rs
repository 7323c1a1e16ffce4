//! Training a whole network in `f32`, one step at a time, with all memory in one struct.
//!
//! ```text
//! L  = mean over B images and their pixels of (y - x)²     forward
//! g  = dL/dp                                               backward, for each parameter p
//! p -= step(g, m, v)                                       update: an Optimizer with moments m and v
//! ```
//!
//! The images are [centred](centre): `g` and the steps are those of a network whose first layer takes `x` minus the mean
//! image. The parameters are those of the network that takes `x`.
//!
//! It holds the network, its gradient, two moments for each parameter, the mean image, and for `B` images the outputs of
//! every layer and their gradients. [`Layer`], [`Backward`] and [`Optimizer`] are those of the core, so every machine
//! computes the same bits.

use autoencoder_core::centre;
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
    /// `c`: what the images are centred by.
    mean: N::In,
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
        mean: N::In::ZERO,
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

    /// Centres all further steps by the mean of these images: one `u8` for each pixel. Without it, nothing is centred.
    ///
    /// A pixel's sum is an integer, so it is exact for up to 65,793 images.
    #[inline(never)] // keeps this frame out of the caller's stack
    pub fn centre<'p>(&mut self, images: impl IntoIterator<Item = &'p [u8]>) {
        let (mean, mut count) = (self.mean.elements_mut(), 0.0f32);
        mean.fill(0.0);
        for image in images {
            count += 1.0;
            for (sum, pixel) in mean.iter_mut().zip(image) {
                *sum += f32::from(*pixel);
            }
        }
        for mean in mean {
            *mean /= 255.0 * count.max(1.0);
        }
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

    /// Computes the gradient of all parameters, centred; to be called after [`Self::forward`].
    #[inline(never)] // keeps this frame out of the caller's stack
    pub fn backward(&mut self) {
        let Self { net, gradient, outputs, output_gradients, images, mean, .. } = self;
        net.backward(images, outputs, output_gradients, None, gradient);
        if let Some([dw, db]) = layer(gradient, 0) {
            centre::weight_gradient(db, mean.elements(), dw); // dW̃ = dW - db ⊗ c
        }
    }

    /// Takes step `t`, counted from 1, with an optimizer and a learning rate. The gradient is overwritten by the step.
    #[inline(never)] // keeps this frame out of the caller's stack
    pub fn update(&mut self, t: u32, rate: f32, optimizer: &impl Optimizer) {
        let Self { net, gradient, moments: [m, v], mean, .. } = self;
        let rule = optimizer.at(t, rate);
        for index in 0..N::specs().count() {
            let [Some(p), Some(mut g), Some(m), Some(v)] = [&mut *net, gradient, m, v].map(|net| layer(net, index))
            else {
                return;
            };
            for ((g, m), v) in g.iter_mut().zip(m).zip(v) {
                for ((g, m), v) in g.iter_mut().zip(m).zip(v) {
                    *g = rule(*g, m, v); // from here on, the step
                }
            }
            let [weights, bias] = &mut g;
            if index == 0 {
                centre::fold_mean(weights, mean.elements(), bias); // the step of b: steps(db) - steps(dW̃)·c
            }
            for (p, steps) in p.into_iter().zip(g) {
                for (p, step) in p.iter_mut().zip(steps) {
                    *p -= *step;
                }
            }
        }
    }
}

/// The weights and the bias of a layer, counted from 0.
#[inline(never)] // once in the code, and its frame out of the caller's stack
fn layer(net: &mut impl Parameters, index: usize) -> Option<[&mut [f32]; 2]> {
    let mut slices = net.slices_mut().skip(2 * index);
    Some([slices.next()?, slices.next()?])
}
