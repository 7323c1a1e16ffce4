//! The command line.

use crate::flash_file;
use crate::link::{Kind, Target};
use crate::shift::Shift;
use autoencoder_core::Topology;
use autoencoder_device::learn::{MAX_BATCH, Method};
use autoencoder_io::data_folder::DataFolder;
use autoencoder_io::topology::{layers, named};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as Options, Parser, Subcommand, value_parser};
use std::path::PathBuf;

/// What `--link` takes.
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
    /// Score a stream of rows that drifts half-way and show when the device notices
    Monitor(Monitor),
    /// Check layer by layer that the device computes the same bytes as this process
    Verify(Verify),
    /// Let the device learn from a sensor that has changed, and show the error before and after
    Learn(Learn),
    /// Let the device forget what it learned
    Reset(Reset),
    /// Let the device train a whole network, 64-16-4-16-64, in f32 from random weights. It takes rows of 64 values;
    /// longer rows and larger images are reduced to 64 means
    Train(Train),
}

/// The device, and how to reach it.
#[derive(Clone, Options)]
pub struct Common {
    /// Integer weights of any network [default: artifacts/model.int8.blob if it exists, else models/classic.int8.blob]
    #[arg(long, value_name = "BLOB")]
    pub weights: Option<PathBuf>,
    /// Board whose flash and RAM are the limit; `budget` lists the boards [default: nucleo-f446re; in the emulator mps2-an386]
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
    /// The device that is meant.
    pub fn target(&self) -> anyhow::Result<Target> {
        Target::new(&self.link, self.board.as_deref(), self.json)
    }
}

/// A device with what it has learned.
#[derive(Clone, Options)]
pub struct Device {
    /// Use what the device has learned: the flash contents that `learn` wrote
    #[arg(long, value_name = "FILE")]
    pub flash: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

/// A network without weights of its own.
#[derive(Options)]
pub struct NetworkOptions {
    /// A network with these sizes and pseudo-random weights: inputs, then the outputs of each layer. A letter after a size is
    /// the layer's activation: s sigmoid (the default), r ReLU, i identity. The smallest layer is the code; a * marks another
    /// one: 64-32r-8-8*-64
    #[arg(long, value_name = "SIZES", conflicts_with_all = ["weights", "topology"], value_parser = layers)]
    #[arg(allow_hyphen_values = true)]
    pub layers: Option<Topology>,
    /// Name of a network, instead of --layers
    #[arg(long, value_name = "NAME", conflicts_with = "weights", value_parser = named())]
    pub topology: Option<Topology>,
}

impl NetworkOptions {
    /// The topology that was asked for.
    pub fn get(&self) -> Option<&Topology> {
        self.layers.as_ref().or(self.topology.as_ref())
    }
}

#[derive(Options)]
pub struct Encode {
    /// PNG images or IDX files
    #[arg(value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Number of test rows to encode if no file is given [default: 16]
    #[arg(long, alias = "images", value_name = "N", conflicts_with = "inputs", value_parser = value_parser!(u32).range(1..))]
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
    #[arg(long, alias = "images", value_name = "N", conflicts_with = "codes", value_parser = value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    /// File for the picture
    #[arg(long, value_name = "PNG", default_value = "artifacts/decoded.png")]
    pub out: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
    /// What happened to the sensor: gain-offset, invert, columns, rotate, contrast-N (per cent), dark, black, frozen, or a folder of other rows
    #[arg(long, value_name = "SHIFT", conflicts_with = "codes")]
    pub shift: Option<Shift>,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
pub struct Roundtrip {
    /// How many test rows [default: all]
    #[arg(long, alias = "images", value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    #[command(flatten)]
    pub data: DataFolder,
    /// What happened to the sensor: gain-offset, invert, columns, rotate, contrast-N (per cent), dark, black, frozen, or a folder of other rows
    #[arg(long, value_name = "SHIFT")]
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
    #[arg(long, alias = "images", value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    #[command(flatten)]
    pub network: NetworkOptions,
    /// Count what learning takes instead: a step of this network in the image that learns, and a step of training 64-16-4-16-64
    /// whole, on these rows if they can be reduced to 64 values
    #[arg(long, conflicts_with_all = ["layers", "topology"])]
    pub learning: bool,
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
    /// What happens to the sensor: gain-offset, invert, columns, rotate, contrast-N (per cent), dark, black, frozen, or a folder of other rows
    #[arg(long, value_name = "SHIFT", default_value_t)]
    pub shift: Shift,
    /// Number of test rows; the sensor is shifted for the second half [default: 2000]
    #[arg(long, alias = "images", value_name = "N", value_parser = value_parser!(u32).range(2..))]
    pub rows: Option<u32>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
#[command(mut_arg("link", |link| link.default_value("qemu")))]
pub struct Verify {
    /// How many test rows [default: all]
    #[arg(long, alias = "images", value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    /// Compare training instead: the small topology in f32, three steps, every output, gradient and parameter
    #[arg(long, conflicts_with = "rows")]
    pub training: bool,
    /// Weights for this process, if they differ from those of the device
    #[arg(long, value_name = "BLOB")]
    pub against: Option<PathBuf>,
    /// With --training: only write the flash contents that a board needs to this file
    #[arg(long, value_name = "FILE", requires = "training")]
    pub export: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Learn {
    /// What happens to the sensor: gain-offset, invert, columns, rotate, contrast-N (per cent), dark, black, frozen, or a folder of other rows
    #[arg(long, value_name = "SHIFT", default_value_t)]
    pub shift: Shift,
    /// Number of training rows to learn from; eight more are held out [default: 4000]
    #[arg(long, alias = "images", value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    /// Number of test rows to measure on [default: all]
    #[arg(long, alias = "test-images", value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub test_rows: Option<u32>,
    /// Optimizer
    #[arg(long, value_name = "NAME", default_value = "adam", value_parser = optimizer())]
    pub optimizer: Method,
    /// Learning rate of the first step [default: the optimizer's best]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<u32>,
    /// Rows per step
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u8).range(1..=i64::from(MAX_BATCH)))]
    pub batch: u8,
    /// File with the contents of the device's flash: it is read first and written at the end
    #[arg(long, value_name = "FILE", default_value = flash_file::DEFAULT)]
    pub flash: PathBuf,
    /// Replace a flash that is damaged or holds what another network learned
    #[arg(long)]
    pub force: bool,
    /// File for the picture: originals, reconstructions before, reconstructions after
    #[arg(long, value_name = "PNG", default_value = "artifacts/learned.png")]
    pub out: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
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
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = value_parser!(u32).range(1..))]
    pub steps: u32,
    /// How many training rows to learn from, over and over [default: 4000]
    #[arg(long, alias = "images", value_name = "N", value_parser = value_parser!(u32).range(1..=7000))]
    pub rows: Option<u32>,
    /// On how many test rows to measure [default: 500]
    #[arg(long, alias = "test-images", value_name = "N", value_parser = value_parser!(u32).range(2..=1000))]
    pub test_rows: Option<u32>,
    /// Where the picture goes: test rows above their reconstructions
    #[arg(long, value_name = "PNG", default_value = "artifacts/trained.png")]
    pub out: PathBuf,
    /// Only write the flash contents that a board needs to this file
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

/// What the device can learn with.
fn optimizer() -> impl TypedValueParser<Value = Method> {
    PossibleValuesParser::new(["adam", "rmsprop", "sgd"]).map(|name| match name.as_str() {
        "sgd" => Method::Sgd,
        "rmsprop" => Method::RmsProp,
        _ => Method::Adam,
    })
}

/// A learning rate in millionths.
fn rate(text: &str) -> Result<u32, String> {
    const EXPECTED: &str = "expected a number from 0.000001 to 1";
    let rate: f64 = text.parse().map_err(|_| EXPECTED)?;
    let millionths = (rate * 1e6).round();
    if (1.0..=1e6).contains(&millionths) { Ok(millionths as u32) } else { Err(EXPECTED.to_owned()) }
}
