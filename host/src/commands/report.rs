//! `host report`: bytes an image against reconstruction error, as a table, as data and as a picture.

use crate::args;
use crate::commands::{images_fit, topology_of};
use anyhow::Context;
use autoencoder_core::blob::{Format, Mirrors};
use autoencoder_core::layer::Row;
use autoencoder_core::loss::psnr;
use autoencoder_core::model::{Half, Visitor, with_topology};
use autoencoder_core::quant::code::packed_bytes;
use host::baselines::{self, Cost, Pca};
use host::blob_file::BlobFile;
use host::idx::Images;
use host::report::{Curve, plot_over};
use host::{evaluate, files};
use std::fmt::Write;
use std::path::Path;

/// A trained codec that belongs into the table.
struct Model {
    blob: &'static str,
    /// What makes it.
    command: &'static str,
}

/// Of the classic network at 8 bits and of weights of 4 bits, those that come with the repository.
const MODELS: [Model; 6] = [
    Model { blob: "models/classic.int8.blob", command: "train" },
    Model {
        blob: "artifacts/code5/model.int8.blob",
        command: "train --from artifacts/checkpoint --code-bits 5 --out artifacts/code5",
    },
    Model {
        blob: "artifacts/code4/model.int8.blob",
        command: "train --from artifacts/checkpoint --code-bits 4 --out artifacts/code4",
    },
    Model {
        blob: "artifacts/code3/model.int8.blob",
        command: "train --from artifacts/checkpoint --code-bits 3 --out artifacts/code3",
    },
    Model {
        blob: "artifacts/small/model.int8.blob",
        command: "train --topology small --steps 3000 --out artifacts/small",
    },
    Model {
        blob: "models/classic.int4.blob",
        command: "train --from artifacts/checkpoint --quantise-aware int4 --out artifacts/int4",
    },
];
/// The codes that PCA is given, too: elements and their bits.
const CODES: [(usize, u8); 5] = [(128, 8), (128, 5), (128, 4), (128, 3), (32, 8)];
/// PCA in the codec's own form of code, and at its best.
const EQUAL: &str = "PCA";
const BEST: &str = "PCA, transform coding";
/// JPEG's qualities.
const QUALITIES: [u8; 7] = [1, 5, 10, 20, 40, 60, 80];

/// A line of the table.
struct Line {
    method: &'static str,
    setting: String,
    cost: Cost,
}

pub fn run(args: &args::Report) -> anyhow::Result<String> {
    let [train, test] = Images::both(&args.data)?;
    let (data, pixels) = (args.data.display(), train.pixels.ncols());
    let components = CODES.map(|(elements, _)| elements).into_iter().max().unwrap_or_default();
    anyhow::ensure!(pixels >= components, "{data}: images of {pixels} pixels, PCA takes at least {components}");
    let mut images = train.pixels.outer_iter();
    let first = images.next();
    anyhow::ensure!(images.any(|image| Some(image) != first), "{data}: all training images are the same");
    let (mut lines, mut missing) = (Vec::new(), Vec::new());
    for model in MODELS {
        let path = Path::new(model.blob);
        if path.exists() {
            lines.push(codec(path, args, &test)?);
        } else {
            missing.push(model);
        }
    }
    let pca = Pca::fit(&train);
    for (elements, bits) in CODES {
        let cost = pca.measure_equal(&test, elements, bits);
        lines.push(Line { method: EQUAL, setting: format!("{elements} components, {bits} bits each"), cost });
    }
    for (elements, bits) in CODES {
        let (cost, components) = pca.measure_best(&test, packed_bytes(elements, bits));
        lines.push(Line { method: BEST, setting: format!("{components} components, bits shared out"), cost });
    }
    lines.push(Line { method: "PNG", setting: "lossless".into(), cost: baselines::png(&test)? });
    for quality in QUALITIES.into_iter().rev() {
        let setting = format!("quality {quality}");
        lines.push(Line { method: "JPEG", setting, cost: baselines::jpeg(&test, quality)? });
    }
    let table = table(&lines, &missing)?;
    files::replace(&args.out.join("data/rate-distortion.csv"), csv(&lines)?.as_bytes())?;
    files::replace(&args.out.join("rate-distortion.md"), page(&table, &test).as_bytes())?;
    plot_over(
        &args.out.join("rate-distortion.png"),
        "bytes a digit against reconstruction error",
        "bytes a digit",
        &curves(&lines),
    )?;
    Ok(format!("{table}\nwritten: {}\n", args.out.join("rate-distortion.{md,png}, data/rate-distortion.csv").display()))
}

/// A codec from its blob, through the device's own integer code.
fn codec(path: &Path, args: &args::Report, test: &Images) -> anyhow::Result<Line> {
    struct Measure<'a> {
        file: &'a BlobFile,
        args: &'a args::Report,
        test: &'a Images,
        name: &'a str,
    }

    impl Visitor for Measure<'_> {
        type Output = anyhow::Result<Cost>;

        fn visit<E: Half, D: Half + Mirrors<E>>(self) -> Self::Output {
            images_fit::<E>(self.test, &self.args.data, self.name)?;
            let blob = self.file.open()?;
            let errors = evaluate::errors_int8::<E, D>(&blob, self.test).map_err(|source| self.file.error(source))?;
            let bytes = packed_bytes(E::Out8::LEN, blob.header().code_bits) as f64;
            Ok(Cost { bytes, container: 0.0, mse: evaluate::mean(&errors) })
        }
    }

    let file = BlobFile::read(path)?;
    let blob = file.open()?;
    let name = topology_of(blob.header(), path)?;
    let cost = with_topology(name, Measure { file: &file, args, test, name }).context("no such topology")??;
    let weights = if blob.header().format == Format::Int4 { ", weights of 4 bits" } else { "" };
    let setting = format!("{name}, {} bits an element{weights}", blob.header().code_bits);
    Ok(Line { method: "this codec", setting, cost })
}

fn csv(lines: &[Line]) -> Result<String, std::fmt::Error> {
    let mut csv = String::from("method,setting,bytes,container_bytes,test_mse\n");
    for Line { method, setting, cost: Cost { bytes, container, mse } } in lines {
        writeln!(csv, "{method},\"{setting}\",{bytes:.2},{container:.0},{mse:.6e}")?;
    }
    Ok(csv)
}

fn table(lines: &[Line], missing: &[Model]) -> Result<String, std::fmt::Error> {
    let mut table =
        String::from("| | | bytes a digit | of it container | test MSE | PSNR |\n|---|---|--:|--:|--:|--:|\n");
    for Line { method, setting, cost: Cost { bytes, container, mse } } in lines {
        let decibels = if *mse > 0.0 { format!("{:.2} dB", psnr(*mse)) } else { String::new() };
        writeln!(table, "| {method} | {setting} | {bytes:.0} | {container:.0} | {mse:.6} | {decibels} |")?;
    }
    for Model { command, .. } in missing {
        writeln!(table, "| this codec | not here: `cargo run -p host -- {command}` makes it | | | | |")?;
    }
    Ok(table)
}

/// The page of the documentation.
fn page(table: &str, test: &Images) -> String {
    let made = MODELS.map(|Model { blob, command }| format!("  cargo run -p host -- {command:82} # {blob}\n")).concat();
    format!(
        "# Bytes against error\n\n\
         ![Reconstruction error over bytes a digit](rate-distortion.png)\n\n\
         What a digit of 784 bytes takes on the line or in flash, and what comes back: the mean of {} test digits. MSE is that\n\
         of pixels in [0, 1].\n\n\
         {table}\n\
         Written by `cargo run -p host -- report`, with its data, [data/rate-distortion.csv](data/rate-distortion.csv).\n\n\
         - **This codec**: the integers that the device computes, its code packed, in `int8` but where the table says\n  \
           otherwise. The weights that both ends hold are not counted, nor are those of PCA. Made by\n\n  ```sh\n{made}  ```\n\n  \
           (the first and the last are shipped in `models/`).\n\
         - **PCA**: fitted to the training digits; each coefficient is quantised in steps that are best for a normal variable,\n  \
           stretched by what is best for the training digits; output clipped to [0, 1]. *Transform coding* gives the bits of a\n  \
           code one by one to the component whose error is largest: it keeps hundreds of components, most of them at a bit or\n  \
           two, and 784 numbers for each of them at either end. Where bytes are plenty it is ahead of the network.\n\
         - **PNG**: every filter at the strongest compression, the smallest file of each digit. Lossless.\n\
         - **JPEG**: baseline, gray, standard tables. What stands before the first byte of the scan is the same for every\n  \
           digit and counted as container; the plot is without it, for PNG too.\n",
        test.len(),
    )
}

/// A curve for each method, its container not counted.
fn curves(lines: &[Line]) -> Vec<Curve<'static>> {
    let of = |name: &'static str, choose: &dyn Fn(&Line) -> bool| {
        let chosen = lines.iter().filter(|line| choose(line) && line.cost.mse > 0.0);
        let mut points: Vec<_> = chosen.map(|line| (line.cost.bytes - line.cost.container, line.cost.mse)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve { name, points }
    };
    vec![
        of("this codec, 128 elements", &|line| {
            line.setting.starts_with("classic") && !line.setting.contains("weights")
        }),
        of("this codec, weights of 4 bits", &|line| line.setting.contains("weights")),
        of("this codec, 32 elements", &|line| line.setting.starts_with("small")),
        of(EQUAL, &|line| line.method == EQUAL),
        of(BEST, &|line| line.method == BEST),
        of("JPEG", &|line| line.method == "JPEG"),
    ]
}
