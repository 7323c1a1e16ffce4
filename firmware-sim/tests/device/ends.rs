//! The emulator ends with the program, however the program ends.

use crate::run::ROOT;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn the_emulator_ends_with_the_program() {
    // INT is Ctrl-C. After KILL, the program executes nothing more.
    ["INT", "TERM", "KILL"].into_iter().for_each(ends_with);
}

fn ends_with(signal: &str) {
    let own = tempfile::tempdir().unwrap();
    // If a shell starts the tests in the background, they ignore Ctrl-C. `env` undoes that where it can.
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
    // The folder exists as long as the emulator runs.
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
