//! The shape of a network as a value: the sizes of its layers, their activations, and where the code is.
//!
//! ```text
//! 784-256-128-256-784          inputs, then the outputs of each layer
//! 640-128r-8r-128r-640i        a letter after a size is the layer's activation: s sigmoid (default), r ReLU, i identity
//! 64-32-8-8*-64                a * marks the code
//! ```
//!
//! Without a `*`, the code is the smallest size between inputs and outputs, and the first of several equal ones.

use crate::activation::ActivationKind;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The largest number of layers that a network can have.
pub const MAX_LAYERS: usize = 16;

/// The topologies that have a name.
const NAMED: [(&str, &str); 4] = [
    ("classic", "784-256-128-256-784"),
    ("small", "784-128-32-128-784"),
    ("anomaly", "640-128r-128r-128r-128r-8r-128r-128r-128r-128r-640i"),
    ("tiny", "64-16-4-16-64"),
];

/// The names that [`Topology`] parses: `classic`, `small`, `anomaly` and `tiny`.
pub const NAMES: [&str; NAMED.len()] = {
    let mut names = [""; NAMED.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = NAMED[i].0;
        i += 1;
    }
    names
};

/// A size rounded up to a multiple of four, as the layouts of integer weights need it.
pub const fn padded(size: usize) -> usize {
    size.next_multiple_of(4)
}

/// The shape of one dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// The number of inputs.
    pub inputs: u16,
    /// The number of outputs.
    pub outputs: u16,
    /// The activation function of the outputs.
    pub activation: ActivationKind,
}

impl LayerSpec {
    /// `[inputs, outputs]`.
    pub const fn sizes(self) -> [usize; 2] {
        [self.inputs as usize, self.outputs as usize]
    }

    /// `[inputs, outputs]`, each [`padded`] for an integer layer.
    pub const fn padded_sizes(self) -> [usize; 2] {
        [padded(self.inputs as usize), padded(self.outputs as usize)]
    }

    /// The number of weights: `inputs · outputs`.
    pub const fn weights(self) -> usize {
        self.inputs as usize * self.outputs as usize
    }

    /// The number of parameters: the weights, and a bias for each output.
    pub const fn parameters(self) -> usize {
        self.weights() + self.outputs as usize
    }
}

/// The layers of a network in order, and how many of them belong to the encoder. Each layer fits the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    // In the order in which a blob stores them.
    encoder_layers: u8,
    layers: heapless::Vec<LayerSpec, MAX_LAYERS>,
}

/// Why a text or a list of layers is not a valid topology. Parts are counted from 1; part 1 is the number of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopologyError {
    /// There is no layer. A topology needs at least two sizes.
    NoLayer,
    /// There are more than [`MAX_LAYERS`] layers.
    TooManyLayers,
    /// This part is not a number from 1 to 65,535.
    Size(u8),
    /// This part ends in something other than `s`, `r`, `i` or `*`.
    Suffix(u8),
    /// The inputs have an activation or a `*`, but they are not a layer.
    Inputs,
    /// This part has a second `*`. A network has one code.
    SecondCode(u8),
    /// A layer has size 0 or does not fit the one before it, or the encoder has more layers than the network.
    Chain,
}

impl Topology {
    /// A network of these layers. The first `encoder_layers` of them are the encoder.
    pub fn new(layers: &[LayerSpec], encoder_layers: usize) -> Result<Self, TopologyError> {
        let layers = heapless::Vec::from_slice(layers).map_err(|_| TopologyError::TooManyLayers)?;
        let topology = Self { encoder_layers: u8::try_from(encoder_layers).unwrap_or(u8::MAX), layers };
        topology.check()?;
        Ok(topology)
    }

    /// No layers yet. This is not a constant, because a constant would be bytes to copy.
    #[inline]
    pub(crate) fn empty(encoder_layers: u8) -> Self {
        Self { encoder_layers, layers: heapless::Vec::new() }
    }

    /// Adds the next layer without checking it: call [`Self::check`] after the last one.
    pub(crate) fn push(&mut self, layer: LayerSpec) -> Result<(), TopologyError> {
        self.layers.push(layer).map_err(|_| TopologyError::TooManyLayers)
    }

    /// Returns an error unless the layers fit each other.
    pub(crate) fn check(&self) -> Result<(), TopologyError> {
        if self.layers.is_empty() {
            return Err(TopologyError::NoLayer);
        }
        let mut inputs = None;
        for layer in &self.layers {
            if layer.inputs == 0 || layer.outputs == 0 || inputs.is_some_and(|inputs| inputs != layer.inputs) {
                return Err(TopologyError::Chain);
            }
            inputs = Some(layer.outputs);
        }
        if self.encoder_layers() > self.layers.len() { Err(TopologyError::Chain) } else { Ok(()) }
    }

    /// The topology with one of [`NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        let (_, sizes) = NAMED.into_iter().find(|(known, _)| *known == name)?;
        sizes.parse().ok()
    }

    /// The name of this topology, if it has one.
    pub fn name(&self) -> Option<&'static str> {
        NAMES.into_iter().find(|name| Self::named(name).as_ref() == Some(self))
    }

    /// All layers, in order.
    pub fn layers(&self) -> &[LayerSpec] {
        &self.layers
    }

    /// The number of layers of the encoder.
    pub fn encoder_layers(&self) -> usize {
        self.encoder_layers.into()
    }

    /// The number of layers of the decoder.
    pub fn decoder_layers(&self) -> usize {
        self.layers.len().saturating_sub(self.encoder_layers())
    }

    /// The encoder alone; `None` if there is none.
    pub fn encoder(&self) -> Option<Self> {
        Self::new(self.layers.get(..self.encoder_layers())?, self.encoder_layers()).ok()
    }

    /// The decoder alone; `None` if there is none.
    pub fn decoder(&self) -> Option<Self> {
        Self::new(self.layers.get(self.encoder_layers()..)?, 0).ok()
    }

    /// The number of activations at a boundary: boundary 0 is the inputs, and boundary `i` is the outputs of the first `i`
    /// layers.
    #[inline(never)]
    pub fn size(&self, boundary: usize) -> usize {
        let size = match boundary.checked_sub(1) {
            None => self.layers.first().map(|layer| layer.inputs),
            Some(layer) => self.layers.get(layer).map(|layer| layer.outputs),
        };
        size.unwrap_or_default().into()
    }

    /// The number of inputs of the first layer.
    pub fn inputs(&self) -> usize {
        self.size(0)
    }

    /// The number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.size(self.layers.len())
    }

    /// The number of elements of the code.
    pub fn code(&self) -> usize {
        self.size(self.encoder_layers())
    }

    /// The number of elements of a row: the inputs, or the outputs of a decoder alone.
    pub fn row(&self) -> usize {
        if self.has_encoder() { self.inputs() } else { self.outputs() }
    }

    /// Whether the network can encode. A decoder alone cannot.
    pub fn has_encoder(&self) -> bool {
        self.encoder_layers > 0
    }

    /// Whether the network can decode. An encoder alone cannot. A single layer whose code is as long as its row can: its
    /// decoder is the identity.
    pub fn has_decoder(&self) -> bool {
        self.decoder_layers() > 0 || self.layers.len() == 1 && self.outputs() == self.inputs()
    }

    /// The activation that computes the code; `None` if the code is the input.
    pub fn code_activation(&self) -> Option<ActivationKind> {
        let last = self.encoder_layers().checked_sub(1)?;
        self.layers.get(last).map(|layer| layer.activation)
    }

    /// The number of parameters: the weights and biases of all layers.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.parameters()).sum()
    }

    /// The number of output channels of all layers, including the padding of integer layers.
    pub fn channels(&self) -> usize {
        self.layers.iter().map(|layer| padded(layer.outputs.into())).sum()
    }

    /// The boundary of the code unless a `*` marks it: the first of the smallest sizes between inputs and outputs.
    fn smallest(&self) -> usize {
        let hidden = 1..self.layers.len();
        hidden.min_by_key(|boundary| self.size(*boundary)).unwrap_or(self.layers.len())
    }
}

impl FromStr for Topology {
    type Err = TopologyError;

    /// Parses `784-256-128-256-784` or one of [`NAMES`].
    fn from_str(text: &str) -> Result<Self, TopologyError> {
        if let Some(topology) = Self::named(text) {
            return Ok(topology);
        }
        let (mut layers, mut inputs, mut code) = (heapless::Vec::<LayerSpec, MAX_LAYERS>::new(), None, None);
        for (number, part) in (1..).zip(text.split('-')) {
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (size, suffix) = part.split_at(digits);
            let outputs = size.parse().ok().filter(|size| *size > 0).ok_or(TopologyError::Size(number))?;
            let (suffix, marked) = match suffix.strip_suffix('*') {
                Some(suffix) => (suffix, true),
                None => (suffix, false),
            };
            let activation = match suffix {
                "" | "s" => ActivationKind::Sigmoid,
                "r" => ActivationKind::Relu,
                "i" => ActivationKind::Identity,
                _ => return Err(TopologyError::Suffix(number)),
            };
            match inputs {
                None if marked || !suffix.is_empty() => return Err(TopologyError::Inputs),
                None => {}
                Some(inputs) => {
                    let layer = LayerSpec { inputs, outputs, activation };
                    layers.push(layer).map_err(|_| TopologyError::TooManyLayers)?;
                    if marked && code.replace(layers.len()).is_some() {
                        return Err(TopologyError::SecondCode(number));
                    }
                }
            }
            inputs = Some(outputs);
        }
        let mut topology = Self::new(&layers, 0)?;
        topology.encoder_layers = code.unwrap_or_else(|| topology.smallest()) as u8;
        Ok(topology)
    }
}

impl fmt::Display for Topology {
    /// Writes the form that [`FromStr`] parses. A decoder alone does not parse back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inputs())?;
        for (boundary, layer) in (1..).zip(&self.layers) {
            let activation = match layer.activation {
                ActivationKind::Sigmoid => "",
                ActivationKind::Relu => "r",
                ActivationKind::Identity => "i",
            };
            let marked = boundary == self.encoder_layers() && boundary != self.smallest();
            write!(f, "-{}{activation}{}", layer.outputs, if marked { "*" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLayer => f.write_str("at least two sizes are needed, inputs and outputs: 784-256-128-256-784"),
            Self::TooManyLayers => write!(f, "a topology has at most {MAX_LAYERS} layers"),
            Self::Size(part) => write!(f, "part {part} is not a size from 1 to 65535"),
            Self::Suffix(part) => {
                write!(f, "part {part} has an unknown suffix: s, r or i is an activation, * marks the code")
            }
            Self::Inputs => {
                f.write_str("part 1 is the number of inputs, which have no activation and are not the code")
            }
            Self::SecondCode(part) => write!(f, "part {part} marks a second code"),
            Self::Chain => f.write_str("the layers do not fit each other"),
        }
    }
}

impl core::error::Error for TopologyError {}

#[cfg(test)]
mod tests;
