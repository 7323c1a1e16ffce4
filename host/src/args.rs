//! The command line.

use anyhow::bail;
use autoencoder_core::Topology;
use autoencoder_core::blob::Format;
use autoencoder_io::data_options::DataOptions;
use autoencoder_io::normal::Normal;
use autoencoder_io::number::{positive, whole};
use autoencoder_io::recordings::{RecordingError, Recordings, Where};
use autoencoder_io::topology::{layers, named};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as Options, Parser, Subcommand};
use host::train::ProductKind;
use host::train::checkpoint::MAX_BATCH;
use host::train::qat::WeightFormat;
use host::weights::Convention;
use std::path::{Path, PathBuf};

/// Train an autoencoder for a microcontroller, measure it, write its weights blob.
#[derive(Parser)]
#[command(name = "autoencoder", version, about)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Train a network and write checkpoint, weights blobs, loss curve and reconstructions
    Train(Box<Train>),
    /// Measure a weights blob on the test rows
    Eval(Eval),
    /// Write a weights blob from a checkpoint or from an f32 blob; or a network of floats for other frameworks, from any blob
    ///
    /// The training rows (--data) give integers their thresholds, ReLU networks their ranges, and rounded weights their biases.
    /// A network of floats (f32, safetensors, onnx) may also be that of an integer blob, with what a device has learned (--flash).
    Export(Export),
    /// Write an f32 blob from the weights of another framework: a .safetensors file of torch, Keras or JAX, or an ONNX graph
    Import(Import),
    /// Show the contents of a weights blob
    Inspect(Inspect),
}

#[derive(Options)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Train {
    /// Training recipe: `default` is the best known, `codec` the best known for a code of a few bits (--code-bits), `seed` is
    /// that of the classic TensorFlow tutorial, `sensor` adds noise to the inputs, for few rows, `spectrum` half as much
    /// [default: default; with recordings: sensor, with spectra: spectrum]
    #[arg(long, value_parser = ["default", "codec", "seed", "sensor", "spectrum"])]
    pub recipe: Option<String>,
    /// Inputs, then the outputs of each layer. A letter after a size is the layer's activation: s sigmoid (the default),
    /// r ReLU, i identity. The smallest layer is the code; a * marks another one: 64-32-8*-8-64
    /// [default: 784-256-128-256-784; with recordings: N-64-24-64-N for N inputs, with a code of at most N/2 and an eighth of
    /// the training windows]
    #[arg(long, value_name = "SIZES", allow_hyphen_values = true, value_parser = layers, conflicts_with = "topology")]
    pub layers: Option<Topology>,
    /// Name of a network, instead of --layers
    #[arg(long, value_name = "NAME", value_parser = named())]
    pub topology: Option<Topology>,
    /// Training steps [default: 30000; with --from: 1000; with recordings: as the validation rows decide]
    #[arg(long, value_name = "N", value_parser = whole(1..=100_000_000u32))]
    pub steps: Option<u32>,
    /// Rows per step [default: 256]
    #[arg(long, value_name = "N", value_parser = whole(1..=MAX_BATCH))]
    pub batch: Option<usize>,
    /// Seed of the initial weights and of the order of the rows [default: 1; recipe `seed`: 6]
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX))]
    pub seed: Option<u64>,
    /// Numbers that matrix products multiply. Other kinds of products give other results of the same quality
    /// [default: the fastest of this processor; recipe `seed`: f32]
    #[arg(long, value_name = "KIND", value_parser = products())]
    pub products: Option<ProductKind>,
    /// Threads; the result does not depend on their number [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = whole(1..=256u16))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub sensor: SensorOptions,
    /// Output folder
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    pub out: PathBuf,
    /// Weight format of the last steps, which are quantisation-aware [default: int8; recipe `seed`: none]
    #[arg(long, value_name = "FORMAT", value_parser = rounding())]
    pub quantise_aware: Option<Rounding>,
    /// Bits per code element in the last steps (recipe `codec`: in all steps) and in the blob [default: 8]
    #[arg(long, value_name = "N", value_parser = whole(1..=8u8))]
    pub code_bits: Option<u8>,
    /// Fine-tune this checkpoint or f32 blob; every step is quantisation-aware
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub from: Option<PathBuf>,
    /// Continue from the checkpoint in the output folder
    #[arg(long)]
    pub resume: bool,
    /// Replace the run in the output folder
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Print where the time of a step went
    #[arg(long, conflicts_with = "json")]
    pub profile: bool,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Options)]
pub struct Eval {
    /// Weights blob [default: artifacts/model.f32.blob, else models/classic.int8.blob, here or in a folder above; for
    /// recordings: artifacts/model.int8.blob, else models/watch.int8.blob]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub normal: Normal,
    /// Folder for the pictures of a detector
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    pub out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The format that weights are rounded for; `None` if they are not rounded.
pub type Rounding = Option<WeightFormat>;

/// What `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A blob.
    Blob(Format),
    /// A file of tensors.
    Safetensors,
    /// A graph.
    Onnx,
    /// A blob as a C array.
    C,
}

impl ExportFormat {
    /// The names on the command line.
    const NAMES: [(&str, Self); 7] = [
        ("f32", Self::Blob(Format::F32)),
        ("int8", Self::Blob(Format::Int8)),
        ("int4", Self::Blob(Format::Int4)),
        ("int8-rows", Self::Blob(Format::Int8Rows)),
        ("safetensors", Self::Safetensors),
        ("onnx", Self::Onnx),
        ("c", Self::C),
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// Reads the format of an export.
fn format() -> impl TypedValueParser<Value = ExportFormat> {
    let named =
        |name: String| ExportFormat::NAMES.into_iter().find(|(other, _)| *other == name).map(|(_, format)| format);
    let names = ExportFormat::NAMES.map(|(name, _)| name);
    PossibleValuesParser::new(names).try_map(move |name| named(name).ok_or("no such format"))
}

/// Whose names and shapes the tensors of a file have; `None` if these say it themselves.
pub type FileConvention = Option<Convention>;

/// Reads whose tensors a file has.
fn convention() -> impl TypedValueParser<Value = FileConvention> {
    PossibleValuesParser::new(["auto", "torch", "keras", "jax"]).map(|name| match name.as_str() {
        "torch" => Some(Convention::Torch),
        "keras" => Some(Convention::Keras),
        "jax" => Some(Convention::Jax),
        _ => None,
    })
}

/// Reads the format that weights are rounded for.
fn rounding() -> impl TypedValueParser<Value = Rounding> {
    PossibleValuesParser::new(["int8", "int4", "none"]).map(|name| match name.as_str() {
        "int8" => Some(WeightFormat::Int8),
        "int4" => Some(WeightFormat::Int4),
        _ => None,
    })
}

/// Reads a kind of products.
fn products() -> impl TypedValueParser<Value = ProductKind> {
    PossibleValuesParser::new(["f32", "int16", "bfloat16"]).map(|name| match name.as_str() {
        "int16" => ProductKind::Int16,
        "bfloat16" => ProductKind::Bf16,
        _ => ProductKind::F32,
    })
}

#[derive(Options)]
pub struct Export {
    /// Checkpoint or f32 blob; for f32, safetensors and onnx any blob; for int8-rows also an int8 blob, which needs no data; for c
    /// a blob of integers
    #[arg(default_value = "artifacts/checkpoint")]
    pub source: PathBuf,
    /// Number format of the blob, a network of floats for other frameworks, or a blob as a C array. The layout of int8-rows is
    /// for a processor with Helium, such as a Cortex-M55
    #[arg(long, value_parser = format())]
    pub format: ExportFormat,
    /// Flash of a device that has learned with the integer blob: its scales and biases replace those of the blob
    #[arg(long, value_name = "FILE")]
    pub flash: Option<PathBuf>,
    /// Bits per code element [default: those of the training]
    #[arg(long, value_name = "N", value_parser = whole(1..=8u8))]
    pub code_bits: Option<u8>,
    /// File to write [default: artifacts/model.FORMAT.blob, artifacts/model.safetensors, artifacts/model.onnx or
    /// artifacts/model.c, with model.h beside it]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace a blob of another network or number format, or a file that is no blob
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub sensor: SensorOptions,
}

impl Export {
    /// The first option about data that was given.
    pub fn first_of_data(&self) -> Option<&'static str> {
        self.data.first_given().or_else(|| self.sensor.first_given())
    }
}

#[derive(Options)]
pub struct Import {
    /// Weights: .safetensors or .onnx
    pub file: PathBuf,
    /// Inputs, then the outputs of each layer. A letter after a size is the layer's activation: s sigmoid (the default), r ReLU,
    /// i identity [default: those of the graph, or of a file that `export` wrote]
    #[arg(long, value_name = "SIZES", allow_hyphen_values = true, value_parser = layers)]
    pub layers: Option<Topology>,
    /// Whose tensors are in a .safetensors file: torch's matrices are [outputs, inputs], those of Keras and JAX [inputs, outputs].
    /// `auto` knows it by their names and shapes
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = convention())]
    pub format: FileConvention,
    /// Compare with the framework's own outputs: a .npz file with the arrays input [rows, inputs] and output [rows, outputs], and
    /// perhaps the outputs of each layer as layer.0, layer.1, and so on
    #[arg(long, value_name = "IO.npz")]
    pub check: Option<PathBuf>,
    /// Blob to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Replace a blob of another network or number format, or a file that is no blob
    #[arg(long)]
    pub force: bool,
}

/// How recordings of a sensor become rows.
#[derive(Options, Default)]
#[command(next_help_heading = "Options for recordings")]
pub struct SensorOptions {
    /// Samples of a window [default: 1, so that each sample is a window; of an array of windows: their samples]
    #[arg(long, value_name = "N", value_parser = whole(1..=u16::MAX))]
    pub window: Option<u16>,
    /// Samples from one window to the next [default: a quarter of the window]
    #[arg(long, value_name = "N", value_parser = whole(1..=u16::MAX))]
    pub hop: Option<u16>,
    /// Samples a second [default: as .wav files say]
    #[arg(long, value_name = "HZ", value_parser = positive)]
    pub rate: Option<f32>,
    /// Features of a window: its samples, its samples less their mean, or its spectrum [default: the best in a trial on
    /// the training windows]
    #[arg(long, value_name = "NAME", value_parser = ["raw", "centred", "spectrum"])]
    pub front_end: Option<String>,
    /// Bands of a channel's spectrum, which is then the front end [default: an eighth of the window, at most 32]
    #[arg(long, value_name = "N", value_parser = whole(1..=512u16))]
    pub bands: Option<u16>,
    /// Recordings to test on, in other files or folders than those of --data [default: one in seven of --data]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub test: Vec<PathBuf>,
    /// Test on the rows of --data whose column has one of these values, and train on the others; may be given several times
    #[arg(long, value_name = "COLUMN=VALUE[,VALUE]", conflicts_with = "test")]
    pub test_where: Vec<Where>,
    /// Fraction of the normal validation windows that may be above the threshold [default: 0.005; of a trained network: its own]
    #[arg(long, value_name = "RATE", value_parser = fraction)]
    pub false_alarms: Option<f32>,
    #[command(flatten)]
    pub normal: Normal,
}

impl SensorOptions {
    /// The first of these options that was given.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--test", !self.test.is_empty()),
            ("--test-where", !self.test_where.is_empty()),
            ("--false-alarms", self.false_alarms.is_some()),
            ("--normal", self.normal.is_given()),
        ];
        self.first_of_windows().or_else(|| first_true(given))
    }

    /// The first option that was given of those about how samples become rows.
    fn first_of_windows(&self) -> Option<&'static str> {
        first_true([
            ("--window", self.window.is_some()),
            ("--hop", self.hop.is_some()),
            ("--rate", self.rate.is_some()),
            ("--front-end", self.front_end.is_some()),
            ("--bands", self.bands.is_some()),
        ])
    }

    /// Returns an error if an option for recordings was given with IDX files.
    pub fn ensure_unused(&self, data: &Path) -> anyhow::Result<()> {
        match self.first_given() {
            Some(option) => bail!(
                "{}: IDX files hold rows; {option} is for recordings: .csv, .tsv, .npy, .npz or .wav",
                data.display()
            ),
            None => Ok(()),
        }
    }

    /// Returns an error if an option was given about what is decided; `because` says by what.
    pub fn ensure_open(&self, because: &str) -> anyhow::Result<()> {
        match self.first_of_windows() {
            Some(option) => bail!("{option}: {because}"),
            None => Ok(()),
        }
    }

    /// Reads the recordings to test on, if there are any.
    pub fn read_tests(&self, data: &DataOptions) -> Result<Option<Recordings>, RecordingError> {
        match (&self.test[..], &self.test_where[..]) {
            ([], []) => Ok(None),
            ([], conditions) => data.read_where(conditions).map(Some),
            (files, _) => data.read_tests(files).map(Some),
        }
    }
}

/// The first option that was given.
fn first_true<const N: usize>(options: [(&'static str, bool); N]) -> Option<&'static str> {
    options.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
}

/// Reads a fraction between 0 and 1.
fn fraction(text: &str) -> Result<f32, &'static str> {
    let number = text.parse().ok().filter(|number| (0.0..1.0).contains(number));
    number.ok_or("expected a number from 0 to below 1")
}

#[derive(Options)]
pub struct Inspect {
    /// Weights blob
    pub blob: PathBuf,
}

impl Train {
    /// The network that the command line names; `None` if it names none.
    pub fn topology(&self) -> Option<&Topology> {
        self.layers.as_ref().or(self.topology.as_ref())
    }
}
