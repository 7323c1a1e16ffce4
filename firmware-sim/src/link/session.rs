//! A device and the program that talks to it: requests numbered, answers checked, the board's memory not exceeded.

use super::flashed::{Firmware, Flashed};
use super::in_process::InProcess;
use super::line::OWN_SEQUENCE;
use super::measure::{ensure_fits, ensure_learning_fits, ensure_learning_room, ensure_room, footprint, learning_needs};
use super::qemu::Qemu;
use super::report::Report;
use super::serial::Serial;
use super::{Kind, Link, LinkError, Ram, Target};
use crate::board::firmware::{Images, Program};
use crate::board::needs::Needs;
use crate::board::{self, Board};
use crate::flash_file::{self, FlashFile, describe, has_learned};
use crate::rows::mse;
use crate::terminal::{note, progress};
use crate::weights::Weights;
use anyhow::{Context, bail, ensure};
use autoencoder_core::blob::Thresholds;
use autoencoder_device::learn::{Judgement, Status};
use autoencoder_device::message::Learning;
use autoencoder_device::monitor::Verdict;
use autoencoder_device::store::RecordState;
use autoencoder_device::{Command, Error, Reply, Request, Response, frame, message};
use autoencoder_io::interrupt;
use std::path::Path;

/// The digest of a row on a device.
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
    target: Target,
    link: Box<dyn Link + 'w>,
    learns: bool,
    /// Number of the record that the parameters are from, if they were learned.
    record: Option<u32>,
    /// Decodes the codes of a device that holds only the encoder.
    decoder: Option<InProcess<'w>>,
    /// Number of the last request. That of the greeting is 0.
    sequence: u32,
    buffer: Vec<u8>,
}

impl<'w> Session<'w> {
    /// Boots a device with these weights, if they fit the board, and asks what it is.
    ///
    /// A board that has room for the encoder alone gets that; this program then decodes.
    pub fn open(target: Target, weights: &'w Weights) -> anyhow::Result<Self> {
        introduce(&target, weights);
        if target.board != board::UNLIMITED {
            ensure_room(&target, weights.topology(), &footprint(weights)?, &weights.path.display())?;
        }
        let link: Box<dyn Link + 'w> = match (&target.link, target.emulated) {
            (Kind::Serial(path), _) => Box::new(Serial::open(path)?),
            (_, Some(board)) => Box::new(Firmware::new(board, weights)?.boot(Program::Application)?),
            (_, None) => Box::new(InProcess::boot(Flashed::new(target.board, weights)?.blob)?),
        };
        Self::start(target, link, weights, false)
    }

    /// The same with a device that learns and keeps it in a flash with these contents. A board on a serial port has its own
    /// flash.
    pub fn learning(target: Target, weights: &'w Weights, flash: Vec<u8>) -> anyhow::Result<Self> {
        introduce(&target, weights);
        ensure_learning_room(&target, weights, flash.len())?;
        let link: Box<dyn Link + 'w> = match (&target.link, target.emulated) {
            (Kind::Serial(path), _) => Box::new(Serial::open(path)?),
            (_, Some(board)) => {
                Box::new(Qemu::boot_learning(board, &Images::learner(board)?, weights.bytes(), &flash)?)
            }
            (_, None) => Box::new(InProcess::boot_learning(weights.bytes(), flash)?),
        };
        Self::start(target, link, weights, true)
    }

    /// A device with what it learned before, if a file is named that holds the contents of its flash.
    ///
    /// A flash without a whole record of these weights is refused: whoever names the file means what is in it.
    pub fn with_flash(target: Target, weights: &'w Weights, flash: Option<&Path>) -> anyhow::Result<Self> {
        let quiet = target.quiet;
        let Some(path) = flash else {
            let session = Self::open(target, weights)?;
            let default = flash_file::DEFAULT;
            if !quiet && has_learned(default.as_ref(), weights) {
                note(&format!("parameters: those of the blob; --flash {default} takes those that were learned"));
            }
            return Ok(session);
        };
        let file = FlashFile::of_weights(path, weights)?;
        let mut session = Self::learning(target, weights, file.contents.clone())?;
        let kept = session.kept(&file, false)?;
        session.sequence = 0; // packets are counted from the first row on
        session.record = if let RecordState::Learned(record) = kept { Some(record.sequence) } else { None };
        if !quiet {
            note(&format!("flash: {}: {}", path.display(), describe(kept)));
        }
        Ok(session)
    }

    fn start(target: Target, link: Box<dyn Link + 'w>, weights: &'w Weights, learns: bool) -> anyhow::Result<Self> {
        let buffer = vec![0; frame::frame_bytes(weights.row().max(weights.code_bytes()))];
        let mut session = Self { weights, target, link, learns, record: None, decoder: None, sequence: 0, buffer };
        session.greet()?;
        session.within_budget()?;
        if session.decoder.is_some() && !session.target.quiet {
            note(&format!("{} holds the encoder alone; this program decodes", session.target.board.name));
        }
        Ok(session)
    }

    /// Whether the device holds the encoder alone, of a network that has both halves.
    pub fn encoder_alone(&self) -> bool {
        self.decoder.is_some()
    }

    /// Encodes a row; returns the frame that carries its code.
    pub fn encode(&mut self, row: &[u8]) -> anyhow::Result<Vec<u8>> {
        let frame = self.exchange(Command::Encode { image: row })?;
        match reply(&mut frame.clone(), self.sequence)? {
            Ok(Reply::Code { .. }) => Ok(frame),
            other => unexpected(&other),
        }
    }

    /// Decodes a code. The inner error is the device's, about this code.
    pub fn decode(&mut self, weights: u32, code: &[u8]) -> anyhow::Result<Result<Vec<u8>, Error>> {
        if frame::frame_bytes(code.len()) > self.buffer.len() {
            return Ok(Err(Error::Oversize)); // as the device would say
        }
        let weights = if self.weights.is_encoder(weights) { self.weights.crc } else { weights };
        let mut frame = self.exchange(Command::Decode { weights, code })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Image(row)) => Ok(Ok(row.to_vec())),
            Err(error @ (Error::Length { .. } | Error::OtherWeights { .. })) => Ok(Err(error)),
            other => unexpected(&other),
        }
    }

    /// Rows encoded and decoded.
    pub fn reconstruct_all(&mut self, rows: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<u8>>> {
        progress(rows).map(|row| self.reconstruct(row)).collect()
    }

    /// A row encoded and decoded.
    pub fn reconstruct(&mut self, row: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut frame = self.encode(row)?;
        self.decode_frame(&mut frame)
    }

    /// Decodes the code that a frame carries.
    pub fn decode_frame(&mut self, frame: &mut [u8]) -> anyhow::Result<Vec<u8>> {
        let Ok(Response { result: Ok(Reply::Code { weights, code }), .. }) = Response::read(frame::read(frame)?) else {
            bail!("the device sent no code");
        };
        Ok(self.decode(weights, code)??)
    }

    /// The score of the next row of a stream, and what the device concludes from it.
    pub fn monitor(&mut self, row: &[u8]) -> anyhow::Result<(u32, Verdict)> {
        let mut frame = self.exchange(Command::Monitor { image: row })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Monitored { error, verdict }) => Ok((error, verdict)),
            other => unexpected(&other),
        }
    }

    /// The CRC of the first layers' outputs for a row, and its score.
    pub fn digest(&mut self, row: &[u8], layers: u8) -> anyhow::Result<Digest> {
        let mut frame = self.exchange(Command::Digest { image: row, layers })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Digest { crc, error }) => Ok(Digest { crc, error }),
            other => unexpected(&other),
        }
    }

    /// The sum of the squared errors of a row's reconstruction.
    pub fn score(&mut self, row: &[u8]) -> anyhow::Result<u32> {
        let mut frame = self.exchange(Command::Score { image: row })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Score { error }) => Ok(error),
            other => unexpected(&other),
        }
    }

    /// The mean squared error over rows.
    pub fn mse(&mut self, rows: &[Vec<u8>]) -> anyhow::Result<f64> {
        let mut sum = 0;
        for row in progress(rows) {
            sum += u64::from(self.score(row)?);
        }
        Ok(mse(sum, rows.len() * self.weights.row()))
    }

    /// Begins a run of learning, forgets what was learned, or neither; returns what the device has learned.
    pub fn status(&mut self, command: Learning<'_>) -> anyhow::Result<Status> {
        let mut frame = self.exchange(Command::Learning(command))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Status(status)) => Ok(status),
            other => unexpected(&other),
        }
    }

    /// What the device has learned. Unless it is to be replaced, an error if that is of other weights or damaged, or if the file
    /// has what a board other than this one has learned.
    pub fn kept(&mut self, file: &FlashFile, replaced: bool) -> anyhow::Result<RecordState> {
        let kept = self.status(Learning::Status)?.kept?;
        if !replaced {
            flash_file::ensure_own(kept, "the device's flash", self.weights)?;
            let other = matches!(self.target.link, Kind::Serial(_)) && file.state != RecordState::Nothing;
            ensure!(
                !other || self.flash()? == file.contents,
                "{}: what another device has learned; give another --flash",
                file.path.display()
            );
        }
        Ok(kept)
    }

    /// The thresholds of the blob, or those of what was learned.
    pub fn thresholds(&mut self) -> anyhow::Result<Thresholds> {
        let mut frame = self.exchange(Command::Learning(Learning::Status))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Status(status)) => Ok(status.thresholds),
            Err(Error::Frozen) => Ok(self.weights.header.thresholds),
            other => unexpected(&other),
        }
    }

    /// The next row of a run of learning: its squared error before it was learned from, and whether it was held out instead.
    pub fn learn(&mut self, row: &[u8]) -> anyhow::Result<(u32, bool)> {
        let mut frame = self.exchange(Command::Learning(Learning::Image(row)))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Learned { error, held_out }) => Ok((error, held_out)),
            other => unexpected(&other),
        }
    }

    /// Ends a run of learning.
    pub fn judge(&mut self) -> anyhow::Result<Judgement> {
        let mut frame = self.exchange(Command::Learning(Learning::End))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Judged(judgement)) => Ok(judgement),
            other => unexpected(&other),
        }
    }

    /// The contents of the flash in which the device keeps what it learned.
    pub fn flash(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut contents = Vec::new();
        loop {
            let mut frame = self.exchange(Command::Learning(Learning::Flash { at: contents.len() as u32 }))?;
            match reply(&mut frame, self.sequence)? {
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

    /// Ends the session: what the device took, if its board has it.
    pub fn finish(mut self) -> anyhow::Result<Report> {
        let (ram, flash) = self.within_budget()?;
        let weights = self.weights.path.display().to_string();
        let Target { board, emulated, .. } = self.target;
        Ok(Report { weights, record: self.record, board, emulated, flash, ram })
    }

    /// The RAM and flash that the device has taken, if its board has them.
    fn within_budget(&mut self) -> anyhow::Result<(Ram, usize)> {
        let (board, weights, ram) = (self.target.board, self.weights, self.link.ram()?);
        let alone = self.decoder.as_ref().and_then(|_| weights.encoder().zip(weights.topology().encoder()));
        let (blob, topology) = match alone {
            Some((encoder, topology)) => (encoder.bytes().len(), topology),
            None => (weights.length, weights.topology().clone()),
        };
        let needs = Needs { weights: blob, ram: ram.used(), topology, code: weights.code_bytes() };
        if self.learns {
            let learning = learning_needs(needs);
            ensure_learning_fits(board, weights, &learning)?;
            return Ok((ram, learning.flash(board)));
        }
        ensure_fits(board, weights, &needs)?;
        Ok((ram, needs.flash(board)))
    }

    /// Asks the device whether it speaks this protocol and has these weights.
    fn greet(&mut self) -> anyhow::Result<()> {
        self.sequence = 0;
        let mut frame = self.send(Command::Info)?;
        let Reply::Info(info) = reply(&mut frame, 0)?.with_context(|| self.weights.path.display().to_string())? else {
            bail!("the device did not say what it is");
        };
        ensure!(
            info.version == message::VERSION,
            "the device speaks version {} of the protocol, this program {}",
            info.version,
            message::VERSION
        );
        if self.weights.is_encoder(info.weights) {
            self.decoder = Some(InProcess::boot(self.weights.bytes())?);
        }
        ensure!(
            (self.decoder.is_some() || info.weights == self.weights.crc)
                && usize::from(info.inputs) == self.weights.row(),
            "the device has the weights {:08x}, not {:08x}",
            info.weights,
            self.weights.crc
        );
        Ok(())
    }

    /// Sends the next request and returns the frame that came back. If the line damaged either, and the device may carry
    /// the request out twice, it is sent once more.
    fn exchange(&mut self, command: Command<'_>) -> anyhow::Result<Vec<u8>> {
        // What was learned is not lost between its end and its file.
        if !matches!(command, Command::Learning(Learning::End | Learning::Status | Learning::Flash { .. })) {
            interrupt::check()?;
        }
        self.sequence = next(self.sequence);
        self.send(command)
    }

    /// Sends a request with the number that is set.
    fn send(&mut self, command: Command<'_>) -> anyhow::Result<Vec<u8>> {
        let sequence = self.sequence;
        let request = frame::write(&Request { sequence, command }, &mut self.buffer)?;
        let link: &mut dyn Link = match (&mut self.decoder, command) {
            (Some(decoder), Command::Decode { .. }) => decoder,
            _ => &mut *self.link,
        };
        let answer = link.exchange(request).map(<[u8]>::to_vec);
        // No reply to the first request: not our device.
        let ours = sequence > 0 || answer.is_ok();
        if ours && command.repeatable() && damaged(&answer) {
            link.resynchronise()?;
            return Ok(link.exchange(request)?.to_vec());
        }
        Ok(answer?)
    }
}

/// The number of the request after this one: from 1, since 0 is that of the greeting, to the last that is not the line's own.
fn next(sequence: u32) -> u32 {
    if sequence >= OWN_SEQUENCE - 1 { 1 } else { sequence + 1 }
}

/// Says which weights are used, and what is emulated.
fn introduce(target: &Target, weights: &Weights) {
    if target.quiet {
        return;
    }
    note(&format!("weights: {} ({}, {:08x})", weights.path.display(), weights.name(), weights.crc));
    let other = target.emulated.filter(|board| *board != target.board);
    if let Some(Board { name, processor, .. }) = other {
        let board = target.board.name;
        note(&format!("{board} is not emulated itself: {name} runs in its place, which is a {processor}, too"));
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
        // Its final zero was changed or lost.
        Err(error) => matches!(error, LinkError::Foreign | LinkError::TimeOut(_)),
    }
}

/// The reply in a frame, if it answers request number `sequence`.
fn reply(frame: &mut [u8], sequence: u32) -> anyhow::Result<Result<Reply<'_>, Error>> {
    let read = |frame| Response::read(frame::read(frame)?);
    let response = read(frame).context("what the device answered")?;
    match response.result {
        // The device cannot know the number of a request that it could not read.
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
