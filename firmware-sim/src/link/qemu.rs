//! The device as a real image on an emulated board, whose UART is a TCP connection to this program.

use super::line::SerialLine;
use super::{Link, LinkError, Ram, ReportStream};
use crate::board::firmware::{BoardImages, Program, Region};
use crate::board::{Board, Emulator};
use crate::toolchain::output;
use autoencoder_device::message::Usage;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fs, io};
use tempfile::TempDir;

/// Far longer than any command takes; most of its time is on the line.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than the emulator needs to exit after it has closed its line.
const ENDING: Duration = Duration::from_secs(2);

/// A shell script that ends the emulator when this program ends, however it ends: the pipe that the script waits for is
/// then closed. Ctrl-C on a terminal reaches the whole process group, so the script ignores it.
const KEEPER: &str = r#"
trap '' INT HUP TERM
exec 3<&0
"$@" </dev/null 3<&- &
emulator=$!
{ cat <&3 >/dev/null; rm -rf -- "$0"; kill -9 $emulator; } 2>/dev/null &
keeper=$!
exec 3<&-
wait $emulator
status=$?
kill -9 $keeper 2>/dev/null
exit $status
"#;

/// An emulator that runs an image.
pub struct Qemu {
    /// The emulator, or the shell that ends it.
    process: Child,
    line: SerialLine<TcpStream>,
    /// The blob and the emulator's output.
    folder: TempDir,
}

impl Qemu {
    /// Boots a board's image with a blob in its flash, valid or not.
    pub fn boot(board: &Board, images: &BoardImages, program: Program, blob: &[u8]) -> Result<Self, LinkError> {
        Self::start(board, images, program, blob, &[])
    }

    /// Boots the image that learns, with the contents of its slots.
    pub fn boot_learning(board: &Board, images: &BoardImages, blob: &[u8], kept: &[u8]) -> Result<Self, LinkError> {
        Self::start(board, images, Program::Learner, blob, kept)
    }

    /// Boots the image that takes samples, with the contents of its slots if it learns.
    pub fn boot_detector(board: &Board, images: &BoardImages, blob: &[u8], kept: &[u8]) -> Result<Self, LinkError> {
        Self::start(board, images, Program::Detector, blob, kept)
    }

    fn start(
        board: &Board,
        images: &BoardImages,
        program: Program,
        blob: &[u8],
        kept: &[u8],
    ) -> Result<Self, LinkError> {
        let Emulator { program: emulator, package } = board.processor.emulator();
        if output(emulator, "--version").is_none() {
            return Err(LinkError::NoEmulator { emulator, package });
        }
        let layout = images.layout(program)?;
        let folder = tempfile::Builder::new().prefix("firmware-sim").tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut command = keeper(emulator, folder.path());
        command.args(board.machine()).args(["-icount", "shift=0", "-display", "none", "-monitor", "none"]);
        command.args(["-nodefaults", "-no-reboot", "-chardev"]);
        command.arg(format!("socket,id=uart,host=127.0.0.1,port={},nodelay=on", listener.local_addr()?.port()));
        command.args(["-serial", "chardev:uart", "-kernel"]).arg(images.path(program));
        for (what, bytes, region) in [("the blob", blob, layout.blob), ("the learned parameters", kept, layout.kept)] {
            if !bytes.is_empty() {
                command.arg("-device").arg(load(folder.path(), what, bytes, region)?);
            }
        }
        let said = folder.path().join("said");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        let mut process = command.spawn()?;
        let port = accept(&listener, &mut process);
        match port.and_then(|port| Ok(port.map(|port| SerialLine::new(port, PATIENCE)).transpose()?)) {
            Ok(Some(line)) => Ok(Self { process, line, folder }),
            Ok(None) => Err(ended(&mut process, &said)),
            Err(error) => {
                end(&mut process);
                Err(error)
            }
        }
    }

    fn usage(&mut self) -> Result<Usage, LinkError> {
        let usage = self.line.usage();
        usage.map_err(|error| self.explain(error))
    }

    /// Replaces the error of a closed line by the reason why the emulator ended.
    fn explain(&mut self, error: LinkError) -> LinkError {
        if !matches!(error, LinkError::Closed) {
            return error;
        }
        ended(&mut self.process, &self.folder.path().join("said"))
    }
}

impl Link for Qemu {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        if let Err(error) = self.line.exchange(request) {
            return Err(self.explain(error));
        }
        Ok(self.line.answer())
    }

    fn resynchronise(&mut self) -> Result<(), LinkError> {
        self.line.resynchronise().map_err(|error| self.explain(error))
    }

    fn ram(&mut self) -> Result<Ram, LinkError> {
        Ok(self.usage()?.into())
    }

    fn instructions(&mut self) -> Result<u32, LinkError> {
        Ok(self.usage()?.instructions)
    }
}

impl ReportStream for Qemu {
    fn begin(&mut self) -> Result<(), LinkError> {
        self.line.begin().map_err(|error| self.explain(error))
    }

    fn next(&mut self) -> Result<Vec<u8>, LinkError> {
        self.line.next_frame().map_err(|error| self.explain(error))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// The command that runs the emulator: a shell that ends it together with this program. On Windows, which has no such
/// shell, an emulator outlives this program if the program is killed.
fn keeper(emulator: &str, folder: &Path) -> Command {
    if cfg!(windows) {
        return Command::new(emulator);
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(KEEPER).arg(folder).arg(emulator);
    shell
}

/// Ends the emulator. The shell ends it as soon as the pipe is closed.
fn end(process: &mut Child) {
    drop(process.stdin.take());
    if cfg!(windows) {
        let _ = process.kill();
    }
    let _ = process.wait();
}

/// The option that puts bytes into a region of the image's flash.
fn load(folder: &Path, what: &'static str, bytes: &[u8], region: Region) -> Result<String, LinkError> {
    if bytes.len() > region.length {
        return Err(LinkError::Room { what, bytes: bytes.len(), room: region.length });
    }
    let file = folder.join(format!("{:x}", region.start));
    fs::write(&file, bytes)?;
    // A comma in an option's value is doubled.
    let file = file.display().to_string().replace(',', ",,");
    Ok(format!("loader,file={file},addr={:#x},force-raw=on", region.start))
}

/// Waits until the emulator has connected; `None` if it has ended instead.
fn accept(listener: &TcpListener, process: &mut Child) -> Result<Option<TcpStream>, LinkError> {
    listener.set_nonblocking(true)?;
    let begun = Instant::now();
    loop {
        match listener.accept() {
            Ok((port, _)) => return Ok(Some(blocking(port)?)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if process.try_wait()?.is_some() {
            return Ok(None);
        }
        if begun.elapsed() > PATIENCE {
            return Err(LinkError::TimeOut(PATIENCE.as_secs()));
        }
        sleep(Duration::from_millis(5));
    }
}

/// Makes the reads of a connection blocking, because some systems inherit the listener's mode, and sends small frames
/// at once.
fn blocking(port: TcpStream) -> io::Result<TcpStream> {
    port.set_nonblocking(false)?;
    port.set_nodelay(true)?;
    Ok(port)
}

/// The reason why the emulator ended: a signal, its last line of output, or its status. It has closed its line.
fn ended(process: &mut Child, said: &Path) -> LinkError {
    let said = fs::read_to_string(said).unwrap_or_default();
    let closed = Instant::now();
    let status = loop {
        match process.try_wait() {
            Ok(None) if closed.elapsed() < ENDING => sleep(Duration::from_millis(5)),
            status => break status.ok().flatten(),
        }
    };
    // The shell's status is 128 plus the number of the signal that ended the emulator.
    let signal = status.and_then(|status| status.code()?.checked_sub(128)).filter(|signal| *signal > 0);
    let words = said.lines().rfind(|line| !line.contains("warning: "));
    LinkError::Ended(match (signal, words, status) {
        (Some(signal), ..) => format!("killed by signal {signal}"),
        (_, Some(words), _) => words.to_owned(),
        (_, _, Some(status)) => status.to_string(),
        _ => "it printed nothing".to_owned(),
    })
}

#[cfg(all(test, feature = "emulator"))]
mod tests;
