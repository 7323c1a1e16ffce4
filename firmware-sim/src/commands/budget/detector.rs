//! What a detector needs: window, front end, network and monitor, and learning.

use super::measured::Measured;
use crate::args;
use crate::board::needs::DetectorNeeds;
use crate::board::{Board, DETECTOR_CODE_BYTES, RESERVE, UNLIMITED};
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

/// The estimate for a detector.
pub struct DetectorEstimate {
    name: String,
    /// Bytes of the blob.
    weights: usize,
    /// RAM without learning, and with it.
    ram: [Ram; 2],
    /// Bytes of flash for what it learns.
    kept: usize,
}

impl DetectorEstimate {
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

    /// Its needs without learning, and with it.
    fn needs(&self) -> [DetectorNeeds; 2] {
        [0, 1].map(|i| DetectorNeeds { weights: self.weights, ram: self.ram[i].used(), slots: i * self.kept })
    }

    /// Bytes of flash for weights and code.
    fn flash(&self) -> usize {
        self.needs()[0].flash()
    }

    /// Whether a board has room for it, without learning and with it.
    fn fits(&self, board: &Board) -> [bool; 2] {
        self.needs().map(|needs| needs.fit(board))
    }

    /// Writes what each board has for it.
    pub fn text(&self, text: &mut String, boards: &[&Board]) -> std::fmt::Result {
        let [frozen, learning] = self.ram;
        writeln!(text, "a detector: {}", self.name)?;
        for (what, ram) in [("without learning", frozen), ("with learning", learning)] {
            let Ram { statics, stack, .. } = ram;
            writeln!(text, "  {what:16}  RAM {:6} = static {statics} + stack {stack}", ram.used())?;
        }
        writeln!(text, "board            flash of available    kept     RAM of available   fits  learns")?;
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        for board in boards {
            let [fits, learns] = self.fits(board).map(yes);
            writeln!(
                text,
                "{:14} {:7} {:12}  {:6}  {:6} {:12}   {fits:4}  {learns}",
                board.name,
                self.flash(),
                board.flash,
                self.kept,
                frozen.used(),
                board.free_ram()
            )?;
        }
        writeln!(
            text,
            "Flash: the weights and the code, which is estimated as {DETECTOR_CODE_BYTES} bytes. RAM: measured in this process; \
             {RESERVE} bytes of\neach board's RAM are kept free. A detector that learns also keeps what it has learned in \
             flash (kept), and in RAM the\nwindows that a run goes over again. The image of an emulated board may have smaller \
             buffers."
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

/// What a detector needs of the boards and, on a device, what it takes.
pub fn run(
    args: &args::Budget,
    target: &Target,
    boards: &[&Board],
    weights: &WeightsBlob,
    estimate: &DetectorEstimate,
) -> anyhow::Result<String> {
    let measured = match target.link {
        Kind::InProcess => None,
        _ => Some(Measured::detector(target, weights, estimate.ram[0].used())?),
    };
    if args.common.json {
        let measured = measured.map(|measured| measured.json());
        return Ok(format!("{}\n", json!({ "detectors": estimate.json(boards), "measured": measured })));
    }
    let mut text = String::new();
    estimate.text(&mut text, boards)?;
    if let Some(measured) = measured {
        measured.text(&mut text)?;
    }
    Ok(text)
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
