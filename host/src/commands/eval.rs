//! `host eval`

use crate::args;
use crate::commands::{images_fit, topology_of};
use anyhow::Context;
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Format, Mirrors};
use autoencoder_core::model::{Half, Visitor, with_topology};
use autoencoder_core::{Autoencoder, Layer, loss};
use host::aware::Precision;
use host::blob_file::BlobFile;
use host::evaluate;
use host::idx::{Images, test_labels};
use host::quantise::{self, About};
use host::trainer::zeroed_box;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

pub fn run(args: &args::Eval) -> anyhow::Result<String> {
    /// One's own training, then what comes with the repository.
    const CANDIDATES: [&str; 2] = ["artifacts/model.f32.blob", "models/classic.int8.blob"];
    let path = args.model.as_deref().or_else(|| CANDIDATES.iter().map(Path::new).find(|path| path.exists()));
    let path = path.context("no blob: train one with `cargo run -p host -- train`, or name one")?;
    let file = BlobFile::read(path)?;
    let blob = file.open()?;
    let test = Images::test(&args.data)?;
    let labels = test_labels(&args.data, test.len())?;
    let name = topology_of(blob.header(), path)?;
    with_topology(name, Command { args, path, file: &file, test, labels, name }).context("no such topology")?
}

struct Command<'a> {
    args: &'a args::Eval,
    path: &'a Path,
    file: &'a BlobFile,
    test: Images,
    labels: Option<Vec<u8>>,
    name: &'a str,
}

impl Visitor for Command<'_> {
    type Output = anyhow::Result<String>;

    fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output {
        let Self { args, path, file, test, labels, name } = self;
        images_fit::<E>(&test, &args.data, name)?;
        let blob = file.open()?;
        let (steps, code_bits) = (blob.header().steps, blob.header().code_bits);
        let start = Instant::now();
        let integer_errors = |file: &BlobFile| -> anyhow::Result<Vec<f32>> {
            Ok(evaluate::errors_int8::<E, D>(&file.open()?, &test).map_err(|source| file.error(source))?)
        };
        let (float, precision, integers) = match blob.header().format {
            Format::F32 => {
                let mut net = zeroed_box::<Autoencoder<E, D>>();
                blob.copy_f32(&mut *net).map_err(|source| file.error(source))?;
                let about = About { encoder_layers: E::specs().count(), steps, code_bits };
                // As `export` does, which takes ranges from training images where an activation has none of its own.
                let ranges = Autoencoder::<E, D>::specs().any(|spec| spec.activation != ActivationKind::Sigmoid);
                let train = ranges.then(|| Images::train(&args.data)).transpose()?;
                let rows = train.as_ref().unwrap_or(&test);
                let int8 = quantise::integer_blob(&*net, Precision::Int8, about, rows)?;
                let float = evaluate::errors(&*net, code_bits, &test);
                (Some(float), Precision::Int8, integer_errors(&BlobFile::new(path, &int8))?)
            }
            Format::Int8 => (None, Precision::Int8, integer_errors(file)?),
            Format::Int4 => (None, Precision::Int4, integer_errors(file)?),
        };
        let seconds = start.elapsed().as_secs_f64();
        let mse = float.as_deref().map(evaluate::mean);
        let mse_integers = evaluate::mean(&integers);
        let [int8, int4] = quantise::by_precision(precision, mse_integers);
        if args.json {
            // How long the steps took is not in a blob.
            let summary = serde_json::json!({
                "test_mse": mse, "test_mse_int8": int8, "test_mse_int4": int4, "steps": steps, "seconds": seconds,
                "ms_per_step": null,
            });
            return Ok(format!("{summary}\n"));
        }
        let mut text = format!(
            "{}: {name} after {steps} steps, on {} test images\n\n        test MSE     PSNR\n",
            path.display(),
            test.len()
        );
        if let Some(mse) = mse {
            writeln!(text, "  f32   {mse:.6}  {:5.2} dB", loss::psnr(mse))?;
        }
        let format = if int4.is_some() { "int4" } else { "int8" };
        writeln!(text, "  {format}  {mse_integers:.6}  {:5.2} dB", loss::psnr(mse_integers))?;
        if let Some(labels) = labels {
            by_label(&mut text, float.as_deref().unwrap_or(&integers), &labels)?;
        }
        Ok(text)
    }
}

/// The MSE over the images of each label.
fn by_label(text: &mut String, errors: &[f32], labels: &[u8]) -> anyhow::Result<()> {
    writeln!(text, "\n  label  images  test MSE")?;
    for label in 0..=u8::MAX {
        let of_label = errors.iter().zip(labels).filter(|(_, l)| **l == label);
        let errors: Vec<f32> = of_label.map(|(error, _)| *error).collect();
        if !errors.is_empty() {
            writeln!(text, "  {label:5}  {:6}  {:.6}", errors.len(), evaluate::mean(&errors))?;
        }
    }
    Ok(())
}
