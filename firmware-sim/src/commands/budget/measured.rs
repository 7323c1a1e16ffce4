//! The memory that a device reports, beside the estimate.

use crate::board::Board;
use crate::board::firmware::{BoardImages, Program};
use crate::board::needs::Footprint;
use crate::link::flashed::Firmware;
use crate::link::measure::footprint;
use crate::link::report::Report;
use crate::link::session::Session;
use crate::link::{Kind, Ram, Target};
use crate::random_samples::noise;
use crate::weights::WeightsBlob;
use anyhow::Context;
use serde_json::{Value, json};
use std::fmt::Write;

/// The usage that a device reports, beside the estimate.
pub struct Measured {
    link: Kind,
    /// The emulated board, or the named one.
    board: &'static Board,
    topology: String,
    /// For the whole network, or for its encoder if the device holds only that.
    flash_estimate: usize,
    ram_estimate: usize,
    encoder_alone: bool,
    /// Bytes of the image in flash; `None` for a board on a serial port.
    image: Option<usize>,
    weights: usize,
    ram: Ram,
}

impl Measured {
    /// Runs each command of a network that takes rows on a device, and asks the device for its usage.
    pub fn codec(target: &Target, weights: &WeightsBlob) -> anyhow::Result<Self> {
        let mut device = Session::open(target.clone(), weights)?;
        let (board, image) = match target.emulated {
            Some(board) => {
                let firmware = Firmware::new(board, weights)?;
                (board, Some(firmware.images.layout(Program::Application)?.flash))
            }
            None => (target.board, None),
        };
        let encoder_alone = device.encoder_alone();
        // The depth of the stack does not depend on the values. Some are zero and some are not.
        let row: Vec<u8> = (0..weights.row()).map(|i| if i % 3 == 0 { 0 } else { i as u8 }).collect();
        let topology = weights.topology();
        if topology.has_encoder() && topology.has_decoder() {
            device.reconstruct(&row)?;
            if !encoder_alone {
                device.score(&row)?;
            }
        } else if topology.has_encoder() {
            device.encode(&row)?;
        } else {
            device.decode(weights.crc, &vec![1; weights.code_bytes()])??;
        }
        let Footprint { whole, halves } = footprint(weights)?;
        let encoder = weights.encoder().filter(|_| encoder_alone);
        let estimate = halves.filter(|_| encoder_alone).map_or(whole, |[encoder, _]| encoder);
        Ok(Self {
            link: target.link.clone(),
            board,
            topology: weights.name(),
            flash_estimate: estimate.flash(board),
            ram_estimate: estimate.ram,
            encoder_alone,
            image,
            weights: encoder.map_or(weights.length, |encoder| encoder.bytes().len()),
            ram: device.finish()?.ram,
        })
    }

    /// Runs a detector on a device with noise, and asks the device for its usage.
    pub fn detector(target: &Target, weights: &WeightsBlob, ram_estimate: usize) -> anyhow::Result<Self> {
        let section = weights.section()?.context("no input section")?;
        let mut device = Session::detector(target.clone(), weights, None)?;
        device.observe(&noise(&section.spec, 1))?;
        let Report { ram, flash, .. } = device.finish()?;
        let image = match target.emulated {
            Some(board) => Some(BoardImages::detector(board)?.layout(Program::Detector)?.flash),
            None => None,
        };
        Ok(Self {
            link: target.link.clone(),
            board: target.emulated.unwrap_or(target.board),
            topology: weights.name(),
            flash_estimate: flash,
            ram_estimate,
            encoder_alone: false,
            image,
            weights: weights.length,
            ram,
        })
    }

    /// The same for `--json`.
    pub fn json(&self) -> Value {
        let Self { link, board, topology, encoder_alone, image, weights, ram, .. } = self;
        json!({
            "link": link.to_string(),
            "board": board.name,
            "topology": topology,
            "encoder_only": encoder_alone,
            "flash_bytes": image.map(|image| image + weights),
            "image_bytes": image,
            "weights_bytes": weights,
            "ram_bytes": ram.used(),
            "static_bytes": ram.statics,
            "spare_bytes": ram.spare,
            "stack_bytes": ram.stack,
            "flash_estimate": self.flash_estimate,
            "ram_estimate": self.ram_estimate,
        })
    }

    /// Writes the usage beside the estimate.
    pub fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { link, board, topology, encoder_alone, image, weights, ram, .. } = self;
        let half = if *encoder_alone { ", the encoder alone" } else { "" };
        writeln!(text, "\n{topology}{half} on {}, --link {link}\n         estimate  measured", board.name)?;
        let flash = image.map_or("unknown".to_owned(), |image| (image + weights).to_string());
        let parts = image.map_or("image unknown".to_owned(), |image| format!("image {image}"));
        writeln!(text, "  flash  {:8}  {flash:>8}   {parts}, weights {weights}", self.flash_estimate)?;
        let Ram { statics, spare, stack, .. } = ram;
        writeln!(text, "  RAM    {:8}  {:8}   static {statics}, stack {stack}", self.ram_estimate, ram.used())?;
        if *spare > 0 {
            let all = ram.used() + spare;
            writeln!(
                text,
                "                   {all:8}   with the {spare} bytes that the image has for larger networks"
            )?;
        }
        Ok(())
    }
}
