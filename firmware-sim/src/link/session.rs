//! A session with a device: it is opened, asked, and closed with a report. The board's memory is never exceeded.

mod requests;

use super::flashed::{Firmware, Flashed};
use super::in_process::InProcess;
use super::measure::{ensure_fits, ensure_learning_fits, ensure_learning_room, ensure_room, footprint, learning_needs};
use super::qemu::Qemu;
use super::report::Report;
use super::serial::Serial;
use super::{Kind, Link, Ram, Target};
use crate::board::firmware::{BoardImages, Program};
use crate::board::needs::Needs;
use crate::board::{self, Board};
use crate::flash_file::{self, FlashFile, describe, has_learned};
use crate::terminal::note;
use crate::weights::Weights;
use anyhow::{Context, bail, ensure};
use autoencoder_device::message::LearningCommand;
use autoencoder_device::store::RecordState;
use autoencoder_device::{Command, Reply, frame, message};
use requests::reply;
use std::path::Path;

/// A device that was asked what it is.
pub struct Session<'w> {
    pub weights: &'w Weights,
    target: Target,
    link: Box<dyn Link + 'w>,
    learns: bool,
    /// Number of the record that the parameters are from, if they were learned.
    record: Option<u32>,
    /// Decodes in this process, for a device that holds only the encoder.
    decoder: Option<InProcess<'w>>,
    /// Number of the last request; the greeting has 0.
    sequence: u32,
    buffer: Vec<u8>,
}

impl<'w> Session<'w> {
    /// Boots a device with these weights, if they fit the board, and asks what it is.
    ///
    /// A board with room for the encoder alone gets the encoder; this program then decodes.
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

    /// As [`Self::open`], with a device that learns. Its flash has these contents; a board on a serial port has its own.
    pub fn learning(target: Target, weights: &'w Weights, flash: Vec<u8>) -> anyhow::Result<Self> {
        introduce(&target, weights);
        ensure_learning_room(&target, weights, flash.len())?;
        let link: Box<dyn Link + 'w> = match (&target.link, target.emulated) {
            (Kind::Serial(path), _) => Box::new(Serial::open(path)?),
            (_, Some(board)) => {
                Box::new(Qemu::boot_learning(board, &BoardImages::learner(board)?, weights.bytes(), &flash)?)
            }
            (_, None) => Box::new(InProcess::boot_learning(weights.bytes(), flash)?),
        };
        Self::start(target, link, weights, true)
    }

    /// A device with what it learned before, if a file is named that holds the contents of its flash.
    ///
    /// A flash without a whole record of these weights is an error: whoever names the file expects to use it.
    pub fn with_flash(target: Target, weights: &'w Weights, flash: Option<&Path>) -> anyhow::Result<Self> {
        let quiet = target.quiet;
        let Some(path) = flash else {
            let session = Self::open(target, weights)?;
            let default = flash_file::DEFAULT;
            if !quiet && has_learned(default.as_ref(), weights) {
                note(&format!("parameters: those of the blob; --flash {default} selects the learned ones"));
            }
            return Ok(session);
        };
        let file = FlashFile::of_weights(path, weights)?;
        let mut session = Self::learning(target, weights, file.contents.clone())?;
        let kept = session.kept(&file, false)?;
        session.sequence = 0; // packet numbers start with the first row
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

    /// Whether the network has both halves and the device holds the encoder alone.
    pub fn encoder_alone(&self) -> bool {
        self.decoder.is_some()
    }

    /// What the device has learned. Unless `replaced`, returns an error if the record is damaged or of other weights, or if the
    /// file has what another board has learned.
    pub fn kept(&mut self, file: &FlashFile, replaced: bool) -> anyhow::Result<RecordState> {
        let kept = self.status(LearningCommand::Status)?.kept?;
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

    /// Ends the session and reports what the device used. An error if its board has less.
    pub fn finish(mut self) -> anyhow::Result<Report> {
        let (ram, flash) = self.within_budget()?;
        let weights = self.weights.path.display().to_string();
        let Target { board, emulated, .. } = self.target;
        Ok(Report { weights, record: self.record, board, emulated, flash, ram })
    }

    /// The RAM and flash that the device has used. An error if its board has less.
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
            "the device speaks version {} of the protocol, this program version {}",
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

/// Says which weights are used, and what is emulated.
fn introduce(target: &Target, weights: &Weights) {
    if target.quiet {
        return;
    }
    note(&format!("weights: {} ({}, {:08x})", weights.path.display(), weights.name(), weights.crc));
    let other = target.emulated.filter(|board| *board != target.board);
    if let Some(Board { name, processor, .. }) = other {
        let board = target.board.name;
        note(&format!("{board} is not emulated itself: {name} runs in its place; it is a {processor}, too"));
    }
}

#[cfg(test)]
mod tests;
