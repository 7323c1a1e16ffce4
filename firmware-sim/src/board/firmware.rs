//! Builds a board's images with the toolchain that is installed, and reads their sizes.

use super::{Board, Processor, STAND_IN};
use crate::terminal::note;
use crate::toolchain::{self, Linker, MissingToolchain};
use elf::abi::{SHF_ALLOC, SHF_WRITE, SHT_NOBITS};
use elf::endian::LittleEndian;
use elf::{ElfBytes, ParseError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

/// The package of the firmware images.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/images");

/// A program that is built for a board. One build runs every network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The application.
    Application,
    /// The engine alone.
    Engine,
    /// Counts the instructions of each layer.
    Profile,
    /// The application that learns. It is a separate image because it needs more RAM.
    Learner,
    /// The application that takes samples. On boards with room for it, it also learns.
    Detector,
    /// Trains in `f32`; the results are compared with this process.
    Training,
    /// Trains all parameters of a small network.
    Tiny,
}

impl Program {
    /// The name of the binary.
    fn name(self) -> &'static str {
        match self {
            Self::Application => "device-image",
            Self::Engine => "engine",
            Self::Profile => "profile",
            Self::Learner => "learner",
            Self::Detector => "detector",
            Self::Training => "training",
            Self::Tiny => "tiny",
        }
    }
}

/// The reason why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A toolchain is missing.
    #[error(transparent)]
    Toolchain(#[from] MissingToolchain),
    /// The source of the image is not where this program was built, or the build failed.
    #[error("the image cannot be built: {0}")]
    Failed(String),
    /// This board has no image that learns.
    #[error("{0} has no image that learns; --board {board} has one", board = STAND_IN.name)]
    NoLearner(&'static str),
    /// A file of the build cannot be read or written.
    #[error("the image: {}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

/// The features for which this process has built the images. They are built once, however many devices it boots.
static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Firmware images that were built with the same features.
pub struct BoardImages {
    folder: PathBuf,
}

impl BoardImages {
    /// Builds the application, the engine and the profiler, unless they are up to date.
    pub fn application(board: &Board) -> Result<Self, BuildError> {
        Self::build(board, board.name, &[Program::Application, Program::Engine, Program::Profile])
    }

    /// Builds the application that learns, unless it is up to date.
    pub fn learner(board: &'static Board) -> Result<Self, BuildError> {
        if Path::new(PACKAGE).exists() && !Path::new(PACKAGE).join(format!("boards/{}-learn.x", board.name)).exists() {
            return Err(BuildError::NoLearner(board.name));
        }
        Self::build(board, &format!("{},learn", board.name), &[Program::Learner])
    }

    /// Builds the application that takes samples, unless it is up to date. [`Board::detector_learns`] says whether it learns.
    pub fn detector(board: &Board) -> Result<Self, BuildError> {
        let learns = if board.detector_learns() { ",learn" } else { "" };
        Self::build(board, &format!("{},detector{learns}", board.name), &[Program::Detector])
    }

    /// Builds a program that trains, for the default emulated board, unless it is up to date.
    pub fn training(program: Program) -> Result<Self, BuildError> {
        let memory = if program == Program::Tiny { "tiny" } else { "training" };
        Self::build(STAND_IN, &format!("{}-{memory}", STAND_IN.name), &[program])
    }

    fn build(board: &Board, features: &str, programs: &[Program]) -> Result<Self, BuildError> {
        if !Path::new(PACKAGE).join("Cargo.toml").exists() {
            return Err(BuildError::Failed(format!("its source is missing: {PACKAGE}")));
        }
        let target = board.processor.target();
        let built = Path::new(PACKAGE).join("target");
        let folder = built.join("images").join(features.replace(',', "-"));
        let mut done = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if done.contains(features) {
            return Ok(Self { folder });
        }
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| BuildError::Io(path, error)
        };
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        // Cargo writes all images to one folder. No other process may build until they are copied.
        let lock = built.join("images/lock");
        let _held = fs::File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(at(&lock))?;
        let mut cargo =
            toolchain::cargo(target, Path::new(PACKAGE), &linker(board.processor), board.processor.rustflag())?;
        cargo.args(["--no-default-features", "--features", features, "--target-dir"]).arg(&built);
        cargo.args(programs.iter().flat_map(|program| ["--bin", program.name()]));
        if !board.processor.has_dsp() {
            // Small as their kernel is, there is room for loops that are compiled for speed.
            cargo.args(["--config", "profile.release.package.autoencoder-core.opt-level=3"]);
        }
        if programs.iter().any(|program| !folder.join(program.name()).exists()) {
            note(&format!("building the image for {}", features.replace(',', ", ")));
        }
        let output = cargo.output().map_err(|error| BuildError::Failed(error.to_string()))?;
        if !output.status.success() {
            note(String::from_utf8_lossy(&output.stderr).trim_end());
            return Err(BuildError::Failed("see cargo's messages above".to_owned()));
        }
        for program in programs.iter().map(|program| program.name()) {
            // Replaced, not overwritten: an emulator may be running it.
            let new = folder.join(format!("{program}.new"));
            fs::copy(built.join(target).join("release").join(program), &new).map_err(at(&new))?;
            fs::rename(&new, folder.join(program)).map_err(at(&new))?;
        }
        done.insert(features.to_owned());
        Ok(Self { folder })
    }

    /// The file of a program's image.
    pub fn path(&self, program: Program) -> PathBuf {
        self.folder.join(program.name())
    }

    /// The sizes of a program's image.
    pub fn layout(&self, program: Program) -> Result<Layout, BuildError> {
        let path = self.path(program);
        let bytes = fs::read(&path).map_err(|error| BuildError::Io(path, error))?;
        Layout::new(&bytes).map_err(|error| BuildError::Failed(error.to_string()))
    }

    /// Images that are already in this folder, for tests that change them.
    #[cfg(all(test, feature = "emulator"))]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

/// The sizes of an image, and the regions of flash for its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of flash for vectors, code, constants and the statics' initial values.
    pub flash: usize,
    /// Bytes of RAM for its statics.
    pub statics: usize,
    /// The region for the blob.
    pub blob: Region,
    /// The region for the learned parameters; empty if the image does not learn.
    pub kept: Region,
}

/// A region of an image's flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The address where it begins.
    pub start: u64,
    /// Its length in bytes.
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

/// The linker for Debian's Rust, because LLVM's may be missing.
pub fn linker(processor: Processor) -> Linker {
    let (program, package, flag) = match processor {
        Processor::Rv32Imc => {
            ("/usr/bin/riscv64-unknown-elf-ld", "binutils-riscv64-unknown-elf", Some("-Clink-arg=-melf32lriscv"))
        }
        _ => ("/usr/bin/arm-none-eabi-ld", "binutils-arm-none-eabi", None),
    };
    Linker { program, package: package.to_owned(), flag }
}
