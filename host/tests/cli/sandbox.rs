//! A folder to run the program in, and checks of its output.

use assert_cmd::Command;
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A folder with a small data set of real digits. Each test has its own.
pub struct Sandbox {
    pub folder: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let sandbox = Self { folder };
        let bytes = shipped("t10k-images-idx3-ubyte.gz");
        sandbox.images("train-images-idx3-ubyte", 400, &bytes[16..]);
        sandbox.images("t10k-images-idx3-ubyte", 50, &bytes[16 + 784 * 400..]);
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn images(&self, name: &str, count: u32, pixels: &[u8]) {
        let header = [0x803, count, 28, 28].map(u32::to_be_bytes).concat();
        fs::write(self.path("data").join(name), [&header[..], &pixels[..784 * count as usize]].concat()).unwrap();
    }

    pub fn host(&self, args: &str) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).args(args.split_whitespace());
        command
    }

    pub fn train(&self, args: &str) -> Command {
        self.host(&format!("train --data data --topology small --batch 100 {args}"))
    }

    /// The line that a failing command prints on standard error.
    pub fn error(&self, args: &str) -> String {
        one_line(&self.host(args).output().unwrap(), args)
    }
}

pub fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin("autoencoder")
}

pub fn one_line(output: &Output, what: &str) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{what}: {stderr}");
    assert!(output.stdout.is_empty(), "{what}");
    assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() == 1, "{what}: {stderr}");
    stderr
}

pub fn shipped(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist").join(name);
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

pub fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
