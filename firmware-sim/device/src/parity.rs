//! A trace of training in `f32`, array by array, for comparing two machines.
//!
//! Host and device run this function over the same blob and the same images, and the lines that it writes are compared.
//! A line is the CRC-32 of one array, so equal lines are equal bits. The first line that differs names the step, the
//! quantity and the layer.

use crate::training::Training;
use autoencoder_core::blob::Blob;
use autoencoder_core::crc;
use autoencoder_core::layer::Row;
use autoencoder_core::optimizer::{Adam, Optimizer, RmsProp, Sgd};
use autoencoder_core::{Backward, Error, Parameters};
use core::fmt::{self, Write};
use zerocopy::{FromZeros, IntoBytes};

/// Images in the batch that host and device train on.
pub const IMAGES: usize = 4;

impl<N, const B: usize> Training<N, B>
where
    N: Backward + Parameters,
    Self: FromZeros,
{
    /// Loads an `f32` blob and the `B` images after it, one `u8` for each pixel. Moments and gradients start at zero.
    ///
    /// Errors: those of [`Blob::open`] and [`Blob::copy_f32`].
    pub fn load(&mut self, flash: &[u8]) -> Result<(), Error> {
        self.zero();
        let blob = Blob::open(flash)?;
        blob.copy_f32(&mut self.net)?;
        let images = flash.get(blob.bytes().len()..).unwrap_or_default();
        let images = images.chunks_exact(N::In::LEN).take(B);
        self.centre(images.clone());
        self.take(images);
        Ok(())
    }

    /// Takes three steps, one with each optimizer, and writes a line for each loss and for each array of each layer.
    pub fn write_trace(&mut self, out: &mut impl Write) -> fmt::Result {
        self.write_step(1, &Sgd::default(), out)?;
        self.write_step(2, &RmsProp::default(), out)?;
        self.write_step(3, &Adam::default(), out)
    }

    fn write_step(&mut self, t: u32, optimizer: &impl Optimizer, out: &mut impl Write) -> fmt::Result {
        const RATE: f32 = 0.01;
        let loss = self.forward();
        self.backward();
        for (layer, outputs) in (1..).zip(N::layer_outputs(&self.outputs, B)) {
            writeln!(out, "step {t}, outputs of layer {layer}: {:08x}", crc::checksum(outputs.as_bytes()))?;
        }
        writeln!(out, "step {t}, loss: {:08x}", loss.to_bits())?;
        for (layer, gradients) in (1..).zip(N::layer_outputs(&self.output_gradients, B)) {
            writeln!(out, "step {t}, output gradients of layer {layer}: {:08x}", crc::checksum(gradients.as_bytes()))?;
        }
        arrays(out, t, "parameter gradients", &self.gradient)?;
        self.update(t, RATE, optimizer);
        arrays(out, t, "parameters", &self.net)
    }
}

/// Writes the CRC-32 of each array of a network: weights and biases of each layer.
fn arrays(out: &mut impl Write, t: u32, what: &str, net: &impl Parameters) -> fmt::Result {
    for (i, array) in net.slices().enumerate() {
        let part = if i % 2 == 0 { "weights" } else { "biases" };
        writeln!(out, "step {t}, {what} of layer {}, {part}: {:08x}", i / 2 + 1, crc::checksum(array.as_bytes()))?;
    }
    Ok(())
}
