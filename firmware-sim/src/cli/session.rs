//! A device and the program that talks to it: requests numbered, answers checked, the budget held.

use super::args::{Common, Device, FLASH};
use super::boards::Board;
use super::firmware::{Firmware, board, footprint};
use super::image::{Images, Program};
use super::learn::describe;
use super::ledger::{Footprint, Learning as Needed, OverBudget};
use super::link::{InProcess, Kind, Link, LinkError, Memory};
use super::qemu::Qemu;
use super::report::Report;
use super::serial::Serial;
use super::weights::Weights;
use super::{flash, images, note, progress};
use anyhow::{Context, bail, ensure};
use firmware_sim::learn::{Judgement, Status};
use firmware_sim::message::Learning;
use firmware_sim::monitor::Verdict;
use firmware_sim::store::Kept;
use firmware_sim::{Command, Error, Reply, Request, Response, frame, message};
use std::path::Path;

/// What a device makes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// CRC-32 of the outputs of its first layers.
    pub crc: u32,
    /// The score.
    pub error: u32,
}

/// A device that was asked what it is.
pub struct Session<'w> {
    pub weights: &'w Weights,
    board: &'static Board,
    link: Box<dyn Link + 'w>,
    learns: bool,
    /// Of the tables, if they are not the factory's.
    record: Option<u32>,
    /// Of a device that holds the encoder alone: where its codes are decoded.
    decoder: Option<InProcess<'w>>,
    sequence: u32,
    buffer: Vec<u8>,
}

impl<'w> Session<'w> {
    /// Boots a device with these weights, if they fit the board, and greets it.
    ///
    /// A board that has room for the encoder alone gets that; this program then decodes.
    pub fn open(common: &Common, weights: &'w Weights) -> anyhow::Result<Self> {
        let board = board(common)?;
        introduce(common, weights);
        let link: Box<dyn Link + 'w> = match &common.link {
            Kind::InProcess if footprint(weights)?.encoder_alone(board) => {
                Box::new(InProcess::boot_encoder(weights.topology, weights.encoder.bytes())?)
            }
            Kind::InProcess => Box::new(InProcess::boot(weights.topology, weights.bytes())?),
            Kind::Qemu => {
                let firmware = Firmware::of(board, weights)?;
                Box::new(firmware.boot(Program::Application)?)
            }
            Kind::Serial(path) => Box::new(Serial::open(path)?),
        };
        Self::start(common, board, link, weights, false)
    }

    /// The same with a device that learns and keeps it in a flash with these contents; one at a serial port has its own.
    pub fn learning(common: &Common, weights: &'w Weights, flash: Vec<u8>) -> anyhow::Result<Self> {
        let board = board(common)?;
        introduce(common, weights);
        let link: Box<dyn Link + 'w> = match &common.link {
            Kind::InProcess => Box::new(InProcess::boot_learning(weights.topology, weights.bytes(), flash)?),
            Kind::Qemu => {
                let (board, target) = board.emulated();
                let images = Images::learning(board, target, weights.topology)?;
                Box::new(Qemu::learning(board, &images, weights.bytes(), &flash)?)
            }
            Kind::Serial(path) => Box::new(Serial::open(path)?),
        };
        Self::start(common, board, link, weights, true)
    }

    /// One with what it learned before, where a flash is named that keeps it.
    ///
    /// A flash that holds nothing of these weights, or nothing whole, is refused: whoever names it means what is in it.
    pub fn using(Device { flash, common }: &Device, weights: &'w Weights) -> anyhow::Result<Self> {
        let Some(path) = flash else {
            let session = Self::open(common, weights)?;
            if Path::new(FLASH).exists() && !common.json {
                note(&format!("tables: the factory's; --flash {FLASH} uses those that were learned"));
            }
            return Ok(session);
        };
        ensure!(path.exists(), "{}: no such file: nothing was learned there", path.display());
        let mut session = Self::learning(common, weights, flash::read(path)?)?;
        let kept = session.status(Learning::Status)?.kept?;
        match kept {
            Kept::Damaged => bail!("{}: damaged: there is no whole record in it", path.display()),
            Kept::OtherWeights { found } => bail!("{}: a record of other weights ({found:08x})", path.display()),
            Kept::Nothing | Kept::Learned(_) | Kept::Factory(_) => {}
        }
        session.sequence = 1; // packets are counted from the first image on
        session.record = if let Kept::Learned(record) = kept { Some(record.sequence) } else { None };
        if !common.json {
            note(&format!("flash: {}: {}", path.display(), describe(kept)));
        }
        Ok(session)
    }

    fn start(
        common: &Common,
        board: &'static Board,
        link: Box<dyn Link + 'w>,
        weights: &'w Weights,
        learns: bool,
    ) -> anyhow::Result<Self> {
        let buffer = vec![0; frame::frame_bytes(weights.inputs)];
        let mut session = Self { weights, board, link, learns, record: None, decoder: None, sequence: 0, buffer };
        session.greet()?;
        session.within_budget()?;
        session.sequence = 1;
        if session.decoder.is_some() && !common.json {
            note(&format!("{} holds the encoder alone; this program decodes", board.name));
        }
        Ok(session)
    }

    /// Whether the device holds the encoder alone.
    pub fn encoder_only(&self) -> bool {
        self.decoder.is_some()
    }

    /// From an image to the frame that carries its code.
    pub fn encode(&mut self, image: &[u8]) -> anyhow::Result<Vec<u8>> {
        let frame = self.exchange(Command::Encode { image })?;
        match reply(&mut frame.clone(), self.sequence - 1)? {
            Ok(Reply::Code { .. }) => Ok(frame),
            other => unexpected(&other),
        }
    }

    /// From a code to its image; the inner error is the device's, about this code.
    pub fn decode(&mut self, weights: u32, code: &[u8]) -> anyhow::Result<Result<Vec<u8>, Error>> {
        if frame::frame_bytes(code.len()) > self.buffer.len() {
            return Ok(Err(Error::Oversize)); // as the device would say
        }
        // The encoder's part of these weights makes the same codes.
        let weights = if weights == self.weights.encoder.crc { self.weights.crc } else { weights };
        let mut frame = self.exchange(Command::Decode { weights, code })?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Image(image)) => Ok(Ok(image.to_vec())),
            Err(error @ (Error::Length { .. } | Error::OtherWeights { .. })) => Ok(Err(error)),
            other => unexpected(&other),
        }
    }

    /// The whole way: images encoded and decoded.
    pub fn reconstruct_all(&mut self, images: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<u8>>> {
        progress(images).map(|image| self.reconstruct(image)).collect()
    }

    /// An image encoded and decoded.
    pub fn reconstruct(&mut self, image: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut frame = self.encode(image)?;
        self.decode_frame(&mut frame)
    }

    /// From the frame that carries a code to its image.
    pub fn decode_frame(&mut self, frame: &mut [u8]) -> anyhow::Result<Vec<u8>> {
        let Ok(Response { result: Ok(Reply::Code { weights, code }), .. }) = Response::read(frame::read(frame)?) else {
            bail!("the device sent no code");
        };
        Ok(self.decode(weights, code)??)
    }

    /// The score of the next image of a stream, and what the device concludes from it.
    pub fn monitor(&mut self, image: &[u8]) -> anyhow::Result<(u32, Verdict)> {
        let mut frame = self.exchange(Command::Monitor { image })?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Monitored { error, verdict }) => Ok((error, verdict)),
            other => unexpected(&other),
        }
    }

    /// What the first layers make of an image, and its score.
    pub fn digest(&mut self, image: &[u8], layers: u8) -> anyhow::Result<Digest> {
        let mut frame = self.exchange(Command::Digest { image, layers })?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Digest { crc, error }) => Ok(Digest { crc, error }),
            other => unexpected(&other),
        }
    }

    /// The sum of the squared errors of an image's reconstruction.
    pub fn score(&mut self, image: &[u8]) -> anyhow::Result<u32> {
        let mut frame = self.exchange(Command::Score { image })?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Score { error }) => Ok(error),
            other => unexpected(&other),
        }
    }

    /// The mean squared error over images.
    pub fn mse(&mut self, images: &[Vec<u8>]) -> anyhow::Result<f64> {
        let mut sum = 0;
        for image in progress(images) {
            sum += u64::from(self.score(image)?);
        }
        Ok(images::mse(sum, images.len() * self.weights.inputs))
    }

    /// Begins a course of learning, forgets what was learned, or neither: what the device has learned.
    pub fn status(&mut self, command: Learning<'_>) -> anyhow::Result<Status> {
        let mut frame = self.exchange(Command::Learning(command))?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Status(status)) => Ok(status),
            other => unexpected(&other),
        }
    }

    /// From which score on an image is odd: what was learned has a threshold of its own.
    pub fn threshold(&mut self) -> anyhow::Result<u32> {
        let mut frame = self.exchange(Command::Learning(Learning::Status))?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Status(status)) => Ok(status.threshold),
            Err(Error::Frozen) => Ok(self.weights.threshold),
            other => unexpected(&other),
        }
    }

    /// The next image of a course: its squared error before it was learned from, and whether it was held out instead.
    pub fn learn(&mut self, image: &[u8]) -> anyhow::Result<(u32, bool)> {
        let mut frame = self.exchange(Command::Learning(Learning::Image(image)))?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Learned { error, held_out }) => Ok((error, held_out)),
            other => unexpected(&other),
        }
    }

    /// Ends a course.
    pub fn judge(&mut self) -> anyhow::Result<Judgement> {
        let mut frame = self.exchange(Command::Learning(Learning::End))?;
        match reply(&mut frame, self.sequence - 1)? {
            Ok(Reply::Judged(judgement)) => Ok(judgement),
            other => unexpected(&other),
        }
    }

    /// The contents of the flash in which the device keeps what it learned.
    pub fn flash(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut contents = Vec::new();
        loop {
            let mut frame = self.exchange(Command::Learning(Learning::Flash { at: contents.len() as u32 }))?;
            match reply(&mut frame, self.sequence - 1)? {
                Ok(Reply::Flash([])) => return Ok(contents),
                Ok(Reply::Flash(bytes)) => contents.extend_from_slice(bytes),
                other => return unexpected(&other),
            }
        }
    }

    /// Instructions that the device took for the last request.
    pub fn instructions(&mut self) -> anyhow::Result<u32> {
        Ok(self.link.instructions()?)
    }

    /// The end: what the device took, if it was within the board's budget.
    pub fn finish(mut self) -> anyhow::Result<Report> {
        let (memory, flash) = self.within_budget()?;
        let path = self.weights.path.display().to_string();
        Ok(Report { weights: path, record: self.record, board: self.board, flash, memory })
    }

    /// What the device has taken, RAM and flash, if the board has it.
    fn within_budget(&mut self) -> anyhow::Result<(Memory, usize)> {
        let memory = self.link.memory()?;
        let Weights { topology, format, length, encoder, .. } = self.weights;
        if self.learns {
            let learning = Needed::taken(topology, *length, memory)?;
            OverBudget::check_learning(self.board, topology, &learning)?;
            return Ok((memory, learning.needs.flash));
        }
        let blob = if self.decoder.is_some() { encoder.bytes().len() } else { *length };
        let footprint = Footprint::of(topology, Some((*format, blob)), memory)?;
        OverBudget::check(self.board, topology, &footprint)?;
        Ok((memory, footprint.whole.flash))
    }

    /// Asks the device whether it speaks this protocol and has these weights.
    fn greet(&mut self) -> anyhow::Result<()> {
        let mut frame = self.exchange(Command::Info)?;
        let Reply::Info(info) = reply(&mut frame, 0)?.with_context(|| self.weights.path.display().to_string())? else {
            bail!("the device did not say what it is");
        };
        ensure!(
            info.version == message::VERSION,
            "the device speaks version {} of the protocol, this program {}",
            info.version,
            message::VERSION
        );
        if info.weights == self.weights.encoder.crc {
            self.decoder = Some(InProcess::boot(self.weights.topology, self.weights.bytes())?);
        }
        let known = [self.weights.crc, self.weights.encoder.crc].contains(&info.weights);
        ensure!(
            known && usize::from(info.inputs) == self.weights.inputs,
            "the device has the weights {:08x}, not {:08x}",
            info.weights,
            self.weights.crc
        );
        Ok(())
    }

    /// Sends the next request and returns the frame that came back. If the line damaged either, and the device may carry
    /// the request out twice, it is sent once more.
    fn exchange(&mut self, command: Command<'_>) -> anyhow::Result<Vec<u8>> {
        let sequence = self.sequence;
        self.sequence += 1;
        let request = frame::write(&Request { sequence, command }, &mut self.buffer)?;
        let link: &mut dyn Link = match (&mut self.decoder, command) {
            (Some(decoder), Command::Decode { .. }) => decoder,
            _ => &mut *self.link,
        };
        let answer = link.exchange(request).map(<[u8]>::to_vec);
        // What does not speak at all when it is greeted is no device of ours.
        let ours = sequence > 0 || answer.is_ok();
        if ours && command.repeatable() && damaged(&answer) {
            link.resynchronise()?;
            return Ok(link.exchange(request)?.to_vec());
        }
        Ok(answer?)
    }
}

/// Says which weights are taken.
fn introduce(common: &Common, weights: &Weights) {
    if !common.json {
        note(&format!("weights: {} ({}, {:08x})", weights.path.display(), weights.topology, weights.crc));
    }
}

/// Whether the line has damaged a request or its answer: what came back cannot be read, or says so of the request.
fn damaged(answer: &Result<Vec<u8>, LinkError>) -> bool {
    let read = |frame: &mut [u8]| {
        let response = Response::read(frame::read(frame)?)?;
        if response.sequence == 0 { response.result.map(|_| ()) } else { Ok(()) }
    };
    match answer {
        Ok(frame) => matches!(read(&mut frame.clone()), Err(Error::Frame | Error::Crc | Error::Oversize)),
        // Its last byte is not the zero that it was.
        Err(error) => matches!(error, LinkError::Foreign | LinkError::TimeOut(_)),
    }
}

/// The reply in a frame, if it answers request number `sequence`.
fn reply(frame: &mut [u8], sequence: u32) -> anyhow::Result<Result<Reply<'_>, Error>> {
    let read = |frame| Response::read(frame::read(frame)?);
    let response = read(frame).context("what the device answered")?;
    match response.result {
        // Of a request that it could not read, it cannot know the number.
        Err(error) if response.sequence == 0 => Ok(Err(error)),
        result if response.sequence == sequence => Ok(result),
        _ => bail!("the device answered request {} when asked {sequence}", response.sequence),
    }
}

fn unexpected<T>(reply: &Result<Reply<'_>, Error>) -> anyhow::Result<T> {
    match reply {
        Ok(_) => bail!("the device answered another command"),
        Err(error) => bail!("the device: {error}"),
    }
}

#[cfg(test)]
mod tests;
