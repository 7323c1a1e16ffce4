//! `firmware-sim verify --training`: the small topology trained in `f32`, here and on the device.

use super::image::Program;
use super::link::Kind;
use super::{args, speaker};
use anyhow::{Context, bail, ensure};
use autoencoder_core::model::{Small, SmallEncoder};
use autoencoder_core::{Error, Layer};
use firmware_sim::parity::IMAGES;
use firmware_sim::training::Training;
use host::blob_file::BlobFile;
use host::files;
use host::idx::Images;
use host::quantise::{About, f32_blob};
use host::recipe::Recipe;
use host::trainer::{Trainer, zeroed_box};
use serde_json::json;
use std::path::{Path, PathBuf};

pub fn run(args: &args::Verify) -> anyhow::Result<String> {
    let images = Images::test(&args.source.data)?;
    ensure!(images.len() >= IMAGES, "{}: fewer than {IMAGES} images", args.source.data.display());
    let device = match args.common.weights.as_deref() {
        Some(path) => BlobFile::read(path)?,
        None => BlobFile::new("weights".as_ref(), &trained(&images)?),
    };
    if let Some(path) = &args.export {
        files::spare(path, args.common.weights.iter().chain([&args.source.data]).map(PathBuf::as_path))?;
        files::replace(path, &flash(&device, &images)?)?;
        return Ok(format!("{}: what a board needs in its flash that trains the small topology\n", path.display()));
    }
    let against = args.against.as_deref().map(BlobFile::read).transpose()?;
    let here = here(against.as_ref().unwrap_or(&device), &images)?;
    let there = match &args.common.link {
        Kind::InProcess => self::here(&device, &images)?,
        link => {
            let mut said = speaker::open(link, Program::Training, &flash(&device, &images)?)?.hear()?;
            said.pop(); // the zero
            String::from_utf8_lossy(&said).into_owned()
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

/// A blob of the small topology, trained a little: its parameters are no longer those that a network begins with.
fn trained(images: &Images) -> anyhow::Result<Vec<u8>> {
    const STEPS: u32 = 100;
    const BATCH: usize = 64;
    let mut trainer = Trainer::<Small>::new(Recipe::DEFAULT, STEPS, BATCH, 1, images);
    for _ in 0..STEPS {
        trainer.train(images);
    }
    Ok(f32_blob(trainer.net(), About { encoder_layers: SmallEncoder::specs().count(), steps: STEPS, code_bits: 8 })?)
}

/// A blob and the images behind it, as they lie in the device's flash.
fn flash(file: &BlobFile, images: &Images) -> anyhow::Result<Vec<u8>> {
    let mut flash = file.open()?.bytes().to_vec();
    (0..IMAGES).for_each(|image| flash.extend_from_slice(images.image(image)));
    Ok(flash)
}

/// What this process says.
fn here(file: &BlobFile, images: &Images) -> anyhow::Result<String> {
    let flash = BlobFile::new(Path::new("flash"), &flash(file, images)?);
    let mut training = zeroed_box::<Training<Small, IMAGES>>();
    let loaded: Result<(), Error> = training.load(flash.bytes());
    loaded.map_err(|source| file.error(source)).context("--training takes the small topology in f32")?;
    let mut text = String::new();
    training.tell(&mut text)?;
    Ok(text)
}
