//! The program `firmware-sim train`: a small network trained whole on the device, until it has converged.

use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_device::tiny::RAM;
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
fn it_converges_below_what_any_linear_code_of_four_numbers_reaches() {
    /// PCA with 4 components of the 4,000 images, on the 500 test images, clipped to [0, 1].
    const LINEAR: f64 = 0.02976;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("trained.png");
    let report = train("", &out);
    assert!(number(&report, "mse_before") > 0.15, "{report}");
    assert!(number(&report, "mse_after") < 0.85 * LINEAR, "{report}");
    // It has come to rest: the last tenth of the steps gains less than a fiftieth.
    let progress: Vec<f64> =
        report["progress"].as_array().unwrap().iter().map(|row| row[1].as_f64().unwrap()).collect();
    assert_eq!(progress.len(), 11);
    let [.., before, last] = progress[..] else { panic!("{report}") };
    assert!((last / before - 1.0).abs() < 0.02, "{report}");
    assert!(number(&report, "ram_bytes") <= RAM as f64 && report["heap_bytes"] == 0, "{report}");
    let picture = Gray::read(&out).unwrap();
    assert_eq!((picture.width, picture.height), (16 * 58 + 2, 2 * 58 + 2));
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    for (arguments, expected) in [
        ("--link serial:/dev/none", "/dev/none: No such file"),
        ("--data nowhere", "nowhere: No such file"),
        ("--images 7001", "7001"),
    ] {
        let mut command = cargo_bin_cmd!("firmware-sim");
        let assert = command.current_dir(ROOT).arg("train").args(arguments.split(' ')).assert().failure();
        let said = String::from_utf8_lossy(&assert.get_output().stderr);
        assert!(said.contains(expected), "{said}");
    }
}
