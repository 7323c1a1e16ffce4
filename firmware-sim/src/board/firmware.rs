//! Builds a board's images with the toolchain that is installed, and reads their sizes.

use super::{Board, STAND_IN};
use crate::terminal::note;
use elf::abi::{SHF_ALLOC, SHF_WRITE, SHT_NOBITS};
use elf::endian::LittleEndian;
use elf::{ElfBytes, ParseError};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

/// The images' package.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cortex-m");

/// The programs that are built for a board, for all networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The application.
    Application,
    /// The engine alone.
    Engine,
    /// Counts the instructions of each layer.
    Profile,
    /// The application that learns, built apart: it takes more RAM.
    Learner,
    /// Trains in `f32`, to be compared with this process.
    Training,
    /// Trains a small network whole.
    Tiny,
}

impl Program {
    /// The name of the binary.
    fn name(self) -> &'static str {
        match self {
            Self::Application => "cortex-m-image",
            Self::Engine => "engine",
            Self::Profile => "profile",
            Self::Learner => "learner",
            Self::Training => "training",
            Self::Tiny => "tiny",
        }
    }
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A toolchain has to be installed.
    #[error("not installed: {0}")]
    Toolchain(String),
    /// The image's source is not where this program was built, or its build failed.
    #[error("the image cannot be built: {0}")]
    Failed(String),
    /// No image for this board learns.
    #[error("no image for {0} learns; --board {board} has one", board = STAND_IN.name)]
    NoLearner(&'static str),
    /// A file of the build.
    #[error("the image: {}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

/// Firmware images that were built with the same features.
pub struct BoardImages {
    folder: PathBuf,
}

impl BoardImages {
    /// The application, its engine and its profile, built unless they are up to date.
    pub fn application(board: &Board) -> Result<Self, BuildError> {
        Self::build(board, board.name, &[Program::Application, Program::Engine, Program::Profile])
    }

    /// The application that learns, built unless it is up to date.
    pub fn learner(board: &'static Board) -> Result<Self, BuildError> {
        if Path::new(PACKAGE).exists() && !Path::new(PACKAGE).join(format!("boards/{}-learn.x", board.name)).exists() {
            return Err(BuildError::NoLearner(board.name));
        }
        Self::build(board, &format!("{},learn", board.name), &[Program::Learner])
    }

    /// A program that trains, for the emulated board that stands in for others, built unless it is up to date.
    pub fn training(program: Program) -> Result<Self, BuildError> {
        let memory = if program == Program::Tiny { "tiny" } else { "training" };
        Self::build(STAND_IN, &format!("{}-{memory}", STAND_IN.name), &[program])
    }

    fn build(board: &Board, features: &str, programs: &[Program]) -> Result<Self, BuildError> {
        if !Path::new(PACKAGE).join("Cargo.toml").exists() {
            return Err(BuildError::Failed(format!("its source, {PACKAGE}, is not here")));
        }
        let target = board.processor.target();
        let built = Path::new(PACKAGE).join("target");
        let folder = built.join("images").join(features.replace(',', "-"));
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| BuildError::Io(path, error)
        };
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        // Cargo puts all images in one place. Until they are copied, no other process may build.
        let lock = built.join("images/lock");
        let _held = fs::File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(at(&lock))?;
        let mut cargo = toolchain(target)?;
        cargo.args(["build", "--quiet", "--release", "--locked", "--target", target, "--no-default-features"]);
        cargo.args(["--features", features, "--target-dir"]).arg(&built);
        cargo.args(programs.iter().flat_map(|program| ["--bin", program.name()]));
        if !target.starts_with("thumbv7em") && cpu(target).is_none() {
            // There the layers are compiled, not an assembly kernel.
            cargo.args(["--config", "profile.release.package.autoencoder-core.opt-level=3"]);
        }
        cargo.current_dir(PACKAGE);
        if programs.iter().any(|program| !folder.join(program.name()).exists()) {
            note(&format!("building the image for {}", features.replace(',', ", ")));
        }
        let output = cargo.output().map_err(|error| BuildError::Failed(error.to_string()))?;
        if !output.status.success() {
            note(String::from_utf8_lossy(&output.stderr).trim_end());
            return Err(BuildError::Failed("cargo says why above".to_owned()));
        }
        for program in programs.iter().map(|program| program.name()) {
            // Replaced, not overwritten: an emulator may be running it.
            let new = folder.join(format!("{program}.new"));
            fs::copy(built.join(target).join("release").join(program), &new).map_err(at(&new))?;
            fs::rename(&new, folder.join(program)).map_err(at(&new))?;
        }
        Ok(Self { folder })
    }

    /// The file of one of them.
    pub fn path(&self, program: Program) -> PathBuf {
        self.folder.join(program.name())
    }

    /// The sizes of one of them.
    pub fn layout(&self, program: Program) -> Result<Layout, BuildError> {
        let path = self.path(program);
        let bytes = fs::read(&path).map_err(|error| BuildError::Io(path, error))?;
        Layout::new(&bytes).map_err(|error| BuildError::Failed(error.to_string()))
    }

    /// The images in this folder, for tests that change them.
    #[cfg(all(test, feature = "emulator"))]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

/// Where things lie in an image, and how much room they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of flash: vectors, code, constants, the statics' initial values.
    pub flash: usize,
    /// Bytes of RAM of its statics.
    pub statics: usize,
    /// Where the blob belongs.
    pub blob: Region,
    /// Where it keeps what it learned; empty if it does not learn.
    pub kept: Region,
}

/// A part of an image's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The address where it begins.
    pub start: u64,
    /// Its bytes.
    pub length: usize,
}

impl Layout {
    fn new(image: &[u8]) -> Result<Self, ParseError> {
        let file = ElfBytes::<LittleEndian>::minimal_parse(image)?;
        let (mut flash, mut statics) = (0, 0);
        for section in file.section_headers().into_iter().flatten() {
            let is = |flag: u32| section.sh_flags & u64::from(flag) != 0;
            if is(SHF_ALLOC) {
                flash += if section.sh_type == SHT_NOBITS { 0 } else { section.sh_size as usize };
                statics += if is(SHF_WRITE) { section.sh_size as usize } else { 0 };
            }
        }
        let mut symbols = BTreeMap::new();
        if let Some((table, names)) = file.symbol_table()? {
            symbols.extend(
                table.iter().filter_map(|symbol| Some((names.get(symbol.st_name as usize).ok()?, symbol.st_value))),
            );
        }
        let region = |start: &str, end: &str| {
            let [start, end] = [start, end].map(|name| symbols.get(name).copied().unwrap_or_default());
            Region { start, length: end.saturating_sub(start) as usize }
        };
        Ok(Self { flash, statics, blob: region("_blob", "_blob_end"), kept: region("_kept", "_kept_end") })
    }
}

/// The flag that gives the target's processor its DSP extension, where the target alone does not say so.
fn cpu(target: &str) -> Option<&'static str> {
    target.starts_with("thumbv8m.main").then_some("-Ctarget-cpu=cortex-m33")
}

/// Rustup's cargo if it has the target; else Debian's, which builds `core` from its source.
fn toolchain(target: &str) -> Result<Command, BuildError> {
    let rustup = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(PACKAGE).output();
    if rustup.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).lines().any(|line| line == target)) {
        let mut cargo = Command::new("cargo");
        if let Some(cpu) = cpu(target) {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", cpu);
        }
        return Ok(cargo);
    }
    let debian = ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/bin/arm-none-eabi-ld"];
    let source = || {
        output("/usr/bin/rustc", "--print=sysroot")
            .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").exists())
    };
    if debian.iter().all(|program| Path::new(program).exists()) && source() {
        let mut cargo = Command::new(debian[0]);
        cargo.env("RUSTC", debian[1]).env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
        let flags: Vec<&str> = ["-Clinker=arm-none-eabi-ld"].into_iter().chain(cpu(target)).collect();
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        return Ok(cargo);
    }
    Err(BuildError::Toolchain(format!(
        "a Rust that builds for {target}; install it with `rustup target add {target}`, \
         or on Debian with `apt-get install rustc-web cargo-web rust-web-src binutils-arm-none-eabi`"
    )))
}

/// The output of a program; `None` if it cannot run.
pub fn output(program: impl AsRef<OsStr>, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
