//! The command line.

use anyhow::bail;
use autoencoder_core::Topology;
use autoencoder_core::blob::Format;
use autoencoder_io::data_options::DataOptions;
use autoencoder_io::normal::Normal;
use autoencoder_io::number::{positive, whole};
use autoencoder_io::recordings::{RecordingError, Recordings};
use autoencoder_io::topology::{layers, named};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as Options, Parser, Subcommand};
use host::train::checkpoint::MAX_BATCH;
use host::train::qat::WeightFormat;
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
    /// Write a weights blob from a checkpoint or from an f32 blob
    ///
    /// The training rows (--data) give integers their thresholds, ReLU networks their ranges, and rounded weights their biases.
    Export(Export),
    /// Show the contents of a weights blob
    Inspect(Inspect),
}

#[derive(Options)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Train {
    /// Training recipe: `default` is the best known, `seed` is that of the classic TensorFlow tutorial, `sensor` adds noise to
    /// the inputs, for few rows [default: default; with recordings: sensor]
    #[arg(long, value_parser = ["default", "seed", "sensor"])]
    pub recipe: Option<String>,
    /// Inputs, then the outputs of each layer. A letter after a size is the layer's activation: s sigmoid (the default),
    /// r ReLU, i identity. The smallest layer is the code; a * marks another one: 64-32-8*-8-64
    /// [default: 784-256-128-256-784; with recordings: N-64-24-64-N for N inputs]
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
    /// Bits per code element in the last steps and in the blob [default: 8]
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
    /// Weights blob [default: artifacts/model.f32.blob, else models/classic.int8.blob, here or in a folder above]
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

/// Reads the format of a blob's numbers.
fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["f32", "int8", "int4"]).map(|name| match name.as_str() {
        "int8" => Format::Int8,
        "int4" => Format::Int4,
        _ => Format::F32,
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

#[derive(Options)]
pub struct Export {
    /// Checkpoint or f32 blob
    #[arg(default_value = "artifacts/checkpoint")]
    pub source: PathBuf,
    /// Number format of the blob
    #[arg(long, value_parser = format())]
    pub format: Format,
    /// Bits per code element [default: those of the training]
    #[arg(long, value_name = "N", value_parser = whole(1..=8u8))]
    pub code_bits: Option<u8>,
    /// Blob to write [default: artifacts/model.FORMAT.blob]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace a blob of another network or number format
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub sensor: SensorOptions,
}

/// How recordings of a sensor become rows.
#[derive(Options, Default)]
#[command(next_help_heading = "Options for recordings")]
pub struct SensorOptions {
    /// Samples of a window [default: 1, so that each sample is a row; of an array of windows: their samples]
    #[arg(long, value_name = "N", value_parser = whole(1..=u16::MAX))]
    pub window: Option<u16>,
    /// Samples from one window to the next [default: a quarter of the window]
    #[arg(long, value_name = "N", value_parser = whole(1..=u16::MAX))]
    pub hop: Option<u16>,
    /// Samples a second [default: that of a .wav file]
    #[arg(long, value_name = "HZ", value_parser = positive)]
    pub rate: Option<f32>,
    /// Features of a window: its samples, its samples less their mean, or its spectrum [default: chosen from the training
    /// windows]
    #[arg(long, value_name = "NAME", value_parser = ["raw", "centred", "spectrum"])]
    pub front_end: Option<String>,
    /// Bands of a channel's spectrum [default: a quarter of the window, at most 32]
    #[arg(long, value_name = "N", value_parser = whole(1..=512u16))]
    pub bands: Option<u16>,
    /// Recordings to test on, .csv, .tsv, .npy, .npz or .wav files or folders [default: one in seven of --data]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub test: Vec<PathBuf>,
    /// Fraction of normal rows that may be above the threshold, of the validation rows [default: 0.005; of a trained network: its
    /// own]
    #[arg(long, value_name = "RATE", value_parser = fraction)]
    pub false_alarms: Option<f32>,
    #[command(flatten)]
    pub normal: Normal,
}

impl SensorOptions {
    /// Returns an error if an option for recordings was given with IDX files.
    pub fn ensure_unused(&self, data: &Path) -> anyhow::Result<()> {
        let given = [
            ("--window", self.window.is_some()),
            ("--hop", self.hop.is_some()),
            ("--rate", self.rate.is_some()),
            ("--front-end", self.front_end.is_some()),
            ("--bands", self.bands.is_some()),
            ("--test", !self.test.is_empty()),
            ("--false-alarms", self.false_alarms.is_some()),
            ("--normal", self.normal.is_given()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => bail!(
                "{}: IDX files hold rows; {option} is for recordings: .csv, .tsv, .npy, .npz or .wav",
                data.display()
            ),
            None => Ok(()),
        }
    }

    /// Reads the recordings to test on, if there are any.
    pub fn read_tests(&self, data: &DataOptions) -> Result<Option<Recordings>, RecordingError> {
        if self.test.is_empty() { Ok(None) } else { data.read_files(&self.test).map(Some) }
    }
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
