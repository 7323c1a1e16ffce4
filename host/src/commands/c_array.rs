//! `export --format c`: a blob of integers as a C array.

use super::export::ensure_same_kind;
use crate::args;
use anyhow::{Context, bail, ensure};
use autoencoder_core::Network;
use autoencoder_core::blob::Format;
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::c_array::{c_array, is_identifier, is_reserved};
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::topology::describe;
use std::path::Path;

/// Writes `NAME.c` and `NAME.h`.
pub fn export(args: &args::Export) -> anyhow::Result<String> {
    let source = args.out.clone().unwrap_or_else(|| "artifacts/model.c".into());
    let name = array_name(&source)?;
    let header = source.with_extension("h");
    for path in [&source, &header] {
        files::ensure_not_input(path, [args.source.as_path()])?;
        files::ensure_replaceable(path, &[], &PROTECTED)?;
    }
    let options = [("--code-bits", args.code_bits.is_some()), ("--flash", args.flash.is_some())];
    let unused = options.into_iter().find(|(_, given)| *given).map(|(option, _)| option);
    if let Some(option) = unused.or_else(|| args.first_of_data()) {
        bail!("{option}: a C array has the bytes of a blob as they are; {option} has no effect");
    }
    let file = BlobFile::read(&args.source)?;
    let blob = file.open()?;
    let path = args.source.display();
    ensure!(
        blob.header().format != Format::F32,
        "{path}: a blob of f32 weights; a C array is for a device: export int8 first"
    );
    let network = Network::new(blob).map_err(|source| file.error(source))?;
    for path in [&source, &header] {
        ensure_same_kind(path, None, args.force)?;
    }
    let array = c_array(&network, name).map_err(|source| file.error(source))?;
    files::replace(&header, array.header.as_bytes(), &PROTECTED)?;
    files::replace(&source, array.source.as_bytes(), &PROTECTED)
        .with_context(|| format!("{} is written, but its array is not", header.display()))?;
    let (bytes, topology) = (network.blob().bytes().len(), describe(network.topology()));
    Ok(format!("{} and {}: {bytes} bytes, {topology}\n", source.display(), header.display()))
}

/// The name of the array, which is that of the file.
fn array_name(path: &Path) -> anyhow::Result<&str> {
    let is_c = path.extension().is_some_and(|extension| extension == "c");
    let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_c && is_identifier(name));
    let Some(name) = name else {
        bail!("--out {}: the array has the name of its file; expected letters, digits and _ before .c", path.display())
    };
    ensure!(
        !is_reserved(name),
        "--out {}: the array has the name of its file, and {name} has another meaning in C or C++; expected another name",
        path.display()
    );
    Ok(name)
}
