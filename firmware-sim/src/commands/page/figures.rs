//! What the device takes, as `bench` has measured it: the tables of `docs/size.md`.

use anyhow::{Context, bail};
use serde::Serialize;

/// Figures of images for a Cortex-M4. RAM and code are in bytes.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    int8: Codec,
    int4: Codec,
    detector: Detector,
}

/// Figures of the default network.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Codec {
    /// Instructions to encode a test digit.
    encode: u32,
    decode: u32,
    code: u32,
    ram: u32,
    /// Instructions of a step of learning.
    step: u32,
    learning_code: u32,
    learning_ram: u32,
}

/// Figures of the smartwatch's detector, which learns.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Detector {
    /// Instructions for the row of a window.
    front_end: u32,
    /// Instructions for the score of a row, and for the vote.
    network: u32,
    /// Instructions to learn from a row.
    step: u32,
    code: u32,
    ram: u32,
}

impl Figures {
    /// Finds the figures in the tables.
    pub fn read(page: &str) -> anyhow::Result<Self> {
        let codec = |image, learner| Codec::read(page, image, learner);
        Ok(Self {
            int8: codec("mps2-an386, Cortex-M4, 784-256-128-256-784", "784-256-128-256-784, its channel parameters")?,
            int4: codec("mps2-an386, Cortex-M4, the same with 4-bit weights", "the same with 4-bit weights")?,
            detector: Detector::read(page, "384-64-24-64-384")?,
        })
    }
}

impl Codec {
    fn read(page: &str, image: &str, learner: &str) -> anyhow::Result<Self> {
        Ok(Self {
            encode: figure(page, image, "encode")?,
            decode: figure(page, image, "decode")?,
            code: figure(page, image, "image code")?,
            ram: figure(page, image, "image RAM used")?,
            step: figure(page, learner, "a step")?,
            learning_code: figure(page, learner, "image code")?,
            learning_ram: figure(page, learner, "image RAM used")?,
        })
    }
}

impl Detector {
    fn read(page: &str, network: &str) -> anyhow::Result<Self> {
        Ok(Self {
            front_end: figure(page, network, "front end")?,
            network: figure(page, network, "network")?,
            step: figure(page, network, "a step of learning")?,
            code: figure(page, network, "image code")?,
            ram: figure(page, network, "image RAM used")?,
        })
    }
}

/// The whole number, with commas, where a row and a column of these names meet: in the first table that has both.
fn figure(page: &str, row: &str, column: &str) -> anyhow::Result<u32> {
    let mut headings = None;
    for line in page.lines() {
        let Some(cells) = cells(line) else {
            headings = None;
            continue;
        };
        let headings = headings.get_or_insert_with(|| cells.clone());
        let place = headings.iter().position(|heading| *heading == column).filter(|_| cells[0] == row);
        if let Some(cell) = place.and_then(|place| cells.get(place)) {
            let expected = || format!("row {row:?}, column {column:?}: {cell:?}; expected a whole number");
            return cell.replace(',', "").parse().with_context(expected);
        }
    }
    bail!("no table with a row {row:?} and a column {column:?}")
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    Some(line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "
| | decode | encode | image RAM used | image code |
|---|--:|--:|--:|--:|
| mps2-an386, Cortex-M4, 784-256-128-256-784 | 3 | 1,001 | 8,000,008 | 7 |
| mps2-an386, Cortex-M4, the same with 4-bit weights | 23 | 21 | 28 | 27 |

| | a step of learning | front end |
|---|--:|--:|
| 384-64-24-64-384 | 45 | 41 |
Text.
| | network | raw / spectrum | image code | image RAM used |
|---|--:|--:|--:|--:|
| 384-64-24-64-384 | 43 | 7 / 8 | 66 | 67 |

| | a step | image code | image RAM used |
|---|--:|--:|--:|
| 784-256-128-256-784, its channel parameters | 11 | 12 | 13 |
| the same with 4-bit weights | 31 | 32 | 33 |
";

    #[test]
    fn figures_are_where_their_row_and_their_column_meet() {
        let codec = |[encode, decode, code, ram, step, learning_code, learning_ram]: [u32; 7]| Codec {
            encode,
            decode,
            code,
            ram,
            step,
            learning_code,
            learning_ram,
        };
        let expected = Figures {
            int8: codec([1001, 3, 7, 8_000_008, 11, 12, 13]),
            int4: codec([21, 23, 27, 28, 31, 32, 33]),
            detector: Detector { front_end: 41, network: 43, step: 45, code: 66, ram: 67 },
        };
        assert_eq!(Figures::read(PAGE).unwrap(), expected);
    }

    #[test]
    fn a_row_that_is_missing_or_is_not_a_number_is_named() {
        let said = |page: &str| format!("{:#}", Figures::read(page).unwrap_err());
        let image = "mps2-an386, Cortex-M4, 784-256-128-256-784";
        let missing = format!("no table with a row {image:?} and a column \"encode\"");
        assert_eq!(said(""), missing);
        assert_eq!(said(&PAGE.replace("| encode |", "| encoding |")), missing);
        let many = said(&PAGE.replace(" 12 ", " many "));
        assert!(many.contains("column \"image code\": \"many\"; expected a whole number"), "{many}");
    }

    const SIZES: &str = include_str!("../../../../docs/size.md");

    /// The figures are those of one version of rustup's compiler, which gives them again. Others give code within 4 %.
    #[cfg(feature = "emulator")]
    #[test]
    fn they_are_those_of_bench() {
        use crate::args::Args;
        use crate::toolchain::{output, rustup_has};
        use clap::Parser;
        use serde_json::Value;

        let bench = |options: &str| -> Value {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
            let options = options.replace("models/", &format!("{root}/models/"));
            let options = options.replace("data/", &format!("{root}/data/"));
            let line = format!("firmware-sim bench --json {options}");
            let args = Args::try_parse_from(line.split_whitespace()).unwrap();
            serde_json::from_str(&crate::commands::run(args).unwrap()).unwrap()
        };
        let version = SIZES.split("rustup's Rust ").nth(1).and_then(|text| text.split(". ").next()).unwrap();
        let is_rustup = rustup_has("thumbv7em-none-eabihf", env!("CARGO_MANIFEST_DIR").as_ref());
        let is_version =
            output("rustc", "--version").is_some_and(|said| said.starts_with(&format!("rustc {version}.")));
        // Paths have a part in the order of functions, and so in a few bytes between them; the timer counts a few instructions more
        // or less.
        let tolerance = if is_rustup && is_version { 0.001 } else { 0.04 };
        let ensure = |documented: u32, measured: &Value, name: &str| {
            let (documented, measured) = (f64::from(documented), measured.as_f64().unwrap());
            let error = (documented - measured).abs() / measured;
            assert!(error <= tolerance, "docs/size.md, {name}: {documented}, measured: {measured}");
        };
        let Figures { int8, int4, detector } = Figures::read(SIZES).unwrap();
        for (codec, blob) in [(&int8, "classic.int8"), (&int4, "classic.int4")] {
            let image = bench(&format!("--weights models/{blob}.blob --rows 3 --data data/mnist"));
            ensure(codec.code, &image["image_code_bytes"], blob);
            ensure(codec.ram, &image["image_ram_bytes"], blob);
        }
        let images = bench("--weights models/classic.int8.blob --learning --data data/mnist");
        let learner = &images["mps2-an386-classic-learn"];
        ensure(int8.learning_code, &learner["image_code_bytes"], "the image that learns");
        ensure(int8.learning_ram, &learner["image_ram_bytes"], "the image that learns");
        let images = bench("--weights models/watch.int8.blob");
        let image = &images["mps2-an386-384-64-24-64-384-detector"];
        for (documented, name) in [
            (detector.front_end, "front_end_instructions"),
            (detector.network, "network_instructions"),
            (detector.step, "step_instructions"),
            (detector.code, "image_code_bytes"),
            (detector.ram, "image_ram_bytes"),
        ] {
            ensure(documented, &image[name], name);
        }
    }

    #[test]
    fn the_repository_has_all_of_them() {
        let Figures { int8, int4, .. } = Figures::read(SIZES).unwrap();
        for figures in [int8, int4] {
            assert!(figures.ram < figures.learning_ram && figures.code < figures.learning_code, "{figures:?}");
            assert!(figures.encode < figures.decode && figures.decode < figures.step, "{figures:?}");
        }
    }
}
