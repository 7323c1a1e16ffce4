//! The front ends on each emulated board: the same rows and scores as in process, whatever the samples.

use crate::run::object;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_core::front_end::{FrontEnd, Scale, Spec, write_section};
use std::fs;
use tests::net::{Net, Random};

/// A blob whose input section scales features of very different sizes.
fn blob(spec: &Spec, seed: u64) -> Vec<u8> {
    let inputs = spec.inputs();
    let net = Net::new(&format!("{inputs}-9r-3-9-{inputs}"), seed);
    let mut random = Random::new(seed);
    let scale =
        |_| Scale { offset: random.range(-2000, 100) as f32 / 100.0, gain: random.range(1, 4000) as f32 / 50.0 };
    let scales: Vec<Scale> = (0..inputs).map(scale).collect();
    let mut buffer = vec![0; 64 + 8 * inputs];
    let section = write_section(spec, "", 0.005, &scales, &mut buffer).unwrap();
    net.blob_with_section(&net.header(), section)
}

#[test]
fn each_board_computes_the_rows_and_scores_of_this_process() {
    let spec = |channels, window, hop, front_end| Spec { channels, window, hop, rate: 0.0, front_end };
    let folder = tempfile::tempdir().unwrap();
    for (seed, spec) in [
        spec(3, 20, 7, FrontEnd::Raw),
        spec(2, 30, 41, FrontEnd::Centred),
        spec(3, 256, 100, FrontEnd::Spectrum { bands: 11 }),
        spec(1, 16, 16, FrontEnd::Spectrum { bands: 8 }),
    ]
    .iter()
    .enumerate()
    {
        fs::write(folder.path().join("blob"), blob(spec, seed as u64)).unwrap();
        let verify = |arguments: &str| {
            let mut command = cargo_bin_cmd!("firmware-sim");
            command.current_dir(folder.path()).args(["verify", "--weights", "blob", "--rows", "40", "--json"]);
            let report = object(command.args(arguments.split(' ')).assert());
            assert_eq!(report["equal_windows"], 40, "{spec:?}: {report}");
            report["rows_crc"].as_u64().unwrap()
        };
        let expected = verify("--link in-process");
        for board in ["mps2-an386", "mps2-an505", "mps3-an547", "lm3s6965evb", "microbit", "virt-riscv32"] {
            assert_eq!(verify(&format!("--link qemu --board {board}")), expected, "{spec:?} on {board}");
        }
    }
}

#[test]
fn bench_measures_the_detector_in_a_blob() {
    let spec = Spec { channels: 3, window: 20, hop: 7, rate: 0.0, front_end: FrontEnd::Raw };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blob"), blob(&spec, 1)).unwrap();
    let bench = |arguments: &[&str]| {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(folder.path()).args(["bench", "--weights", "blob", "--rows", "12", "--json"]);
        command.args(arguments).assert()
    };
    for board in ["mps2-an386", "microbit"] {
        let report = object(bench(&["--board", board]));
        let figures = &report[format!("{board}-60-9r-3-9-60-detector")];
        let number = |key: &str| figures[key].as_u64().unwrap();
        // Two products of 60 · 9 and 9 · 3 weights each, at half an instruction and more for a weight.
        assert!((567..60_000).contains(&number("network_instructions")), "{report}");
        assert!((60..60_000).contains(&number("front_end_instructions")), "{report}");
        assert_eq!(figures["step_instructions"].is_u64(), board == "mps2-an386", "{report}");
    }
    let refused = bench(&["--data", "."]).code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.ends_with("error: --data: a detector is measured with pseudo-random samples\n"), "{said}");
}

#[test]
fn a_window_that_is_too_long_for_a_board_is_refused_with_both_numbers() {
    let spec = Spec { channels: 3, window: 512, hop: 512, rate: 0.0, front_end: FrontEnd::Spectrum { bands: 11 } };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("blob"), blob(&spec, 1)).unwrap();
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(folder.path()).args(["verify", "--weights", "blob", "--board", "microbit", "--rows", "1"]);
    let output = command.assert().code(1);
    let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    let needs = "network too large: it needs 2048 numbers for a window and its features; 1024 are available";
    assert_eq!(said.lines().last(), Some(&*format!("error: blob: {needs}")), "{said}");
}
