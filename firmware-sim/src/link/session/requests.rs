//! The requests of a session. Each request has a number, and its reply is checked.

use super::Session;
use crate::link::line::OWN_SEQUENCE;
use crate::link::{Link, LinkError};
use crate::rows::mse;
use crate::terminal::progress;
use anyhow::{Context, bail};
use autoencoder_core::blob::Thresholds;
use autoencoder_device::input::command_bytes;
use autoencoder_device::learn::{Judgement, Status};
use autoencoder_device::message::{LearningCommand, Sampled};
use autoencoder_device::monitor::Verdict;
use autoencoder_device::{Command, Error, Observation, Reply, Request, Response, frame};
use autoencoder_io::interrupt;

/// A digest of a device's computation for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerDigest {
    /// CRC-32 of the outputs of the first layers.
    pub crc: u32,
    /// The score of the row.
    pub score: u32,
}

impl Session<'_> {
    /// Encodes a row; returns the frame that carries its code.
    pub fn encode(&mut self, row: &[u8]) -> anyhow::Result<Vec<u8>> {
        let frame = self.exchange(Command::Encode { row })?;
        match reply(&mut frame.clone(), self.sequence)? {
            Ok(Reply::Code { .. }) => Ok(frame),
            other => unexpected(&other),
        }
    }

    /// Decodes a code. The inner error is the device's refusal of this code.
    pub fn decode(&mut self, identity: u32, code: &[u8]) -> anyhow::Result<Result<Vec<u8>, Error>> {
        if frame::frame_bytes(code.len()) > self.buffer.len() {
            // Too long for the device, which would not even read it.
            let expected = self.weights.crc;
            let other = Error::OtherWeights { expected, found: identity };
            return Ok(Err(if identity == expected { Error::Oversize } else { other }));
        }
        let identity = if self.weights.is_encoder(identity) { self.weights.crc } else { identity };
        let mut frame = self.exchange(Command::Decode { identity, code })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Row(row)) => Ok(Ok(row.to_vec())),
            Err(error @ (Error::Length { .. } | Error::OtherWeights { .. })) => Ok(Err(error)),
            other => unexpected(&other),
        }
    }

    /// Encodes and decodes rows.
    pub fn reconstruct_all(&mut self, rows: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<u8>>> {
        progress(rows).map(|row| self.reconstruct(row)).collect()
    }

    /// Encodes and decodes a row.
    pub fn reconstruct(&mut self, row: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut frame = self.encode(row)?;
        self.decode_frame(&mut frame)
    }

    /// Decodes the code that a frame carries.
    pub fn decode_frame(&mut self, frame: &mut [u8]) -> anyhow::Result<Vec<u8>> {
        let Ok(Response { result: Ok(Reply::Code { identity, code }), .. }) = Response::read(frame::read(frame)?)
        else {
            bail!("the device sent no code");
        };
        Ok(self.decode(identity, code)??)
    }

    /// The score of the next row of a stream, and the device's verdict on the stream so far.
    pub fn monitor(&mut self, row: &[u8]) -> anyhow::Result<(u32, Verdict)> {
        let mut frame = self.exchange(Command::Monitor { row })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Monitored { score, verdict }) => Ok((score, verdict)),
            other => unexpected(&other),
        }
    }

    /// Gives the device the next samples of a stream, each number of each channel, oldest first. Returns an observation
    /// for each window that they complete.
    pub fn observe(&mut self, samples: &[f32]) -> anyhow::Result<Vec<Observation>> {
        let mut observations = Vec::new();
        for command in commands(samples, self.numbers()?) {
            let mut frame = self.exchange(Command::Samples(&command))?;
            match reply(&mut frame, self.sequence)? {
                Ok(Reply::Sampled(Sampled::Incomplete)) => {}
                Ok(Reply::Sampled(Sampled::Observed(observation))) => observations.push(observation),
                other => return unexpected(&other),
            }
        }
        Ok(observations)
    }

    /// Gives the device the next samples of a run of learning. Returns the fields of [`Reply::Learned`] for each window
    /// that they complete.
    pub fn learn_samples(&mut self, samples: &[f32]) -> anyhow::Result<Vec<(u32, bool)>> {
        let mut learned = Vec::new();
        for command in commands(samples, self.numbers()?) {
            let mut frame = self.exchange(Command::Learn(LearningCommand::Samples(&command)))?;
            match reply(&mut frame, self.sequence)? {
                Ok(Reply::Sampled(Sampled::Incomplete)) => {}
                Ok(Reply::Learned { score, held_out }) => learned.push((score, held_out)),
                other => return unexpected(&other),
            }
        }
        Ok(learned)
    }

    /// Takes the next step of the further passes of a run of learning over samples. Returns the number of steps that are
    /// left.
    pub fn repeat(&mut self) -> anyhow::Result<u32> {
        let mut frame = self.exchange(Command::Learn(LearningCommand::Repeat))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Sampled(Sampled::Repeated(left))) => Ok(left),
            other => unexpected(&other),
        }
    }

    /// Tells the device that the next sample does not follow the one before, so that it begins a new window and a new
    /// vote.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let mut frame = self.exchange(Command::Restart)?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Sampled(Sampled::Restarted(_))) => Ok(()),
            other => unexpected(&other),
        }
    }

    /// Numbers of the samples in one command.
    fn numbers(&self) -> anyhow::Result<usize> {
        let section = self.weights.section()?.context("the blob has no input section")?;
        Ok(command_bytes(&section.spec) / size_of::<f32>())
    }

    /// The CRC of the first layers' outputs for a row, and its score.
    pub fn digest(&mut self, row: &[u8], layers: u8) -> anyhow::Result<LayerDigest> {
        let mut frame = self.exchange(Command::Digest { row, layers })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Digest { crc, score }) => Ok(LayerDigest { crc, score }),
            other => unexpected(&other),
        }
    }

    /// The score of a row: the sum of squared differences from its reconstruction.
    pub fn score(&mut self, row: &[u8]) -> anyhow::Result<u32> {
        let mut frame = self.exchange(Command::Score { row })?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Score { score }) => Ok(score),
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

    /// Begins a run of learning, resets the learned parameters, or only asks for the state. Returns the state of
    /// learning.
    pub fn status(&mut self, command: LearningCommand<'_>) -> anyhow::Result<Status> {
        let mut frame = self.exchange(Command::Learn(command))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Status(status)) => Ok(status),
            other => unexpected(&other),
        }
    }

    /// The learned thresholds, or those of the blob if none were learned.
    pub fn thresholds(&mut self) -> anyhow::Result<Thresholds> {
        let mut frame = self.exchange(Command::Learn(LearningCommand::Status))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Status(status)) => Ok(status.thresholds),
            Err(Error::Frozen) => Ok(self.weights.header.thresholds),
            other => unexpected(&other),
        }
    }

    /// Gives the device the next row of a run of learning. Returns the fields of [`Reply::Learned`].
    pub fn learn(&mut self, row: &[u8]) -> anyhow::Result<(u32, bool)> {
        let mut frame = self.exchange(Command::Learn(LearningCommand::Row(row)))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Learned { score, held_out }) => Ok((score, held_out)),
            other => unexpected(&other),
        }
    }

    /// Ends a run of learning and returns the result.
    pub fn judge(&mut self) -> anyhow::Result<Judgement> {
        let mut frame = self.exchange(Command::Learn(LearningCommand::End))?;
        match reply(&mut frame, self.sequence)? {
            Ok(Reply::Judged(judgement)) => Ok(judgement),
            other => unexpected(&other),
        }
    }

    /// Reads the flash in which the device keeps its learned parameters.
    pub fn flash(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut contents = Vec::new();
        loop {
            let mut frame = self.exchange(Command::Learn(LearningCommand::Flash { at: contents.len() as u32 }))?;
            match reply(&mut frame, self.sequence)? {
                Ok(Reply::Flash([])) => return Ok(contents),
                Ok(Reply::Flash(bytes)) => contents.extend_from_slice(bytes),
                other => return unexpected(&other),
            }
        }
    }

    /// Instructions that the device executed for the last request.
    pub fn instructions(&mut self) -> anyhow::Result<u32> {
        Ok(self.link.instructions()?)
    }

    /// Sends the next request and returns the frame that answers it. If the line damaged either frame, sends the
    /// request once more, provided that the device may execute it twice.
    fn exchange(&mut self, command: Command<'_>) -> anyhow::Result<Vec<u8>> {
        // An interrupt between the end of a run and the writing of its file would lose the learned parameters.
        if !matches!(
            command,
            Command::Learn(LearningCommand::End | LearningCommand::Status | LearningCommand::Flash { .. })
        ) {
            interrupt::check()?;
        }
        self.sequence = next(self.sequence);
        self.send(command)
    }

    /// Sends a request with the current number.
    pub(super) fn send(&mut self, command: Command<'_>) -> anyhow::Result<Vec<u8>> {
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

/// The samples of each command, as bytes.
fn commands(samples: &[f32], numbers: usize) -> impl Iterator<Item = Vec<u8>> {
    samples.chunks(numbers).map(|samples| samples.iter().flat_map(|x| x.to_le_bytes()).collect())
}

/// The number of the next request. 0 is reserved for the greeting, and the highest number for the line itself.
fn next(sequence: u32) -> u32 {
    if sequence >= OWN_SEQUENCE - 1 { 1 } else { sequence + 1 }
}

/// Whether the line has damaged a request or its answer: the answer cannot be read, or it reports that the request
/// could not be read.
fn damaged(answer: &Result<Vec<u8>, LinkError>) -> bool {
    let read = |frame: &mut [u8]| {
        let response = Response::read(frame::read(frame)?)?;
        if response.sequence == 0 { response.result.map(|_| ()) } else { Ok(()) }
    };
    match answer {
        Ok(frame) => matches!(read(&mut frame.clone()), Err(Error::Frame | Error::Crc | Error::Oversize)),
        // The final zero of a frame was changed or lost.
        Err(error) => matches!(error, LinkError::Foreign | LinkError::TimeOut(_)),
    }
}

/// The reply in a frame, if it answers request number `sequence`.
pub(super) fn reply(frame: &mut [u8], sequence: u32) -> anyhow::Result<Result<Reply<'_>, Error>> {
    let read = |frame| Response::read(frame::read(frame)?);
    let response = read(frame).context("the device's answer")?;
    match response.result {
        // The device does not know the number of a request that it could not read.
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
