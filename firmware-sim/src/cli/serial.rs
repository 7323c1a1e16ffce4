//! A board on a serial port, or whatever speaks the protocol on one.

use super::line::Line;
use super::link::{Link, LinkError, Memory};
use firmware_sim::message::Usage;
use serialport::{SerialPort, TTYPort};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

/// What every board's driver is set to.
const BAUD: u32 = 115_200;
/// Longer than any command takes on a small board, its bytes on the line included.
const PATIENCE: Duration = Duration::from_secs(15);
/// As long as nothing comes, nothing more will.
const QUIET: Duration = Duration::from_millis(200);

/// A board on a serial port. Its weights are in its flash already.
pub struct Serial(Line<TTYPort>);

impl Serial {
    /// Opens the port. What the line holds from before is thrown away.
    pub fn open(path: &Path) -> Result<Self, LinkError> {
        let refused = |error: serialport::Error| LinkError::Port(path.display().to_string(), error.to_string());
        let name = path.to_string_lossy();
        let mut port = serialport::new(name, BAUD).timeout(QUIET).open_native().map_err(refused)?;
        port.write_all(&[0])?; // the end of whatever frame was begun
        let mut old = [0; 1024];
        // Not for ever: there are devices that never stop.
        for _ in 0..64 {
            match port.read(&mut old) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        port.set_timeout(PATIENCE).map_err(refused)?;
        Ok(Self(Line::new(port, PATIENCE)))
    }
}

impl Link for Serial {
    fn exchange(&mut self, request: &[u8]) -> Result<&[u8], LinkError> {
        self.0.exchange(request)
    }

    fn memory(&mut self) -> Result<Memory, LinkError> {
        let Usage { static_bytes, stack_bytes, .. } = self.0.usage()?;
        Ok(Memory { statics: static_bytes as usize, stack: stack_bytes as usize, heap: 0 })
    }
}
