//! The command line.

use crate::flash_file;
use crate::link::{Kind, Target};
use crate::shift::Shift;
use anyhow::Context;
use autoencoder_core::Topology;
use autoencoder_device::learn::{MAX_BATCH, Method};
use autoencoder_io::files::find_upwards;
use autoencoder_io::topology::{layers, named};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as Options, Parser, Subcommand, value_parser};
use std::path::{Path, PathBuf};

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
    /// Encode rows on the device, write the packets it sends
    Encode(Encode),
    /// Decode packets on the device; without any, encode and decode test rows
    Decode(Decode),
    /// Encode and decode test rows, report the error
    Roundtrip(Roundtrip),
    /// Show which board has the flash and RAM for which network
    Budget(Budget),
    /// Measure what encoding and decoding take; in the emulator, count instructions
    Bench(Bench),
    /// Score a stream of rows that drifts half-way; show when the device notices
    Monitor(Monitor),
    /// Compare what the device computes with what this process computes, layer by layer
    Verify(Verify),
    /// Let the device learn from a sensor that has changed; show the error before and after
    Learn(Learn),
    /// Have the device forget what it learned
    Reset(Reset),
    /// Let the device train a whole network of 64-16-4-16-64, in f32 and from random weights. It takes rows of 64 values;
    /// longer rows and larger images are reduced to 64 means
    Train(Train),
}

/// The device, and how to reach it.
#[derive(Clone, Options)]
pub struct Common {
    /// Integer weights of any network [default: artifacts/model.int8.blob, else models/classic.int8.blob]
    #[arg(long, value_name = "BLOB")]
    pub weights: Option<PathBuf>,
    /// Board whose flash and RAM are the limit; `budget` lists them [default: nucleo-f446re, in the emulator mps2-an386]
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
    /// Use what the device has learned: the contents of its flash, which `learn` wrote
    #[arg(long, value_name = "FILE")]
    pub flash: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

/// Where rows come from.
#[derive(Options)]
pub struct Source {
    /// Folder of IDX files, plain or gzip: images, or rows that are no images [default: data/mnist, here or in a folder above]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Source {
    /// The folder that was named, or the one that comes with the repository.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => find_upwards(Path::new("data/mnist")).context("no --data was given"),
        }
    }
}

/// A network without weights.
#[derive(Options)]
pub struct Shape {
    /// Take a network of these sizes, inputs first. A letter behind a size is its activation: s sigmoid (the default), r
    /// ReLU, i identity; a * marks the code, otherwise the smallest: 64-32r-8*-8-64
    #[arg(long, value_name = "SIZES", conflicts_with_all = ["weights", "topology"], value_parser = layers)]
    #[arg(allow_hyphen_values = true)]
    pub layers: Option<Topology>,
    /// The same by name
    #[arg(long, value_name = "NAME", conflicts_with = "weights", value_parser = named())]
    pub topology: Option<Topology>,
}

impl Shape {
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
    /// How many test rows to encode, if no file is given [default: 16]
    #[arg(long, value_name = "N", conflicts_with = "inputs", value_parser = value_parser!(u32).range(1..))]
    pub images: Option<u32>,
    /// Where the packets go
    #[arg(long, value_name = "FILE", default_value = "artifacts/codes.bin")]
    pub out: PathBuf,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
pub struct Decode {
    /// Packets that `encode` wrote
    pub codes: Option<PathBuf>,
    /// How many test rows to encode and decode, if no packets are given [default: 16]
    #[arg(long, value_name = "N", conflicts_with = "codes", value_parser = value_parser!(u32).range(1..))]
    pub images: Option<u32>,
    /// Where the picture goes
    #[arg(long, value_name = "PNG", default_value = "artifacts/decoded.png")]
    pub out: PathBuf,
    #[command(flatten)]
    pub source: Source,
    /// What happened to the sensor: gain-offset, invert, columns, rotate, or a folder of other rows
    #[arg(long, value_name = "SHIFT", conflicts_with = "codes")]
    pub shift: Option<Shift>,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
pub struct Roundtrip {
    /// How many test rows [default: all]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub images: Option<u32>,
    #[command(flatten)]
    pub source: Source,
    /// What happened to the sensor: gain-offset, invert, columns, rotate, or a folder of other rows
    #[arg(long, value_name = "SHIFT")]
    pub shift: Option<Shift>,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
pub struct Budget {
    #[command(flatten)]
    pub shape: Shape,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
#[command(mut_arg("link", |link| link.default_value("qemu")))]
#[command(mut_arg("layers", |layers| layers.conflicts_with("data")))]
#[command(mut_arg("topology", |topology| topology.conflicts_with("data")))]
pub struct Bench {
    /// How many test rows [default: 100]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub images: Option<u32>,
    #[command(flatten)]
    pub shape: Shape,
    /// Count what learning takes instead: a step of this network in the image that learns, and a step of training 64-16-4-16-64
    /// whole, on these rows if they can be reduced to 64 values
    #[arg(long, conflicts_with_all = ["layers", "topology"])]
    pub learning: bool,
    #[command(flatten)]
    pub source: Source,
    /// Fail if a figure is above its limit in this file
    #[arg(long, value_name = "TOML")]
    pub budget: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Monitor {
    /// What happens to the sensor: gain-offset, invert, columns, rotate, or a folder of other rows
    #[arg(long, value_name = "SHIFT", default_value_t)]
    pub shift: Shift,
    /// How many test rows; for the second half the sensor is shifted [default: 2000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(2..))]
    pub images: Option<u32>,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub device: Device,
}

#[derive(Options)]
#[command(mut_arg("link", |link| link.default_value("qemu")))]
pub struct Verify {
    /// How many test rows [default: all]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub images: Option<u32>,
    /// Compare training instead: the small topology in f32, three steps, every output, gradient and parameter
    #[arg(long, conflicts_with = "images")]
    pub training: bool,
    /// Weights that this process computes with, if not those of the device
    #[arg(long, value_name = "BLOB")]
    pub against: Option<PathBuf>,
    /// With --training: write what a board needs in its flash to this file, and end
    #[arg(long, value_name = "FILE", requires = "training")]
    pub export: Option<PathBuf>,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Learn {
    /// What happens to the sensor: gain-offset, invert, columns, rotate, or a folder of other rows
    #[arg(long, value_name = "SHIFT", default_value_t)]
    pub shift: Shift,
    /// How many training rows to learn from; a few more are held out to judge by [default: 4000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub images: Option<u32>,
    /// On how many test rows to measure [default: all]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub test_images: Option<u32>,
    /// Optimizer
    #[arg(long, value_name = "NAME", default_value = "adam", value_parser = optimizer())]
    pub optimizer: Method,
    /// Learning rate of the first step [default: the optimizer's best]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<u32>,
    /// Rows for each step
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u8).range(1..=i64::from(MAX_BATCH)))]
    pub batch: u8,
    /// The contents of the device's flash: what it learned before, then what it has learned
    #[arg(long, value_name = "FILE", default_value = flash_file::DEFAULT)]
    pub flash: PathBuf,
    /// Replace a flash that is damaged or holds what another network learned
    #[arg(long)]
    pub force: bool,
    /// Where the picture goes: originals, reconstructions before, reconstructions after
    #[arg(long, value_name = "PNG", default_value = "artifacts/learned.png")]
    pub out: PathBuf,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Reset {
    /// The contents of the device's flash
    #[arg(long, value_name = "FILE", default_value = flash_file::DEFAULT)]
    pub flash: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Options)]
pub struct Train {
    /// How often the parameters are updated
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = value_parser!(u32).range(1..))]
    pub steps: u32,
    /// How many training rows to learn from, over and over [default: 4000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=7000))]
    pub images: Option<u32>,
    /// On how many test rows to measure [default: 500]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(2..=1000))]
    pub test_images: Option<u32>,
    /// Where the picture goes: test rows above their reconstructions
    #[arg(long, value_name = "PNG", default_value = "artifacts/trained.png")]
    pub out: PathBuf,
    /// Write what a board needs in its flash to this file, and end
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    #[command(flatten)]
    pub source: Source,
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
