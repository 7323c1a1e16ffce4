//! `host export`

use crate::args::{self, Format};
use crate::commands::images_fit;
use crate::commands::source::Source;
use anyhow::Context;
use autoencoder_core::Autoencoder;
use autoencoder_core::blob::Mirrors;
use autoencoder_core::model::{Half, Visitor, with_topology};
use host::aware::Precision;
use host::calibrate::calibrate;
use host::files;
use host::idx::Images;
use host::quantise::{self, About};
use host::trainer::zeroed_box;

pub fn run(args: &args::Export) -> anyhow::Result<String> {
    let source = Source::read(&args.source)?;
    let name = source.topology()?;
    with_topology(&name, Command { args, source, name: &name }).with_context(|| format!("no topology named {name}"))?
}

struct Command<'a> {
    args: &'a args::Export,
    source: Source,
    name: &'a str,
}

impl Visitor for Command<'_> {
    type Output = anyhow::Result<String>;

    fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output {
        let Self { args, source, name } = self;
        let mut net = zeroed_box::<Autoencoder<E, D>>();
        let images = match needed_for(args.format, &source)? {
            None => None,
            Some(what) => {
                let images = Images::train(&args.data);
                let images = images.with_context(|| format!("{what} needs the training images (--data)"))?;
                images_fit::<E>(&images, &args.data, name)?;
                Some(images)
            }
        };
        source.load(&mut *net, images.as_ref())?;
        let code_bits = args.code_bits.map_or_else(|| source.code_bits(), Ok)?;
        let about = About { encoder_layers: E::specs().count(), steps: source.steps()?, code_bits };
        let integers = |precision| -> anyhow::Result<Vec<u8>> {
            let images = images.as_ref().context("no training images")?;
            Ok(calibrate::<E, D>(&quantise::integer_blob(&*net, precision, about, images)?, images)?)
        };
        let (format, blob) = match args.format {
            Format::F32 => ("f32", quantise::f32_blob(&*net, about)?),
            Format::Int8 => ("int8", integers(Precision::Int8)?),
            Format::Int4 => ("int4", integers(Precision::Int4)?),
        };
        let path = args.out.clone().unwrap_or_else(|| format!("artifacts/model.{format}.blob").into());
        files::spare(&path, [args.source.as_path(), args.data.as_path()])?;
        files::replace(&path, &blob)?;
        Ok(format!("{}: {} bytes, {format}, {name} after {} steps\n", path.display(), blob.len(), about.steps))
    }
}

/// What the training images are needed for, if they are.
fn needed_for(format: Format, source: &Source) -> anyhow::Result<Option<&'static str>> {
    Ok(match format {
        Format::Int8 | Format::Int4 => Some("the threshold of an integer blob"),
        Format::F32 if source.is_rounded()? => Some("a checkpoint of rounded weights"),
        Format::F32 => None,
    })
}
