//! The command line.

use crate::flash_file;
use crate::link::{Kind, Target};
use crate::shift::{self, Shift};
use autoencoder_core::Topology;
use autoencoder_device::learn::{HELD_OUT, MAX_BATCH, Method};
use autoencoder_io::data_folder::DataFolder;
use autoencoder_io::data_options::DataOptions;
use autoencoder_io::normal::Normal;
use autoencoder_io::number::whole;
use autoencoder_io::topology::{layers, named};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as Options, Parser, Subcommand};
use std::path::PathBuf;

/// The name of `--link`'s value.
const LINKS: &str = "in-process|qemu|serial:PATH";

/// Encode and decode images and other rows in a microcontroller's memory
#[derive(Parser)]
#[command(version, about)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Encode rows on the device and write the packets that it sends
    Encode(Encode),
    /// Decode packets on the device; without packets, encode and decode test rows
    Decode(Decode),
    /// Encode and decode test rows and report the error
    Roundtrip(Roundtrip),
    /// Show which boards have enough flash and RAM for which networks
    Budget(Budget),
    /// Measure the RAM and stack of encoding and decoding; in the emulator, also instructions and code size
    Bench(Bench),
    /// Score a stream and show when the device notices a drift
    ///
    /// Recordings (--data FILES) are given to the device sample by sample, one recording after the other. Without
    /// recordings, the stream is test rows, and the sensor is shifted half-way.
    Monitor(Monitor),
    /// Check layer by layer that the device computes the bytes of plain loops in this process. For a network that takes
    /// samples, pseudo-random ones, window by window
    Verify(Verify),
    /// Adapt the device to a sensor or a place that has changed, and show the error before and after
    ///
    /// From recordings (--data FILES), the device learns from the first windows, and detection is measured on the others
    /// before and after. Without --label, these are the first windows of all, so the recordings have to begin with what
    /// is normal; --where chooses samples. With --label, they are the first windows with a normal label. Windows that
    /// share samples with those learned from are not measured. Without recordings, the device learns from training rows
    /// of a shifted sensor.
    Learn(Box<Learn>),
    /// Discard the parameters that the device has learned
    Reset(Reset),
    /// Train a whole network on the device, 64-16-4-16-64 in f32, from random weights. Its rows have 64 values; longer
    /// rows and larger images are reduced to 64 means
    Train(Train),
    /// Serve a page on which you draw a digit and the device answers
    ///
    /// The application runs in the browser, as WebAssembly. The server is reached from this computer alone, and the page
    /// talks to nothing else. Any other server of static files can serve the folder as well.
    Page(Page),
}

/// The device, and how to reach it.
#[derive(Clone, Options)]
pub struct Common {
    /// Integer weights of any network [default: artifacts/model.int8.blob if it exists, else models/classic.int8.blob]
    #[arg(long, value_name = "BLOB")]
    pub weights: Option<PathBuf>,
    /// Board whose flash and RAM are the limit; `budget` lists the boards [default: nucleo-f446re; in the emulator
    /// mps2-an386]
    #[arg(long, value_name = "NAME")]
    pub board: Option<String>,
    /// How to reach the device
    #[arg(long, value_name = LINKS, default_value_t = Kind::InProcess)]
    pub link: Kind,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// The device that these options select.
    pub fn target(&self) -> anyhow::Result<Target> {
        Target::new(&self.link, self.board.as_deref(), self.json)
    }
}

/// A device, and the flash that holds its learned parameters.
#[derive(Clone, Options)]
pub struct Device {
    /// Flash contents that `learn` wrote: use the learned parameters in this file
    #[arg(long, value_name = "FILE")]
    pub flash: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

/// A network that is given by its shape alone.
#[derive(Options)]
pub struct NetworkOptions {
    /// Use a network with these sizes and pseudo-random weights: the inputs, then the outputs of each layer. A letter
    /// after a size is the layer's activation: s sigmoid (the default), r ReLU, i identity. The smallest layer is the
    /// code; a * marks another one: 64-32r-8-8*-64
    #[arg(long, value_name = "SIZES", conflicts_with_all = ["weights", "topology"], value_parser = layers)]
    #[arg(allow_hyphen_values = true)]
    pub layers: Option<Topology>,
    /// Name of a network, instead of --layers
    #[arg(long, value_name = "NAME", conflicts_with = "weights", value_parser = named())]
    pub topology: Option<Topology>,
}

impl NetworkOptions {
    /// The topology that the options give, if any.
    pub fn get(&self) -> Option<&Topology> {
        self.layers.as_ref().or(self.topology.as_ref())
    }
}

#[derive(Options)]
#[command(mut_arg("data", |data| data.conflicts_with("inputs")))]
pub struct Encode {
    /// PNG images or IDX files
    #[arg(value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Number of test rows to encode if no file is given [default: 16]
    #[arg(long, alias = "images", value_name = "N", conflicts_with = "inputs", value_parser = whole(1..=u32::MAX))]
    pub rows: Option<u32>,
    /// File for the packets
    #[arg(long, value_name = "FILE", default_value = "artifacts/codes.bin")]
    pub out: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
pub struct Decode {
    /// Packets that `encode` wrote
    pub codes: Option<PathBuf>,
    /// Number of test rows to encode and decode if no packets are given [default: 16]
    #[arg(long, alias = "images", value_name = "N", conflicts_with = "codes", value_parser = whole(1..=u32::MAX))]
    pub rows: Option<u32>,
    /// File for the picture
    #[arg(long, value_name = "PNG", default_value = "artifacts/decoded.png")]
    pub out: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
    #[arg(long, help = shift::HELP, value_name = "SHIFT", conflicts_with = "codes")]
    pub shift: Option<Shift>,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
pub struct Roundtrip {
    /// Number of test rows [default: all]
    #[arg(long, alias = "images", value_name = "N", value_parser = whole(1..=u32::MAX))]
    pub rows: Option<u32>,
    #[command(flatten)]
    pub data: DataFolder,
    #[arg(long, help = shift::HELP, value_name = "SHIFT")]
    pub shift: Option<Shift>,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
pub struct Budget {
    #[command(flatten)]
    pub network: NetworkOptions,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
#[command(mut_arg("link", |link| link.default_value("qemu")))]
#[command(mut_arg("layers", |layers| layers.conflicts_with("data")))]
#[command(mut_arg("topology", |topology| topology.conflicts_with("data")))]
pub struct Bench {
    /// Number of test rows [default: 100]
    #[arg(long, alias = "images", value_name = "N", value_parser = whole(1..=u32::MAX))]
    pub rows: Option<u32>,
    #[command(flatten)]
    pub network: NetworkOptions,
    /// Measure learning instead: a step of this network in the image that learns, and a step that trains the whole
    /// network 64-16-4-16-64. The latter uses these rows if they can be reduced to 64 values
    #[arg(long, conflicts_with_all = ["layers", "topology"])]
    pub learning: bool,
    /// Measure the image that takes samples instead, which are noise: with the network of --weights, or else with
    /// 96-32-8-32-96 and pseudo-random weights for raw, centred and spectral windows of three channels
    #[arg(long, conflicts_with_all = ["layers", "topology", "learning", "data"])]
    pub detector: bool,
    /// Measure programs in C instead, which are linked with the device's library for C: a codec, a detector and a learner. Their
    /// results are compared with those of the board's own images
    #[arg(long, conflicts_with_all = ["layers", "topology", "learning", "detector"])]
    pub c: bool,
    #[command(flatten)]
    pub data: DataFolder,
    /// Fail if a figure exceeds its limit in this file
    #[arg(long, value_name = "TOML")]
    pub budget: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Monitor {
    #[arg(long, help = format!("{} [default: gain-offset]", shift::HELP), value_name = "SHIFT")]
    pub shift: Option<Shift>,
    /// Number of test rows; the sensor is shifted for the second half [default: 2000]
    #[arg(long, alias = "images", value_name = "N", value_parser = whole(2..=u32::MAX))]
    pub rows: Option<u32>,
    /// File for the picture of recordings: their scores over time, alarms and labels [default: artifacts/stream.png]
    #[arg(long, value_name = "PNG")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub normal: Normal,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
#[command(mut_arg("link", |link| link.default_value("qemu")))]
pub struct Verify {
    /// Number of test rows [default: all]; of windows, for a network that takes samples [default: 200]
    #[arg(long, alias = "images", value_name = "N", value_parser = whole(1..=u32::MAX))]
    pub rows: Option<u32>,
    /// Compare three training steps of the small topology in f32 instead: every output, gradient and parameter
    #[arg(long, conflicts_with = "rows")]
    pub training: bool,
    /// Weights for the plain loops, if they are not those of the device
    #[arg(long, value_name = "BLOB")]
    pub against: Option<PathBuf>,
    /// With --training: write the flash contents for a board to this file, and do nothing else
    #[arg(long, value_name = "FILE", requires = "training", conflicts_with = "rows")]
    pub export: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Learn {
    #[arg(long, help = format!("{} [default: gain-offset]", shift::HELP), value_name = "SHIFT")]
    pub shift: Option<Shift>,
    /// Number of training rows to learn from; eight more are held out [default: 4000]
    #[arg(long, alias = "images", value_name = "N", value_parser = whole(1..=u32::MAX))]
    pub rows: Option<u32>,
    /// Number of test rows to measure on [default: all]
    #[arg(long, alias = "test-images", value_name = "N", value_parser = whole(1..=u32::MAX))]
    pub test_rows: Option<u32>,
    /// Number of windows of recordings to learn from, the first ones; eight of them are held out [default: a third]
    #[arg(long, value_name = "N", value_parser = whole(HELD_OUT as u32 + 1..=u32::MAX))]
    pub first: Option<u32>,
    /// Number of times that the device goes over the windows of recordings that it has room for [default: 2]
    #[arg(long, value_name = "N", value_parser = whole(1..=u8::MAX))]
    pub passes: Option<u8>,
    /// Learn from windows of recordings even if they are too different from the training data
    #[arg(long)]
    pub foreign: bool,
    /// Optimizer
    #[arg(long, value_name = "NAME", default_value = "adam", value_parser = optimizer())]
    pub optimizer: Method,
    /// Learning rate of the first step [default: the optimizer's best]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<u32>,
    /// Rows per step
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1..=MAX_BATCH))]
    pub batch: u8,
    /// File with the contents of the device's flash: it is read first and written at the end
    #[arg(long, value_name = "FILE", default_value = flash_file::DEFAULT)]
    pub flash: PathBuf,
    /// Replace a flash that is damaged or holds the learned parameters of another network
    #[arg(long)]
    pub force: bool,
    /// File for the picture: originals, reconstructions before, reconstructions after. Of recordings, the scores over time
    /// before, and after
    #[arg(long, value_name = "PNG", default_value = "artifacts/learned.png")]
    pub out: PathBuf,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub normal: Normal,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Reset {
    /// File with the contents of the device's flash
    #[arg(long, value_name = "FILE", default_value = flash_file::DEFAULT)]
    pub flash: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Train {
    /// Number of steps
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole(1..=u32::MAX))]
    pub steps: u32,
    /// Number of training rows, used over and over [default: 4000]
    #[arg(long, alias = "images", value_name = "N", value_parser = whole(1u32..=7000))]
    pub rows: Option<u32>,
    /// Number of test rows to measure on [default: 500]
    #[arg(long, alias = "test-images", value_name = "N", value_parser = whole(2u32..=1000))]
    pub test_rows: Option<u32>,
    /// File for the picture: test rows above their reconstructions
    #[arg(long, value_name = "PNG", default_value = "artifacts/trained.png")]
    pub out: PathBuf,
    /// Write the flash contents for a board to this file, and do nothing else
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    /// How to reach the device
    #[arg(long, value_name = LINKS, default_value_t = Kind::InProcess)]
    pub link: Kind,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Options)]
pub struct Page {
    /// Port of the server; 0 is any that is free
    #[arg(long, value_name = "N", default_value_t = 8128)]
    pub port: u16,
    /// Folder for the files of the page
    #[arg(long, value_name = "FOLDER", default_value = "artifacts/page")]
    pub out: PathBuf,
}

/// Parses the name of an optimizer.
fn optimizer() -> impl TypedValueParser<Value = Method> {
    PossibleValuesParser::new(["adam", "rmsprop", "sgd"]).map(|name| match name.as_str() {
        "sgd" => Method::Sgd,
        "rmsprop" => Method::RmsProp,
        _ => Method::Adam,
    })
}

/// Parses a learning rate and returns it in millionths.
fn rate(text: &str) -> Result<u32, String> {
    const EXPECTED: &str = "expected a number from 0.000001 to 1";
    let rate: f64 = text.parse().map_err(|_| EXPECTED)?;
    let millionths = (rate * 1e6).round();
    if (1.0..=1e6).contains(&millionths) { Ok(millionths as u32) } else { Err(EXPECTED.to_owned()) }
}
