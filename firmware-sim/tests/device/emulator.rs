//! An emulator that the test itself starts and talks to, byte by byte. Nothing is built, and no part of the program is
//! between the test and the board.

use autoencoder_device::frame::{self, frame_bytes};
use autoencoder_device::{Command, Error, Reply, Request, Response};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Far longer than a board takes to boot or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A board, as the emulator knows it.
#[derive(Clone, Copy)]
pub struct Board {
    /// The name on the command line, and of the folder of its images.
    pub name: &'static str,
    pub program: &'static str,
    /// The emulator's options.
    pub machine: &'static str,
    /// The address of the blob.
    pub blob: u32,
}

/// One board for each kernel: the DSP extension's, that of a Cortex-M3, of a Cortex-M0, of RISC-V, and Helium's.
pub const BOARDS: [Board; 5] = [
    Board { name: "mps2-an386", program: "qemu-system-arm", machine: "-M mps2-an386", blob: 0x0008_0000 },
    Board { name: "lm3s6965evb", program: "qemu-system-arm", machine: "-M lm3s6965evb", blob: 0x8000 },
    Board { name: "microbit", program: "qemu-system-arm", machine: "-M microbit", blob: 0x6000 },
    Board { name: "virt-riscv32", program: "qemu-system-riscv32", machine: "-M virt -bios none", blob: 0x8008_0000 },
    Board { name: "mps3-an547", program: "qemu-system-arm", machine: "-M mps3-an547", blob: 0x1100_0000 },
];

/// An emulated board that runs an image.
pub struct Emulator {
    process: Child,
    line: BufReader<TcpStream>,
    sequence: u32,
}

impl Emulator {
    /// Boots an image with a blob in its flash.
    pub fn boot(board: Board, image: &Path, blob: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut process = std::process::Command::new(board.program)
            .args(board.machine.split(' '))
            .args(["-icount", "shift=0", "-display", "none", "-monitor", "none"])
            .args(["-nodefaults", "-no-reboot", "-chardev"])
            .arg(format!("socket,id=uart,host=127.0.0.1,port={port},nodelay=on"))
            .args(["-serial", "chardev:uart", "-kernel"])
            .arg(image)
            .arg("-device")
            .arg(format!("loader,file={},addr={:#x},force-raw=on", blob.display(), board.blob))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let line = loop {
            match listener.accept() {
                Ok((line, _)) => break line,
                Err(_) if begun.elapsed() < PATIENCE && process.try_wait().unwrap().is_none() => {
                    sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("the emulator does not connect: {error}"),
            }
        };
        line.set_nonblocking(false).unwrap();
        line.set_nodelay(true).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { process, line: BufReader::new(line), sequence: 0 }
    }

    /// Sends a command and passes the result to `look`.
    pub fn ask<T>(&mut self, command: Command<'_>, look: impl FnOnce(Result<Reply<'_>, Error>) -> T) -> T {
        self.sequence += 1;
        let request = Request { sequence: self.sequence, command };
        let mut buffer = vec![0; frame_bytes(1024)];
        self.line.get_mut().write_all(frame::write(&request, &mut buffer).unwrap()).unwrap();
        let mut answer = Vec::new();
        while answer.len() <= 1 {
            answer.clear(); // a zero alone is not a frame
            assert!(self.line.read_until(0, &mut answer).unwrap() > 0, "the emulator has ended");
        }
        let response = Response::read(frame::read(&mut answer).unwrap()).unwrap();
        assert_eq!(response.sequence, self.sequence);
        look(response.result)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
