//! Recordings of a sensor for the commands: which windows train, validate and test, and the rows that they become.

use crate::args::SensorOptions;
use anyhow::{anyhow, bail, ensure};
use autoencoder_core::front_end::{FrontEnd, Spec};
use autoencoder_io::idx::Images;
use autoencoder_io::number::counted;
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::{self, Place};
use host::detector::{Choice, Sensor, Split, balance, choose, scales};
use std::fmt::Write;

/// The fraction of normal rows above the threshold, unless an option says otherwise.
const FALSE_ALARMS: f32 = 0.005;
/// The most bands of a channel, unless an option says otherwise.
const BANDS: u16 = 32;

/// Rows for the training of a detector.
pub struct SensorData {
    /// How samples become rows.
    pub sensor: Sensor,
    /// They train.
    pub train: Images,
    /// They decide when to stop, and calibrate the thresholds.
    pub validation: Images,
    /// Nothing is chosen on them.
    pub test: Images,
    /// The data and what was chosen, in lines of text.
    pub text: String,
}

impl SensorData {
    /// Divides the normal windows of recordings, and makes rows of them. `tests` are other recordings to test on. `known` is the
    /// sensor of a network that exists.
    pub fn new(
        options: &SensorOptions,
        recordings: &Recordings,
        tests: Option<&Recordings>,
        known: Option<Sensor>,
    ) -> anyhow::Result<Self> {
        let spec = match &known {
            Some(sensor) => {
                windows::check(recordings, &sensor.spec, &sensor.names)?;
                sensor.spec
            }
            None => spec(options, recordings)?,
        };
        let all = windows::places(recordings, &spec)?;
        let normal: Vec<Place> =
            all.iter().copied().filter(|place| options.normal.is_normal(recordings, place)).collect();
        ensure!(!normal.is_empty(), "no window is labelled normal: {}", options.normal.describe());
        let split = Split::new(recordings, &spec, &normal, tests.is_none());
        let own_test = if tests.is_none() { &split.test } else { &split.train };
        for (set, places) in [("train", &split.train), ("validate", &split.validation), ("test", own_test)] {
            ensure!(
                !places.is_empty(),
                "{}: too few to {set} with; record more, or choose a shorter --window or --hop",
                counted(normal.len(), "window")
            );
        }
        let mut text = String::new();
        let sensor = match known {
            // The threshold may be another one.
            Some(sensor) => Sensor { false_alarms: options.false_alarms.unwrap_or(sensor.false_alarms), ..sensor },
            None => new_sensor(options, recordings, spec, &split, &mut text)?,
        };
        let rows = |recordings: &Recordings, places: &[Place]| sensor.rows(recordings, places);
        let test = match tests {
            None => rows(recordings, &split.test),
            Some(tests) => {
                windows::check(tests, &sensor.spec, &sensor.names)?;
                let places = windows::places(tests, &sensor.spec)?;
                let normal: Vec<Place> =
                    places.into_iter().filter(|place| options.normal.is_normal(tests, place)).collect();
                ensure!(!normal.is_empty(), "--test: no window is labelled normal: {}", options.normal.describe());
                rows(tests, &normal)
            }
        };
        let (train, validation) = (rows(recordings, &split.train), rows(recordings, &split.validation));
        let counts = [&train, &validation, &test].map(|rows| rows.images.len());
        let left = all.len() - normal.len();
        let left = if left > 0 { format!("; {left} of other labels do not train") } else { String::new() };
        let line = format!(
            "{}, {} of {}: windows of {} every {}\n{} train, {} validate, {} test{left}\n",
            counted(recordings.recordings.len(), "recording"),
            counted(recordings.samples(), "sample"),
            counted(recordings.channels, "channel"),
            counted(spec.window, "sample"),
            spec.hop,
            counts[0],
            counts[1],
            counts[2],
        );
        let clipped = [&train, &validation, &test].map(|rows| {
            let inputs: u64 = rows.clipped.iter().map(|count| u64::from(*count)).sum();
            100.0 * inputs as f64 / rows.images.pixels.len().max(1) as f64
        });
        writeln!(
            text,
            "inputs outside of their scales: {:.2} % of training, {:.2} % of validation, {:.2} % of test",
            clipped[0], clipped[1], clipped[2]
        )?;
        let [train, validation, test] = [train, validation, test].map(|rows| rows.images);
        Ok(Self { sensor, train, validation, test, text: line + &text })
    }
}

/// The shape of the windows that the options ask for. The front end is still open.
fn spec(options: &SensorOptions, recordings: &Recordings) -> anyhow::Result<Spec> {
    let channels = u16::try_from(recordings.channels)
        .map_err(|_| anyhow!("{} channels; a sensor has at most {}", recordings.channels, u16::MAX))?;
    // The windows of an array may be cut into smaller ones.
    let of_array = recordings.window.and_then(|samples| u16::try_from(samples).ok());
    let window = options.window.or(of_array).unwrap_or(1);
    let hop = options.hop.unwrap_or((window / 4).max(1));
    let rate = options.rate.or(recordings.rate).unwrap_or(0.0);
    let spec = Spec { channels, window, hop, rate, front_end: FrontEnd::Raw };
    let inputs = spec.inputs();
    ensure!(
        inputs <= u16::MAX.into(),
        "{inputs} inputs; a network takes at most {}: choose a shorter --window",
        u16::MAX
    );
    Ok(spec)
}

/// Chooses the front end and the scales. Appends the reasons to `text`.
fn new_sensor(
    options: &SensorOptions,
    recordings: &Recordings,
    mut spec: Spec,
    split: &Split,
    text: &mut String,
) -> anyhow::Result<Sensor> {
    let bands = options.bands.unwrap_or((spec.window / 4).clamp(1, BANDS));
    spec.front_end = match options.front_end.as_deref() {
        None => {
            let Choice { front_end, share } = choose(recordings, &spec, &split.train, bands);
            let (name, percent) = (describe(front_end), 100.0 * share);
            if spec.window > 1 {
                writeln!(text, "front end: {name}, because the windows' means have {percent:.1} % of the variance")?;
            }
            front_end
        }
        Some("raw") => FrontEnd::Raw,
        Some("centred") => FrontEnd::Centred,
        Some(_) => FrontEnd::Spectrum { bands },
    };
    if let (Some(bands), false) = (options.bands, matches!(spec.front_end, FrontEnd::Spectrum { .. })) {
        bail!("--bands {bands}: only a spectrum has bands, and the front end is {}", describe(spec.front_end));
    }
    spec.check().map_err(|_| {
        anyhow!(
            "a spectrum takes a --window of 16, 32, 64, 128, 256, 512 or 1024 samples and at most half as many --bands, not {} \
             and {bands}",
            spec.window
        )
    })?;
    let features = windows::features(recordings, &spec, &split.train);
    let (mut scales, constant) = scales(&features, spec.inputs());
    if constant > 0 {
        writeln!(text, "{} never changed in training: any change counts", counted(constant, "input"))?;
    }
    ensure!(constant < spec.inputs(), "every training window is the same: there is nothing to learn");
    if spec.window > 1 && !matches!(spec.front_end, FrontEnd::Spectrum { .. }) {
        let rows = windows::rows(recordings, &spec, &scales, &split.train);
        balance(&mut scales, &rows.images.pixels, spec.channels.into());
    }
    let (names, false_alarms) = (recordings.names.clone(), options.false_alarms.unwrap_or(FALSE_ALARMS));
    Ok(Sensor { spec, names, false_alarms, scales })
}

/// `raw`, `centred`, `spectrum in 32 bands`
pub fn describe(front_end: FrontEnd) -> String {
    match front_end {
        FrontEnd::Raw => "raw".into(),
        FrontEnd::Centred => "centred".into(),
        FrontEnd::Spectrum { bands } => format!("spectrum in {}", counted(bands, "band")),
    }
}
