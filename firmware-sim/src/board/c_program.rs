//! Programs in C that are linked with the device's library for C, on the emulated Cortex-M4.

use super::firmware::linker;
use super::{Board, STAND_IN};
use crate::terminal::note;
use crate::toolchain;
use crate::weights::WeightsBlob;
use anyhow::{Context, bail, ensure};
use autoencoder_core::Network;
use autoencoder_io::c_array::{CArray, c_array};
use elf::ElfBytes;
use elf::endian::LittleEndian;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The package of the library, with its header and the programs.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/c");
/// The board that the programs are for.
const BOARD: &Board = STAND_IN;
const COMPILER: &str = "arm-none-eabi-gcc";
/// The processor of the board, and the warnings that are errors.
const FLAGS: [&str; 12] = [
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Os",
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-ffunction-sections",
    "-fdata-sections",
    "-Iinclude",
];
/// The address of the items in the board's memory: `mps2-an386.ld`.
const ITEMS: u64 = 0x0020_0000;
/// Far longer than any program takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A linked program.
pub struct CProgram {
    folder: TempDir,
    program: PathBuf,
}

/// The sizes of a program.
pub struct Sizes {
    /// Bytes of flash for vectors, code, constants and the statics' initial values, without the blob.
    pub code: usize,
    /// Bytes of RAM for its statics.
    pub statics: usize,
}

impl CProgram {
    /// Builds the library, unless it is up to date, and links the program of this name in `c/example` with the weights.
    pub fn build(name: &str, weights: &WeightsBlob) -> anyhow::Result<Self> {
        ensure!(Path::new(PACKAGE).exists(), "the library for C cannot be built: its source is missing: {PACKAGE}");
        ensure!(
            toolchain::output(COMPILER, "--version").is_some(),
            "not installed: {COMPILER}; on Debian, install it with `apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi`"
        );
        let library = library()?;
        let folder = tempfile::Builder::new().prefix("firmware-sim").tempdir()?;
        let CArray { header, source } = c_array(&Network::new(weights.blob()?)?, "model")?;
        let [model, object, program] = ["model.c", "model.o", name].map(|file| folder.path().join(file));
        fs::write(folder.path().join("model.h"), header)?;
        fs::write(&model, source)?;
        compile(|compiler| compiler.arg("-c").arg(&model).arg("-o").arg(&object))?;
        compile(|compiler| {
            compiler.arg("-I").arg(folder.path()).args([
                "-nostartfiles",
                "-Wl,--gc-sections",
                "-Texample/mps2-an386.ld",
            ]);
            compiler.arg("example/board.c").arg(format!("example/{name}.c")).args([&object, &library]);
            compiler.arg("-o").arg(&program)
        })?;
        Ok(Self { folder, program })
    }

    /// Its sizes, from the sections of its file.
    pub fn sizes(&self) -> anyhow::Result<Sizes> {
        let bytes = fs::read(&self.program)?;
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes)?;
        let length = |name| Ok::<_, anyhow::Error>(file.section_header_by_name(name)?.map_or(0, |found| found.sh_size));
        let [vectors, text, data, bss] = [".vectors", ".text", ".data", ".bss"].map(length);
        let data = data?;
        Ok(Sizes { code: (vectors? + text? + data) as usize, statics: (data + bss?) as usize })
    }

    /// Runs it over items of one length, and returns what it prints.
    pub fn run<T: AsRef<[u8]>>(&self, items: &[T]) -> anyhow::Result<String> {
        let emulator = BOARD.processor.emulator();
        let bytes = items.first().map_or(0, |item| item.as_ref().len());
        let [file, console] = ["items", "console"].map(|file| self.folder.path().join(file));
        let mut contents = [items.len(), bytes].map(|number| (number as u32).to_le_bytes()).concat();
        for item in items {
            contents.extend_from_slice(item.as_ref());
        }
        fs::write(&file, contents)?;
        let mut command = Command::new(emulator.program);
        command.args(BOARD.machine()).args(["-display", "none", "-monitor", "none", "-nodefaults", "-no-reboot"]);
        command.args(["-semihosting-config", "enable=on,target=native,chardev=console", "-chardev"]);
        command.arg(format!("file,id=console,path={}", console.display())).arg("-kernel").arg(&self.program);
        command.arg("-device").arg(format!("loader,file={},addr={ITEMS:#x},force-raw=on", file.display()));
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = spawned
            .with_context(|| format!("not installed: {}; on Debian, install {}", emulator.program, emulator.package))?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = process.try_wait()? {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = process.kill();
                let _ = process.wait();
                bail!("the program in C has not ended within {} seconds", PATIENCE.as_secs());
            }
            sleep(Duration::from_millis(5));
        };
        let text = fs::read_to_string(&console)?;
        ensure!(
            status.success(),
            "the program in C has failed: {}",
            text.lines().last().unwrap_or("it printed nothing")
        );
        Ok(text)
    }
}

/// Builds the library, unless it is up to date. Returns its file.
fn library() -> anyhow::Result<PathBuf> {
    let target = BOARD.processor.target();
    let built = Path::new(PACKAGE).join("target");
    let mut cargo = toolchain::cargo(target, Path::new(PACKAGE), &linker(BOARD.processor), BOARD.processor.rustflag())?;
    let output = cargo.arg("--target-dir").arg(&built).output()?;
    if !output.status.success() {
        note(String::from_utf8_lossy(&output.stderr).trim_end());
        bail!("the library for C cannot be built: see cargo's messages above");
    }
    Ok(built.join(target).join("release/libautoencoder.a"))
}

/// Runs the compiler in the library's folder.
fn compile(arguments: impl FnOnce(&mut Command) -> &mut Command) -> anyhow::Result<()> {
    let mut command = Command::new(COMPILER);
    let output = arguments(command.args(FLAGS).current_dir(PACKAGE)).output()?;
    if !output.status.success() {
        note(String::from_utf8_lossy(&output.stderr).trim_end());
        bail!("the program in C cannot be built: see the compiler's messages above");
    }
    Ok(())
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::*;
    use crate::random;
    use crate::random_samples::section;
    use autoencoder_core::front_end::{FrontEnd, Spec};

    /// The statuses of the header, by their numbers, for each call of refusals.c.
    #[test]
    fn wrong_arguments_give_a_status() {
        let spec = Spec { channels: 3, window: 32, hop: 8, rate: 0.0, front_end: FrontEnd::Centred };
        let weights = random::weights_for(&"96-32-8-32-96".parse().unwrap(), &section(&spec)).unwrap();
        let printed = CProgram::build("refusals", &weights).unwrap().run::<[u8; 4]>(&[]).unwrap();
        let mut lines: Vec<&str> = printed.lines().collect();
        assert!(lines.pop().unwrap().starts_with("stack "), "{printed}");
        let at = lines.iter().position(|line| line.starts_with("lengths ")).unwrap();
        let [lengths, macros]: [&str; 2] = lines.drain(at..at + 2).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(lengths.strip_prefix("lengths"), macros.strip_prefix("macros"));
        // Windows of 3 times 32 numbers and the means of 3 channels; 168 channels of 24 bytes, gradients of 32 and 8, 8 rows held out.
        let numbers: Vec<usize> = lengths.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
        let [codec, detector, learner, record] = numbers[6..] else { panic!("{lengths}") };
        assert_eq!(numbers[..6], [weights.length, 96, 8, 3, 32, 8]);
        assert_eq!([detector - codec, learner - detector], [4 * 99 + 96, 24 * 168 + 4 * 40 + 8 * 96]);
        assert_eq!(record, 20 + 8 * 168 + 8 + 4);
        let expected = [
            ("info without a blob", 1),
            ("info without a result", 1),
            ("info not aligned", 2),
            ("info of no bytes", 8),
            ("info of erased flash", 8),
            ("info of something else", 9),
            ("info cut off", 11),
            ("info", 0),
            ("encode before opening", 3),
            ("open no codec", 1),
            ("open without memory", 1),
            ("open memory not aligned", 2),
            ("open a byte less", 4),
            ("encode after a failed opening", 3),
            ("open", 0),
            ("encode no row", 1),
            ("encode to nowhere", 1),
            ("encode a long row", 6),
            ("encode to a short code", 5),
            ("decode a short code", 6),
            ("decode to a short row", 5),
            ("score to nowhere", 1),
            ("score not aligned", 2),
            ("encode in place", 0),
            ("open no blob", 8),
            ("score after it", 3),
            ("open", 0),
            ("open a null blob", 1),
            ("score after it", 3),
            ("open", 0),
            ("open memory not aligned", 2),
            ("score after it", 3),
            ("push before opening", 3),
            ("open a byte less", 4),
            ("open", 0),
            ("push one number more", 6),
            ("push no sample", 1),
            ("push to nowhere", 1),
            ("push", 0),
            ("restart nothing", 1),
            ("restart", 0),
            ("open without memory", 1),
            ("push after it", 3),
            ("open", 0),
            ("open a null blob", 1),
            ("restart after it", 3),
            ("begin before opening", 3),
            ("open without a flash", 1),
            ("open without a callback", 1),
            ("open with odd pages", 7),
            ("open with one page", 7),
            ("open with a small flash", 18),
            ("open a byte less", 4),
            ("open with a broken flash", 19),
            ("state after it", 3),
            ("learn after it", 3),
            ("end after it", 3),
            ("repeat after it", 3),
            ("reset after it", 3),
            ("open", 0),
            ("state", 0),
            ("end before a run", 17),
            ("learn before a run", 17),
            ("learn a sample before a run", 17),
            ("begin without settings", 1),
            ("begin with an unknown method", 7),
            ("begin with a large batch", 7),
            ("begin", 0),
            ("learn a short row", 6),
            ("learn to nowhere", 1),
            ("end without a row", 17),
            ("reset", 0),
            ("open without a flash", 1),
            ("score after it", 3),
            ("open", 0),
            ("open with odd pages", 7),
            ("score after it", 3),
            ("open", 0),
            ("open without a callback", 1),
            ("score after it", 3),
        ];
        for ((call, status), line) in expected.iter().zip(&lines) {
            assert_eq!(*line, format!("{call} {status}"));
        }
        assert_eq!(lines.len(), expected.len());
    }

    #[test]
    fn a_program_that_fails_says_where() {
        let weights = random::weights(&"16-4-16".parse().unwrap()).unwrap();
        let program = CProgram::build("codec", &weights).unwrap();
        let error = program.run(&[[0u8; 15]]).unwrap_err().to_string();
        assert_eq!(error, "the program in C has failed: failed 2 6"); // the second call: the row has the wrong length
    }
}
