//! Building a board's image, with whatever toolchain is there, and reading off it what it takes.

use super::boards::Board;
use super::link::LinkError;
use super::note;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, elf};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The images' package.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cortex-m");

/// What is built for a board: the application, the engine alone, what counts its layers; and what trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Application,
    Engine,
    Profile,
    Training,
    /// The application that learns, built apart: it takes more RAM.
    Learner,
    /// What trains a whole network.
    Whole,
}

impl Program {
    const OF_A_BOARD: [Self; 3] = [Self::Application, Self::Engine, Self::Profile];

    /// The name of the binary.
    fn name(self) -> &'static str {
        match self {
            Self::Application => "cortex-m-image",
            Self::Engine => "engine",
            Self::Profile => "profile",
            Self::Training => "training",
            Self::Learner => "learner",
            Self::Whole => "whole",
        }
    }
}

/// The images of one board and topology.
pub struct Images {
    pub folder: PathBuf,
}

impl Images {
    /// Builds them if they are not up to date.
    pub fn build(board: &Board, target: &str, topology: &str, encoder_only: bool) -> Result<Self, LinkError> {
        let features = format!("{},{topology}{}", board.name, if encoder_only { ",encoder-only" } else { "" });
        Self::of(&features, target, &Program::OF_A_BOARD)
    }

    /// Builds a program that trains, with a board of its own, if it is not up to date.
    pub fn training(program: Program, target: &str) -> Result<Self, LinkError> {
        let features = if program == Program::Whole { "mps2-an386-whole,tiny" } else { "mps2-an386-training,small" };
        Self::of(features, target, &[program])
    }

    /// Builds the one that learns, if it is not up to date.
    pub fn learning(board: &Board, target: &str, topology: &str) -> Result<Self, LinkError> {
        if !Path::new(PACKAGE).join(format!("boards/{}-learn.x", board.name)).exists() {
            return Err(LinkError::Image(format!("no image for {} learns; --board mps2-an386", board.name)));
        }
        Self::of(&format!("{},{topology},learn", board.name), target, &[Program::Learner])
    }

    fn of(features: &str, target: &str, programs: &[Program]) -> Result<Self, LinkError> {
        if !Path::new(PACKAGE).join("Cargo.toml").exists() {
            return Err(LinkError::Image(format!("its source, {PACKAGE}, is not here")));
        }
        let built = Path::new(PACKAGE).join("target");
        let folder = built.join("images").join(features.replace(',', "-"));
        fs::create_dir_all(&folder)?;
        // What cargo builds has one place for all of them: until it is copied, nobody else may build.
        let lock = fs::File::create(built.join("images/lock"))?;
        lock.lock()?;
        let mut cargo = toolchain(target)?;
        cargo.args(["build", "--quiet", "--release", "--locked", "--target", target, "--no-default-features"]);
        cargo.args(["--features", features, "--target-dir"]).arg(&built);
        cargo.args(programs.iter().flat_map(|program| ["--bin", program.name()]));
        if !target.starts_with("thumbv7em") && cpu(target).is_none() {
            // There the layers are the compiler's work, not an assembly kernel's.
            cargo.args(["--config", "profile.release.package.autoencoder-core.opt-level=3"]);
        }
        cargo.current_dir(PACKAGE);
        if programs.iter().any(|program| !folder.join(program.name()).exists()) {
            note(&format!("building the image for {}", features.replace(',', ", ")));
        }
        let output = cargo.output().map_err(|error| LinkError::Image(error.to_string()))?;
        if !output.status.success() {
            return Err(LinkError::Image(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        for program in programs.iter().map(|program| program.name()) {
            // Replaced, not overwritten: one may be running.
            let new = folder.join(format!("{program}.new"));
            fs::copy(built.join(target).join("release").join(program), &new)?;
            fs::rename(new, folder.join(program))?;
        }
        Ok(Self { folder })
    }

    /// The file of one.
    pub fn path(&self, program: Program) -> PathBuf {
        self.folder.join(program.name())
    }

    /// What one takes.
    pub fn layout(&self, program: Program) -> Result<Layout, LinkError> {
        let bytes = fs::read(self.path(program))?;
        Layout::of(&bytes).map_err(|error| LinkError::Image(error.to_string()))
    }
}

/// Where things lie in an image, and how much room they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of flash: vectors, code, constants, the statics' first values.
    pub flash: usize,
    /// Bytes of RAM of its statics.
    pub statics: usize,
    /// Where the blob belongs.
    pub blob_at: u64,
    /// Bytes that the blob may have.
    pub blob_room: usize,
    /// Where it keeps what it learned; 0 where it does not learn.
    pub kept_at: u64,
}

impl Layout {
    fn of(image: &[u8]) -> object::Result<Self> {
        let file = object::File::parse(image)?;
        let (mut flash, mut statics) = (0, 0);
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
            if sh_flags & u64::from(elf::SHF_ALLOC) == 0 {
                continue;
            }
            let stored = section.file_range().is_some();
            let writable = sh_flags & u64::from(elf::SHF_WRITE) != 0;
            flash += if stored { section.size() as usize } else { 0 };
            statics += if writable { section.size() as usize } else { 0 };
        }
        let symbol =
            |name| file.symbols().find(|symbol| symbol.name() == Ok(name)).map_or(0, |symbol| symbol.address());
        let (blob_at, blob_end) = (symbol("_blob"), symbol("_blob_end"));
        Ok(Self { flash, statics, blob_at, blob_room: (blob_end - blob_at) as usize, kept_at: symbol("_kept") })
    }
}

/// What says that the target's processor has the DSP extension, where the target alone does not.
fn cpu(target: &str) -> Option<&'static str> {
    target.starts_with("thumbv8m.main").then_some("-Ctarget-cpu=cortex-m33")
}

/// Rustup's cargo if it has the target; else Debian's, which builds the standard library's core from its source.
fn toolchain(target: &str) -> Result<Command, LinkError> {
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
    Err(LinkError::Missing(format!(
        "a Rust that builds for {target}; install it with `rustup target add {target}`, \
         or on Debian with `apt-get install rustc-web cargo-web rust-web-src binutils-arm-none-eabi`"
    )))
}

/// What a program prints; `None` if it cannot be run.
pub fn output(program: impl AsRef<OsStr>, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
