//! A device that learns, tested over frames. Its buffers are longer than any network of these tests needs.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

use crate::line;
use crate::net::{Net, Random};
use autoencoder_core::Network;
use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_device::flash::Nor;
use autoencoder_device::frame::frame_bytes;
use autoencoder_device::learn::{Begin, HELD_OUT, Judgement, LearnerMemory, Method, Status};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::{App, Command, Error, Learner, Memory, Reply};
use autoencoder_io::blob_file::BlobFile;
use embedded_storage::nor_flash::NorFlash;

/// The network of most tests: 36 channels.
pub const TOPOLOGY: &str = "16-8-4-8-16";
pub const FRAME: usize = frame_bytes(256);

pub const IMAGES: u32 = 300;
/// Few rows have scores within these as long as the network has not learned.
pub const THRESHOLDS: Thresholds = Thresholds { lower: 100, upper: 10_000 };

/// A source of rows with a given number of elements.
pub type Rows = fn(&mut Random, usize) -> Vec<u8>;

/// A device with a flash. Its buffers last as long as the test program, as the statics of a device do.
pub struct Device<'b, F: NorFlash = Nor<Vec<u8>>> {
    pub app: App<'b, 'static, Learner<'static, F>>,
    /// Elements of a row.
    row: usize,
}

impl<'b> Device<'b> {
    pub fn boot(blob: &'b BlobFile, flash: Vec<u8>) -> Self {
        Device::boot_on(blob, Nor::new(flash))
    }
}

impl<'b, F: NorFlash> Device<'b, F> {
    pub fn boot_on(blob: &'b BlobFile, flash: F) -> Self {
        let mut device = Self::without_flash(blob);
        device.app.attach_flash(flash);
        device
    }

    pub fn without_flash(blob: &'b BlobFile) -> Self {
        let memory: &mut Memory<512, FRAME> = Box::leak(Box::default());
        let learner: &mut LearnerMemory<256, 128, { HELD_OUT * 256 }> = Box::leak(Box::default());
        let mut device = Self { app: App::new(memory.buffers(), Learner::new(learner.buffers())), row: 0 };
        device.load(blob);
        device
    }

    pub fn load(&mut self, blob: &'b BlobFile) {
        self.app.load(blob.bytes());
        self.row = Network::open(blob.bytes()).unwrap().topology().row();
    }

    pub fn ask<R>(&mut self, command: Command<'_>, take: impl FnOnce(Result<Reply<'_>, Error>) -> R) -> R {
        line::ask(&mut self.app, command, take)
    }

    pub fn status(&mut self, command: LearningCommand<'_>) -> Status {
        self.ask(Command::Learn(command), |reply| match reply {
            Ok(Reply::Status(status)) => status,
            other => panic!("{other:?}"),
        })
    }

    pub fn begin(&mut self, method: Method, batch: u8, rate: u32) {
        let begin = Begin { method, rate, batch, rows: IMAGES, passes: 1, forced: false };
        let status = self.status(LearningCommand::Begin(begin));
        assert_eq!(status.rows, 0);
    }

    /// Sends the next row of a run. Returns the fields of [`Reply::Learned`].
    pub fn learn(&mut self, rows: Rows, random: &mut Random) -> (u32, bool) {
        let row = rows(random, self.row);
        self.ask(Command::Learn(LearningCommand::Row(&row)), |reply| match reply {
            Ok(Reply::Learned { score, held_out }) => (score, held_out),
            other => panic!("{other:?}"),
        })
    }

    pub fn end(&mut self) -> Judgement {
        self.try_end().unwrap()
    }

    pub fn try_end(&mut self) -> Result<Judgement, Error> {
        self.ask(Command::Learn(LearningCommand::End), |reply| match reply {
            Ok(Reply::Judged(judgement)) => Ok(judgement),
            Err(error) => Err(error),
            other => panic!("{other:?}"),
        })
    }

    /// A run of learning that helps.
    pub fn run(&mut self, rows: Rows) -> Judgement {
        self.try_run(rows).unwrap()
    }

    pub fn try_run(&mut self, rows: Rows) -> Result<Judgement, Error> {
        self.begin(Method::Adam, 1, Method::Adam.rate());
        self.stream(rows);
        self.try_end()
    }

    /// A run of learning that makes everything worse: its steps are far too large.
    pub fn spoil(&mut self, rows: Rows) -> Judgement {
        self.begin(Method::Sgd, 1, 4_000_000);
        self.stream(rows);
        self.end()
    }

    /// The rows of a run.
    pub fn stream(&mut self, rows: Rows) {
        let mut random = Random::new(3);
        for i in 0..HELD_OUT as u32 + IMAGES {
            assert_eq!(self.learn(rows, &mut random).1, i < HELD_OUT as u32);
        }
    }

    /// Whether the monitor reports a drift at the end of a stream.
    pub fn drifted(&mut self, rows: Rows) -> bool {
        let mut random = Random::new(6);
        let mut last = false;
        for _ in 0..200 {
            let image = rows(&mut random, self.row);
            last = self.ask(Command::Monitor { row: &image }, |reply| match reply {
                Ok(Reply::Monitored { verdict, .. }) => verdict.drift().is_some(),
                other => panic!("{other:?}"),
            });
        }
        last
    }

    /// The codes of a few rows, which depend on the current channels.
    pub fn codes(&mut self) -> Vec<Vec<u8>> {
        let mut random = Random::new(4);
        (0..20).map(|_| self.code(&random.bytes(self.row)).1).collect()
    }

    /// The code of a row, and the identity of the network that made it.
    pub fn code(&mut self, image: &[u8]) -> (u32, Vec<u8>) {
        self.ask(Command::Encode { row: image }, |reply| match reply {
            Ok(Reply::Code { identity: weights, code }) => (weights, code.to_vec()),
            other => panic!("{other:?}"),
        })
    }

    /// All bytes of its flash.
    pub fn flash(&mut self) -> Vec<u8> {
        let mut contents = Vec::new();
        loop {
            let at = contents.len() as u32;
            let piece = self.ask(Command::Learn(LearningCommand::Flash { at }), |reply| match reply {
                Ok(Reply::Flash(piece)) => piece.to_vec(),
                other => panic!("{other:?}"),
            });
            if piece.is_empty() {
                return contents;
            }
            contents.extend(piece);
        }
    }
}

pub fn blob(seed: u64) -> BlobFile {
    blob_of(&Net::relay(TOPOLOGY, Format::Int8, seed))
}

pub fn blob_of(net: &Net) -> BlobFile {
    BlobFile::new("flash".as_ref(), &net.blob_with(&Header { thresholds: THRESHOLDS, ..net.header() }))
}

pub fn erased() -> Vec<u8> {
    vec![0xff; 8192]
}

/// A row around a level, with a little noise, in which either the first or the second half is lighter.
///
/// A scale and a bias for each output are enough to learn this, whatever the weights are.
fn around(random: &mut Random, row: usize, level: i32) -> Vec<u8> {
    let first = random.range(0, 1) == 0;
    let mut value = |i| level + if (i < row / 2) == first { 40 } else { -40 } + random.range(-4, 4);
    (0..row).map(|i| value(i) as u8).collect()
}

pub fn light(random: &mut Random, row: usize) -> Vec<u8> {
    around(random, row, 200)
}

pub fn dark(random: &mut Random, row: usize) -> Vec<u8> {
    around(random, row, 60)
}

/// Noise, from which a network can learn only the mean.
pub fn noise(random: &mut Random, row: usize) -> Vec<u8> {
    random.bytes(row).into_iter().map(|pixel| 190 + pixel / 4).collect()
}
