//! Training in `f32`, told array by array, so that two machines can be held against each other.
//!
//! Host and device run this same function over the same blob and the same images and compare the lines that it
//! writes. The first line that differs says in which step, quantity and layer they part.

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
    N: Backward<In: Row<Element = f32>, Out: Row<Element = f32>> + Parameters,
    Self: FromZeros,
{
    /// Takes an `f32` blob and, behind it, `B` images: one `u8` for each pixel. Nothing is left of what was before.
    pub fn load(&mut self, flash: &[u8]) -> Result<(), Error> {
        self.zero();
        let blob = Blob::open(flash)?;
        blob.copy_f32(&mut self.net)?;
        let behind = flash.get(blob.bytes().len()..).unwrap_or_default();
        self.take(behind.chunks_exact(N::In::LEN));
        Ok(())
    }

    /// Three steps, one with each rule; writes a line for each loss and for each quantity of each layer.
    pub fn tell(&mut self, out: &mut impl Write) -> fmt::Result {
        self.tell_step(1, &Sgd::default(), out)?;
        self.tell_step(2, &RmsProp::default(), out)?;
        self.tell_step(3, &Adam::default(), out)
    }

    fn tell_step(&mut self, t: u32, rule: &impl Optimizer, out: &mut impl Write) -> fmt::Result {
        const RATE: f32 = 0.01;
        let loss = self.forward();
        self.backward();
        for (layer, outputs) in (1..).zip(N::stages(&self.outputs, B)) {
            writeln!(out, "step {t}, outputs of layer {layer}: {:08x}", crc::checksum(outputs))?;
        }
        writeln!(out, "step {t}, loss: {:08x}", loss.to_bits())?;
        for (layer, slopes) in (1..).zip(N::stages(&self.slopes, B)) {
            writeln!(out, "step {t}, output gradients of layer {layer}: {:08x}", crc::checksum(slopes))?;
        }
        arrays(out, t, "parameter gradients", &self.gradient)?;
        self.update(t, RATE, rule);
        arrays(out, t, "parameters", &self.net)
    }
}

/// The CRC-32 of each array of a network, weights and biases.
fn arrays(out: &mut impl Write, t: u32, what: &str, net: &impl Parameters) -> fmt::Result {
    for (i, array) in net.slices().enumerate() {
        let part = if i % 2 == 0 { "weights" } else { "biases" };
        writeln!(out, "step {t}, {what} of layer {}, {part}: {:08x}", i / 2 + 1, crc::checksum(array.as_bytes()))?;
    }
    Ok(())
}
