//! The end of a run: blobs, pictures, and the summary.

use super::steps::Steps;
use super::training_loop::TrainingLoop;
use crate::commands::figures::by_format;
use crate::commands::sensor::{self, Detector};
use crate::commands::windows::{self, Reconstructed, SHOWN, spread};
use anyhow::Context;
use autoencoder_core::front_end::FrontEnd;
use autoencoder_core::{Network, loss};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::idx::Images;
use autoencoder_io::number::{counted, percent};
use autoencoder_io::topology::describe;
use host::detector::Sensor;
use host::evaluate::detection::Proportion;
use host::export::{BlobMeta, Calibration, ExportError, detector_blob, f32_blob, integer_blob};
use host::network::FloatNetwork;
use host::report::PlotError;
use host::train::qat::WeightFormat;
use host::{evaluate, kernels, report};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Writes blobs and pictures of a finished run, and returns its summary.
pub fn finish(training: &TrainingLoop<'_>, steps: Option<&Steps>) -> anyhow::Result<String> {
    let TrainingLoop { args, run, splits, trainer, history, .. } = training;
    let (out, network, step) = (&args.out, trainer.network(), trainer.steps_done());
    let topology = describe(&run.topology);
    let meta = BlobMeta { steps: run.network_steps(step), code_bits: run.code_bits, input: &run.input };
    // First the files without integers, in case the network has no integer form.
    let float_path = out.join("model.f32.blob");
    let float = f32_blob(network, meta)?;
    files::replace(&float_path, &float, &PROTECTED)?;
    let (loss_path, rows_path) = (out.join("loss.png"), out.join("reconstructions.png"));
    let title = format!("training of {topology}, recipe {}", run.recipe);
    report::plot(&loss_path, &title, &report::curves(history))?;
    match &splits.detector {
        Some(detector) => draw_windows(&rows_path, network, run.code_bits, &detector.sensor, &splits.test)?,
        None => report::reconstructions(network, run.code_bits, &splits.test).write(&rows_path)?,
    }
    if let Some(detector) = &splits.detector {
        write_rows(out, [&detector.validation, &splits.train, &splits.test])?;
    }
    let format = run.quantise_aware.unwrap_or(WeightFormat::Int8);
    let path = out.join(format!("model.{}.blob", format.name()));
    let blob = BlobFile::new(&path, &blob_of(training, format, meta)?);
    files::replace(&path, blob.bytes(), &PROTECTED)?;

    // The last step was tested already.
    let mse = history.last().and_then(|point| point.test_mse).unwrap_or_else(|| training.test_mse());
    let integers = Network::open(blob.bytes()).map_err(|source| blob.error(source))?;
    let mse_integers = evaluate::mean(&evaluate::integer_errors(&integers, &splits.test));
    let seconds = training.time.as_secs_f64();
    let ms = seconds * 1e3 / f64::from(step);
    let threshold = splits.detector.as_ref().map(|detector| Threshold::new(&integers, detector, &splits.test));
    if args.json {
        let [int8, int4] = by_format(format, mse_integers);
        let mut summary = json!({
            "test_mse": mse, "test_mse_int8": int8, "test_mse_int4": int4, "steps": step, "seconds": seconds,
            "ms_per_step": ms,
        });
        if let (Some(detector), Some(threshold)) = (&splits.detector, &threshold) {
            summary["topology"] = json!(run.topology.to_string());
            summary["rows"] = json!({ "train": splits.train.len(), "validation": detector.validation.len(), "test": splits.test.len() });
            summary["steps_tried"] = json!(steps.map(|steps| &steps.tried));
            threshold.add_to(&mut summary, detector);
        }
        return Ok(format!("{summary}\n"));
    }
    let mut text = format!(
        "{topology} trained for {} of {} in {seconds:.1} s ({ms:.2} ms a step)\n\n\
         \x20         test MSE     PSNR       blob\n\
         \x20   f32  {mse:.6}  {:5.2} dB  {:9} B  {}\n\
         \x20  {}  {mse_integers:.6}  {:5.2} dB  {:9} B  {}\n\n\
         pictures: {}, {}\n",
        counted(step, "step"),
        counted(training.batch, "row"),
        loss::psnr(mse),
        float.len(),
        float_path.display(),
        format.name(),
        loss::psnr(mse_integers),
        blob.bytes().len(),
        path.display(),
        rows_path.display(),
        loss_path.display(),
    );
    if let (Some(detector), Some(threshold)) = (&splits.detector, &threshold) {
        threshold.text(&mut text, detector, &path)?;
    }
    if args.profile {
        // Each layer has three products, the first has two. A product multiplies and adds once for each weight.
        let layers = run.topology.layers();
        let weights: usize = layers.iter().map(|layer| layer.weights()).sum();
        let products = 3 * weights - layers[0].weights();
        let operations = 2 * training.batch as u64 * products as u64;
        let table = training.profile.table(rayon::current_num_threads(), operations, kernels::dense_rate());
        write!(text, "\n{table}")?;
    }
    Ok(text)
}

/// Draws some of a detector's test windows with their reconstructions.
fn draw_windows(
    path: &Path,
    network: &FloatNetwork,
    bits: u8,
    sensor: &Sensor,
    test: &Images,
) -> Result<(), PlotError> {
    let numbers: Vec<usize> = (0..test.len()).collect();
    let window = |i: usize| Reconstructed {
        caption: format!("test window {}", i + 1),
        row: test.image(i),
        reconstruction: report::reconstruction(network, bits, test, i),
    };
    let shown: Vec<Reconstructed<'_>> = spread(&numbers, SHOWN).into_iter().map(window).collect();
    windows::draw(path, &network.topology().to_string(), sensor, &shown)
}

/// The blob of integers. Its thresholds come from the validation rows, or from the training rows if there are none.
fn blob_of(training: &TrainingLoop<'_>, format: WeightFormat, meta: BlobMeta<'_>) -> Result<Vec<u8>, ExportError> {
    let TrainingLoop { splits, trainer, .. } = training;
    match &splits.detector {
        Some(detector) => {
            let calibration = Calibration { rows: &detector.validation, above: detector.sensor.rate() };
            detector_blob(trainer.network(), format, meta, &splits.train, calibration)
        }
        None => integer_blob(trainer.network(), format, meta, &splits.train),
    }
}

/// Writes the rows of a detector, in the order of [`sensor::SETS`], as IDX files: baselines are fitted to them, and every
/// command that takes rows can read them.
fn write_rows(out: &Path, rows: [&Images; 3]) -> anyhow::Result<()> {
    let folder = out.join(sensor::ROWS);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (name, rows) in sensor::SETS.into_iter().zip(rows) {
        files::replace(&folder.join(sensor::rows_file(name)), &rows.to_idx(), &PROTECTED)?;
    }
    Ok(())
}

/// The threshold of a detector, and what it gives.
struct Threshold {
    upper: u32,
    /// Validation windows, and how many of them are above.
    windows: usize,
    above: usize,
    /// The expected share of other normal windows above it.
    expected: f64,
    /// Whether the validation windows are too few for the share that was asked for.
    too_few: bool,
    /// The share of the test windows above.
    false_alarms: Option<Proportion>,
}

impl Threshold {
    fn new(network: &Network<'_>, detector: &Detector, test: &Images) -> Self {
        let upper = network.blob().header().thresholds.upper;
        let scores = evaluate::integer_scores(network, &detector.validation);
        let (windows, overlap, rate) = (scores.len(), detector.overlap(), detector.sensor.rate());
        let above = scores.iter().filter(|score| **score > upper).count();
        // The next of n + 1 windows is as likely to be the highest as each of the n.
        let least = 1.0 / (windows as f64 / overlap + 1.0);
        let too_few = rate * (windows as f64 / overlap) < 1.0;
        let scores = evaluate::integer_scores(network, test);
        let tests = detector.test_sources.iter().zip(&scores).map(|(source, score)| (*source, *score > upper));
        let false_alarms = Proportion::of_windows(tests, overlap);
        let expected = if too_few { least.max(rate) } else { rate };
        Self { upper, windows, above, expected, too_few, false_alarms }
    }

    fn add_to(&self, summary: &mut Value, detector: &Detector) {
        let sensor = &detector.sensor;
        let trials: serde_json::Map<String, Value> =
            detector.trials.iter().map(|trial| (sensor::name(trial.front_end).into(), trial.auc.into())).collect();
        summary["front_end"] = sensor::name(sensor.spec.front_end).into();
        summary["bands"] = match sensor.spec.front_end {
            FrontEnd::Spectrum { bands } => bands.into(),
            _ => Value::Null,
        };
        summary["front_end_trials"] = trials.into();
        summary["clipped"] = json!(detector.clipped);
        summary["threshold"] = self.upper.into();
        summary["false_alarms_asked"] = sensor.rate().into();
        summary["false_alarms_expected"] = self.expected.into();
        summary["false_alarms_of_validation"] = (self.above as f64 / self.windows as f64).into();
        summary["false_alarms"] = json!(self.false_alarms.map(|share| share.share()));
        summary["false_alarms_interval"] = json!(self.false_alarms.map(|share| share.interval()));
    }

    fn text(&self, text: &mut String, detector: &Detector, path: &Path) -> std::fmt::Result {
        let Self { upper, windows, above, expected, .. } = self;
        let asked = percent(detector.sensor.rate());
        write!(text, "\nthreshold: scores above {upper}: {above} of {}", counted(*windows, "validation window"))?;
        writeln!(text, ", where {asked} were asked for")?;
        if self.too_few {
            writeln!(
                text,
                "  too few independent windows for {asked}: expect some {:.1} % of other normal windows above it",
                100.0 * expected
            )?;
        }
        if let Some(share) = self.false_alarms {
            let [low, high] = share.interval().map(|bound| 100.0 * bound);
            writeln!(
                text,
                "false alarms: {:.2} % of {} (95 %: {low:.2} to {high:.2} %)",
                100.0 * share.share(),
                counted(detector.test_sources.len(), "test window")
            )?;
        }
        writeln!(text, "next: eval {} --data FILE --label COLUMN", path.display())
    }
}
