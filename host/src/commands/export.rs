//! `export`: writes a weights blob from a checkpoint or an f32 blob.

use crate::args;
use crate::commands::network_file::NetworkFile;
use crate::commands::rows::ensure_fits;
use crate::commands::sensor::SensorData;
use anyhow::{Context, bail, ensure};
use autoencoder_core::blob::{Format, MAGIC};
use autoencoder_core::{Network, Topology};
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::data_options::Data;
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::idx::Images;
use autoencoder_io::number::counted;
use autoencoder_io::topology::describe;
use host::data::{Dataset, Sample};
use host::detector::Sensor;
use host::evaluate;
use host::export::{BlobMeta, Calibration, detector_blob, f32_blob, integer_blob};
use host::network::FloatNetwork;
use host::train::qat::WeightFormat;
use std::iter;
use std::path::{Path, PathBuf};

pub fn run(args: &args::Export) -> anyhow::Result<String> {
    let integers = WeightFormat::of(args.format);
    let format = format_name(args.format);
    let path = args.out.clone().unwrap_or_else(|| format!("artifacts/model.{format}.blob").into());
    files::ensure_not_input(
        &path,
        iter::once(args.source.as_path()).chain(args.data.paths().iter().map(PathBuf::as_path)),
    )?;
    files::ensure_replaceable(&path, &MAGIC, &PROTECTED)?;
    let source = NetworkFile::read(&args.source)?;
    ensure_same_kind(&path, source.topology(), args.format, args.force)?;
    // The reason to read the training rows.
    let needed = match integers {
        Some(_) => Some("the calibration of an integer blob"),
        None if source.is_rounded()? => Some("a checkpoint of rounded weights"),
        None => None,
    };
    let rows = match needed {
        None => None,
        Some(what) => Some(Rows::read(args, &source, what)?),
    };
    let images = rows.as_ref().map(|rows| &rows.train);
    let network = source.rounded(images)?;
    let code_bits = args.code_bits.map_or_else(|| source.code_bits(), Ok)?;
    let sensor = rows.as_ref().and_then(|rows| rows.sensor.as_ref());
    let input = sensor.map_or_else(|| Ok(source.input().to_vec()), Sensor::section)?;
    let meta = BlobMeta { steps: source.steps(), code_bits, input: &input };
    let blob = match (integers, &rows) {
        (Some(format), Some(Rows { train, validation: None, .. })) => integer_blob(&network, format, meta, train)?,
        (Some(format), Some(Rows { train, validation: Some(rows), sensor: Some(sensor) })) => {
            let calibration = Calibration { rows, above: sensor.false_alarms.into() };
            detector_blob(&network, format, meta, train, calibration)?
        }
        _ => f32_blob(&network, meta)?,
    };
    let warning = match (integers, images) {
        (Some(format), Some(images)) => rounding_warning(&network, &blob, format, code_bits, images, &args.source)?,
        _ => None,
    };
    files::replace(&path, &blob, &PROTECTED)?;
    if let Some(warning) = warning {
        eprintln!("{warning}");
    }
    let (bytes, topology, steps) = (blob.len(), describe(network.topology()), counted(meta.steps, "step"));
    Ok(format!("{}: {bytes} bytes, {format}, {topology} after {steps}\n", path.display()))
}

/// The rows of an export.
struct Rows {
    /// They calibrate ranges, and the thresholds if there are no others.
    train: Images,
    /// They calibrate the thresholds.
    validation: Option<Images>,
    /// How samples become rows.
    sensor: Option<Sensor>,
}

impl Rows {
    /// Reads the data that the options name. `what` needs it.
    fn read(args: &args::Export, source: &NetworkFile, what: &str) -> anyhow::Result<Self> {
        let needs = || format!("{what} needs the training rows (--data)");
        let sensor = source.sensor().transpose()?;
        let (rows, data) = match (args.data.read().with_context(needs)?, sensor) {
            (Data::Folder(data), None) => {
                args.sensor.ensure_unused(&data)?;
                let train = Images::train(&data).with_context(needs)?;
                (Self { train, validation: None, sensor: None }, data.display().to_string())
            }
            (Data::Recordings(recordings), Some(sensor)) => {
                let tests = args.sensor.read_tests(&args.data)?;
                let data = SensorData::new(&args.sensor, &recordings, tests.as_ref(), Some(sensor))?;
                let SensorData { train, validation, sensor, .. } = data;
                (Self { train, validation: Some(validation), sensor: Some(sensor) }, args.data.describe())
            }
            (Data::Folder(data), Some(_)) => {
                bail!(
                    "{}: the network takes windows of recordings; give --data those it was trained on",
                    data.display()
                )
            }
            (Data::Recordings(_), None) => {
                bail!("{}: the network takes rows of bytes, which IDX files hold", args.data.describe())
            }
        };
        ensure_fits(source.topology(), &rows.train, &data)?;
        Ok(rows)
    }
}

/// Returns an error if a blob of another network or of another number format is at `path`, unless `--force` allows its
/// replacement.
fn ensure_same_kind(path: &Path, topology: &Topology, format: Format, force: bool) -> anyhow::Result<()> {
    if !path.is_file() {
        return Ok(()); // to read from a pipe would wait for its writer
    }
    let Ok(there) = BlobFile::read(path) else { return Ok(()) };
    let Ok(blob) = there.open() else { return Ok(()) };
    let found = blob.header();
    ensure!(
        force || (&found.topology, found.format) == (topology, format),
        "{}: an {} blob of {} is there, and the new one is an {} blob of {}; give another --out, or --force to replace it",
        path.display(),
        format_name(found.format),
        describe(&found.topology),
        format_name(format),
        describe(topology)
    );
    Ok(())
}

/// The name of a number format on the command line.
fn format_name(format: Format) -> &'static str {
    WeightFormat::of(format).map_or("f32", WeightFormat::name)
}

/// Returns a warning if rounding makes the network clearly worse, because it was not trained for these numbers.
fn rounding_warning(
    network: &FloatNetwork,
    blob: &[u8],
    format: WeightFormat,
    code_bits: u8,
    images: &Images,
    source: &Path,
) -> anyhow::Result<Option<String>> {
    const ROWS: usize = 1000;
    const TOLERANCE: f64 = 1.1;
    let rows = Sample::new(images, ROWS);
    let file = BlobFile::new(Path::new("the blob"), blob);
    let integers = Network::new(file.open()?)?;
    let float = evaluate::mean(&evaluate::errors(network, 8, &rows));
    let rounded = evaluate::mean(&evaluate::integer_errors(&integers, &rows));
    let (name, count) = (format.name(), counted(rows.rows(), "training row"));
    let code = if code_bits < 8 { format!(" --code-bits {code_bits}") } else { String::new() };
    let text = format!(
        "warning: rounding raises the MSE over {count} from {float:.6} to {rounded:.6}; the network can be trained for it: \
         train --from {} --quantise-aware {name}{code}",
        source.display()
    );
    Ok((rounded > TOLERANCE * float).then_some(text))
}
