//! The end of a run: blobs, pictures, and the summary.

use super::splits::Splits;
use super::training_loop::TrainingLoop;
use crate::commands::figures::by_format;
use anyhow::Context;
use autoencoder_core::{Network, loss};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::number::counted;
use autoencoder_io::topology::describe;
use host::evaluate::detection::Proportion;
use host::export::{BlobMeta, Calibration, ExportError, detector_blob, f32_blob, integer_blob};
use host::train::qat::WeightFormat;
use host::{evaluate, kernels, report};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Writes blobs and pictures of a finished run, and returns its summary.
pub fn finish(training: &TrainingLoop<'_>) -> anyhow::Result<String> {
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
    report::reconstructions(network, run.code_bits, &splits.test).write(&rows_path)?;
    if splits.validation.is_some() {
        write_rows(out, splits)?;
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
    if args.json {
        let [int8, int4] = by_format(format, mse_integers);
        let summary = serde_json::json!({
            "test_mse": mse, "test_mse_int8": int8, "test_mse_int4": int4, "steps": step, "seconds": seconds,
            "ms_per_step": ms,
        });
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
    if splits.validation.is_some() {
        text += &detector(&integers, splits, &path)?;
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

/// The blob of integers. Its thresholds come from the validation rows, or from the training rows if there are none.
fn blob_of(training: &TrainingLoop<'_>, format: WeightFormat, meta: BlobMeta<'_>) -> Result<Vec<u8>, ExportError> {
    let TrainingLoop { splits, trainer, .. } = training;
    match &splits.validation {
        Some(rows) => {
            let calibration = Calibration { rows, above: splits.false_alarms.into() };
            detector_blob(trainer.network(), format, meta, &splits.train, calibration)
        }
        None => integer_blob(trainer.network(), format, meta, &splits.train),
    }
}

/// Writes the rows of a detector as IDX files: baselines are fitted to them, and every command that takes rows can read them.
fn write_rows(out: &Path, splits: &Splits) -> anyhow::Result<()> {
    let folder = out.join("rows");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (name, rows) in [("train-rows-idx2-ubyte", &splits.train), ("test-rows-idx2-ubyte", &splits.test)] {
        files::replace(&folder.join(name), &rows.to_idx(), &PROTECTED)?;
    }
    Ok(())
}

/// The threshold of a detector, and what it gives on the test rows.
fn detector(network: &Network<'_>, splits: &Splits, path: &Path) -> anyhow::Result<String> {
    let upper = network.blob().header().thresholds.upper;
    let scores = evaluate::integer_scores(network, &splits.test);
    let mut text = format!("\nthreshold: scores above {upper}, for {} % of normal rows\n", 100.0 * splits.false_alarms);
    if let Some(share) = Proportion::above(&scores, upper) {
        let [low, high] = share.interval().map(|bound| 100.0 * bound);
        writeln!(
            text,
            "false alarms: {:.2} % of {} (95 %: {low:.2} to {high:.2} %)",
            100.0 * share.share(),
            counted(scores.len(), "test row")
        )?;
    }
    writeln!(text, "next: eval {} --data FILE --label COLUMN", path.display())?;
    Ok(text)
}
