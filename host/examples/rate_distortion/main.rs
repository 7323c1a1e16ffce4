//! The bytes of an image against its reconstruction error, for this codec, PCA, PNG and JPEG: a table, a picture and their data.
//!
//!     cargo run -p host --example rate_distortion -- --out docs

mod baselines;

use anyhow::ensure;
use autoencoder_core::Network;
use autoencoder_core::blob::Format;
use autoencoder_core::loss::psnr;
use autoencoder_io::blob_file::BlobFile;
use autoencoder_io::data_folder::DataFolder;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::idx::Images;
use autoencoder_io::number::counted;
use autoencoder_io::{files, program};
use baselines::{Cost, Pca};
use clap::Parser;
use host::evaluate;
use host::report::{Curve, plot_over};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compare the codec with PCA, PNG and JPEG: bytes against error.
#[derive(Parser)]
struct Args {
    /// Weights blobs of the codecs [default: those that the page in docs/ shows]
    blobs: Vec<PathBuf>,
    #[command(flatten)]
    data: DataFolder,
    /// Folder for the page, its picture and its data
    #[arg(long, value_name = "DIR", default_value = "artifacts/rate-distortion")]
    out: PathBuf,
}

/// A trained codec of the page in `docs`.
struct Model {
    blob: &'static str,
    /// The command that makes it.
    command: &'static str,
}

/// The first four are the codec at its sizes.
const MODELS: [Model; 6] = [
    Model {
        blob: "models/codec128.int8.blob",
        command: "train --recipe codec --products bfloat16 --layers 784-480-256-480-784 --code-bits 4 --steps 15000 --out artifacts/codec128",
    },
    Model {
        blob: "models/codec64.int8.blob",
        command: "train --recipe codec --products bfloat16 --layers 784-480-128-480-784 --code-bits 4 --steps 40000 --out artifacts/codec64",
    },
    Model {
        blob: "models/codec32.int8.blob",
        command: "train --recipe codec --products bfloat16 --topology classic --code-bits 2 --steps 4000 --out artifacts/codec32",
    },
    Model {
        blob: "models/codec16.int8.blob",
        command: "train --recipe codec --products bfloat16 --layers 784-256-64-256-784 --code-bits 2 --steps 4000 --out artifacts/codec16",
    },
    Model { blob: "models/classic.int8.blob", command: "train --products f32" },
    Model {
        blob: "models/classic.int4.blob",
        command: "train --products f32 --from artifacts/checkpoint --quantise-aware int4 --out artifacts/int4",
    },
];
/// The codes of the codec, which PCA gets as well: elements and their bits.
const CODES: [(usize, u8); 4] = [(256, 4), (128, 4), (128, 2), (64, 2)];
/// The sizes of the codes of PCA at its best.
const SIZES: [usize; 5] = [256, 128, 64, 32, 16];
/// The codec in the table.
const OURS: &str = "this codec";
/// PCA in the codec's own form of code, and at its best.
const EQUAL: &str = "PCA";
const BEST: &str = "PCA, transform coding";
/// The qualities of JPEG.
const QUALITIES: [u8; 7] = [1, 5, 10, 20, 40, 60, 80];

/// A line of the table.
struct TableLine {
    method: &'static str,
    setting: String,
    cost: Cost,
}

fn main() -> ExitCode {
    program::main(|args: Args| run(&args))
}

fn run(args: &Args) -> anyhow::Result<String> {
    let folder = args.data.path()?;
    let outputs =
        ["data/rate-distortion.csv", "rate-distortion.md", "rate-distortion.png"].map(|name| args.out.join(name));
    for output in &outputs {
        files::ensure_not_input(output, args.blobs.iter().map(PathBuf::as_path).chain([&*folder]))?;
        files::ensure_replaceable(output, &[], &PROTECTED)?;
    }
    let [train, test] = Images::both(&folder)?;
    let (data, pixels) = (folder.display(), train.image_size());
    let components = CODES.map(|(elements, _)| elements).into_iter().max().unwrap_or_default();
    ensure!(
        pixels >= components,
        "{data}: images of {}; PCA takes at least {components} pixels",
        counted(pixels, "pixel")
    );
    let mut others = (1..train.len()).map(|i| train.image(i));
    ensure!(others.any(|image| image != train.image(0)), "{data}: all training images are the same");
    let (mut lines, mut missing) = (Vec::new(), Vec::new());
    for blob in &args.blobs {
        lines.push(codec(blob, &folder, &test)?);
    }
    for model in MODELS.into_iter().filter(|_| args.blobs.is_empty()) {
        let path = Path::new(model.blob);
        if path.exists() {
            lines.push(codec(path, &folder, &test)?);
        } else {
            missing.push(format!("{} --data {data}", model.command));
        }
    }
    let pca = Pca::fit(&train);
    for (elements, bits) in CODES {
        let cost = pca.measure_equal(&test, elements, bits);
        lines.push(TableLine { method: EQUAL, setting: format!("{elements} components, {bits} bits each"), cost });
    }
    for bytes in SIZES {
        let (cost, components) = pca.measure_best(&test, bytes);
        lines.push(TableLine { method: BEST, setting: format!("{components} components, bits shared out"), cost });
    }
    lines.push(TableLine { method: "PNG", setting: "lossless".into(), cost: baselines::png(&test)? });
    for quality in QUALITIES.into_iter().rev() {
        let setting = format!("quality {quality}");
        lines.push(TableLine { method: "JPEG", setting, cost: baselines::jpeg(&test, quality)? });
    }
    let table = table(&lines, &missing)?;
    let [csv_path, page_path, plot_path] = outputs;
    files::replace(&csv_path, csv(&lines)?.as_bytes(), &PROTECTED)?;
    let page = page(&comparison(&lines)?, &table, &test, args.blobs.is_empty());
    files::replace(&page_path, page.as_bytes(), &PROTECTED)?;
    plot_over(&plot_path, "bytes a digit against reconstruction error", "bytes a digit", &curves(&lines))?;
    Ok(format!("{table}\nwritten: {}\n", args.out.join("rate-distortion.{md,png}, data/rate-distortion.csv").display()))
}

/// Measures a codec from its blob, with the integer code of the device.
fn codec(path: &Path, data: &Path, test: &Images) -> anyhow::Result<TableLine> {
    let file = BlobFile::read(path)?;
    let blob = file.open()?;
    let network = Network::new(blob.clone()).map_err(|source| file.error(source))?;
    let (found, expected, topology) = (test.image_size(), network.topology().inputs(), network.topology());
    ensure!(found == expected, "{}: rows of {found} values, where {topology} takes {expected}", data.display());
    let mse = evaluate::mean(&evaluate::integer_errors(&network, test));
    let cost = Cost { bytes: network.code_bytes() as f64, container: 0.0, mse };
    let weights = if blob.header().format == Format::Int4 { ", weights of 4 bits" } else { "" };
    let name = topology.name().map_or_else(|| topology.to_string(), str::to_owned);
    let setting = format!("{name}, {} bits an element{weights}", blob.header().code_bits);
    Ok(TableLine { method: OURS, setting, cost })
}

fn csv(lines: &[TableLine]) -> Result<String, std::fmt::Error> {
    let mut csv = String::from("method,setting,bytes,container_bytes,test_mse\n");
    for TableLine { method, setting, cost: Cost { bytes, container, mse } } in lines {
        writeln!(csv, "\"{method}\",\"{setting}\",{bytes:.2},{container:.0},{mse:.6e}")?;
    }
    Ok(csv)
}

fn table(lines: &[TableLine], missing: &[String]) -> Result<String, std::fmt::Error> {
    let mut table = String::from("| | | bytes a digit | container | test MSE | PSNR |\n|---|---|--:|--:|--:|--:|\n");
    for TableLine { method, setting, cost: Cost { bytes, container, mse } } in lines {
        let decibels = if *mse > 0.0 { format!("{:.2} dB", psnr(*mse)) } else { String::new() };
        writeln!(table, "| {method} | {setting} | {bytes:.0} | {container:.0} | {mse:.6} | {decibels} |")?;
    }
    for command in missing {
        writeln!(table, "| this codec | not here: `cargo run -p host -- {command}` makes it | | | | |")?;
    }
    Ok(table)
}

/// The codec beside PCA at its best, where both have codes of the same size.
fn comparison(lines: &[TableLine]) -> Result<String, std::fmt::Error> {
    let mut table = String::from("| bytes a digit | this codec | PCA, transform coding | ratio |\n|--:|--:|--:|--:|\n");
    for pca in lines.iter().filter(|line| line.method == BEST) {
        let size = pca.cost.bytes;
        let ours = lines.iter().filter(|line| line.method == OURS && line.cost.bytes == size);
        if let Some(ours) = ours.map(|line| line.cost.mse).min_by(f64::total_cmp) {
            writeln!(table, "| {size:.0} | {ours:.6} | {:.6} | {:.2} |", pca.cost.mse, ours / pca.cost.mse)?;
        }
    }
    Ok(table)
}

/// The page. For the default blobs, it has the commands that make them.
fn page(comparison: &str, table: &str, test: &Images, default: bool) -> String {
    let commands =
        MODELS.map(|Model { blob, command }| format!("  cargo run -p host -- {command:129} # {blob}\n")).concat();
    let made = if default {
        format!(
            " These commands make the blobs:\n\n  ```sh\n{commands}  ```\n\n  \
             Each writes `model.int8.blob` or `model.int4.blob` into its output folder. The last one continues the run of the one\n  \
             before it, which writes into `artifacts`."
        )
    } else {
        String::new()
    };
    format!(
        "# Bytes against error\n\n\
         ![Reconstruction error over bytes a digit](rate-distortion.png)\n\n\
         The bytes that a digit of 784 bytes takes on the line or in flash, and the error of its reconstruction: means of {}\n\
         test digits. The MSE is that of pixels in [0, 1]. All codes of a network have the same number of bytes, and so have those\n\
         of PCA: no digit takes more than the mean.\n\n\
         {comparison}\n\
         ## All methods\n\n\
         {table}\n\
         `cargo run -p host --example rate_distortion -- --out docs` writes this page, its plot and its data,\n\
         [data/rate-distortion.csv](data/rate-distortion.csv). *Container* is the part of the bytes that is the same for every\n\
         digit.\n\n\
         - **This codec**: the integers that the device computes, with the code packed. Weights have 8 bits unless the table says\n  \
           otherwise. The weights, which both ends hold, are not counted, and neither are those of PCA.{made}\n\
         - **PCA**: fitted to the training digits. Each coefficient is quantised with the steps that are best for a normal variable,\n  \
           stretched by the factor that is best for the training digits; the output is clipped to [0, 1]. *Transform coding* gives\n  \
           the bits of a code one by one to the component with the largest error. It keeps hundreds of components, most of them with\n  \
           a bit or two, and both ends hold 784 numbers for each. No network was trained for its largest size.\n\
         - **PNG**: every filter at the strongest compression, and the smallest file of each digit. Lossless.\n\
         - **JPEG**: baseline, grey, standard tables. Everything before the first byte of the scan counts as container. The plot\n  \
           leaves the container out, for PNG, too.\n\n\
         [The codec](codec.md): how its networks were chosen, and what they cost on a microcontroller.\n",
        test.len(),
    )
}

/// A curve for each method, without the bytes of its container.
fn curves(lines: &[TableLine]) -> Vec<Curve<'static>> {
    let of = |name: &'static str, choose: &dyn Fn(&TableLine) -> bool| {
        let chosen = lines.iter().filter(|line| choose(line) && line.cost.mse > 0.0);
        let mut points: Vec<_> = chosen.map(|line| (line.cost.bytes - line.cost.container, line.cost.mse)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve { name, points }
    };
    vec![
        of(OURS, &|line| line.method == OURS && !line.setting.starts_with("classic, 8 bits")),
        of("this codec, classic network", &|line| line.method == OURS && line.setting == "classic, 8 bits an element"),
        of(EQUAL, &|line| line.method == EQUAL),
        of(BEST, &|line| line.method == BEST),
        of("JPEG", &|line| line.method == "JPEG"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn images_that_are_blank_or_too_small_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let out = folder.path().join("docs");
        let args =
            Args::parse_from(["".as_ref(), "--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()]);
        let error = |count: u32, height: u32, width: u32, pixels: &[u8]| {
            for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"] {
                let header = [0x803, count, height, width].map(u32::to_be_bytes);
                fs::write(data.join(name), [header.as_flattened(), pixels].concat()).unwrap();
            }
            run(&args).unwrap_err().to_string()
        };
        let blank = error(40, 28, 28, &vec![0; 784 * 40]);
        assert!(blank.ends_with("all training images are the same"), "{blank}");
        let small = error(2, 5, 3, &(0..30).collect::<Vec<u8>>());
        assert!(small.ends_with("images of 15 pixels; PCA takes at least 256 pixels"), "{small}");
        assert!(!out.exists());
    }
}
