//! The image on an emulated board gives the same bytes as the application in this process.

use crate::run::{ROOT, both, run, verify};
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_core::model::Small;
use autoencoder_core::{Parameters, Topology};
use autoencoder_io::blob_file;
use serde_json::Value;
use std::fs;
use std::io::{Write, stderr};
use tests::net::Net;

/// A Cortex-M4 and a Cortex-M33, which run the assembly kernel.
const WITH_THE_KERNEL: [&str; 2] = ["mps2-an386", "mps2-an505"];

#[test]
fn codes_and_images_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for board in WITH_THE_KERNEL {
        let [emulated, here] = both(&format!("encode --rows 100 --board {board}"), folder.path());
        assert!(emulated == here, "{board}: the codes differ");
        assert_eq!(emulated.split(|byte| *byte == 0).count(), 101); // nothing after the last zero
        let codes = folder.path().join("codes");
        fs::write(&codes, &here).unwrap();
        let [emulated, here] = both(&format!("decode {} --board {board}", codes.display()), folder.path());
        assert!(emulated == here, "{board}: the images differ");
    }
}

/// The kernel skips zeros as long as the program fits its scratch. The images have every number of nonzero pairs, no
/// two of them adjacent, and then fewer and fewer zeros.
#[test]
fn images_of_any_sparsity_have_the_same_codes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images-idx3-ubyte");
    let mut images = vec![0u8, 0, 8, 3];
    images.extend([196 + 100, 28, 28].iter().flat_map(|size: &u32| size.to_be_bytes()));
    for pairs in 0..196 {
        images.extend((0..784).map(|i| if i % 4 == 0 && i / 4 < pairs { 255 - pairs as u8 } else { 0 }));
    }
    let mut state = 1u32;
    for part in 0..100 {
        images.extend((0..784).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (state >> 24) * 100 / 256 < part { (state >> 16) as u8 } else { 0 }
        }));
    }
    fs::write(&path, images).unwrap();
    for board in WITH_THE_KERNEL {
        let [emulated, here] = both(&format!("encode {} --board {board}", path.display()), folder.path());
        assert!(emulated == here, "{board}: the codes differ");
    }
}

/// `verify` without `--rows` compares all 10,000, which takes minutes.
#[test]
fn test_digits_are_the_same_bytes_in_every_layer() {
    for (board, rows) in [("mps2-an386", 400), ("mps2-an505", 200)] {
        let command = format!("--json --rows {rows} --weights models/classic.int8.blob --board {board}");
        let report: Value = serde_json::from_slice(&verify(&command).success().get_output().stdout).unwrap();
        assert_eq!(report["board"], board);
        assert_eq!((&report["rows"], &report["equal_rows"]), (&rows.into(), &rows.into()), "{report}");
    }
}

#[test]
fn a_flipped_bit_of_one_weight_is_found_and_its_layer_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = Net::new("classic", 1);
    let [blob, other] = ["blob", "other"].map(|name| folder.path().join(name));
    fs::write(&blob, net.blob()).unwrap();
    net.flip(2, 100, 100);
    fs::write(&other, net.blob()).unwrap();
    let assert = verify(&format!("--rows 4 --weights {} --against {}", blob.display(), other.display())).code(1);
    let said = String::from_utf8_lossy(&assert.get_output().stderr);
    assert!(said.contains("the first difference: image 0, layer 3"), "{said}");
}

#[test]
fn training_in_f32_gives_the_same_bits() {
    let text = verify("--training").success().get_output().stdout.clone();
    assert_eq!(text, b"75 arrays of three training steps in f32: the same bits as in process\n");
}

#[test]
fn training_with_one_flipped_bit_is_found_and_its_layer_named() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = [1.0, -1.0].map(|sign| {
        let mut net = autoencoder_io::zeroed_box::<Small>();
        for (i, w) in net.slices_mut().flatten().enumerate() {
            *w = (i as f32).sin();
        }
        net.decoder.0.weights[5][5] *= sign; // the sign is one bit
        let path = folder.path().join(sign.to_string());
        fs::write(&path, f32_blob(&net)).unwrap();
        path
    });
    let [blob, other] = blobs.map(|path| path.display().to_string());
    let assert = verify(&format!("--training --weights {blob} --against {other}")).code(1);
    let said = String::from_utf8_lossy(&assert.get_output().stderr);
    let expected = "the first 2 of 75 arrays are the same bits as in process; then step 1, outputs of layer 3: ";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_drift_is_detected_at_the_same_image() {
    let [emulated, here] = ["qemu", "in-process"].map(|link| {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(ROOT).args(["monitor", "--rows", "60", "--json", "--link", link]);
        command.args(["--weights", "models/classic.int8.blob"]);
        let report: Value = serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap();
        ["noticed_after", "mse_before", "mse_after", "auc"].map(|key| report[key].clone())
    });
    assert_eq!(emulated, here);
    assert!(here[0].as_u64().unwrap() <= 17, "{here:?}");
}

#[test]
fn five_hundred_steps_of_learning_leave_the_same_bytes_in_flash() {
    let folder = tempfile::tempdir().unwrap();
    let [(emulated, there), (here, report)] = ["qemu", "in-process"].map(|link| {
        let flash = folder.path().join(format!("{link}.flash"));
        let learn = format!("learn --rows 500 --test-rows 20 --flash {}", flash.display());
        let report = run(&learn, link, &folder.path().join(format!("{link}.png")));
        let _ = writeln!(stderr(), "{link}: {report}");
        (fs::read(flash).unwrap(), report)
    });
    assert!(emulated == here, "the flashes differ");
    assert_eq!(report["persisted"], true, "{report}");
    for key in ["mse_before", "mse_after", "mse_old_data", "record"] {
        assert_eq!(there[key], report[key], "{key}");
    }
    // The other way round, the board continues with the parameters that this process learned.
    let flash = folder.path().join("in-process.flash").display().to_string();
    let resumed = run(&format!("learn --rows 1 --test-rows 20 --flash {flash}"), "qemu", &folder.path().join("png"));
    assert_eq!(resumed["mse_before"], report["mse_after"]);
    assert!(there["ram_bytes"].as_u64().unwrap() <= 48 * 1024, "{there}");
    let decode = format!("decode --rows 10 --shift gain-offset --flash {flash}");
    let [emulated, here] = both(&decode, folder.path());
    assert!(emulated == here, "the images decoded with the learned parameters differ");
}

#[test]
fn a_whole_network_is_trained_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [(emulated, there), (here, report)] = ["qemu", "in-process"].map(|link| {
        let out = folder.path().join(link);
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(ROOT).args(["train", "--json", "--link", link, "--out"]).arg(&out);
        let report: Value = serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap();
        let _ = writeln!(stderr(), "{link}: {report}");
        (fs::read(out).unwrap(), report)
    });
    assert!(emulated == here, "the reconstructions differ");
    for key in ["progress", "parameters_crc", "mse_before", "mse_after"] {
        assert_eq!(there[key], report[key], "{key}");
    }
    assert!(there["ram_bytes"].as_u64().unwrap() <= 40 * 1024, "{there}");
    assert!(there["instructions_per_step"].as_u64().unwrap() > 0, "{there}");
}

#[test]
fn a_smaller_board_encodes_and_this_program_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let (there, here) = (folder.path().join("there"), folder.path().join("here"));
    let report = run("decode --rows 5 --board microbit", "qemu", &there);
    run("decode --rows 5", "in-process", &here);
    assert!(fs::read(&there).unwrap() == fs::read(&here).unwrap(), "the images differ");
    assert!(report["ram_bytes"].as_u64().unwrap() <= 16 * 1024, "{report}");
    assert!(report["flash_bytes"].as_u64().unwrap() <= 256 * 1024, "{report}");
    // Its codes carry the CRC of the encoder alone. A device with the whole network decodes them.
    run("encode --rows 5 --board microbit", "qemu", &there);
    let codes = there.display().to_string();
    run(&format!("decode {codes}"), "in-process", &here);
}

/// A network as a blob of `f32`.
fn f32_blob(net: &Small) -> Vec<u8> {
    let parameters = net.slices().collect::<Vec<_>>().concat();
    blob_file::f32_blob(&Topology::named("small").unwrap(), 1, 8, &parameters, &[]).unwrap()
}
