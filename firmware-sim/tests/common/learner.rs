//! A device that learns a small network, asked over frames.
#![allow(dead_code, missing_docs)] // each test program uses a part of it

use crate::common::{Net, Random};
use autoencoder_core::blob::Header;
use autoencoder_core::{Dense, Sigmoid};
use embedded_storage::nor_flash::NorFlash;
use firmware_sim::flash::Nor;
use firmware_sim::learn::{Begin, HELD_OUT, Judgement, Learner, Method, Status};
use firmware_sim::message::Learning;
use firmware_sim::{App, Command, Error, Reply, Request, Response, frame};
use host::blob_file::BlobFile;

pub type E = (Dense<16, 8, Sigmoid>, Dense<8, 4, Sigmoid>);
pub type D = (Dense<4, 8, Sigmoid>, Dense<8, 16, Sigmoid>);
pub const FRAME: usize = frame::frame_bytes(256);

pub const IMAGES: u32 = 300;
pub const THRESHOLD: u32 = 10_000;

/// A device with a flash.
pub struct Device<'b, F: NorFlash = Nor<Vec<u8>>> {
    pub app: App<'b, E, D, FRAME, Learner<E, D, F>>,
}

impl<'b> Device<'b> {
    pub fn boot(blob: &'b BlobFile, flash: Vec<u8>) -> Self {
        Device::boot_on(blob, Nor::new(flash))
    }
}

impl<'b, F: NorFlash> Device<'b, F> {
    pub fn boot_on(blob: &'b BlobFile, flash: F) -> Self {
        let mut app = App::new();
        app.load(blob.bytes());
        app.keep_in(flash);
        Self { app }
    }

    pub fn ask<R>(&mut self, command: Command<'_>, take: impl FnOnce(Result<Reply<'_>, Error>) -> R) -> R {
        let request = frame::write(&Request { sequence: 1, command }, &mut [0; FRAME]).unwrap().to_vec();
        let mut answer = request.iter().find_map(|byte| self.app.push(*byte).map(<[u8]>::to_vec)).unwrap();
        take(Response::read(frame::read(&mut answer).unwrap()).unwrap().result)
    }

    pub fn status(&mut self, command: Learning<'_>) -> Status {
        self.ask(Command::Learning(command), |reply| match reply {
            Ok(Reply::Status(status)) => status,
            other => panic!("{other:?}"),
        })
    }

    pub fn begin(&mut self, method: Method, batch: u8, rate: u32) {
        let begin = Begin { method, rate, batch, images: IMAGES };
        self.status(Learning::Begin(begin));
    }

    pub fn learn(&mut self, image: &[u8]) -> (u32, bool) {
        self.ask(Command::Learning(Learning::Image(image)), |reply| match reply {
            Ok(Reply::Learned { error, held_out }) => (error, held_out),
            other => panic!("{other:?}"),
        })
    }

    pub fn end(&mut self) -> Judgement {
        self.try_end().unwrap()
    }

    pub fn try_end(&mut self) -> Result<Judgement, Error> {
        self.ask(Command::Learning(Learning::End), |reply| match reply {
            Ok(Reply::Judged(judgement)) => Ok(judgement),
            Err(error) => Err(error),
            other => panic!("{other:?}"),
        })
    }

    /// A course in which what is learned from is not what is held out.
    pub fn course(&mut self, held_out: fn(&mut Random) -> Vec<u8>, learned: fn(&mut Random) -> Vec<u8>) -> Judgement {
        self.try_course(held_out, learned).unwrap()
    }

    pub fn try_course(
        &mut self,
        held_out: fn(&mut Random) -> Vec<u8>,
        learned: fn(&mut Random) -> Vec<u8>,
    ) -> Result<Judgement, Error> {
        self.begin(Method::Adam, 1, Method::Adam.rate());
        let mut random = Random::new(3);
        for _ in 0..HELD_OUT {
            assert!(self.learn(&held_out(&mut random)).1);
        }
        for _ in 0..IMAGES {
            assert!(!self.learn(&learned(&mut random)).1);
        }
        self.try_end()
    }

    /// What the monitor says at the end of a stream.
    pub fn drifted(&mut self, images: fn(&mut Random) -> Vec<u8>) -> bool {
        let mut random = Random::new(6);
        let mut drifted = |image: Vec<u8>| {
            self.ask(Command::Monitor { image: &image }, |reply| match reply {
                Ok(Reply::Monitored { verdict, .. }) => verdict.drifted,
                other => panic!("{other:?}"),
            })
        };
        (0..200).map(|_| drifted(images(&mut random))).last().unwrap()
    }

    /// What the network makes of a few images.
    pub fn codes(&mut self) -> Vec<Vec<u8>> {
        let mut random = Random::new(4);
        let mut code = |image: Vec<u8>| {
            self.ask(Command::Encode { image: &image }, |reply| match reply {
                Ok(Reply::Code { code, .. }) => code.to_vec(),
                other => panic!("{other:?}"),
            })
        };
        (0..20).map(|_| code(random.bytes(16))).collect()
    }

    pub fn flash(&mut self) -> Vec<u8> {
        let mut contents = Vec::new();
        loop {
            let at = contents.len() as u32;
            let piece = self.ask(Command::Learning(Learning::Flash { at }), |reply| match reply {
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
    blob_of(&Net::new::<E, D>(seed))
}

/// With a threshold, which few images of a network that was not trained are below.
pub fn blob_of(net: &Net) -> BlobFile {
    BlobFile::new("flash".as_ref(), &net.blob_with(&Header { threshold: THRESHOLD, ..net.header() }))
}

pub fn erased() -> Vec<u8> {
    vec![0xff; 8192]
}

pub fn light(random: &mut Random) -> Vec<u8> {
    random.bytes(16).into_iter().map(|pixel| 190 + pixel / 4).collect()
}

pub fn dark(random: &mut Random) -> Vec<u8> {
    random.bytes(16).into_iter().map(|pixel| pixel / 4).collect()
}
