//! An integer network that is loaded from a blob: its shape is a value.
//!
//! A pass computes one row in memory of the caller, [`Network::memory_bytes`] of it:
//!
//! ```text
//! memory      [ inputs, later outputs | hidden layer 1 | hidden layer 2 | …       scratch of the kernel ]
//! boundary      0 and n                 1                2                        of n layers
//! ```
//!
//! The outputs of the last layer replace the inputs. A network of one layer has both, one after the other. Boundary 0 is
//! the network's inputs and boundary `i` the outputs of its first `i` layers, as in [`Topology::size`]. The activations at
//! each boundary are padded to a multiple of four bytes.

use crate::activation::ActivationKind;
use crate::blob::{Blob, Format, Header, Layers, RawLayer};
use crate::quant::{ChannelParams, Dense, Kernel, Native, Weights, padded, rows};
use crate::{Error, LayerSpec, Resource, Topology};
use core::ops::Range;
use zerocopy::FromBytes;

/// A network whose weights stay in their blob. Opening it checks everything once.
///
/// ```
/// # use autoencoder_core::{Error, Network};
/// # fn there_and_back(blob: &[u8], image: &[u8; 784]) -> Result<(), Error> {
/// let network = Network::open(blob)?;                       // checked, then borrowed: nothing is copied
/// let mut memory = [0; 4096];                               // network.memory_bytes() are needed
/// let code = network.encode(image, &mut memory)?.to_vec();
/// let image = network.decode(&code, &mut memory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Network<'b> {
    blob: Blob<'b>,
}

/// One half of an autoencoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Maps a row to its code.
    Encoder,
    /// Maps a code to its row.
    Decoder,
}

impl<'b> Network<'b> {
    /// Checks an integer blob, including each of its layers. Bytes after the blob are ignored.
    ///
    /// Errors: those of [`Blob::open`]; [`Error::Format`] for a blob of `f32`, or of a layout that this target does not
    /// read; [`Error::Accumulator`] if the accumulators were not checked; [`Error::Malformed`] if a layer does not have the
    /// sizes of the topology.
    pub fn open(bytes: &'b [u8]) -> Result<Self, Error> {
        Blob::open_and(bytes, check).map(|blob| Self { blob })
    }

    /// Checks the layers of a blob that is already open. Errors as for [`Self::open`].
    pub fn new(blob: Blob<'b>) -> Result<Self, Error> {
        check(&blob)?;
        Ok(Self { blob })
    }

    /// The blob that holds the network.
    pub fn blob(&self) -> &Blob<'b> {
        &self.blob
    }

    /// The shape of the network.
    pub fn topology(&self) -> &Topology {
        &self.blob.header().topology
    }

    /// The layers, in order.
    pub fn layers(&self) -> impl Iterator<Item = Dense<'b>> + '_ {
        let mut layers = self.blob.layers();
        let format = self.blob.header().format;
        // Opening the network has read all of them, so none fails here.
        self.topology().layers().iter().map_while(move |spec| dense(format, *spec, &mut layers))
    }

    /// The number of [`ChannelParams`]: the output channels of all layers, including padding.
    pub fn channels(&self) -> usize {
        self.topology().channels()
    }

    /// Bytes of a packed code.
    #[inline(never)]
    pub fn code_bytes(&self) -> usize {
        self.blob.header().code_bytes()
    }

    /// Bytes of memory that a pass needs with the kernel of this target: activations and scratch.
    pub fn memory_bytes(&self) -> usize {
        memory_bytes::<Native>(self.topology())
    }

    /// Returns [`Error::Capacity`] if a pass needs more than `available` bytes of memory.
    pub fn check_memory(&self, available: usize) -> Result<(), Error> {
        Error::check_capacity(Resource::Activations, self.memory_bytes(), available)
    }

    /// Encodes a row. The code has one byte for each element; [`code::pack`](crate::quant::code::pack) packs it.
    ///
    /// Errors: [`Error::Absent`] without an encoder, [`Error::Capacity`], [`Error::Length`].
    pub fn encode<'m>(&self, row: &[u8], memory: &'m mut [u8]) -> Result<&'m mut [u8], Error> {
        if !self.topology().has_encoder() {
            return Err(Error::Absent);
        }
        self.check_memory(memory.len())?;
        copy(row, self.input_mut(memory))?;
        self.forward(&Native {}, None, Half::Encoder, memory);
        Ok(self.code_mut(memory))
    }

    /// Decodes a code with one byte for each element. Errors as for [`Self::encode`].
    pub fn decode<'m>(&self, code: &[u8], memory: &'m mut [u8]) -> Result<&'m [u8], Error> {
        if !self.topology().has_decoder() {
            return Err(Error::Absent);
        }
        self.check_memory(memory.len())?;
        copy(code, self.code_mut(memory))?;
        self.forward(&Native {}, None, Half::Decoder, memory);
        Ok(self.output(memory))
    }

    /// The inputs of the next [`Self::forward`]. This slice and those below are empty if the memory is too small.
    pub fn input_mut<'m>(&self, memory: &'m mut [u8]) -> &'m mut [u8] {
        self.activations_mut(0, memory)
    }

    /// The code, one byte for each element: the outputs of the encoder and the inputs of the decoder.
    pub fn code_mut<'m>(&self, memory: &'m mut [u8]) -> &'m mut [u8] {
        self.activations_mut(self.topology().encoder_layers(), memory)
    }

    /// The outputs of the last layer.
    pub fn output<'m>(&self, memory: &'m [u8]) -> &'m [u8] {
        self.activations(self.topology().layers().len(), memory)
    }

    /// The activations at a boundary, as the last pass left them.
    pub fn activations<'m>(&self, boundary: usize, memory: &'m [u8]) -> &'m [u8] {
        memory.get(self.range(boundary)).unwrap_or_default()
    }

    /// The activations at a boundary, with their padding.
    pub(crate) fn padded_activations<'m>(&self, boundary: usize, memory: &'m [u8]) -> &'m [u8] {
        let Range { start, end } = self.range(boundary);
        memory.get(start..start + padded(end - start)).unwrap_or_default()
    }

    /// The activations at a boundary, mutable.
    #[inline(never)]
    pub fn activations_mut<'m>(&self, boundary: usize, memory: &'m mut [u8]) -> &'m mut [u8] {
        memory.get_mut(self.range(boundary)).unwrap_or_default()
    }

    /// Runs the layers of one half, from [`Self::input_mut`] to [`Self::code_mut`] or from there to [`Self::output`].
    ///
    /// `memory` must hold at least [`memory_bytes`] for this kernel; a pass stops at the first layer that does not fit.
    /// `channels`, if given, replace those of the blob for all layers: a device passes its learned channels.
    pub fn forward<K: Kernel>(&self, kernel: &K, channels: Option<&[ChannelParams]>, half: Half, memory: &mut [u8]) {
        let topology = self.topology();
        let layers = match half {
            Half::Encoder => 0..topology.encoder_layers(),
            Half::Decoder => topology.encoder_layers()..topology.layers().len(),
        };
        let (mut learned, mut from, mut hidden) = (channels, 0, start(topology, 1));
        let mut stored = self.blob.layers();
        for (i, spec) in topology.layers().iter().enumerate().take(layers.end) {
            let [inputs, outputs] = spec.padded_sizes();
            let own = learned.as_mut().and_then(|channels| channels.split_off(..outputs));
            let to = if is_first(topology, i + 1) { 0 } else { hidden };
            if i < layers.start {
                let _ = stored.next_layer();
            } else {
                let Some(mut layer) = dense(self.blob.header().format, *spec, &mut stored) else { return };
                layer.channels = own.unwrap_or(layer.channels);
                let scratch = memory.len().saturating_sub(K::scratch_bytes(inputs));
                let Some((memory, scratch)) = memory.split_at_mut_checked(scratch) else { return };
                let Some((low, high)) = memory.split_at_mut_checked(from.max(to)) else { return };
                let (x, y) = if from < to { (low.get_mut(from..), high) } else { (Some(high), low) };
                let (Some(x), Some(y)) = (x.and_then(|x| x.get_mut(..inputs)), y.get_mut(..outputs)) else { return };
                clear_padding(x, spec.inputs);
                kernel.dense(&layer, x, y, scratch);
            }
            hidden += outputs;
            from = to;
        }
    }

    fn range(&self, boundary: usize) -> Range<usize> {
        let first = is_first(self.topology(), boundary);
        let start = if first { 0 } else { start(self.topology(), boundary) };
        start..start + self.topology().size(boundary)
    }
}

/// Bytes of all activations of one row, with padding.
pub fn activation_bytes(topology: &Topology) -> usize {
    // The outputs of a single layer do not replace its inputs.
    start(topology, topology.layers().len().max(2))
}

/// Bytes of memory that a pass needs with the kernel `K`: activations and scratch.
pub fn memory_bytes<K: Kernel>(topology: &Topology) -> usize {
    let layers = topology.layers().iter();
    let scratch = layers.fold(0, |most, layer| K::scratch_bytes(padded(layer.inputs.into())).max(most));
    activation_bytes(topology) + scratch
}

/// The offset of the activations at a boundary between hidden layers. Inputs and outputs share offset 0.
#[inline(never)]
fn start(topology: &Topology, boundary: usize) -> usize {
    let hidden = padded(topology.inputs()).max(padded(topology.outputs()));
    (1..boundary).fold(hidden, |start, boundary| start + padded(topology.size(boundary)))
}

/// Whether the activations at a boundary have offset 0.
fn is_first(topology: &Topology, boundary: usize) -> bool {
    boundary == 0 || boundary == topology.layers().len() && boundary > 1
}

/// Clears the padding after the inputs, at most three bytes, which may hold values of an earlier row.
fn clear_padding(x: &mut [u8], inputs: u16) {
    if let Some(last) = x.last_chunk_mut::<4>() {
        let padding = inputs.wrapping_neg() % 4;
        *last = (u32::from_le_bytes(*last) & u32::MAX >> (8 * padding)).to_le_bytes();
    }
}

/// Copies a row. Returns [`Error::Length`] unless the lengths are equal.
fn copy(from: &[u8], to: &mut [u8]) -> Result<(), Error> {
    if from.len() != to.len() {
        return Err(Error::Length { expected: to.len() as u32, found: from.len() as u32 });
    }
    to.copy_from_slice(from);
    Ok(())
}

/// Returns an error unless the layers of a blob are integer layers with the sizes of the topology.
fn check(blob: &Blob<'_>) -> Result<(), Error> {
    let Header { format, accumulators_checked, topology, .. } = blob.header();
    if *format == Format::F32 || *format == Format::Int8Rows && !rows::READABLE {
        return Err(Error::Format);
    }
    if !accumulators_checked {
        return Err(Error::Accumulator);
    }
    let mut layers = blob.layers();
    for spec in topology.layers() {
        dense(*format, *spec, &mut layers).ok_or(Error::Malformed)?;
    }
    layers.finish().map(|_| ())
}

/// The next stored layer as an integer layer; `None` if it does not have this format and shape.
#[inline(never)]
fn dense<'b>(format: Format, spec: LayerSpec, layers: &mut Layers<'b>) -> Option<Dense<'b>> {
    let RawLayer { output, channels, weights } = layers.next_layer().ok()?;
    // Only outputs that can be negative have a zero point.
    if output.zero_point != 0 && spec.activation != ActivationKind::Identity {
        return None;
    }
    let weights = match format {
        Format::Int8 => Weights::Int8(<[_]>::ref_from_bytes(weights).ok()?),
        Format::Int4 => Weights::Int4(<[_]>::ref_from_bytes(weights).ok()?),
        Format::Int8Rows => Weights::Int8Rows(weights),
        Format::F32 => return None,
    };
    Dense::new(spec, weights, <[_]>::ref_from_bytes(channels).ok()?, output)
}
