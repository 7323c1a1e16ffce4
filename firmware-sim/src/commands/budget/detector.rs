//! What a detector needs: window, front end, network and monitor, and learning.

use crate::board::{Board, DETECTOR_CODE_BYTES, UNLIMITED};
use crate::flash_file;
use crate::link::session::Session;
use crate::link::{Kind, Ram, Target};
use crate::random;
use crate::random_samples::{noise, section};
use crate::weights::WeightsBlob;
use autoencoder_core::front_end::{FrontEnd, Section, Spec};
use autoencoder_device::learn::{Begin, HELD_OUT, Method};
use autoencoder_device::message::LearningCommand;
use serde_json::{Value, json};
use std::fmt::Write;

/// The example without weights: windows of 64 samples of six channels, as of a smartwatch, and their default network.
const EXAMPLE: Spec = Spec { channels: 6, window: 64, hop: 16, rate: 0.0, front_end: FrontEnd::Raw };
const EXAMPLE_LAYERS: &str = "384-64-24-64-384";

/// The memory that a detector needs.
pub struct DetectorNeeds {
    name: String,
    /// Bytes of the blob.
    weights: usize,
    /// RAM without learning, and with it.
    ram: [Ram; 2],
    /// Bytes of flash for the learned parameters.
    kept: usize,
}

impl DetectorNeeds {
    /// The needs of a detector in a blob; `None` if the network takes rows.
    pub fn of(weights: &WeightsBlob) -> anyhow::Result<Option<Self>> {
        let Some(section) = weights.section()? else { return Ok(None) };
        let name = weights.name();
        let shape = describe(&section);
        let ram =
            [None, Some(flash_file::erased(weights.topology()))].map(|flash| measure(weights, &section.spec, flash));
        let [frozen, learning] = ram;
        let kept = flash_file::slots(weights.topology());
        Ok(Some(Self { name: format!("{name}, {shape}"), weights: weights.length, ram: [frozen?, learning?], kept }))
    }

    /// The needs of the example.
    pub fn example() -> anyhow::Result<Option<Self>> {
        Self::of(&random::weights_for(&EXAMPLE_LAYERS.parse()?, &section(&EXAMPLE))?)
    }

    /// Bytes of flash for weights and code.
    fn flash(&self) -> usize {
        self.weights.saturating_add(DETECTOR_CODE_BYTES)
    }

    /// Whether a board has room for it, without learning and with it.
    fn fits(&self, board: &Board) -> [bool; 2] {
        let flash = [self.flash(), self.flash().saturating_add(self.kept)];
        [0, 1].map(|i| flash[i] <= board.flash && self.ram[i].used() <= board.free_ram())
    }

    /// Writes what each board has for it.
    pub fn text(&self, text: &mut String, boards: &[&Board]) -> std::fmt::Result {
        let [frozen, learning] = self.ram;
        writeln!(text, "\na detector: {}", self.name)?;
        for (what, ram) in [("without learning", frozen), ("with learning", learning)] {
            let Ram { statics, stack, .. } = ram;
            writeln!(text, "  {what:16}  RAM {:6} = static {statics} + stack {stack}", ram.used())?;
        }
        writeln!(text, "board            flash of available    kept   fits  learns")?;
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        for board in boards {
            let [fits, learns] = self.fits(board).map(yes);
            let (name, flash) = (board.name, self.flash());
            writeln!(text, "{name:14} {flash:7} {:12}  {:6}   {fits:4}  {learns}", board.flash, self.kept)?;
        }
        writeln!(
            text,
            "Of the code, {DETECTOR_CODE_BYTES} bytes are estimated. With learning, the flash also keeps the learned \
             parameters, and\nthe RAM the windows that a run goes over again."
        )
    }

    /// The same for `--json`.
    pub fn json(&self, boards: &[&Board]) -> Vec<Value> {
        let of = |board: &&Board| {
            let [fits, learns] = self.fits(board);
            json!({
                "board": board.name,
                "detector": self.name,
                "flash_bytes": self.flash(),
                "flash_available": board.flash,
                "ram_bytes": self.ram[0].used(),
                "learning_ram_bytes": self.ram[1].used(),
                "ram_available": board.free_ram(),
                "kept_bytes": self.kept,
                "fits": fits,
                "learns": learns,
            })
        };
        boards.iter().map(of).collect()
    }
}

/// `windows of 64 samples of 6 channels`
fn describe(section: &Section<'_>) -> String {
    let Spec { channels, window, .. } = section.spec;
    format!("windows of {window} samples of {channels} channels")
}

/// The RAM of a detector in this process. It observes a window or, with a flash, learns from some.
fn measure(weights: &WeightsBlob, spec: &Spec, flash: Option<Vec<u8>>) -> anyhow::Result<Ram> {
    let target = Target { link: Kind::InProcess, board: UNLIMITED, emulated: None, quiet: true };
    let learns = flash.is_some();
    let mut device = Session::detector(target, weights, flash)?;
    if learns {
        let begin = Begin { method: Method::Adam, rate: 1, batch: 1, rows: 1, passes: 2, forced: true };
        device.status(LearningCommand::Begin(begin))?;
        device.learn_samples(&noise(spec, HELD_OUT + 2))?;
        device.repeat()?;
        device.judge()?;
    } else {
        device.observe(&noise(spec, 1))?;
    }
    Ok(device.finish()?.ram)
}
