//! The device as a real image on an emulated board, its UART a socket of this program's.

use super::boards::Board;
use super::image::{Images, Program, output};
use super::line::Line;
use super::link::{Link, LinkError, Memory};
use super::speaker::Speaker;
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
    /// Boots a board's image with a blob in its flash, a good or a bad one.
    pub fn boot(board: &Board, images: &Images, program: Program, blob: &[u8]) -> Result<Self, LinkError> {
        Self::start(board, images, program, blob, &[])
    }

    /// Boots the image that learns, with what it has learned.
    pub fn learning(board: &Board, images: &Images, blob: &[u8], kept: &[u8]) -> Result<Self, LinkError> {
        Self::start(board, images, Program::Learner, blob, kept)
    }

    fn start(board: &Board, images: &Images, program: Program, blob: &[u8], kept: &[u8]) -> Result<Self, LinkError> {
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
            command.arg("-device");
            command.arg(format!("loader,file={},addr={:#x},force-raw=on", file.display(), layout.kept_at));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        let mut keeper = command.spawn()?;
        match connect(&mut keeper, &socket) {
            Ok(line) => Ok(Self { keeper, line, folder }),
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

    fn resynchronise(&mut self) -> Result<(), LinkError> {
        self.line.resynchronise().map_err(|error| told(error, &self.folder))
    }

    fn memory(&mut self) -> Result<Memory, LinkError> {
        let Usage { static_bytes, stack_bytes, .. } = self.usage()?;
        Ok(Memory { statics: static_bytes as usize, stack: stack_bytes as usize, heap: 0 })
    }

    fn instructions(&mut self) -> Result<u32, LinkError> {
        Ok(self.usage()?.instructions)
    }
}

impl Speaker for Qemu {
    fn begin(&mut self) -> Result<(), LinkError> {
        self.line.begin().map_err(|error| told(error, &self.folder))
    }

    fn hear(&mut self) -> Result<Vec<u8>, LinkError> {
        self.line.hear().map_err(|error| told(error, &self.folder))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        end(&mut self.keeper);
    }
}

/// Waits until the emulator listens. `Err(None)`: it has ended.
fn connect(keeper: &mut Child, socket: &Path) -> Result<Line<UnixStream>, Option<LinkError>> {
    let begun = Instant::now();
    loop {
        if let Ok(port) = UnixStream::connect(socket) {
            return Line::new(port, PATIENCE).map_err(|error| Some(error.into()));
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

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::super::boards::find;
    use super::super::synthetic;
    use super::super::weights::Weights;
    use super::*;
    use autoencoder_core::Error as WeightsError;
    use firmware_sim::{Command as Ask, Error, Reply, Request, Response, frame};
    use object::{Object, ObjectSection};

    /// Boards of each kind of processor, with a topology that each has room for.
    const EACH: [(&str, &str, bool); 4] = [
        ("mps2-an386", "small", false),
        ("mps2-an505", "small", false),
        ("lm3s6965evb", "small", false),
        ("microbit", "classic", true),
    ];

    fn images(board: &str, topology: &str, encoder_only: bool) -> (&'static Board, Images) {
        let (board, target) = find(Some(board)).unwrap().emulated();
        (board, Images::build(board, target, topology, encoder_only).unwrap())
    }

    fn flash(weights: &Weights, encoder_only: bool) -> &[u8] {
        if encoder_only { weights.encoder.bytes() } else { weights.bytes() }
    }

    /// Asks for something; what comes back, as text if it is a value, or the error.
    fn ask(device: &mut Qemu, command: Ask<'_>) -> Result<String, Error> {
        let mut buffer = [0; 1024];
        let request = frame::write(&Request { sequence: 9, command }, &mut buffer).unwrap();
        let mut answer = device.exchange(request).unwrap().to_vec();
        let response = Response::read(frame::read(&mut answer).unwrap()).unwrap();
        assert_eq!(response.sequence, 9);
        response.result.map(|reply: Reply<'_>| format!("{reply:?}"))
    }

    #[test]
    fn every_board_boots_without_a_blob_and_with_a_bad_one_and_says_so() {
        for (board, topology, encoder_only) in EACH {
            let (board, images) = images(board, topology, encoder_only);
            let weights = synthetic::weights(topology).unwrap();
            let good = flash(&weights, encoder_only);
            let mut flipped = good.to_vec();
            flipped[good.len() / 2] ^= 1;
            let (mut other, truncated) = (good.to_vec(), &good[..good.len() / 2]);
            other[..4].copy_from_slice(b"text");
            let boot = |blob: &[u8]| Qemu::boot(board, &images, Program::Application, blob).unwrap();
            for bad in [&[], &[0xff; 4096][..], &flipped, &other, truncated] {
                for command in [Ask::Info, Ask::Encode { image: &[1; 784] }] {
                    let answer = ask(&mut boot(bad), command);
                    assert!(matches!(answer, Err(Error::Weights(_))), "{}: {answer:?}", board.name);
                }
            }
            let answer = ask(&mut boot(&[]), Ask::Info);
            assert_eq!(answer, Err(Error::Weights(WeightsError::Empty)));
            let mut device = boot(good);
            assert!(ask(&mut device, Ask::Info).is_ok_and(|info| info.starts_with("Info")));
            if encoder_only {
                assert_eq!(ask(&mut device, Ask::Score { image: &[1; 784] }), Err(Error::Absent));
            }
        }
    }

    #[test]
    fn a_stack_overflow_is_reported_on_every_board() {
        for (board, topology, encoder_only) in EACH {
            let (board, images) = images(board, topology, encoder_only);
            let weights = synthetic::weights(topology).unwrap();
            // The same image, its stack begun near its end: the first word of the vectors.
            let path = images.path(Program::Application);
            let mut bytes = fs::read(&path).unwrap();
            let vectors = object::File::parse(&*bytes).unwrap().section_by_name(".vector_table").unwrap().file_range();
            let at = vectors.unwrap().0 as usize;
            bytes[at..at + 2].copy_from_slice(&0x0360_u16.to_le_bytes()); // the RAM begins where the other half says
            let folder = tempfile::tempdir().unwrap();
            let small = Images { folder: folder.path().to_owned() };
            fs::write(small.path(Program::Application), bytes).unwrap();
            let mut device = Qemu::boot(board, &small, Program::Application, flash(&weights, encoder_only)).unwrap();
            let mut buffer = [0; 1024];
            let request = Request { sequence: 1, command: Ask::Encode { image: &[1; 784] } };
            let error = device.exchange(frame::write(&request, &mut buffer).unwrap()).unwrap_err();
            assert_eq!(error.to_string(), "the device stopped: stack overflow", "{}", board.name);
        }
    }

    #[test]
    fn a_blob_without_room_is_refused() {
        let (board, images) = images("lm3s6965evb", "small", false);
        let outcome = Qemu::boot(board, &images, Program::Application, &vec![0; 300_000]);
        assert!(matches!(outcome, Err(LinkError::Room { bytes: 300_000, .. })));
    }

    #[test]
    fn an_emulator_that_ends_is_told_and_one_that_is_dropped_is_gone() {
        let (board, images) = images("mps2-an386", "small", false);
        let running = |folder: &Path| {
            let folder = folder.display().to_string();
            let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
            let its = processes.filter(|process| {
                fs::read(process.path().join("cmdline")).is_ok_and(|line| {
                    line.starts_with(EMULATOR.as_bytes()) && String::from_utf8_lossy(&line).contains(&folder)
                })
            });
            its.map(|process| process.file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let boot = || Qemu::boot(board, &images, Program::Application, &[]).unwrap();
        let mut device = boot();
        let emulators = running(device.folder.path());
        assert_eq!(emulators.len(), 1);
        assert!(Command::new("kill").args(["-9", &emulators[0]]).status().unwrap().success());
        let error = device.exchange(&[1, 1, 0]).unwrap_err();
        assert!(matches!(error, LinkError::Ended(_)), "{error}");
        let device = boot();
        let folder = device.folder.path().to_owned();
        assert_eq!(running(&folder).len(), 1);
        drop(device);
        assert!(running(&folder).is_empty() && !folder.exists());
    }
}
