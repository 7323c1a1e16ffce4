//! Training in `f32`, told array by array, so that two machines can be held against each other.
//!
//! Host and device run this same function over the same blob and the same images and compare the lines that it
//! writes. The first line that differs says in which step, quantity and layer they part.

use autoencoder_core::blob::Blob;
use autoencoder_core::crc;
use autoencoder_core::layer::Row;
use autoencoder_core::optimizer::{Adam, Optimizer, RmsProp, Sgd};
use autoencoder_core::{Backward, Error, Layer, Parameters, Plain, Zeroed, loss};
use core::fmt::{self, Write};
use zerocopy::{FromZeros, IntoBytes};

/// Images in the batch that host and device train on.
pub const IMAGES: usize = 4;

/// Everything that training takes, with room for `B` images: on a device a `static`, on the host on the heap.
#[derive(FromZeros)]
#[repr(C)]
pub struct Training<N: Layer, const B: usize> {
    net: N,
    gradient: N,
    /// First and second.
    moments: [N; 2],
    outputs: N::Acts<B>,
    slopes: N::Acts<B>,
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
    /// Takes an `f32` blob and, behind it, `B` images: one `u8` for each pixel.
    pub fn load(&mut self, flash: &[u8]) -> Result<(), Error> {
        let blob = Blob::open(flash)?;
        blob.copy_f32(&mut self.net)?;
        let behind = flash.get(blob.bytes().len()..).unwrap_or_default();
        for (image, pixels) in self.images.iter_mut().zip(behind.chunks_exact(N::In::LEN)) {
            for (x, pixel) in image.elements_mut().iter_mut().zip(pixels) {
                *x = f32::from(*pixel) / 255.0;
            }
        }
        Ok(())
    }

    /// Three steps, one with each rule; writes a line for each loss and for each quantity of each layer.
    pub fn run(&mut self, out: &mut impl Write) -> fmt::Result {
        self.step(1, &Sgd::default(), out)?;
        self.step(2, &RmsProp::default(), out)?;
        self.step(3, &Adam::default(), out)
    }

    fn step(&mut self, t: u32, rule: &impl Optimizer, out: &mut impl Write) -> fmt::Result {
        const RATE: f32 = 0.01;
        let Self { net, gradient, moments: [m, v], outputs, slopes, images } = self;
        let y = net.forward(&Plain, images, outputs);
        let scale = 1.0 / (B * N::In::LEN) as f32;
        let mut sum = 0.0;
        for ((y, x), d) in y.iter().zip(&*images).zip(N::output_mut(slopes, B)) {
            sum += loss::squared_error(y.elements(), x.elements(), scale, d.elements_mut());
        }
        net.backward(&Plain, images, outputs, slopes, None, gradient);
        for (layer, outputs) in (1..).zip(N::stages(outputs, B)) {
            writeln!(out, "step {t}, outputs of layer {layer}: {:08x}", crc::checksum(outputs))?;
        }
        writeln!(out, "step {t}, loss: {:08x}", (sum * scale).to_bits())?;
        for (layer, slopes) in (1..).zip(N::stages(slopes, B)) {
            writeln!(out, "step {t}, output gradients of layer {layer}: {:08x}", crc::checksum(slopes))?;
        }
        tell(out, t, "parameter gradients", gradient)?;
        let moments = m.slices_mut().zip(v.slices_mut());
        for ((p, g), (m, v)) in net.slices_mut().zip(gradient.slices_mut()).zip(moments) {
            rule.steps(t, RATE, g, m, v);
            for (p, step) in p.iter_mut().zip(g) {
                *p -= *step;
            }
        }
        tell(out, t, "parameters", net)
    }
}

/// The CRC-32 of each array of a network, weights and biases.
fn tell(out: &mut impl Write, t: u32, what: &str, net: &impl Parameters) -> fmt::Result {
    for (i, array) in net.slices().enumerate() {
        let part = if i % 2 == 0 { "weights" } else { "biases" };
        writeln!(out, "step {t}, {what} of layer {}, {part}: {:08x}", i / 2 + 1, crc::checksum(array.as_bytes()))?;
    }
    Ok(())
}
