//! A board on a serial port, or another device that speaks the protocol there.

use super::line::SerialLine;
use super::{Link, LinkError, Ram, ReportStream};
use serialport::SerialPort;
use std::path::Path;
use std::time::Duration;

/// The baud rate of every board's driver.
const BAUD: u32 = 115_200;
/// Longer than any command takes on a small board, including its bytes on the line.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 15 });

/// The error for a path that is something else.
const NO_PORT: &str = "not a serial port";

/// A board on a serial port. Its weights are in its flash already.
pub struct Serial(SerialLine<Box<dyn SerialPort>>);

impl Serial {
    /// Opens the port. Bytes that are left on the line are discarded.
    pub fn open(path: &Path) -> Result<Self, LinkError> {
        let refused = |error: serialport::Error| {
            // The system's message for a file that is not a terminal is obscure.
            let text = error.to_string();
            let text = if text == "Not a typewriter" { NO_PORT.to_owned() } else { text };
            LinkError::Port(path.display().to_string(), text)
        };
        let port = serialport::new(path.to_string_lossy(), BAUD).open().map_err(refused)?;
        let mut line = SerialLine::new(port, PATIENCE)?;
        line.drain()?;
        Ok(Self(line))
    }
}

impl Link for Serial {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.0.exchange(request)
    }

    fn resynchronise(&mut self) -> Result<(), LinkError> {
        self.0.resynchronise()
    }

    fn ram(&mut self) -> Result<Ram, LinkError> {
        Ok(self.0.usage()?.into())
    }
}

impl ReportStream for Serial {
    fn begin(&mut self) -> Result<(), LinkError> {
        self.0.begin()
    }

    fn next(&mut self) -> Result<Vec<u8>, LinkError> {
        self.0.next_frame()
    }
}

// `ptsname_r`, which names a pseudo-terminal safely among threads, exists only on Linux.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::in_process::InProcess;
    use super::*;
    use autoencoder_device::{Command, Error, Reply, Request, Response, frame};
    use nix::fcntl::{self, OFlag};
    use nix::pty::{self, PtyMaster};
    use nix::sys::stat::Mode;
    use nix::sys::termios::{self, SetArg};
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;
    use std::thread;

    /// A pseudo-terminal in raw mode: the device's end, the host's end and the name of the host's end. A child process
    /// of another test would inherit the device's end without `O_CLOEXEC`, and the line would then stay open.
    fn pair() -> (PtyMaster, OwnedFd, String) {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let there = pty::posix_openpt(flags).unwrap();
        pty::grantpt(&there).unwrap();
        pty::unlockpt(&there).unwrap();
        let name = pty::ptsname_r(&there).unwrap();
        let here = fcntl::open(name.as_str(), flags, Mode::empty()).unwrap();
        let mut raw = termios::tcgetattr(&here).unwrap();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&here, SetArg::TCSANOW, &raw).unwrap();
        (there, here, name)
    }

    /// The answer to a request over a serial line with `device` at its other end. The port that `device` returns stays
    /// open until the answer has arrived.
    fn outcome(device: impl FnOnce(PtyMaster) -> Option<PtyMaster> + Send + 'static) -> Result<Vec<u8>, LinkError> {
        let (there, here, path) = pair();
        let device = thread::spawn(move || device(there));
        let mut buffer = [0; 64];
        let request = frame::write(&Request { sequence: 7, command: Command::Info }, &mut buffer).unwrap();
        let outcome = Serial::open(path.as_ref()).and_then(|mut serial| serial.exchange(request).map(<[u8]>::to_vec));
        drop(here); // held until now, because a line without an open end is closed
        drop(device.join().unwrap());
        outcome
    }

    /// Reads until the request has begun.
    fn read_sequence(there: &mut PtyMaster) {
        let mut byte = [0];
        while byte != [7] {
            there.read_exact(&mut byte).unwrap();
        }
    }

    #[test]
    fn a_device_answers_over_a_serial_line() {
        let answer = outcome(|mut there| {
            there.write_all(b"bytes from before\0").unwrap();
            let mut device = InProcess::boot(&[]).unwrap();
            let mut byte = [0];
            loop {
                there.read_exact(&mut byte).unwrap();
                let answer = device.exchange(&byte).unwrap();
                there.write_all(answer).unwrap();
                if !answer.is_empty() {
                    return Some(there);
                }
            }
        });
        let mut answer = answer.unwrap();
        let response = Response::read(frame::read(&mut answer).unwrap()).unwrap();
        assert_eq!(response.sequence, 7);
        assert!(matches!(response.result, Err(Error::Weights(_))), "{:?}", response.result.map(|_: Reply<'_>| ()));
    }

    #[test]
    fn a_silent_port_a_foreign_device_and_a_bad_path_are_reported_in_one_line() {
        let silent = outcome(|mut there| {
            while there.read(&mut [0]).is_ok() {} // until the host closes the line
            None
        });
        assert!(matches!(silent, Err(LinkError::TimeOut(2))), "{silent:?}");
        let foreign = outcome(|mut there| {
            read_sequence(&mut there);
            there.write_all(b"login: ").unwrap();
            Some(there)
        });
        assert!(matches!(foreign, Err(LinkError::Foreign)), "{foreign:?}");
        let missing = Serial::open("/dev/no such port".as_ref()).err().unwrap().to_string();
        assert_eq!(missing, "/dev/no such port: No such file or directory");
        let file = Serial::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").as_ref()).err().unwrap();
        assert_eq!(file.to_string(), concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml: not a serial port"));
    }

    #[test]
    fn an_unplugged_device_is_reported_in_one_line() {
        let unplugged = outcome(|mut there| {
            read_sequence(&mut there);
            None
        });
        assert!(matches!(unplugged, Err(LinkError::Closed)), "{unplugged:?}");
    }
}
