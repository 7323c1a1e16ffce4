//! `host export`

use crate::args;
use crate::commands::ensure_fits;
use crate::commands::parameters::Parameters;
use anyhow::Context;
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::idx::Images;
use autoencoder_io::topology::describe;
use host::export::{BlobMeta, f32_blob, integer_blob};
use host::train::qat::WeightFormat;

pub fn run(args: &args::Export) -> anyhow::Result<String> {
    let parameters = Parameters::read(&args.source)?;
    let integers = WeightFormat::of(args.format);
    // What the training rows are needed for, if they are.
    let needed = match integers {
        Some(_) => Some("the threshold of an integer blob"),
        None if parameters.is_rounded()? => Some("a checkpoint of rounded weights"),
        None => None,
    };
    let images = match needed {
        None => None,
        Some(what) => {
            let images = Images::train(&args.data);
            let images = images.with_context(|| format!("{what} needs the training images (--data)"))?;
            ensure_fits(parameters.topology(), &images, &args.data)?;
            Some(images)
        }
    };
    let network = parameters.rounded(images.as_ref())?;
    let code_bits = args.code_bits.map_or_else(|| parameters.code_bits(), Ok)?;
    let meta = BlobMeta { steps: parameters.steps(), code_bits };
    let blob = match (integers, &images) {
        (Some(format), Some(images)) => integer_blob(&network, format, meta, images)?,
        _ => f32_blob(&network, meta)?,
    };
    let format = integers.map_or("f32", WeightFormat::name);
    let path = args.out.clone().unwrap_or_else(|| format!("artifacts/model.{format}.blob").into());
    files::ensure_not_input(&path, [args.source.as_path(), args.data.as_path()])?;
    files::replace(&path, &blob, &PROTECTED)?;
    let (bytes, topology) = (blob.len(), describe(network.topology()));
    Ok(format!("{}: {bytes} bytes, {format}, {topology} after {} steps\n", path.display(), meta.steps))
}
