//! The device as a real image on an emulated board, its UART a socket of this program's.

use super::image;
use super::link::{Link, LinkError, Memory};
use firmware_sim::message::Usage;
use firmware_sim::{Command as Ask, Reply, Request, Response, frame};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const EMULATOR: &str = "qemu-system-arm";
/// Where the image's linker script has the blob.
const BLOB_AT: &str = "0x80000";
/// Far longer than any command takes, most of which is the line.
const PATIENCE: Duration = Duration::from_secs(30);
/// Larger than any number that a session counts to.
const OWN_SEQUENCE: u32 = u32::MAX;

/// Ends the emulator when this program is no more, however it ended: then the pipe is closed that it waits for.
/// Ctrl-C on a terminal reaches the whole group, so it has to be ignored here for this to be carried out.
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

/// An emulator that runs the image.
pub struct Qemu {
    keeper: Child,
    line: UnixStream,
    /// The socket, the blob, what the emulator says.
    folder: TempDir,
    answer: Vec<u8>,
}

impl Qemu {
    /// Boots the image of a topology with a blob in its flash, a good or a bad one.
    pub fn boot(topology: &str, blob: &[u8]) -> Result<Self, LinkError> {
        if image::output(EMULATOR, "--version").is_none() {
            let hint = "on Debian with `apt-get install qemu-system-arm`";
            return Err(LinkError::Missing(format!("{EMULATOR}, the emulator; install it, {hint}")));
        }
        let image = image::build(topology)?;
        let folder = tempfile::Builder::new().prefix("firmware-sim").tempdir()?;
        let (socket, flash, said) =
            (folder.path().join("uart"), folder.path().join("blob"), folder.path().join("said"));
        fs::write(&flash, blob)?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(KEEPER).arg(folder.path()).arg(EMULATOR);
        command.args(["-M", "mps2-an386", "-icount", "shift=0", "-display", "none", "-monitor", "none"]);
        command.args(["-nodefaults", "-no-reboot", "-chardev"]);
        command.arg(format!("socket,id=uart,path={},server=on,wait=on", socket.display()));
        command.args(["-serial", "chardev:uart", "-kernel"]).arg(image).arg("-device");
        command.arg(format!("loader,file={},addr={BLOB_AT},force-raw=on", flash.display()));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        let mut keeper = command.spawn()?;
        match connect(&mut keeper, &socket) {
            Ok(line) => Ok(Self { keeper, line, folder, answer: Vec::new() }),
            Err(error) => {
                end(&mut keeper);
                Err(error.unwrap_or_else(|| ended(&said)))
            }
        }
    }

    /// The same with an image that learns and a flash with these contents to keep it in.
    pub fn boot_learning(topology: &str, _blob: &[u8], _flash: &[u8]) -> Result<Self, LinkError> {
        Err(LinkError::Image(format!("none learns yet ({topology})")))
    }

    /// Reads until so many frames have come back.
    fn receive(&mut self, mut frames: usize) -> Result<(), LinkError> {
        let mut buffer = [0; 4096];
        while frames > 0 {
            let count = match self.line.read(&mut buffer) {
                Ok(0) => return Err(self.gone()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(error)),
            };
            frames = frames.saturating_sub(ends(&buffer[..count]));
            self.answer.extend_from_slice(&buffer[..count]);
        }
        Ok(())
    }

    fn failed(&self, error: std::io::Error) -> LinkError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => LinkError::TimeOut(PATIENCE.as_secs()),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => self.gone(),
            _ => LinkError::Io(error),
        }
    }

    /// The line was closed: either the image gave up, and its last words are text, or the emulator did.
    fn gone(&self) -> LinkError {
        let words = String::from_utf8_lossy(&self.answer);
        let last = words.split('\0').rfind(|words| !words.is_empty());
        match last.filter(|words| ["panic", "fault", "stack"].iter().any(|known| words.starts_with(known))) {
            Some(words) => LinkError::Stopped(words.to_owned()),
            None => ended(&self.folder.path().join("said")),
        }
    }
}

impl Link for Qemu {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.answer.clear();
        self.line.write_all(request).map_err(|error| self.failed(error))?;
        self.receive(request.split_inclusive(|byte| *byte == 0).filter(|frame| frame.len() > 1).count())?;
        Ok(&self.answer)
    }

    fn memory(&mut self) -> Result<Memory, LinkError> {
        let Usage { static_bytes, stack_bytes, .. } = self.usage()?;
        Ok(Memory { statics: static_bytes as usize, stack: stack_bytes as usize, heap: 0 })
    }

    fn instructions(&mut self) -> Result<u32, LinkError> {
        Ok(self.usage()?.instructions)
    }
}

impl Qemu {
    /// What the device says it has taken.
    fn usage(&mut self) -> Result<Usage, LinkError> {
        let mut buffer = [0; 64];
        let request = Request { sequence: OWN_SEQUENCE, command: Ask::Usage };
        let request = frame::write(&request, &mut buffer).map_err(LinkError::Frame)?;
        let mut answer = self.exchange(request)?.to_vec();
        match frame::read(&mut answer).and_then(Response::read).and_then(|response| response.result) {
            Ok(Reply::Usage(usage)) => Ok(usage),
            Ok(_) => Err(LinkError::Frame(firmware_sim::Error::Malformed)),
            Err(error) => Err(LinkError::Frame(error)),
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        end(&mut self.keeper);
    }
}

/// Waits until the emulator listens. `Err(None)`: it has ended.
fn connect(keeper: &mut Child, socket: &Path) -> Result<UnixStream, Option<LinkError>> {
    let begun = Instant::now();
    loop {
        if let Ok(line) = UnixStream::connect(socket) {
            for limit in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
                limit(&line, Some(PATIENCE)).map_err(|error| Some(error.into()))?;
            }
            return Ok(line);
        }
        if keeper.try_wait().map_err(|error| Some(error.into()))?.is_some() {
            return Err(None);
        }
        if begun.elapsed() > PATIENCE {
            return Err(Some(LinkError::TimeOut(PATIENCE.as_secs())));
        }
        sleep(Duration::from_millis(5));
    }
}

/// How many frames end in these bytes.
fn ends(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == 0).count() - 1
}

/// Closes the keeper's pipe and waits until it has ended the emulator.
fn end(keeper: &mut Child) {
    drop(keeper.stdin.take());
    let _ = keeper.wait();
}

/// That the emulator ended, with what it said last.
fn ended(said: &Path) -> LinkError {
    let said = fs::read_to_string(said).unwrap_or_default();
    LinkError::Ended(said.lines().last().unwrap_or("it said nothing").to_owned())
}
