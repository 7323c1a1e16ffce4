//! What a topology takes of a board's flash and RAM, whole or one half of it.

use super::boards::{BOARDS, Board, RESERVE};
use super::link::{InProcess, Link, LinkError, Memory};
use autoencoder_core::blob::{Bulk, Format, Header, Mirrors, NO_THRESHOLD, Writer};
use autoencoder_core::layer::Row;
use autoencoder_core::model::{Half, NAMES, Visitor, with_topology};
use autoencoder_core::quant::{Affine, Channel};
use autoencoder_core::{Error, LayerSpec};
use firmware_sim::flash::Nor;
use firmware_sim::learn::{Begin, HELD_OUT, Method};
use firmware_sim::store::{Store, slot_bytes};
use firmware_sim::{Codec, Command, Learner, Request, frame, message};
use host::blob_file::BlobFile;
use std::fmt;

/// The code of the whole image: application, driver and start-up. An estimate: what the image is allowed to take.
pub const CODE_BYTES: usize = 24 * 1024;
/// The same of the image that learns.
pub const LEARNING_CODE_BYTES: usize = 28 * 1024;
/// Pages of the flash that keeps what was learned.
const PAGE: usize = 4096;

/// Bytes of flash and RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Weights and code.
    pub flash: usize,
    /// Statics and stack.
    pub ram: usize,
}

/// Needs of an application with both halves and with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    pub whole: Needs,
    pub encoder: Needs,
    pub decoder: Needs,
}

/// What a board has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Whole,
    EitherHalf,
    Encoder,
    Decoder,
    Nothing,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::EitherHalf => "encoder alone or decoder alone",
            Self::Encoder => "encoder alone",
            Self::Decoder => "decoder alone",
            Self::Nothing => "no",
        })
    }
}

impl Needs {
    /// Whether a board has them.
    pub fn fit(self, board: &Board) -> bool {
        self.flash <= board.flash && self.ram <= board.free_ram()
    }
}

impl Footprint {
    /// The footprint of a topology whose blob has that format and as many bytes, or as many as an int8 blob has.
    pub fn of(topology: &str, blob: Option<(Format, usize)>, memory: Memory) -> anyhow::Result<Self> {
        let shape = Shape::of(topology)?;
        let (encoder, decoder) = shape.layers.split_at(shape.encoder_layers);
        let format = blob.map_or(Format::Int8, |(format, _)| format);
        let flash = |layers: &[LayerSpec], encoder_layers| -> Result<usize, Error> {
            Ok(zero_blob(layers, encoder_layers, format)?.len() + CODE_BYTES)
        };
        let whole = blob.map_or_else(|| flash(&shape.layers, encoder.len()), |(_, length)| Ok(length + CODE_BYTES))?;
        let rest = memory.ram().saturating_sub(shape.activation_bytes); // a board may not know its own
        Ok(Self {
            whole: Needs { flash: whole, ram: memory.ram() },
            encoder: Needs { flash: flash(encoder, encoder.len())?, ram: rest + shape.encoder_bytes },
            decoder: Needs { flash: flash(decoder, 0)?, ram: rest + shape.decoder_bytes },
        })
    }

    /// The footprint of a topology, its stack measured with a blob of zeros.
    pub fn measured(topology: &str) -> anyhow::Result<(Self, Memory)> {
        let shape = Shape::of(topology)?;
        let blob = shape.zeros()?;
        let memory = exercise(InProcess::boot(topology, blob.bytes())?, blob.bytes(), &shape, &[])?;
        Ok((Self::of(topology, None, memory)?, memory))
    }

    /// Whether a board has room for the encoder, but not for the whole network.
    pub fn encoder_alone(&self, board: &Board) -> bool {
        matches!(self.on(board), Fit::Encoder | Fit::EitherHalf)
    }

    /// What of it fits a board.
    pub fn on(&self, board: &Board) -> Fit {
        match (self.whole.fit(board), self.encoder.fit(board), self.decoder.fit(board)) {
            (true, ..) => Fit::Whole,
            (_, true, true) => Fit::EitherHalf,
            (_, true, false) => Fit::Encoder,
            (_, false, true) => Fit::Decoder,
            (_, false, false) => Fit::Nothing,
        }
    }
}

/// What learning takes.
#[derive(Clone, Copy, Debug)]
pub struct Learning {
    pub needs: Needs,
    /// Of flash, for the two slots that keep what was learned; not in `needs`, as that flash may be another one.
    pub kept: usize,
}

/// Whether a network learns on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    Yes,
    /// Weights and code leave too little flash for the slots.
    KeptElsewhere,
    No,
}

impl fmt::Display for Learns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::KeptElsewhere => "yes, kept elsewhere",
            Self::No => "no",
        })
    }
}

impl Learning {
    /// Of a topology whose blob has so many bytes, or as many as an int8 blob has: statics and stack measured.
    pub fn measured(topology: &str, blob: Option<usize>) -> anyhow::Result<Self> {
        let shape = Shape::of(topology)?;
        let zeros = shape.zeros()?;
        let mut flash = Nor::<Vec<u8>>::new(vec![0xff; 2 * shape.slot_bytes]);
        Store::new(&mut flash, zeros.open()?.crc(), shape.kept_bytes)?.save([&vec![0; shape.kept_bytes][..]])?;
        let device = InProcess::boot_learning(topology, zeros.bytes(), flash.bytes().to_vec())?;
        let image = vec![0; shape.inputs];
        let begin = Begin { method: Method::Adam, rate: 1, batch: 1, images: 1 };
        let mut course = vec![message::Learning::Begin(begin)];
        course.extend(vec![message::Learning::Image(&image); HELD_OUT + 1]);
        course.extend([message::Learning::End, message::Learning::Reset, message::Learning::Flash { at: 0 }]);
        let memory = exercise(device, zeros.bytes(), &shape, &course)?;
        Ok(Self::of(&shape, blob.unwrap_or(zeros.bytes().len()), memory))
    }

    /// Of a device that learns, which has taken so much.
    pub fn taken(topology: &str, blob: usize, memory: Memory) -> Result<Self, LinkError> {
        Ok(Self::of(&Shape::of(topology)?, blob, memory))
    }

    fn of(shape: &Shape, blob: usize, memory: Memory) -> Self {
        let needs = Needs { flash: blob + LEARNING_CODE_BYTES, ram: memory.ram() };
        Self { needs, kept: 2 * shape.slot_bytes }
    }

    pub fn on(&self, board: &Board) -> Learns {
        match self.needs.fit(board) {
            true if self.needs.flash + self.kept <= board.flash => Learns::Yes,
            true => Learns::KeptElsewhere,
            false => Learns::No,
        }
    }
}

/// Why a topology does not fit a board, in one line.
#[derive(Debug, thiserror::Error)]
pub struct OverBudget {
    board: &'static Board,
    /// Topology, and whether it learns.
    what: String,
    needs: Needs,
    /// What would fit.
    instead: Vec<String>,
}

impl OverBudget {
    /// An error unless the whole of it fits.
    pub fn check(board: &'static Board, topology: &str, footprint: &Footprint) -> anyhow::Result<()> {
        let mut instead = match footprint.on(board) {
            Fit::Whole => return Ok(()),
            Fit::Nothing => Vec::new(),
            half => vec![format!("the {half}")],
        };
        for other in NAMES.into_iter().filter(|name| *name != topology) {
            if Footprint::measured(other)?.0.whole.fit(board) {
                instead.push(format!("the topology {other}"));
            }
        }
        if let Some(larger) = BOARDS.iter().find(|board| footprint.whole.fit(board)) {
            instead.push(format!("the board {}", larger.name));
        }
        Err(Self { board, what: topology.to_owned(), needs: footprint.whole, instead }.into())
    }

    /// The same of a network that learns.
    pub fn check_learning(board: &'static Board, topology: &str, learning: &Learning) -> anyhow::Result<()> {
        if learning.needs.fit(board) {
            return Ok(());
        }
        let mut instead = Vec::new();
        if Footprint::measured(topology)?.0.whole.fit(board) {
            instead.push(format!("{topology} without learning"));
        }
        for other in NAMES.into_iter().filter(|name| *name != topology) {
            if Learning::measured(other, None)?.needs.fit(board) {
                instead.push(format!("the topology {other}"));
            }
        }
        if let Some(larger) = BOARDS.iter().find(|board| learning.needs.fit(board)) {
            instead.push(format!("the board {}", larger.name));
        }
        Err(Self { board, what: format!("learning with {topology}"), needs: learning.needs, instead }.into())
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { board, what, needs, instead } = self;
        write!(f, "over budget: {what} on {} exceeds ", board.name)?;
        let flash = needs.flash.saturating_sub(board.flash);
        let ram = needs.ram.saturating_sub(board.free_ram());
        let flash = format!("flash by {flash} bytes ({} of {})", needs.flash, board.flash);
        let reserve = format!("{RESERVE} of the board's {} are reserved", board.ram);
        let ram_text = format!("RAM by {ram} bytes ({} of {}; {reserve})", needs.ram, board.free_ram());
        match (needs.flash > board.flash, ram > 0) {
            (true, true) => write!(f, "{flash} and {ram_text}")?,
            (true, false) => f.write_str(&flash)?,
            _ => f.write_str(&ram_text)?,
        }
        write!(f, "; what would fit: {}", instead.join(", "))
    }
}

/// What has to be known of a topology.
pub struct Shape {
    pub layers: Vec<LayerSpec>,
    pub encoder_layers: usize,
    inputs: usize,
    activation_bytes: usize,
    encoder_bytes: usize,
    decoder_bytes: usize,
    /// Of what was learned, and of the flash for it.
    kept_bytes: usize,
    slot_bytes: usize,
}

impl Shape {
    pub fn of(topology: &str) -> Result<Self, LinkError> {
        struct Look;

        impl Visitor for Look {
            type Output = Shape;

            fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Shape {
                Shape {
                    layers: E::specs().chain(D::specs()).collect(),
                    encoder_layers: E::specs().count(),
                    inputs: E::In8::LEN,
                    activation_bytes: Codec::<E, D>::ACTIVATION_BYTES,
                    encoder_bytes: Codec::<E, D>::ENCODER_BYTES,
                    decoder_bytes: Codec::<E, D>::DECODER_BYTES,
                    kept_bytes: Learner::<E, D, Nor<Vec<u8>>>::KEPT_BYTES,
                    slot_bytes: slot_bytes(Learner::<E, D, Nor<Vec<u8>>>::KEPT_BYTES, PAGE),
                }
            }
        }

        with_topology(topology, Look).ok_or_else(|| LinkError::Topology(topology.to_owned()))
    }

    /// An int8 blob of it, all bits of the weights zero.
    fn zeros(&self) -> Result<BlobFile, Error> {
        Ok(BlobFile::new("zeros".as_ref(), &zero_blob(&self.layers, self.encoder_layers, Format::Int8)?))
    }
}

/// An integer blob of these layers, all bits of the weights zero: as long as any other.
fn zero_blob(layers: &[LayerSpec], encoder_layers: usize, format: Format) -> Result<Vec<u8>, Error> {
    /// More than the header and, for each layer, its lengths and padding.
    const OVERHEAD: usize = 1024;
    let header = Header {
        format,
        accumulators_checked: true,
        // As many bytes in the header as a real number of steps.
        steps: 30_000,
        input: Affine::UNIT,
        code_bits: 8,
        threshold: NO_THRESHOLD,
        encoder_layers: encoder_layers as u8,
        layers: layers.iter().copied().collect(),
    };
    let sizes = |layer: &LayerSpec| {
        let (inputs, outputs) = (usize::from(layer.inputs), usize::from(layer.outputs));
        let weights = if format == Format::Int4 { inputs * outputs / 2 } else { inputs * outputs };
        (weights, outputs * size_of::<Channel>())
    };
    let bulk: usize = layers.iter().map(sizes).map(|(weights, channels)| weights + channels).sum();
    let (zeros, mut buffer) = (vec![0; bulk], vec![0; bulk + OVERHEAD]);
    let mut writer = Writer::new(&mut buffer, &header)?;
    for (weights, channels) in layers.iter().map(sizes) {
        writer.layer(Bulk { output: Affine::UNIT, channels: &zeros[..channels], weights: &zeros[..weights] })?;
    }
    let length = writer.finish()?.len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Has an application carry out the commands that take most stack, and these about learning.
fn exercise(
    mut device: InProcess<'_>,
    blob: &[u8],
    shape: &Shape,
    course: &[message::Learning<'_>],
) -> anyhow::Result<Memory> {
    let image = vec![0; shape.inputs];
    let code = vec![0; shape.layers[shape.encoder_layers].inputs.into()];
    let weights = blob.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
    let commands = [
        Command::Info,
        Command::Encode { image: &image },
        Command::Decode { weights, code: &code },
        Command::Score { image: &image },
    ];
    let mut buffer = vec![0; frame::frame_bytes(image.len().max(code.len()))];
    let course = course.iter().map(|command| Command::Learning(*command));
    for (sequence, command) in (1..).zip(commands.into_iter().chain(course)) {
        device.exchange(frame::write(&Request { sequence, command }, &mut buffer)?)?;
    }
    Ok(device.memory()?)
}
