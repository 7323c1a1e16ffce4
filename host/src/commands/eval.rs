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
use serde_json::Value;
use std::fmt::Write;
use std::iter;
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
        let measured = Measured { float, precision, integers, labels };
        if args.json {
            let mut summary = measured.of(None).json();
            summary["steps"] = steps.into();
            summary["seconds"] = seconds.into();
            summary["ms_per_step"] = Value::Null; // how long the steps took is not in a blob
            summary["digits"] = measured.labels().map(|label| measured.of(Some(label)).json()).collect();
            return Ok(format!("{summary}\n"));
        }
        let mut text = format!("{}: {name} after {steps} steps, on {} test images\n\n", path.display(), test.len());
        let all = measured.of(None);
        write!(text, "  label  images")?;
        for (format, _) in all.formats() {
            write!(text, "  {format:>4} MSE      PSNR")?;
        }
        for figures in iter::once(all).chain(measured.labels().map(|label| measured.of(Some(label)))) {
            let label = figures.label.map_or("all".into(), |label| label.to_string());
            write!(text, "\n  {label:>5}  {:6}", figures.images)?;
            for (_, mse) in figures.formats() {
                write!(text, "  {mse:.6}  {:5.2} dB", loss::psnr(mse))?;
            }
        }
        Ok(text + "\n")
    }
}

/// The error of each test image.
struct Measured {
    float: Option<Vec<f32>>,
    precision: Precision,
    integers: Vec<f32>,
    labels: Option<Vec<u8>>,
}

/// The mean errors of some test images.
struct Figures {
    /// Theirs; `None` for all images.
    label: Option<u8>,
    images: usize,
    float: Option<f64>,
    precision: Precision,
    integers: f64,
}

impl Measured {
    /// Those that occur.
    fn labels(&self) -> impl Iterator<Item = u8> {
        let all = self.labels.as_deref().unwrap_or_default();
        (0..=u8::MAX).filter(|label| all.contains(label))
    }

    /// The figures of one label's images, or of all.
    fn of(&self, label: Option<u8>) -> Figures {
        let labels = self.labels.as_deref().unwrap_or_default();
        let choose = |errors: &[f32]| -> Vec<f32> {
            let Some(label) = label else { return errors.to_vec() };
            errors.iter().zip(labels).filter(|(_, other)| **other == label).map(|(error, _)| *error).collect()
        };
        let integers = choose(&self.integers);
        let float = self.float.as_deref().map(|errors| evaluate::mean(&choose(errors)));
        let precision = self.precision;
        Figures { label, images: integers.len(), float, precision, integers: evaluate::mean(&integers) }
    }
}

impl Figures {
    /// The name of each format that was measured, and its MSE.
    fn formats(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.float.map(|mse| ("f32", mse)).into_iter().chain([(self.precision.name(), self.integers)])
    }

    fn json(&self) -> Value {
        let [int8, int4] = quantise::by_precision(self.precision, self.integers);
        let mut object = serde_json::json!({
            "test_mse": self.float, "test_mse_int8": int8, "test_mse_int4": int4,
            "test_psnr": self.float.map(loss::psnr), "test_psnr_int8": int8.map(loss::psnr),
            "test_psnr_int4": int4.map(loss::psnr), "images": self.images,
        });
        if let Some(label) = self.label {
            object["label"] = label.into();
        }
        object
    }
}
