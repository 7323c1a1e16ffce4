//! The device as a real image on an emulated board, its UART a socket of this program's.

use super::boards::Board;
use super::image::{Images, Program, output};
use super::line::Line;
use super::link::{Link, LinkError, Memory};
use firmware_sim::message::Usage;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const EMULATOR: &str = "qemu-system-arm";
/// Far longer than any command takes, most of which is the line.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// An emulator that runs an image.
pub struct Qemu {
    keeper: Child,
    line: Line<UnixStream>,
    /// The socket, the blob, what the emulator says.
    folder: TempDir,
}

impl Qemu {
    /// Boots a board's image with a blob in its flash, a good or a bad one, and, where it learns, what it has learned.
    pub fn boot(board: &Board, images: &Images, program: Program, blob: &[u8], kept: &[u8]) -> Result<Self, LinkError> {
        if output(EMULATOR, "--version").is_none() {
            let hint = "on Debian with `apt-get install qemu-system-arm`";
            return Err(LinkError::Missing(format!("{EMULATOR}, the emulator; install it, {hint}")));
        }
        let layout = images.layout(program)?;
        if blob.len() > layout.blob_room {
            return Err(LinkError::Room { bytes: blob.len(), room: layout.blob_room });
        }
        let folder = tempfile::Builder::new().prefix("firmware-sim").tempdir()?;
        let (socket, flash, said) =
            (folder.path().join("uart"), folder.path().join("blob"), folder.path().join("said"));
        fs::write(&flash, blob)?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(KEEPER).arg(folder.path()).arg(EMULATOR);
        command.args(["-M", board.name, "-icount", "shift=0", "-display", "none", "-monitor", "none"]);
        command.args(["-nodefaults", "-no-reboot", "-chardev"]);
        command.arg(format!("socket,id=uart,path={},server=on,wait=on", socket.display()));
        command.args(["-serial", "chardev:uart", "-kernel"]).arg(images.path(program)).arg("-device");
        command.arg(format!("loader,file={},addr={:#x},force-raw=on", flash.display(), layout.blob_at));
        if !kept.is_empty() {
            let file = folder.path().join("kept");
            fs::write(&file, kept)?;
            command.arg("-device").arg(format!(
                "loader,file={},addr={:#x},force-raw=on",
                file.display(),
                layout.kept_at
            ));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        let mut keeper = command.spawn()?;
        match connect(&mut keeper, &socket) {
            Ok(line) => Ok(Self { keeper, line: Line::new(line, PATIENCE), folder }),
            Err(error) => {
                end(&mut keeper);
                Err(error.unwrap_or_else(|| ended(&said)))
            }
        }
    }

    fn usage(&mut self) -> Result<Usage, LinkError> {
        self.line.usage().map_err(|error| told(error, &self.folder))
    }
}

impl Link for Qemu {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.line.exchange(request).map_err(|error| told(error, &self.folder))
    }

    fn memory(&mut self) -> Result<Memory, LinkError> {
        let Usage { static_bytes, stack_bytes, .. } = self.usage()?;
        Ok(Memory { statics: static_bytes as usize, stack: stack_bytes as usize, heap: 0 })
    }

    fn instructions(&mut self) -> Result<u32, LinkError> {
        Ok(self.usage()?.instructions)
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

/// Closes the keeper's pipe and waits until it has ended the emulator.
fn end(keeper: &mut Child) {
    drop(keeper.stdin.take());
    let _ = keeper.wait();
}

/// A line that was closed is an emulator that ended.
fn told(error: LinkError, folder: &TempDir) -> LinkError {
    if matches!(error, LinkError::Closed) { ended(&folder.path().join("said")) } else { error }
}

/// That the emulator ended, with what it said last.
fn ended(said: &Path) -> LinkError {
    let said = fs::read_to_string(said).unwrap_or_default();
    LinkError::Ended(said.lines().last().unwrap_or("it said nothing").to_owned())
}
