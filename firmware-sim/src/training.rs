//! One step of training in `f32`, and everything that it takes.
//!
//! The network, its gradient, two moments for each parameter, and for a few images the outputs of every layer and their
//! gradients: the same [`Layer`], [`Backward`] and [`Optimizer`] as on the host, nothing on a heap.

use autoencoder_core::layer::Row;
use autoencoder_core::optimizer::Optimizer;
use autoencoder_core::{Backward, Layer, Parameters, Plain, Zeroed, loss};
use zerocopy::FromZeros;

/// Everything that training takes, with room for `B` images: on a device a `static`, on the host on the heap.
#[derive(FromZeros)]
#[repr(C)]
pub struct Training<N: Layer, const B: usize> {
    pub(crate) net: N,
    pub(crate) gradient: N,
    /// First and second.
    moments: [N; 2],
    pub(crate) outputs: N::Acts<B>,
    pub(crate) slopes: N::Acts<B>,
    images: [N::In; B],
}

impl<N, const B: usize> Zeroed for Training<N, B>
where
    N: Layer<In: Row<Element = f32>> + Zeroed,
{
    const ZERO: Self = Self {
        net: N::ZERO,
        gradient: N::ZERO,
        moments: [N::ZERO; 2],
        outputs: N::Acts::<B>::ZERO,
        slopes: N::Acts::<B>::ZERO,
        images: [N::In::ZERO; B],
    };
}

impl<N, const B: usize> Training<N, B>
where
    N: Backward<In: Row<Element = f32>, Out: Row<Element = f32>> + Parameters,
{
    /// Takes the images of the next batch: `B` of them, one `u8` for each pixel.
    pub fn take<'p>(&mut self, images: impl IntoIterator<Item = &'p [u8]>) {
        for (image, pixels) in self.images.iter_mut().zip(images) {
            for (x, pixel) in image.elements_mut().iter_mut().zip(pixels) {
                *x = f32::from(*pixel) / 255.0;
            }
        }
    }

    /// Forward: the MSE of the batch, and its slope at the last layer's outputs.
    pub fn forward(&mut self) -> f32 {
        let Self { net, outputs, slopes, images, .. } = self;
        let y = net.forward(&Plain, images, outputs);
        let scale = 1.0 / (B * N::In::LEN) as f32;
        let mut sum = 0.0;
        for ((y, x), d) in y.iter().zip(&*images).zip(N::output_mut(slopes, B)) {
            sum += loss::squared_error(y.elements(), x.elements(), scale, d.elements_mut());
        }
        sum * scale
    }

    /// Backward: the gradient.
    pub fn backward(&mut self) {
        let Self { net, gradient, outputs, slopes, images, .. } = self;
        net.backward(&Plain, images, outputs, slopes, None, gradient);
    }

    /// Step `t`, from 1, with a rule and a learning rate. The gradient is spent.
    pub fn update(&mut self, t: u32, rate: f32, rule: &impl Optimizer) {
        let Self { net, gradient, moments: [m, v], .. } = self;
        let moments = m.slices_mut().zip(v.slices_mut());
        for ((p, g), (m, v)) in net.slices_mut().zip(gradient.slices_mut()).zip(moments) {
            rule.steps(t, rate, g, m, v);
            for (p, step) in p.iter_mut().zip(g) {
                *p -= *step;
            }
        }
    }
}
