//! A test's own folder, in which the program runs.

use crate::net::Net;
use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_io::picture::Gray;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a blob in it, in which the program runs.
pub struct Place(pub TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("classic.blob", &Net::new("classic", 1).blob());
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs the program with these arguments, which are separated by spaces.
    pub fn run(&self, arguments: &str) -> Assert {
        cargo_bin_cmd!("firmware-sim").current_dir(self.0.path()).args(arguments.split(' ')).assert()
    }

    /// Runs the program with the blob and the test images.
    pub fn with_blob(&self, arguments: &str) -> Assert {
        self.run(&format!("{arguments} --weights classic.blob --data {}", data().display()))
    }

    /// Checks that the program fails with one line that contains `because`, and prints nothing else.
    pub fn refuses(&self, arguments: &str, because: &str) {
        let assert = self.run(arguments).code(1);
        let (out, err) = (stdout(&assert), stderr(&assert));
        let errors: Vec<&str> = err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(because), "{arguments}: expected {because:?} in {err:?}");
        assert!(err.ends_with(&format!("{}\n", errors[0])), "the error is the last line: {err:?}");
        let parts: Vec<&str> = errors[0].split(": ").collect();
        assert!(parts.windows(2).all(|pair| pair[0] != pair[1]), "a part is repeated: {err}");
        assert!(out.is_empty() && !err.contains("panicked"), "{out}{err}");
    }
}

/// The test images that come with the repository.
pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist")
}

pub fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

pub fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

pub fn json(assert: &Assert) -> Value {
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

/// The image at a column and a row of the grid that `decode` writes.
pub fn cell(picture: &Gray, column: usize, row: usize) -> Vec<u8> {
    let pixel = |i: usize| (row * 58 + 2 + i / 28 * 2) * picture.width + column * 58 + 2 + i % 28 * 2;
    (0..784).map(|i| picture.pixels[pixel(i)]).collect()
}

/// The weights that come with the repository.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/classic.int8.blob")
}
