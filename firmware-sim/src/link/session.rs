//! A session with a device: requests and replies, and a report at the end. A session fails if the board's memory is
//! exceeded.

mod requests;

pub use requests::LayerDigest;

use super::flashed::{Firmware, Flashed};
use super::in_process::InProcess;
use super::measure::{
    ensure_detector_fits, ensure_fits, ensure_learning_fits, ensure_learning_room, ensure_room, footprint,
    learning_needs,
};
use super::qemu::Qemu;
use super::report::Report;
use super::serial::Serial;
use super::{Kind, Link, Ram, Target};
use crate::board::firmware::{BoardImages, Program};
use crate::board::needs::{DetectorNeeds, Needs};
use crate::board::{self, Board};
use crate::flash_file::{self, FlashFile, describe, has_learned};
use crate::terminal::note;
use crate::weights::WeightsBlob;
use anyhow::{Context, bail, ensure};
use autoencoder_device::input::command_bytes;
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::RecordState;
use autoencoder_device::{Command, Reply, frame, message};
use autoencoder_io::record::ensure_own;
use requests::reply;
use std::path::Path;

/// A device that has been identified.
pub struct Session<'w> {
    pub weights: &'w WeightsBlob,
    target: Target,
    link: Box<dyn Link + 'w>,
    application: Application,
    /// Number of the record that holds the parameters, if they were learned.
    record: Option<u32>,
    /// Decodes in this process if the device holds only the encoder.
    decoder: Option<InProcess<'w>>,
    /// Number of the last request; the greeting has 0.
    sequence: u32,
    buffer: Vec<u8>,
}

/// What runs on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Application {
    Codec,
    Learner,
    Detector { learns: bool },
}

impl<'w> Session<'w> {
    /// Boots a device with these weights, if they fit the board, and identifies it.
    ///
    /// If the board has room only for the encoder, it gets the encoder and this program decodes.
    pub fn open(target: Target, weights: &'w WeightsBlob) -> anyhow::Result<Self> {
        introduce(&target, weights)?;
        if target.board != board::UNLIMITED {
            ensure_room(&target, weights.topology(), &footprint(weights)?, &weights.path.display())?;
        }
        let link: Box<dyn Link + 'w> = match (&target.link, target.emulated) {
            (Kind::Serial(path), _) => Box::new(Serial::open(path)?),
            (_, Some(board)) => Box::new(Firmware::new(board, weights)?.boot(Program::Application)?),
            (_, None) => Box::new(InProcess::boot(Flashed::new(target.board, weights)?.blob)?),
        };
        Self::start(target, link, weights, Application::Codec)
    }

    /// As [`Self::open`], with a device that learns. Its flash has these contents, except on a serial port: a board
    /// there has its own.
    pub fn learning(target: Target, weights: &'w WeightsBlob, flash: Vec<u8>) -> anyhow::Result<Self> {
        introduce(&target, weights)?;
        ensure_learning_room(&target, weights, flash.len())?;
        let link: Box<dyn Link + 'w> = match (&target.link, target.emulated) {
            (Kind::Serial(path), _) => Box::new(Serial::open(path)?),
            (_, Some(board)) => {
                Box::new(Qemu::boot_learning(board, &BoardImages::learner(board)?, weights.bytes(), &flash)?)
            }
            (_, None) => Box::new(InProcess::boot_learning(weights.bytes(), flash)?),
        };
        Self::start(target, link, weights, Application::Learner)
    }

    /// As [`Self::open`], with a device that takes samples. It learns if it is given the contents of its flash; on a
    /// serial port, the board has its own.
    ///
    /// Of the emulated boards, an `mps2-an386` and an `mps2-an505` learn.
    pub fn detector(target: Target, weights: &'w WeightsBlob, flash: Option<Vec<u8>>) -> anyhow::Result<Self> {
        introduce(&target, weights)?;
        let learns = flash.is_some();
        let link: Box<dyn Link + 'w> = match (&target.link, target.emulated) {
            (Kind::Serial(path), _) => Box::new(Serial::open(path)?),
            (_, Some(board)) => {
                let images = BoardImages::detector(board)?;
                Box::new(Qemu::boot_detector(board, &images, weights.bytes(), &flash.unwrap_or_default())?)
            }
            (_, None) => Box::new(InProcess::boot_detector(weights.bytes(), flash)?),
        };
        let mut session = Self::start(target, link, weights, Application::Detector { learns })?;
        session.restart().with_context(|| weights.path.display().to_string())?;
        Ok(session)
    }

    /// Opens a device with the learned parameters in a flash file, if one is named.
    ///
    /// Returns an error if the file does not exist, is damaged, or holds only a record of other weights.
    pub fn with_flash(target: Target, weights: &'w WeightsBlob, flash: Option<&Path>) -> anyhow::Result<Self> {
        Self::restored(weights, flash, |contents| match contents {
            None => Self::open(target, weights),
            Some(contents) => Self::learning(target, weights, contents),
        })
    }

    /// As [`Self::with_flash`], with a device that takes samples.
    pub fn detector_with_flash(target: Target, weights: &'w WeightsBlob, flash: Option<&Path>) -> anyhow::Result<Self> {
        Self::restored(weights, flash, |contents| Self::detector(target, weights, contents))
    }

    /// Opens a device with the contents of a flash file, if one is named, and notes which parameters it has.
    fn restored(
        weights: &WeightsBlob,
        flash: Option<&Path>,
        open: impl FnOnce(Option<Vec<u8>>) -> anyhow::Result<Self>,
    ) -> anyhow::Result<Self> {
        let Some(path) = flash else {
            let session = open(None)?;
            let default = flash_file::DEFAULT;
            if !session.target.quiet && has_learned(default.as_ref(), weights) {
                note(&format!("parameters: the blob's own; --flash {default} selects the learned ones"));
            }
            return Ok(session);
        };
        let file = FlashFile::of_weights(path, weights)?;
        let mut session = open(Some(file.contents.clone()))?;
        let kept = session.kept(&file, false)?;
        session.sequence = 0; // packet numbers start with the first row
        session.record = if let RecordState::Learned(record) = kept { Some(record.sequence) } else { None };
        if !session.target.quiet {
            note(&format!("flash: {}: {}", path.display(), describe(kept)));
        }
        Ok(session)
    }

    fn start(
        target: Target,
        link: Box<dyn Link + 'w>,
        weights: &'w WeightsBlob,
        application: Application,
    ) -> anyhow::Result<Self> {
        let samples = weights.section()?.map_or(0, |section| command_bytes(&section.spec));
        let buffer = vec![0; frame::frame_bytes(weights.row().max(weights.code_bytes()).max(samples))];
        let mut session = Self { weights, target, link, application, record: None, decoder: None, sequence: 0, buffer };
        session.greet()?;
        session.within_budget()?;
        if session.decoder.is_some() && !session.target.quiet {
            note(&format!("{} holds the encoder alone; this program decodes", session.target.board.name));
        }
        Ok(session)
    }

    /// Whether the network has both halves and the device holds the encoder alone.
    pub fn encoder_alone(&self) -> bool {
        self.decoder.is_some()
    }

    /// The record in the device's flash. Unless `replaced`, returns an error if the record is damaged or of other
    /// weights, or if the file holds the learned parameters of another board.
    pub fn kept(&mut self, file: &FlashFile, replaced: bool) -> anyhow::Result<RecordState> {
        let kept = self.status(LearningCommand::Status)?.kept?;
        if !replaced {
            ensure_own(kept, self.weights.crc).context("the device's flash")?;
            let other = matches!(self.target.link, Kind::Serial(_)) && file.state != RecordState::Nothing;
            ensure!(
                !other || self.flash()? == file.contents,
                "{}: the learned parameters of another device; give another --flash",
                file.path.display()
            );
        }
        Ok(kept)
    }

    /// Ends the session and reports the memory that the device used. Returns an error if its board has less.
    pub fn finish(mut self) -> anyhow::Result<Report> {
        let (ram, flash) = self.within_budget()?;
        let weights = self.weights.path.display().to_string();
        let Target { board, emulated, .. } = self.target;
        Ok(Report { weights, record: self.record, board, emulated, flash, ram })
    }

    /// The RAM and flash that the device has used. Returns an error if its board has less.
    fn within_budget(&mut self) -> anyhow::Result<(Ram, usize)> {
        let (board, weights, ram) = (self.target.board, self.weights, self.link.ram()?);
        if let Application::Detector { learns } = self.application {
            let slots = if learns { flash_file::slots(weights.topology()) } else { 0 };
            let needs = DetectorNeeds { weights: weights.length, ram: ram.used(), slots };
            ensure_detector_fits(board, weights, &needs)?;
            return Ok((ram, needs.flash()));
        }
        let alone = self.decoder.as_ref().and_then(|_| weights.encoder().zip(weights.topology().encoder()));
        let (blob, topology) = match alone {
            Some((encoder, topology)) => (encoder.bytes().len(), topology),
            None => (weights.length, weights.topology().clone()),
        };
        let needs = Needs { weights: blob, ram: ram.used(), topology, code: weights.code_bytes() };
        if self.application == Application::Learner {
            let learning = learning_needs(needs);
            ensure_learning_fits(board, weights, &learning)?;
            return Ok((ram, learning.flash(board)));
        }
        ensure_fits(board, weights, &needs)?;
        Ok((ram, needs.flash(board)))
    }

    /// Checks that the device speaks this version of the protocol and has these weights.
    fn greet(&mut self) -> anyhow::Result<()> {
        self.sequence = 0;
        let mut frame = self.send(Command::Info)?;
        let Reply::Info(info) = reply(&mut frame, 0)?.with_context(|| self.weights.path.display().to_string())? else {
            bail!("the device did not identify itself");
        };
        ensure!(
            info.version == message::VERSION,
            "the device speaks version {} of the protocol; this program speaks version {}",
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
}

/// Prints which weights are used, and which board is emulated.
fn introduce(target: &Target, weights: &WeightsBlob) -> anyhow::Result<()> {
    if target.board != board::UNLIMITED {
        weights.ensure_readable(target.board)?;
    }
    if target.quiet {
        return Ok(());
    }
    note(&format!("weights: {} ({}, {:08x})", weights.path.display(), weights.name(), weights.crc));
    let other = target.emulated.filter(|board| *board != target.board);
    if let Some(Board { name, processor, .. }) = other {
        let board = target.board.name;
        note(&format!("{board} is not emulated itself; {name} runs in its place, with the same {processor}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
