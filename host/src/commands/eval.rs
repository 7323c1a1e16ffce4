//! `eval`: measures a weights blob on the test rows.

use crate::args;
use crate::commands::detect;
use crate::commands::figures::by_format;
use crate::commands::rows::{ensure_fits, optional_labels};
use autoencoder_core::activation::ActivationKind;
use autoencoder_core::blob::{Blob, Format};
use autoencoder_core::loss;
use autoencoder_io::blob_file::{BlobFile, default_blob};
use autoencoder_io::formats::ensure_not_checkpoint;
use autoencoder_io::idx::{Images, test_labels};
use autoencoder_io::number::counted;
use autoencoder_io::topology::describe;
use host::evaluate;
use host::export::BlobMeta;
use host::export::quantise::quantise;
use host::network::FloatNetwork;
use host::train::qat::WeightFormat;
use serde_json::Value;
use std::fmt::Write;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub fn run(args: &args::Eval) -> anyhow::Result<String> {
    /// The user's own training, then the weights that come with the repository.
    const CANDIDATES: [&str; 2] = ["artifacts/model.f32.blob", "models/classic.int8.blob"];
    if args.data.are_recordings() {
        return detect::run(args);
    }
    let (path, file) = read_model(args.model.as_deref(), CANDIDATES)?;
    let blob = file.open()?;
    let data = args.data.read_folder()?;
    let test = Images::test(&data)?;
    let labels = optional_labels(test_labels(&data, test.len()));
    ensure_fits(&blob.header().topology, &test, &data.display().to_string())?;
    let start = Instant::now();
    let measured = measure(&file, &blob, &data, &test, labels)?;
    let seconds = start.elapsed().as_secs_f64();
    let steps = blob.header().steps;
    if args.json {
        let mut summary = measured.of(None).json();
        summary["steps"] = steps.into();
        summary["seconds"] = seconds.into();
        summary["ms_per_step"] = Value::Null; // a blob does not hold the time of its training
        summary["labels"] = measured.labels().map(|label| measured.of(Some(label)).json()).collect();
        return Ok(format!("{summary}\n"));
    }
    let topology = describe(&blob.header().topology);
    let (steps, rows) = (counted(steps, "step"), counted(test.len(), "test row"));
    let title = format!("{}: {topology} after {steps}, on {rows}", path.display());
    Ok(measured.table(&title)?)
}

/// Reads the blob that the command line names, or else the first of the candidates.
pub fn read_model(named: Option<&Path>, candidates: [&'static str; 2]) -> anyhow::Result<(PathBuf, BlobFile)> {
    let path = named.map_or_else(|| default_blob(candidates, "name a blob"), |path| Ok(path.to_owned()))?;
    let file = BlobFile::read(&path)?;
    ensure_not_checkpoint(&path, file.bytes())?;
    Ok((path, file))
}

/// Measures a blob. An f32 blob is also measured as the int8 network that `export` would make of it.
fn measure(
    file: &BlobFile,
    blob: &Blob<'_>,
    data: &Path,
    test: &Images,
    labels: Option<Vec<u8>>,
) -> anyhow::Result<Measured> {
    let header = blob.header();
    let format = match header.format {
        Format::Int8 | Format::Int8Rows => WeightFormat::Int8,
        Format::Int4 => WeightFormat::Int4,
        _ => {
            let network = FloatNetwork::from_blob(blob).map_err(|source| file.error(source))?;
            let meta = BlobMeta { steps: header.steps, code_bits: header.code_bits, input: &[] };
            // As in `export`: an activation without a known range gets one from the training rows.
            let ranges = header.topology.layers().iter().any(|layer| layer.activation != ActivationKind::Sigmoid);
            let train = ranges.then(|| Images::train(data)).transpose()?;
            if let Some(train) = &train {
                ensure_fits(&header.topology, train, &data.display().to_string())?;
            }
            let int8 = quantise(&network, WeightFormat::Int8, meta, train.as_ref().unwrap_or(test))?;
            let integers = int8.network().errors(test);
            let float = Some(evaluate::errors(&network, header.code_bits, test));
            return Ok(Measured { float, format: WeightFormat::Int8, integers, labels });
        }
    };
    let network = autoencoder_core::Network::new(blob.clone()).map_err(|source| file.error(source))?;
    Ok(Measured { float: None, format, integers: evaluate::integer_errors(&network, test), labels })
}

/// The error of each test row.
struct Measured {
    float: Option<Vec<f32>>,
    format: WeightFormat,
    integers: Vec<f32>,
    labels: Option<Vec<u8>>,
}

/// The mean errors of some test rows.
struct Figures {
    /// The label of these rows; `None` for all rows.
    label: Option<u8>,
    rows: usize,
    float: Option<f64>,
    format: WeightFormat,
    integers: f64,
}

impl Measured {
    /// The labels that occur, each once.
    fn labels(&self) -> impl Iterator<Item = u8> {
        let all = self.labels.as_deref().unwrap_or_default();
        (0..=u8::MAX).filter(|label| all.contains(label))
    }

    /// The figures of the rows with one label, or of all rows.
    fn of(&self, label: Option<u8>) -> Figures {
        let labels = self.labels.as_deref().unwrap_or_default();
        let choose = |errors: &[f32]| -> Vec<f32> {
            let Some(label) = label else { return errors.to_vec() };
            errors.iter().zip(labels).filter(|(_, other)| **other == label).map(|(error, _)| *error).collect()
        };
        let integers = choose(&self.integers);
        let float = self.float.as_deref().map(|errors| evaluate::mean(&choose(errors)));
        let format = self.format;
        Figures { label, rows: integers.len(), float, format, integers: evaluate::mean(&integers) }
    }

    /// The figures of all rows, then those of the rows with each label.
    fn table(&self, title: &str) -> Result<String, std::fmt::Error> {
        let all = self.of(None);
        let mut text = format!("{title}\n\n  label    rows");
        for (format, _) in all.formats() {
            write!(text, "  {format:>4} MSE      PSNR")?;
        }
        for figures in iter::once(all).chain(self.labels().map(|label| self.of(Some(label)))) {
            let label = figures.label.map_or("all".into(), |label| label.to_string());
            write!(text, "\n  {label:>5}  {:6}", figures.rows)?;
            for (_, mse) in figures.formats() {
                write!(text, "  {mse:.6}  {:5.2} dB", loss::psnr(mse))?;
            }
        }
        Ok(text + "\n")
    }
}

impl Figures {
    /// The name of each format that was measured, and its MSE.
    fn formats(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.float.map(|mse| ("f32", mse)).into_iter().chain([(self.format.name(), self.integers)])
    }

    fn json(&self) -> Value {
        let [int8, int4] = by_format(self.format, self.integers);
        let mut object = serde_json::json!({
            "test_mse": self.float, "test_mse_int8": int8, "test_mse_int4": int4,
            "test_psnr": self.float.map(loss::psnr), "test_psnr_int8": int8.map(loss::psnr),
            "test_psnr_int4": int4.map(loss::psnr), "rows": self.rows,
        });
        if let Some(label) = self.label {
            object["label"] = label.into();
        }
        object
    }
}
