//! A line of bytes to a device. Each frame that is sent is answered by one frame.

use super::LinkError;
use autoencoder_device::frame::{self, frame_bytes};
use autoencoder_device::message::Usage;
use autoencoder_device::{Command, Error, Reply, Request, Response};
use serialport::SerialPort;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The number of the line's own requests. A session's numbers end one below.
pub const OWN_SEQUENCE: u32 = u32::MAX;

/// The system's error for a port that was unplugged: an input/output error.
const GONE: Option<i32> = if cfg!(unix) { Some(5) } else { None };

/// The port of a line. Its reads and writes time out.
pub trait Port: Read + Write {
    /// Sets the time after which a read or write fails.
    fn set_patience(&mut self, patience: Duration) -> io::Result<()>;
}

impl Port for TcpStream {
    fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))?;
        self.set_write_timeout(Some(patience))
    }
}

impl Port for Box<dyn SerialPort> {
    fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        Ok(self.set_timeout(patience)?)
    }
}

/// A line, and the last bytes that were received on it.
pub struct SerialLine<P> {
    port: P,
    /// The timeout of its reads and writes.
    patience: Duration,
    answer: Vec<u8>,
}

/// Longer than any frame that answers a request.
const LONGEST: usize = frame_bytes(u16::MAX as usize);
/// After this much silence, no more bytes are expected.
const QUIET: Duration = Duration::from_millis(200);
/// Tells a device that sends a stream of reports to begin.
const BEGIN: u8 = b'\n';

impl<P: Port> SerialLine<P> {
    /// A line over a port, with this timeout.
    pub fn new(mut port: P, patience: Duration) -> io::Result<Self> {
        port.set_patience(patience)?;
        Ok(Self { port, patience, answer: Vec::new() })
    }

    /// Ends any frame that was begun and discards every answer to an earlier request, however late it arrives. The device
    /// answers in order, so they all arrive before the answer to a request of the line's own.
    pub fn resynchronise(&mut self) -> Result<(), LinkError> {
        self.drain()?;
        let mut buffer = [0; 64];
        self.port.write_all(usage_request(&mut buffer)?).map_err(|error| self.failed(error))?;
        // Some devices never stop sending.
        for _ in 0..64 {
            let mut frame = self.next_frame()?;
            let sequence = frame::read(&mut frame).and_then(Response::read).map(|response| response.sequence);
            if sequence == Ok(OWN_SEQUENCE) {
                return Ok(());
            }
        }
        Err(LinkError::Foreign)
    }

    /// Ends any frame that was begun and discards bytes until none arrive.
    pub fn drain(&mut self) -> Result<(), LinkError> {
        self.answer.clear();
        self.port.write_all(&[0]).map_err(|error| self.failed(error))?;
        self.port.set_patience(QUIET)?;
        let mut old = [0; 1024];
        // Some devices never stop sending.
        for _ in 0..64 {
            match self.port.read(&mut old) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        Ok(self.port.set_patience(self.patience)?)
    }

    /// Sends bytes and returns the answer, which has as many frames.
    pub fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.answer.clear();
        self.port.write_all(request).map_err(|error| self.failed(error))?;
        let expected = frames(request);
        while frames(&self.answer) < expected {
            self.receive(LONGEST * expected)?;
        }
        match last_words(&self.answer) {
            Some(words) => Err(LinkError::Stopped(words)),
            None => Ok(&self.answer),
        }
    }

    /// The last bytes that were received.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// Receives bytes, or waits for some. More than `limit` bytes in all are an error.
    fn receive(&mut self, limit: usize) -> Result<(), LinkError> {
        let mut buffer = [0; 4096];
        let count = loop {
            match self.port.read(&mut buffer) {
                Ok(0) => return Err(self.closed()),
                Ok(count) => break count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        };
        self.answer.extend_from_slice(&buffer[..count]);
        if self.answer.len() > limit { Err(LinkError::Foreign) } else { Ok(()) }
    }

    /// Tells a device that sends a stream of reports to begin.
    pub fn begin(&mut self) -> Result<(), LinkError> {
        self.answer.clear();
        self.port.write_all(&[BEGIN]).map_err(|error| self.failed(error))
    }

    /// The next frame of a report, including its final zero.
    pub fn next_frame(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            let begins = self.answer.iter().position(|byte| *byte != 0).unwrap_or(self.answer.len());
            self.answer.drain(..begins);
            if let Some(end) = self.answer.iter().position(|byte| *byte == 0) {
                let frame = self.answer.drain(..=end).collect::<Vec<_>>();
                return last_words(&frame).map_or(Ok(frame), |words| Err(LinkError::Stopped(words)));
            }
            self.receive(2 * LONGEST)?;
        }
    }

    /// The usage that the device reports.
    pub fn usage(&mut self) -> Result<Usage, LinkError> {
        self.ask_usage().or_else(|error| {
            let LinkError::Device(Error::Frame | Error::Crc) = error else { return Err(error) };
            self.drain()?;
            self.ask_usage()
        })
    }

    fn ask_usage(&mut self) -> Result<Usage, LinkError> {
        let mut buffer = [0; 64];
        let mut answer = self.exchange(usage_request(&mut buffer)?)?.to_vec();
        match frame::read(&mut answer).and_then(Response::read).and_then(|response| response.result) {
            Ok(Reply::Usage(usage)) => Ok(usage),
            Ok(_) => Err(LinkError::Device(Error::Malformed)),
            Err(error) => Err(LinkError::Device(error)),
        }
    }

    fn failed(&self, error: io::Error) -> LinkError {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut if self.answer.is_empty() => {
                LinkError::TimeOut(self.patience.as_secs())
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => LinkError::Foreign,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => self.closed(),
            _ if GONE.is_some() && error.raw_os_error() == GONE => self.closed(),
            _ => LinkError::Io(error),
        }
    }

    /// The error for a line that was closed. The device may have sent the reason.
    fn closed(&self) -> LinkError {
        last_words(&self.answer).map_or(LinkError::Closed, LinkError::Stopped)
    }
}

/// The frame of the line's own request for the usage.
fn usage_request(buffer: &mut [u8]) -> Result<&[u8], LinkError> {
    let request = Request { sequence: OWN_SEQUENCE, command: Command::Usage };
    frame::write(&request, buffer).map_err(LinkError::Device)
}

/// The text that a device sends between zeros before it resets.
fn last_words(answer: &[u8]) -> Option<String> {
    const KNOWN: [&str; 2] = ["fault", "stack overflow"];
    let text = String::from_utf8_lossy(answer);
    let mut frames = text.split('\0');
    frames.rfind(|words| KNOWN.iter().any(|known| words.starts_with(known))).map(str::to_owned)
}

/// The number of frames that end in these bytes. A zero that follows another zero ends none.
fn frames(bytes: &[u8]) -> usize {
    bytes.split_inclusive(|byte| *byte == 0).filter(|frame| frame.len() > 1 && frame.ends_with(&[0])).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A line to a thread that reads a request and then runs `device`.
    fn line(device: impl FnOnce(TcpStream) + Send + 'static) -> SerialLine<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (there, _) = listener.accept().unwrap();
        let patience = Duration::from_secs(1);
        thread::spawn(move || device(there));
        SerialLine::new(here, patience).unwrap()
    }

    #[test]
    fn a_silent_device_a_foreign_one_and_one_that_is_gone_are_told_apart() {
        type Device = fn(TcpStream);
        let silent: Device = |there| {
            thread::sleep(Duration::from_secs(3));
            drop(there);
        };
        let foreign: Device = |mut there| {
            there.write_all(b"login: ").unwrap();
            thread::sleep(Duration::from_secs(3));
        };
        let gone: Device = |mut there| assert_eq!(there.read(&mut [0; 9]).unwrap(), 4);
        let stopped: Device = |mut there| {
            assert_eq!(there.read(&mut [0; 9]).unwrap(), 4);
            there.write_all(b"\0fault at 00001234\0").unwrap();
        };
        let says = |device| line(device).exchange(&[3, 1, 1, 0]).unwrap_err().to_string();
        assert_eq!(says(silent), LinkError::TimeOut(1).to_string());
        assert_eq!(says(foreign), LinkError::Foreign.to_string());
        assert_eq!(says(gone), LinkError::Closed.to_string());
        assert_eq!(says(stopped), LinkError::Stopped("fault at 00001234".into()).to_string());
    }
}
