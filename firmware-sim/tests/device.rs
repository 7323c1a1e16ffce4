//! The image on the emulated board gives the same bytes as the application in this process.

use std::io::Write;

/// Where the emulator is not asked for: says so, past the test harness, which keeps what passing tests print.
#[cfg(not(feature = "emulator"))]
#[test]
fn left_out() {
    let command = "cargo test -p firmware-sim --features emulator --test device";
    let _ = writeln!(std::io::stderr(), "left out: the tests on an emulated Cortex-M4; include them with `{command}`");
}

#[cfg(feature = "emulator")]
mod emulated {
    use super::Write;
    use assert_cmd::cargo::cargo_bin_cmd;
    use serde_json::Value;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

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
        let [emulated, here] = both("encode --images 100", folder.path());
        assert!(emulated == here, "the codes differ");
        assert_eq!(emulated.split(|byte| *byte == 0).count(), 101); // nothing behind the last zero
        let codes = folder.path().join("codes");
        fs::write(&codes, &here).unwrap();
        let [emulated, here] = both(&format!("decode {}", codes.display()), folder.path());
        assert!(emulated == here, "the images differ");
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
    fn the_emulator_ends_with_the_program() {
        let own = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
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
        child.kill().unwrap(); // nothing of its own is carried out any more
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
