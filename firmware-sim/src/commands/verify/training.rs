//! `firmware-sim verify --training`: the small topology trained in `f32`, here and on the device.

use crate::args;
use crate::board::STAND_IN;
use crate::board::firmware::Program;
use crate::link::{Kind, report_stream};
use crate::rows::{Folder, Set};
use crate::writable::{ensure_writable, export};
use anyhow::{Context, bail, ensure};
use autoencoder_core::init::Init;
use autoencoder_core::layer::Row;
use autoencoder_core::model::Small;
use autoencoder_core::optimizer::Adam;
use autoencoder_core::{Error, Layer, Parameters, Topology};
use autoencoder_device::parity::IMAGES;
use autoencoder_device::training::Training;
use autoencoder_io::blob_file::{self, BlobFile};
use autoencoder_io::formats::ensure_not_checkpoint;
use autoencoder_io::idx::Images;
use autoencoder_io::number::counted;
use autoencoder_io::zeroed_box;
use rand_pcg::Pcg32;
use serde_json::json;
use std::path::{Path, PathBuf};

pub fn run(args: &args::Verify) -> anyhow::Result<String> {
    if let Some(board) = args.common.target()?.emulated {
        let (named, has) = (board.name, STAND_IN.name);
        ensure!(board == STAND_IN, "--board {named}: no image for it trains in f32; --board {has} has one");
    }
    ensure!(
        args.common.link != Kind::InProcess || args.against.is_some() || args.export.is_some(),
        "verify --training --link in-process compares this process with itself; expected another --link, or --against"
    );
    let folder = args.data.path()?;
    let images = Folder::data(&folder).images(Set::Test)?;
    let (data, inputs) = (folder.display(), <Small as Layer>::In::LEN);
    let (there, size) = (images.len(), images.image_size());
    ensure!(there >= IMAGES, "{data}: {}; --training takes {IMAGES}", counted(there, "test row"));
    ensure!(
        size == inputs,
        "{data}: rows of {size} values; --training trains 784-128-32-128-784, which takes {inputs}"
    );
    if let Some(path) = &args.export {
        ensure_writable(&[path], args.common.weights.iter().chain([&folder]).map(PathBuf::as_path))?;
    }
    let device = match args.common.weights.as_deref() {
        Some(path) => read(path)?,
        None => trained(&images)?,
    };
    if let Some(path) = &args.export {
        return export(path, &flash(&device, &images)?, "the small topology", args.common.json);
    }
    let against = args.against.as_deref().map(read).transpose()?;
    let here = trace(against.as_ref().unwrap_or(&device), &images)?;
    let there = match &args.common.link {
        Kind::InProcess => trace(&device, &images)?,
        link => {
            let mut text = report_stream::open(link, Program::Training, &flash(&device, &images)?)?.next()?;
            text.pop(); // the zero
            String::from_utf8_lossy(&text).into_owned()
        }
    };
    let total = here.lines().count();
    let equal = here.lines().zip(there.lines()).take_while(|(here, there)| here == there).count();
    if let Some(expected) = here.lines().nth(equal) {
        let found = there.lines().nth(equal).unwrap_or("nothing");
        bail!(
            "the first {equal} of {total} arrays are the same bits as in process; then {expected}, on the device {found}"
        );
    }
    if args.common.json {
        return Ok(format!("{}\n", json!({ "arrays": total, "equal_arrays": equal })));
    }
    Ok(format!("{total} arrays of three training steps in f32: the same bits as in process\n"))
}

/// Reads a blob, whose contents are checked when it is opened.
fn read(path: &Path) -> anyhow::Result<BlobFile> {
    let file = BlobFile::read(path)?;
    ensure_not_checkpoint(path, file.bytes())?;
    Ok(file)
}

/// A blob of the small topology after a few steps from random weights: no parameter is as it was initialized.
fn trained(images: &Images) -> anyhow::Result<BlobFile> {
    const STEPS: u32 = 10;
    const RATE: f32 = 0.002;
    let mut net = zeroed_box::<Small>();
    Init::GlorotNormal.fill(&mut *net, &mut Pcg32::new(1, 0));
    let mut training = zeroed_box::<Training<Small, IMAGES>>();
    training.load(BlobFile::new("flash".as_ref(), &flash(&f32_blob(&net, 0)?, images)?).bytes())?;
    for step in 1..=STEPS {
        training.forward();
        training.backward();
        training.update(step, RATE, &Adam::default());
    }
    Ok(f32_blob(training.net(), STEPS)?)
}

/// A network as a blob of `f32`.
fn f32_blob(net: &Small, steps: u32) -> Result<BlobFile, Error> {
    let topology = Topology::named("small").ok_or(Error::Topology)?;
    let parameters = net.slices().collect::<Vec<_>>().concat();
    Ok(BlobFile::new("weights".as_ref(), &blob_file::f32_blob(&topology, steps, 8, &parameters, &[])?))
}

/// A blob and the images after it, as in the device's flash.
fn flash(file: &BlobFile, images: &Images) -> anyhow::Result<Vec<u8>> {
    let mut flash = file.open()?.bytes().to_vec();
    (0..IMAGES).for_each(|image| flash.extend_from_slice(images.image(image)));
    Ok(flash)
}

/// The trace of training in this process.
fn trace(file: &BlobFile, images: &Images) -> anyhow::Result<String> {
    let flash = BlobFile::new(Path::new("flash"), &flash(file, images)?);
    let mut training = zeroed_box::<Training<Small, IMAGES>>();
    let loaded: Result<(), Error> = training.load(flash.bytes());
    loaded.map_err(|source| file.error(source)).context("--training takes the small topology in f32")?;
    let mut text = String::new();
    training.write_trace(&mut text)?;
    Ok(text)
}
