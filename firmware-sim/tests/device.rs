//! The image on the emulated board gives the same bytes as the application in this process.

use std::io::Write;

#[cfg(feature = "emulator")]
mod common;

/// Where the emulator is not asked for: says so, past the test harness, which keeps what passing tests print.
#[cfg(not(feature = "emulator"))]
#[test]
fn left_out() {
    let command = "cargo test -p firmware-sim --features emulator";
    let _ = writeln!(std::io::stderr(), "left out: the tests on emulated boards; include them with `{command}`");
}

#[cfg(feature = "emulator")]
mod emulated {
    use super::Write;
    use super::common::Net;
    use assert_cmd::assert::Assert;
    use assert_cmd::cargo::cargo_bin_cmd;
    use autoencoder_core::Parameters;
    use autoencoder_core::model::{Decoder, Encoder, Small};
    use serde_json::Value;
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    /// A Cortex-M4 and a Cortex-M33: where the layers are assembly.
    const WITH_THE_KERNEL: [&str; 2] = ["mps2-an386", "mps2-an505"];

    /// Runs a command in the repository, its output in a folder; the object that it prints.
    fn run(arguments: &str, link: &str, out: &Path) -> Value {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(ROOT).args(arguments.split(' ')).args(["--json", "--link", link, "--weights"]);
        command.arg("models/classic.int8.blob").arg("--out").arg(out);
        serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
    }

    /// The file that a command writes with either link.
    fn both(arguments: &str, folder: &Path) -> [Vec<u8>; 2] {
        ["qemu", "in-process"].map(|link| {
            let out: PathBuf = folder.join(link);
            let report = run(arguments, link, &out);
            let _ = writeln!(std::io::stderr(), "{link}: {report}");
            fs::read(out).unwrap()
        })
    }

    #[test]
    fn codes_and_images_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for board in WITH_THE_KERNEL {
            let [emulated, here] = both(&format!("encode --images 100 --board {board}"), folder.path());
            assert!(emulated == here, "{board}: the codes differ");
            assert_eq!(emulated.split(|byte| *byte == 0).count(), 101); // nothing behind the last zero
            let codes = folder.path().join("codes");
            fs::write(&codes, &here).unwrap();
            let [emulated, here] = both(&format!("decode {} --board {board}", codes.display()), folder.path());
            assert!(emulated == here, "{board}: the images differ");
        }
    }

    /// The kernel leaves out zeros as long as the rest fits its scratch: images of every number of pairs that are not
    /// zero, none beside another, and then of fewer and fewer zeros.
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

    /// What `verify` prints, as it ends.
    fn verify(arguments: &str) -> Assert {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(ROOT).arg("verify").args(arguments.split_whitespace()).assert()
    }

    #[test]
    fn all_test_digits_are_the_same_bytes_in_every_layer() {
        let assert = verify("--json --weights models/classic.int8.blob").success();
        let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        let _ = writeln!(std::io::stderr(), "{report}");
        assert_eq!((&report["images"], &report["equal_digits"]), (&10_000.into(), &10_000.into()));
        let m33 = "--json --images 500 --weights models/classic.int8.blob --board mps2-an505";
        let report: Value = serde_json::from_slice(&verify(m33).success().get_output().stdout).unwrap();
        assert_eq!((&report["board"], &report["equal_digits"]), (&"mps2-an505".into(), &500.into()), "{report}");
    }

    #[test]
    fn a_flipped_bit_of_one_weight_is_found_and_its_layer_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut net = Net::new::<Encoder, Decoder>(1);
        let [blob, other] = ["blob", "other"].map(|name| folder.path().join(name));
        fs::write(&blob, net.blob()).unwrap();
        net.flip(2, 100, 100);
        fs::write(&other, net.blob()).unwrap();
        let assert = verify(&format!("--images 4 --weights {} --against {}", blob.display(), other.display())).code(1);
        let said = String::from_utf8_lossy(&assert.get_output().stderr);
        assert!(said.contains("the first difference: image 0, layer 3"), "{said}");
    }

    #[test]
    fn training_in_f32_gives_the_same_bits() {
        let text = verify("--training").success().get_output().stdout.clone();
        assert_eq!(text, b"75 arrays of three training steps in f32: the same bits as in process\n");
    }

    #[test]
    fn training_from_a_weight_of_another_bit_is_found_and_its_layer_named() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = [1.0, -1.0].map(|sign| {
            let mut net = autoencoder_io::zeroed_box::<Small>();
            for (i, w) in net.slices_mut().flatten().enumerate() {
                *w = (i as f32).sin();
            }
            net.decoder.0.weights[5][5] *= sign; // the sign is one bit
            let path = folder.path().join(sign.to_string());
            fs::write(
                &path,
                host::quantise::f32_blob(&*net, host::quantise::About { encoder_layers: 2, steps: 1, code_bits: 8 })
                    .unwrap(),
            )
            .unwrap();
            path
        });
        let [blob, other] = blobs.map(|path| path.display().to_string());
        let assert = verify(&format!("--training --weights {blob} --against {other}")).code(1);
        let said = String::from_utf8_lossy(&assert.get_output().stderr);
        let expected = "the first 2 of 75 arrays are the same bits as in process; then step 1, outputs of layer 3: ";
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_drift_is_noticed_at_the_same_image() {
        let [emulated, here] = ["qemu", "in-process"].map(|link| {
            let mut command = cargo_bin_cmd!("firmware-sim");
            command.current_dir(ROOT).args(["monitor", "--images", "60", "--json", "--link", link]);
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
            let learn = format!("learn --images 500 --test-images 20 --flash {}", flash.display());
            let report = run(&learn, link, &folder.path().join(format!("{link}.png")));
            let _ = writeln!(std::io::stderr(), "{link}: {report}");
            (fs::read(flash).unwrap(), report)
        });
        assert!(emulated == here, "the flashes differ");
        assert_eq!(report["persisted"], true, "{report}");
        for key in ["mse_before", "mse_after", "mse_old_data", "record"] {
            assert_eq!(there[key], report[key], "{key}");
        }
        // And the other way round: what this process learned is what the board goes on with.
        let flash = folder.path().join("in-process.flash").display().to_string();
        let resumed =
            run(&format!("learn --images 1 --test-images 20 --flash {flash}"), "qemu", &folder.path().join("png"));
        assert_eq!(resumed["mse_before"], report["mse_after"]);
        assert!(there["ram_bytes"].as_u64().unwrap() <= 48 * 1024, "{there}");
        let decode = format!("decode --images 10 --shift gain-offset --flash {flash}");
        let [emulated, here] = both(&decode, folder.path());
        assert!(emulated == here, "what the learned tables decode differs");
    }

    #[test]
    fn a_whole_network_is_trained_to_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let [(emulated, there), (here, report)] = ["qemu", "in-process"].map(|link| {
            let out = folder.path().join(link);
            let mut command = cargo_bin_cmd!("firmware-sim");
            command.current_dir(ROOT).args(["train", "--json", "--link", link, "--out"]).arg(&out);
            let report: Value = serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap();
            let _ = writeln!(std::io::stderr(), "{link}: {report}");
            (fs::read(out).unwrap(), report)
        });
        assert!(emulated == here, "the reconstructions differ");
        for key in ["progress", "parameters_crc", "mse_before", "mse_after"] {
            assert_eq!(there[key], report[key], "{key}");
        }
        assert!(there["ram_bytes"].as_u64().unwrap() <= 40 * 1024, "{there}");
        assert!(there["instructions_per_step"].as_u64().unwrap() > 0, "{there}");
    }

    /// An emulator whose UART is a terminal of the system's, as a board on a serial port is.
    struct Board {
        emulator: Child,
        port: String,
    }

    impl Board {
        fn boot() -> Self {
            let out = tempfile::NamedTempFile::new().unwrap();
            run("encode --images 1", "qemu", out.path()); // builds the image
            Self::with("mps2-an386-classic/cortex-m-image", "models/classic.int8.blob".as_ref())
        }

        /// With an image that was built and the contents of the flash behind it.
        fn with(image: &str, flash: &Path) -> Self {
            let image = format!("firmware-sim/cortex-m/target/images/{image}");
            let mut emulator = Command::new("qemu-system-arm")
                .current_dir(ROOT)
                .args(["-M", "mps2-an386", "-icount", "shift=0", "-display", "none", "-monitor", "none"])
                .args(["-nodefaults", "-no-reboot", "-chardev", "pty,id=uart", "-serial", "chardev:uart"])
                .args(["-kernel", &image, "-device"])
                .arg(format!("loader,file={},addr=0x80000,force-raw=on", flash.display()))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut said = String::new();
            BufReader::new(emulator.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
            let port = said.split_whitespace().find(|word| word.starts_with("/dev/")).unwrap().to_owned();
            Self { emulator, port }
        }
    }

    impl Drop for Board {
        fn drop(&mut self) {
            let _ = self.emulator.kill();
            let _ = self.emulator.wait();
        }
    }

    /// Runs a command in the repository over a link; how it ends.
    fn over(link: &str, arguments: &str) -> Assert {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(ROOT).args(arguments.split(' ')).args(["--link", link]).assert()
    }

    fn object(assert: Assert) -> Value {
        serde_json::from_slice(&assert.success().get_output().stdout).unwrap()
    }

    #[test]
    fn a_board_on_a_serial_port_trains_to_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let flash = folder.path().join("flash");
        let train =
            format!("train --json --steps 250 --images 40 --test-images 20 --out {}/png", folder.path().display());
        over("qemu", "verify --training").success(); // builds the images
        let emulated = object(over("qemu", &train));

        over("qemu", &format!("verify --training --export {}", flash.display())).success();
        let board = Board::with("mps2-an386-training-small/training", &flash);
        let link = format!("serial:{}", board.port);
        for _ in 0..2 {
            // The second time nothing is left of the first.
            let text = over(&link, "verify --training").success().get_output().stdout.clone();
            assert_eq!(text, b"75 arrays of three training steps in f32: the same bits as in process\n");
        }

        let flash = flash.with_extension("whole");
        over("qemu", &format!("{train} --export {}", flash.display())).success();
        let board = Board::with("mps2-an386-whole-tiny/whole", &flash);
        let link = format!("serial:{}", board.port);
        for _ in 0..2 {
            let mut there = object(over(&link, &train));
            // Counted in ticks of 40: where in a tick a step begins depends on how long the board waited.
            let instructions = |report: &Value| report["instructions_per_step"].as_i64().unwrap();
            assert!((instructions(&there) - instructions(&emulated)).abs() <= 80, "{there} {emulated}");
            there["instructions_per_step"] = emulated["instructions_per_step"].clone();
            assert_eq!(there, emulated);
        }
        let here = object(over("in-process", &train));
        for key in ["progress", "parameters_crc", "mse_before", "mse_after"] {
            assert_eq!(emulated[key], here[key], "{key}");
        }
        let says = |link: &str, arguments: &str, expected: &str| {
            let assert = over(link, arguments).failure();
            let said = String::from_utf8_lossy(&assert.get_output().stderr);
            assert!(said.contains(expected), "{said}");
        };
        let other = train.replace("--steps 250", "--steps 251");
        says(&link, &other, "the device has another task in its flash: --export writes the one that belongs there");
        fs::write(&flash, [0xff; 64]).unwrap();
        let board = Board::with("mps2-an386-whole-tiny/whole", &flash);
        says(&format!("serial:{}", board.port), &train, "the device has no task in its flash");
    }

    #[test]
    fn a_board_on_a_serial_port_says_what_it_takes() {
        let board = Board::boot();
        let serial = format!("serial:{}", board.port);
        let weights = "--json --weights models/classic.int8.blob --board mps2-an386";
        let bench = object(over(&serial, &format!("bench --images 3 {weights}")));
        assert_eq!((&bench["equal_digits"], &bench["encode_instructions"]), (&3.into(), &Value::Null), "{bench}");
        let verify = object(over(&serial, &format!("verify --images 3 {weights}")));
        assert_eq!(verify["equal_digits"], 3, "{verify}");
        let [there, emulated] = [&serial, "qemu"].map(|link| object(over(link, &format!("budget {weights}"))));
        for key in ["static_bytes", "ram_estimate", "flash_estimate", "weights_bytes"] {
            assert_eq!(there["measured"][key], emulated["measured"][key], "{key}");
        }
        assert_eq!(there["budget"], emulated["budget"]);
        let measured = &emulated["measured"];
        let number = |key: &str| measured[key].as_u64().unwrap_or_else(|| panic!("{key} in {measured}"));
        assert_eq!(number("flash_bytes"), number("image_bytes") + number("weights_bytes"));
        assert!(number("image_bytes") < 24 * 1024 && number("flash_bytes") < number("flash_estimate"), "{measured}");
        assert_eq!(number("ram_bytes"), number("static_bytes") + number("stack_bytes"));
        assert!(there["measured"]["image_bytes"].is_null(), "{there}");
    }

    #[test]
    fn over_a_serial_port_they_are_the_same_bytes_and_a_board_that_goes_is_told() {
        let mut board = Board::boot();
        let link = format!("serial:{}", board.port);
        let folder = tempfile::tempdir().unwrap();
        let (there, here) = (folder.path().join("there"), folder.path().join("here"));
        run("encode --images 20", &link, &there);
        run("encode --images 20", "in-process", &here);
        assert!(fs::read(&there).unwrap() == fs::read(&here).unwrap(), "the codes differ");
        // And again: the line was left as it was found.
        run("decode --images 5", &link, &there);
        run("decode --images 5", "in-process", &here);
        assert!(fs::read(&there).unwrap() == fs::read(&here).unwrap(), "the images differ");
        let roundtrip = Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
            .current_dir(ROOT)
            .args(["roundtrip", "--link", &link, "--weights", "models/classic.int8.blob"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_secs(2));
        board.emulator.kill().unwrap();
        let output = roundtrip.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert_eq!(said.lines().last(), Some("error: the line to the device was closed: unplugged?"));
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(ROOT).args(["encode", "--link", &link, "--weights", "models/classic.int8.blob"]);
        let said = String::from_utf8(command.assert().failure().get_output().stderr.clone()).unwrap();
        assert!(said.ends_with(&format!("error: {}: No such file or directory\n", board.port)), "{said}");
    }

    #[test]
    fn a_smaller_board_encodes_and_this_program_decodes() {
        let folder = tempfile::tempdir().unwrap();
        let (there, here) = (folder.path().join("there"), folder.path().join("here"));
        let report = run("decode --images 5 --board microbit", "qemu", &there);
        run("decode --images 5", "in-process", &here);
        assert!(fs::read(&there).unwrap() == fs::read(&here).unwrap(), "the images differ");
        assert!(report["ram_bytes"].as_u64().unwrap() <= 16 * 1024, "{report}");
        assert!(report["flash_bytes"].as_u64().unwrap() <= 256 * 1024, "{report}");
        // Its codes carry the CRC of the encoder's part; whoever has the whole decodes them.
        run("encode --images 5 --board microbit", "qemu", &there);
        let codes = there.display().to_string();
        run(&format!("decode {codes}"), "in-process", &here);
    }

    #[test]
    fn the_emulator_ends_with_the_program() {
        // INT is Ctrl-C. After KILL nothing of the program's own is carried out any more.
        ["INT", "TERM", "KILL"].into_iter().for_each(ends_with);
    }

    fn ends_with(signal: &str) {
        let own = tempfile::tempdir().unwrap();
        // A shell that starts the tests in the background has them ignore Ctrl-C: where `env` can undo that, it does.
        let program = env!("CARGO_BIN_EXE_firmware-sim");
        let undo = ["env", "--default-signal=INT"];
        let works = Command::new(undo[0]).args([undo[1], "true"]).status().is_ok_and(|status| status.success());
        let words: Vec<&str> = undo.into_iter().filter(|_| works).chain([program]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(ROOT)
            .args(["roundtrip", "--link", "qemu", "--weights", "models/classic.int8.blob"])
            .env("TMPDIR", own.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The folder is there as long as the emulator is.
        let folders = || fs::read_dir(own.path()).unwrap().count();
        let wait = |folder: usize| {
            (0..6000).any(|_| {
                std::thread::sleep(Duration::from_millis(20));
                folders() == folder
            })
        };
        assert!(wait(1), "no emulator was started");
        std::thread::sleep(Duration::from_secs(1));
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        child.wait().unwrap();
        assert!(wait(0), "the emulator's folder is still there");
        std::thread::sleep(Duration::from_millis(200));
        let own = own.path().display().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let running = |command: Vec<u8>| String::from_utf8_lossy(&command).contains(&own);
        let left = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok()).any(running);
        assert!(!left, "the emulator still runs");
    }
}
