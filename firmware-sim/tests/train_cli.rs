//! `firmware-sim train`: a small network is trained on the device until it has converged.

use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_device::tiny::RAM;
use autoencoder_io::idx::Images;
use autoencoder_io::picture::Gray;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The object that `train` prints.
fn train(arguments: &str, out: &std::path::Path) -> Value {
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(ROOT).args(["train", "--json"]).args(arguments.split_whitespace()).arg("--out").arg(out);
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

#[test]
fn the_error_converges_below_that_of_any_linear_code_of_four_numbers() {
    /// PCA with 4 components of the 4,000 images, on the 500 test images, clipped to [0, 1].
    const LINEAR: f64 = 0.02976;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("trained.png");
    let report = train("", &out);
    assert!(number(&report, "mse_before") > 0.15, "{report}");
    assert!(number(&report, "mse_after") < 0.8 * LINEAR, "{report}");
    // It has converged: the last tenth of the steps gains less than a thirtieth (between 1.6 and 2.9 % for twelve
    // seeds).
    let progress: Vec<f64> =
        report["progress"].as_array().unwrap().iter().map(|row| row[1].as_f64().unwrap()).collect();
    assert_eq!(progress.len(), 11);
    let [.., before, last] = progress[..] else { panic!("{report}") };
    assert!((last / before - 1.0).abs() < 1.0 / 30.0, "{report}");
    assert!(number(&report, "ram_bytes") <= RAM as f64 && report["heap_bytes"] == 0, "{report}");
    let picture = Gray::read(&out).unwrap();
    assert_eq!((picture.width, picture.height), (16 * 58 + 2, 2 * 58 + 2));
}

/// Inverted digits are mostly bright. They are learned as well as the others because the inputs are centred; without that,
/// their MSE would be 1.7 times as high.
#[test]
fn inverted_digits_are_learned_as_well_as_upright_ones() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mnist = std::path::Path::new(ROOT).join("data/mnist");
    for (name, images, count) in
        [("train", Images::train(&mnist).unwrap(), 4000), ("t10k", Images::test(&mnist).unwrap(), 500)]
    {
        let header = [0x803, count, 28, 28].map(u32::to_be_bytes);
        let pixels: Vec<u8> = images.pixels[..count as usize * 784].iter().map(|pixel| 255 - pixel).collect();
        let file = folder.path().join(format!("{name}-images-idx3-ubyte"));
        std::fs::write(file, [header.as_flattened(), &pixels].concat()).unwrap();
    }
    let [upright, inverted] = ["data/mnist", folder.path().to_str().unwrap()]
        .map(|data| number(&train(&format!("--data {data}"), &out.path().join("trained.png")), "mse_after"));
    assert!((inverted / upright - 1.0).abs() < 0.1, "upright {upright}, inverted {inverted}");
}

/// Trains for a few steps on a folder of training and test rows, which are images if the height is more than 1.
fn on(size: [u32; 2], count: u32, arguments: &str) -> (tempfile::TempDir, assert_cmd::assert::Assert) {
    let folder = tempfile::tempdir().unwrap();
    let sizes: Vec<u32> = [count].into_iter().chain(if size[0] == 1 { vec![size[1]] } else { size.to_vec() }).collect();
    let header: Vec<u8> =
        [0x800 + sizes.len() as u32].iter().chain(&sizes).flat_map(|word| word.to_be_bytes()).collect();
    let values = (0..count * size[0] * size[1]).map(|i| (60.0 * (f64::from(i) * 0.037).sin() + 128.0) as u8);
    let bytes: Vec<u8> = header.into_iter().chain(values).collect();
    for set in ["train", "test"] {
        std::fs::write(folder.path().join(format!("{set}-images-idx{}-ubyte", sizes.len())), &bytes).unwrap();
    }
    let mut command = cargo_bin_cmd!("firmware-sim");
    let data = if arguments.contains("--data") { "" } else { "--data ." };
    let assert = command
        .current_dir(folder.path())
        .args(["train", "--steps", "20", "--out", "out/trained.png"])
        .args(arguments.split_whitespace().chain(data.split_whitespace()))
        .assert();
    (folder, assert)
}

#[test]
fn training_accepts_rows_of_64_values_longer_rows_and_images() {
    for (size, what) in
        [([1, 64], "rows"), ([8, 8], "images"), ([1, 100], "rows"), ([9, 30], "images"), ([16, 4], "images")]
    {
        let (folder, assert) = on(size, 12, "--json");
        let report: Value = serde_json::from_slice(&assert.success().get_output().stdout).unwrap();
        assert_eq!((&report["rows"], &report["test_rows"]), (&12.into(), &12.into()), "{size:?}");
        assert!(number(&report, "mse_after") < number(&report, "mse_before"), "{size:?}: {report}");
        let picture = Gray::read(&folder.path().join("out/trained.png")).unwrap();
        let cell = if what == "rows" {
            [114, 58]
        } else if size == [16, 4] {
            [58, 226]
        } else {
            [58, 58]
        };
        let columns = if what == "rows" { 8 } else { 12 };
        let lines = 12_usize.div_ceil(columns) * 2;
        assert_eq!([picture.width, picture.height], [columns * cell[0] + 2, lines * cell[1] + 2], "{size:?}");
        let (_folder, assert) = on(size, 12, "");
        let text = String::from_utf8(assert.success().get_output().stdout.clone()).unwrap();
        let noun = &what[..what.len() - 1];
        for said in [format!("from random weights, 12 {what}, batches of 2"), format!("MSE of 12 test {noun}s")] {
            assert!(text.contains(&said), "{size:?}: {text}");
        }
    }
}

#[test]
fn unsuitable_rows_and_options_are_refused() {
    for (size, count, arguments, expected) in [
        ([8, 8], 9, "--link serial:none", "none: No such file"),
        ([8, 8], 9, "--data nowhere", "nowhere: No such file"),
        ([8, 8], 9, "--rows 7001", "expected a whole number from 1 to 7000"),
        ([8, 8], 9, "--rows 10", "--rows: . has 9 training images; 10 are needed"),
        ([8, 8], 1, "", ".: 1 test image; training takes 2"),
        (
            [5, 6],
            9,
            "",
            ".: images of 6 by 5; training takes rows of 64 values, longer ones, or images of at least 8 by 8",
        ),
        ([1, 63], 9, "", ".: rows of 63 values; training takes rows of 64 values"),
    ] {
        let (folder, assert) = on(size, count, arguments);
        let said = String::from_utf8_lossy(&assert.failure().get_output().stderr).into_owned();
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "{arguments}: something was written");
    }
}
