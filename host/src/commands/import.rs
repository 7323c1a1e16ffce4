//! `import`: writes an f32 blob from the weights of another framework.

use crate::args;
use crate::commands::export::{ensure_extension, ensure_same_kind, extension};
use anyhow::{Context, bail};
use autoencoder_core::blob::{Format, MAGIC};
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::number::counted;
use autoencoder_io::recordings::read_arrays;
use autoencoder_io::topology::{describe, ensure_autoencoder};
use host::export::{BlobMeta, f32_blob};
use host::weights::check::{TOLERANCE, compare};
use host::weights::{Imported, onnx, safetensors};
use std::fmt::Write;
use std::path::PathBuf;

pub fn run(args: &args::Import) -> anyhow::Result<String> {
    let (path, out) = (&args.file, &args.out);
    let inputs = [Some(path), args.check.as_ref()];
    files::ensure_not_input(out, inputs.into_iter().flatten().map(PathBuf::as_path))?;
    files::ensure_replaceable(out, &MAGIC, &PROTECTED)?;
    ensure_extension(out, "blob", "import")?;
    let kind = kind(args)?;
    let bytes = files::read(path)?;
    let imported = match kind {
        FileKind::Safetensors => safetensors::read(&bytes, args.layers.as_ref(), args.format),
        FileKind::Onnx => onnx::read(&bytes, args.layers.as_ref()),
    };
    let imported = imported.with_context(|| path.display().to_string())?;
    let Imported { network, parts, steps, code_bits, input } = imported;
    let topology = network.topology();
    ensure_autoencoder(topology)?;
    ensure_same_kind(out, Some((topology, Format::F32)), args.force)?;
    let blob = f32_blob(&network, BlobMeta { steps, code_bits, input: &input })?;
    let mut text = format!("{}: {} bytes, f32, {}\n", out.display(), blob.len(), describe(topology));
    for ((layer, parts), spec) in (1..).zip(&parts).zip(topology.layers()) {
        let [inputs, outputs] = spec.sizes();
        writeln!(text, "  layer {layer:2}  {inputs:5} to {outputs:5} {:9} {parts}", format!("{:?}", spec.activation))?;
    }
    if let Some(check) = &args.check {
        let arrays = read_arrays(check)?;
        let compared = compare(&network, &arrays).with_context(|| check.display().to_string())?;
        writeln!(
            text,
            "{}: the same outputs in {} of {}: the largest difference is {:.1e}, and {TOLERANCE:e} is allowed",
            check.display(),
            counted(compared.rows, "row"),
            counted(compared.layers, "layer"),
            compared.largest
        )?;
        let [low, high] = compared.inputs;
        if low < 0.0 || high > 1.0 {
            eprintln!(
                "warning: {}: inputs from {low} to {high}; here an input is a number from 0 to 1, so the first layer has to scale it",
                check.display()
            );
        }
    }
    files::replace(out, &blob, &PROTECTED)?;
    Ok(text)
}

/// The format of a file with weights.
enum FileKind {
    Safetensors,
    Onnx,
}

/// The format of the file, by its name. Returns an error if the options are not for it.
fn kind(args: &args::Import) -> anyhow::Result<FileKind> {
    let path = args.file.display();
    match extension(&args.file).as_deref() {
        Some("safetensors") => Ok(FileKind::Safetensors),
        Some("onnx") if args.format.is_none() => Ok(FileKind::Onnx),
        Some("onnx") => bail!("{path}: --format says what names of tensors mean; a graph says it itself"),
        _ => bail!(
            "{path}: expected a .safetensors or an .onnx file; torch writes one with safetensors.torch.save_file(model.state_dict(), \
             \"model.safetensors\")"
        ),
    }
}
