//! `export`: writes a weights blob, or a network of floats for other frameworks.
//!
//! An int8 blob is laid out for Helium without any data.

use crate::args::{self, ExportFormat};
use crate::commands::c_array;
use crate::commands::network_file::NetworkFile;
use crate::commands::rows::ensure_fits;
use crate::commands::sensor::{Detector, SensorData};
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
use host::export::{BlobMeta, Calibration, check, detector_blob, f32_blob, in_rows, integer_blob};
use host::network::FloatNetwork;
use host::train::qat::WeightFormat;
use host::weights::{Metadata, onnx, safetensors};
use std::fmt::Write;
use std::iter;
use std::path::{Path, PathBuf};

pub fn run(args: &args::Export) -> anyhow::Result<String> {
    let integers = match args.format {
        ExportFormat::Blob(format) => WeightFormat::of(format),
        ExportFormat::Safetensors | ExportFormat::Onnx => None,
        ExportFormat::C => return c_array::export(args),
    };
    let path = args.out.clone().unwrap_or_else(|| default_path(args.format));
    let inputs = args.data.paths().iter().chain(&args.flash).map(PathBuf::as_path);
    files::ensure_not_input(&path, iter::once(args.source.as_path()).chain(inputs))?;
    let start = if let ExportFormat::Blob(_) = args.format { &MAGIC[..] } else { &[] };
    files::ensure_replaceable(&path, start, &PROTECTED)?;
    let own = if let ExportFormat::Blob(_) = args.format { "blob" } else { args.format.name() };
    ensure_extension(&path, own, &format!("--format {}", args.format.name()))?;
    let file = BlobFile::read(&args.source)?;
    if let Some(written) = int8_in_rows(args, &file, &path)? {
        return Ok(written);
    }
    let source = match integers {
        None => NetworkFile::of_any(&args.source, &file, args.flash.as_deref())?,
        Some(format) => {
            let name = format.name();
            ensure!(
                args.flash.is_none(),
                "--flash: a network of floats can hold what was learned, {name} cannot: --format f32"
            );
            NetworkFile::of(&args.source, &file)?
        }
    };
    drop(file); // a checkpoint is long
    let kind = match args.format {
        ExportFormat::Blob(format) => Some((source.topology(), format)),
        _ => None,
    };
    ensure_same_kind(&path, kind, args.force)?;
    // The reason to read the training rows.
    let needed = match integers {
        Some(_) => Some("the calibration of an integer blob"),
        None if source.is_rounded()? => Some("a checkpoint of rounded weights"),
        None => None,
    };
    let rows = match needed {
        None => {
            ensure_no_data(args, &format!("{} needs no data", args.format.name()))?;
            None
        }
        Some(what) => Some(Rows::read(args, &source, what)?),
    };
    let images = rows.as_ref().map(|rows| &rows.train);
    let network = source.rounded(images)?;
    let code_bits = args.code_bits.map_or_else(|| source.code_bits(), Ok)?;
    let sensor = rows.as_ref().and_then(|rows| rows.detector.as_ref()).map(|(_, sensor)| sensor);
    let input = sensor.map_or_else(|| Ok(source.input().to_vec()), Sensor::section)?;
    let meta = BlobMeta { steps: source.steps(), code_bits, input: &input };
    let bytes = match (args.format, integers, &rows) {
        (_, Some(format), Some(Rows { train, detector: None })) => integer_blob(&network, format, meta, train)?,
        (_, Some(format), Some(Rows { train, detector: Some((rows, sensor)) })) => {
            let calibration = Calibration { rows, above: sensor.rate() };
            detector_blob(&network, format, meta, train, calibration)?
        }
        (ExportFormat::Blob(_), ..) => f32_blob(&network, meta)?,
        (ExportFormat::Safetensors, ..) => safetensors::write(&network, &metadata(&network, meta)?)?,
        _ => onnx::write(&network, &metadata(&network, meta)?)?,
    };
    let bytes = if args.format == INT8_ROWS {
        let file = BlobFile::new(&args.source, &bytes);
        in_rows(&file.open()?).map_err(|source| file.error(source))?
    } else {
        bytes
    };
    let warning = match (integers, images) {
        (Some(format), Some(images)) => rounding_warning(&network, &bytes, format, code_bits, images, &args.source)?,
        _ => None,
    };
    files::replace(&path, &bytes, &PROTECTED)?;
    if let Some(warning) = warning {
        eprintln!("{warning}");
    }
    let mut text = written(args, &path, &bytes, network.topology(), meta.steps);
    if let Some(flash) = args.flash.as_ref().map(|flash| flash.display()) {
        let format = args.format.name();
        if source.has_learned_thresholds_alone() {
            writeln!(
                text,
                "  {flash} holds thresholds alone, which {format} does not have: this is the blob's network"
            )?;
        } else {
            writeln!(text, "  as learned in {flash}")?;
        }
    }
    Ok(text)
}

/// The layout for Helium.
const INT8_ROWS: ExportFormat = ExportFormat::Blob(Format::Int8Rows);

/// Lays out the weights of an int8 blob row by row. `None` if that is not what the options ask for.
fn int8_in_rows(args: &args::Export, file: &BlobFile, path: &Path) -> anyhow::Result<Option<String>> {
    if args.format != INT8_ROWS {
        return Ok(None);
    }
    let Ok(blob) = file.open() else { return Ok(None) };
    if blob.header().format != Format::Int8 {
        return Ok(None);
    }
    let what = "an int8 blob, whose numbers stay as they are";
    for (option, given) in [("--code-bits", args.code_bits.is_some()), ("--flash", args.flash.is_some())] {
        ensure!(!given, "{}: {what}; {option} has no effect", args.source.display());
    }
    ensure_no_data(args, what)?;
    let topology = &blob.header().topology;
    ensure_same_kind(path, Some((topology, Format::Int8Rows)), args.force)?;
    let rows = in_rows(&blob).map_err(|source| file.error(source))?;
    files::replace(path, &rows, &PROTECTED)?;
    Ok(Some(written(args, path, &rows, topology, blob.header().steps)))
}

/// What was written.
fn written(args: &args::Export, path: &Path, bytes: &[u8], topology: &Topology, steps: u32) -> String {
    let (bytes, topology, steps) = (bytes.len(), describe(topology), counted(steps, "step"));
    format!("{}: {bytes} bytes, {}, {topology} after {steps}\n", path.display(), args.format.name())
}

/// Returns an error if the name of a file says that it is of another kind than those that end in `own`, which `what` writes.
pub fn ensure_extension(path: &Path, own: &str, what: &str) -> anyhow::Result<()> {
    let extension = extension(path).unwrap_or_default();
    let other = ["blob", "safetensors", "onnx", "c", "h"].contains(&extension.as_str()) && extension != own;
    ensure!(!other, "--out {}: {what} writes a file that ends in .{own}", path.display());
    Ok(())
}

/// The extension of a file in small letters.
pub fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Where an export is written unless the command line says it.
fn default_path(format: ExportFormat) -> PathBuf {
    match format {
        ExportFormat::Blob(_) => format!("artifacts/model.{}.blob", format.name()).into(),
        _ => format!("artifacts/model.{}", format.name()).into(),
    }
}

/// What a file for other frameworks says beside its tensors.
fn metadata(network: &FloatNetwork, meta: BlobMeta<'_>) -> anyhow::Result<Metadata> {
    let topology = network.topology();
    ensure!(topology.has_encoder(), "{}: a decoder alone cannot be exported", describe(topology));
    check(network, meta)?;
    Ok(Metadata::new(topology, meta.steps, meta.code_bits, meta.input)?)
}

/// The rows of an export.
struct Rows {
    /// They calibrate ranges, and the thresholds if there are no others.
    train: Images,
    /// Those of a detector that calibrate the thresholds, and how samples become rows.
    detector: Option<(Images, Sensor)>,
}

impl Rows {
    /// Reads the data that the options name. `what` needs it.
    fn read(args: &args::Export, source: &NetworkFile, what: &str) -> anyhow::Result<Self> {
        let needs = || format!("{what} needs the training rows (--data)");
        let sensor = source.sensor().transpose()?;
        let (rows, data) = match (args.data.read(&args.sensor.test_where).with_context(needs)?, sensor) {
            (Data::Folder(data), None) => {
                args.sensor.ensure_unused(&data)?;
                let train = Images::train(&data).with_context(needs)?;
                (Self { train, detector: None }, data.display().to_string())
            }
            (Data::Recordings(recordings), Some(sensor)) => {
                let tests = args.sensor.read_tests(&args.data)?;
                let data = SensorData::new(&args.sensor, &recordings, tests.as_ref(), Some(sensor))?;
                let SensorData { train, detector: Detector { validation, sensor, .. }, .. } = data;
                (Self { train, detector: Some((validation, sensor)) }, args.data.describe())
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

/// Returns an error if `path` has a file of another kind, unless `--force` allows its replacement. `kind` is the network and the
/// number format of the blob that is to be written, which replaces a blob of the same; `None` if it is no blob, which replaces
/// nothing.
pub fn ensure_same_kind(path: &Path, kind: Option<(&Topology, Format)>, force: bool) -> anyhow::Result<()> {
    const INSTEAD: &str = "give another --out, or --force to replace it";
    // To read from a pipe would wait for its writer. An empty file loses nothing: a shell makes it for standard output.
    if force || !path.is_file() || path.metadata().is_ok_and(|there| there.len() == 0) {
        return Ok(());
    }
    let Some((topology, format)) = kind else { bail!("{}: a file is there; {INSTEAD}", path.display()) };
    match BlobFile::read(path)?.open() {
        Ok(blob) => {
            let found = blob.header();
            ensure!(
                (&found.topology, found.format) == (topology, format),
                "{}: an {} blob of {} is there, and the new one is an {} blob of {}; {INSTEAD}",
                path.display(),
                format_name(found.format),
                describe(&found.topology),
                format_name(format),
                describe(topology)
            );
            Ok(())
        }
        Err(_) => bail!("{}: a file is there that is no whole blob; {INSTEAD}", path.display()),
    }
}

/// Returns an error if data were named that are not read. `what` says why.
fn ensure_no_data(args: &args::Export, what: &str) -> anyhow::Result<()> {
    match args.first_of_data() {
        Some(option) => bail!("{}: {what}; {option} has no effect", args.source.display()),
        None => Ok(()),
    }
}

/// The name of a number format on the command line.
fn format_name(format: Format) -> &'static str {
    ExportFormat::Blob(format).name()
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
