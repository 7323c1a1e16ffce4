//! `host export`

use crate::args::{self, Format};
use crate::commands::{images_fit, topology_of};
use anyhow::{Context, ensure};
use autoencoder_core::layer::Row;
use autoencoder_core::model::{Half, Visitor, with_topology};
use autoencoder_core::{Autoencoder, Layer};
use host::blob_file::BlobFile;
use host::calibrate::calibrate;
use host::checkpoint::Checkpoint;
use host::files;
use host::idx::Images;
use host::quantise;
use host::trainer::zeroed_box;

pub fn run(args: &args::Export) -> anyhow::Result<String> {
    let file = BlobFile::read(&args.source)?;
    let source = if Checkpoint::is_one(file.bytes()) {
        Source::Checkpoint(Box::new(Checkpoint::read(&args.source)?))
    } else {
        Source::Blob(&file)
    };
    let name = match &source {
        Source::Checkpoint(checkpoint) => checkpoint.run.topology.clone(),
        Source::Blob(file) => topology_of(file.open()?.header(), &args.source)?.to_owned(),
    };
    with_topology(&name, Command { args, source, name: &name }).with_context(|| format!("no topology named {name}"))?
}

enum Source<'a> {
    Checkpoint(Box<Checkpoint>),
    Blob(&'a BlobFile),
}

struct Command<'a> {
    args: &'a args::Export,
    source: Source<'a>,
    name: &'a str,
}

impl Visitor for Command<'_> {
    type Output = anyhow::Result<String>;

    fn visit<E, D>(self) -> Self::Output
    where
        E: Half<In: Row<Element = f32>, Out: Row<Element = f32>>,
        D: Half<In = E::Out, Out = E::In, In8 = E::Out8, Out8 = E::In8>,
    {
        let args = self.args;
        let mut net = zeroed_box::<Autoencoder<E, D>>();
        let steps = match &self.source {
            Source::Checkpoint(checkpoint) => {
                let specs: Vec<_> = Autoencoder::<E, D>::specs().collect();
                ensure!(
                    checkpoint.run.layers == specs && checkpoint.load(&mut *net),
                    "{}: the checkpoint's layers are not those of {}",
                    args.source.display(),
                    self.name
                );
                checkpoint.step
            }
            Source::Blob(file) => {
                let blob = file.open()?;
                blob.copy_f32(&mut *net).map_err(|source| file.error(source))?;
                blob.header().steps
            }
        };
        let encoder_layers = E::specs().count();
        let (format, blob) = match args.format {
            Format::F32 => ("f32", quantise::f32_blob(&*net, encoder_layers, steps)?),
            Format::Int8 => {
                let images = Images::train(&args.data)?;
                images_fit::<E>(&images, &args.data, self.name)?;
                ("int8", calibrate::<E, D>(&quantise::int8_blob(&*net, encoder_layers, steps, &images)?, &images)?)
            }
        };
        let path = args.out.clone().unwrap_or_else(|| format!("artifacts/model.{format}.blob").into());
        files::replace(&path, &blob)?;
        Ok(format!("{}: {} bytes, {format}, {} after {steps} steps\n", path.display(), blob.len(), self.name))
    }
}
