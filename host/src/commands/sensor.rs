//! Recordings of a sensor for the commands: which windows train, validate and test, and the rows that they become.

use crate::args::SensorOptions;
use anyhow::{Context, anyhow, bail, ensure};
use autoencoder_core::front_end::{FrontEnd, Spec};
use autoencoder_io::idx::Images;
use autoencoder_io::number::counted;
use autoencoder_io::recordings::{Recordings, Source, list};
use autoencoder_io::terminal::printable;
use autoencoder_io::windows::{self, Kind, Place};
use host::detector::{Sensor, Split, Trial, balance, best, scales, spread, try_front_ends};
use host::evaluate::baselines::MOST_INPUTS;
use std::fmt::Write;

/// The fraction of normal rows above the threshold, unless an option says otherwise.
const FALSE_ALARMS: f32 = 0.005;
/// The most bands of a channel, unless an option says otherwise.
const BANDS: u16 = 32;

/// The folder beside a detector's blob that has the rows of its training.
pub const ROWS: &str = "rows";

/// What its rows do. First those that identify the run: `eval` compares them with the blob.
pub const SETS: [&str; 3] = ["validation", "train", "test"];

/// The file in that folder of the rows of one of [`SETS`].
pub fn rows_file(set: &str) -> String {
    format!("{set}-rows-idx2-ubyte")
}

/// The most features that the scales are computed from: 256 MiB of them. More windows are spread evenly.
const MOST_FEATURES: usize = 1 << 26;

/// Rows for the training of a detector.
pub struct SensorData {
    /// They train.
    pub train: Images,
    /// Nothing is chosen on them.
    pub test: Images,
    pub detector: Detector,
}

/// What a detector has beside the rows to train on and to test with.
pub struct Detector {
    /// How samples become rows.
    pub sensor: Sensor,
    /// The rows that decide when to stop, and calibrate the thresholds.
    pub validation: Images,
    /// For each test row, the source of its recording.
    pub test_sources: Vec<Source>,
    /// What each front end reached; empty if none was tried.
    pub trials: Vec<Trial>,
    /// The share of the inputs of training, validation and test rows that were clipped.
    pub clipped: [f64; 3],
    /// The data and what was chosen, in lines of text.
    pub text: String,
}

impl Detector {
    /// How many windows share each sample.
    pub fn overlap(&self) -> f64 {
        overlap(&self.sensor.spec)
    }
}

/// How many windows share each sample.
pub fn overlap(spec: &Spec) -> f64 {
    (f64::from(spec.window) / f64::from(spec.hop)).max(1.0)
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
                options.ensure_open("the network that exists says how samples become rows")?;
                windows::check(recordings, &sensor.spec, &sensor.names)?;
                sensor.spec
            }
            None => spec(options, recordings)?,
        };
        let all = windows::places(recordings, &spec, &options.normal)?;
        let normal: Vec<Place> = all.iter().copied().filter(|place| place.kind == Kind::Normal).collect();
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
        // What is wrong with them is said before the trials.
        let test_places = tests
            .map(|tests| {
                tests.ensure_apart_from(recordings)?;
                let names = known.as_ref().map_or(&recordings.names, |sensor| &sensor.names);
                windows::check(tests, &spec, names)?;
                let mut places = windows::places(tests, &spec, &options.normal)?;
                places.retain(|place| place.kind == Kind::Normal);
                ensure!(!places.is_empty(), "no window to test on is labelled normal: {}", options.normal.describe());
                anyhow::Ok((tests, places))
            })
            .transpose()?;
        let (mut text, mut trials) = (String::new(), Vec::new());
        let sensor = match known {
            // The threshold may be another one.
            Some(sensor) => Sensor { false_alarms: options.false_alarms.unwrap_or(sensor.false_alarms), ..sensor },
            None => new_sensor(options, recordings, spec, &split, &mut trials, &mut text)?,
        };
        let rows = |recordings: &Recordings, places: &[Place]| sensor.rows(recordings, places);
        let sources = |recordings: &Recordings, places: &[Place]| {
            places.iter().map(|place| recordings.source(place.recording)).collect::<Vec<_>>()
        };
        let (tests, places) =
            test_places.as_ref().map_or((recordings, &split.test), |(tests, places)| (*tests, places));
        let (test, test_sources) = (rows(tests, places), sources(tests, places));
        let (train, validation) = (rows(recordings, &split.train), rows(recordings, &split.validation));
        let counts = [&train, &validation, &test].map(|rows| rows.images.len());
        let clipped = [&train, &validation, &test].map(|rows| {
            let inputs: u64 = rows.clipped.iter().map(|count| u64::from(*count)).sum();
            inputs as f64 / rows.images.pixels.len().max(1) as f64
        });
        let [percent_train, percent_validation, percent_test] = clipped.map(|share| 100.0 * share);
        writeln!(
            text,
            "inputs outside of their scales: {percent_train:.2} % of training, {percent_validation:.2} % of validation, \
             {percent_test:.2} % of test"
        )?;
        let [train, validation, test] = [train, validation, test].map(|rows| rows.images);
        let tests = test_places.as_ref().map(|(tests, _)| *tests);
        let text = describe_sets(recordings, tests, &spec, counts, all.len() - normal.len()) + &text;
        let detector = Detector { sensor, validation, test_sources, trials, clipped, text };
        Ok(Self { train, test, detector })
    }
}

/// The recordings, and how many of their windows train, validate and test; `left` have faulty samples. `tests` are other
/// recordings to test on.
fn describe_sets(
    recordings: &Recordings,
    tests: Option<&Recordings>,
    spec: &Spec,
    counts: [usize; 3],
    left: usize,
) -> String {
    let left = if left > 0 { format!("; {left} with faulty samples do not train") } else { String::new() };
    let short = windows::describe_short(recordings, spec);
    let files = describe_left_out(recordings) + &tests.map(describe_left_out).unwrap_or_default();
    let of_tests = tests.map(|tests| {
        let number = counted(tests.recordings.len(), "recording");
        format!("to test on: {number}{}\n", windows::describe_short(tests, spec))
    });
    let of_tests = of_tests.unwrap_or_default();
    let [train, validation, test] = counts;
    format!(
        "{}, {} of {}{short}\n{of_tests}{files}windows of {} every {}: {train} train, {validation} validate, {test} \
         test{left}\n",
        counted(recordings.recordings.len(), "recording"),
        counted(recordings.samples(), "sample"),
        recordings.describe_channels(),
        counted(spec.window, "sample"),
        spec.hop,
    )
}

/// The files in the folders that are none of recordings, in a line of text; empty if there are none.
pub fn describe_left_out(recordings: &Recordings) -> String {
    let files: Vec<String> = recordings.left_out.iter().map(|path| path.display().to_string()).collect();
    if files.is_empty() { String::new() } else { format!("no recordings, so left out: {}\n", list(&files)) }
}

/// Warns of channels that do not look like those of a sensor.
pub fn warn_of_columns(recordings: &Recordings) {
    /// More names are no help in a line.
    const LONGEST: usize = 200;
    let (mut suspects, mut others) = (Vec::new(), Vec::new());
    for column in &recordings.columns {
        match column.suspicion() {
            Some(suspicion) => suspects.push(format!("{} ({suspicion})", column.name)),
            None => others.push(column.name.as_str()),
        }
    }
    if !suspects.is_empty() {
        let others = printable(&others.join(","));
        let others = if others.len() > LONGEST { String::new() } else { others };
        eprintln!("warning: channels that may be none: {}; choose with --columns {others}", list(&suspects));
    }
}

/// The shape of the windows that the options ask for. The front end is still open.
fn spec(options: &SensorOptions, recordings: &Recordings) -> anyhow::Result<Spec> {
    let channels = u16::try_from(recordings.channels)
        .map_err(|_| anyhow!("{} channels; a sensor has at most {}", recordings.channels, u16::MAX))?;
    // The windows of an array may be cut into smaller ones.
    let of_array = || {
        let name = recordings.recordings.first().map_or("", |one| &one.name);
        let too_long =
            |samples| anyhow!("{name}: windows of {samples} samples; a detector takes at most {}: --window", u16::MAX);
        recordings.window.map(|samples| u16::try_from(samples).map_err(|_| too_long(samples))).transpose()
    };
    let mut arrays = recordings.recordings.iter().map(|one| one.array.is_some());
    if options.window.is_none() && recordings.window.is_none() && arrays.any(|is_window| is_window) {
        let all = recordings.recordings.iter().all(|one| one.array.is_some());
        let what = if all { "of different lengths" } else { "beside recordings of any length" };
        bail!("arrays of windows {what}; choose one with --window");
    }
    let window = options.window.map_or_else(of_array, |window| Ok(Some(window)))?.unwrap_or(1);
    let hop = options.hop.unwrap_or((window / 4).max(1));
    if let (Some(option), Some(found)) = (options.rate, recordings.rate) {
        ensure!(option == found, "--rate {option}: the recordings say {found} Hz");
    }
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

/// Chooses the front end and the scales. Appends the trials to `trials`, and the reasons to `text`.
fn new_sensor(
    options: &SensorOptions,
    recordings: &Recordings,
    mut spec: Spec,
    split: &Split,
    trials: &mut Vec<Trial>,
    text: &mut String,
) -> anyhow::Result<Sensor> {
    let bands = options.bands.unwrap_or((spec.window / 8).clamp(1, BANDS));
    spec.front_end = match options.front_end.as_deref() {
        // A window of one sample has no course and no spectrum.
        None if spec.window == 1 && options.bands.is_none() => FrontEnd::Raw,
        None if options.bands.is_some() => FrontEnd::Spectrum { bands },
        None => {
            *trials = try_front_ends(recordings, &spec, &split.train, bands);
            let front_end = best(trials);
            writeln!(text, "front end: {}, {}", describe(front_end), reason(trials))?;
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
    let inputs = spec.inputs();
    let features = windows::features(recordings, &spec, &spread(&split.train, MOST_FEATURES / inputs));
    let (scales, constant) = scales(&features, inputs);
    let never_changed = |input: usize| {
        let mut column = features.iter().skip(input).step_by(inputs);
        let first = column.next();
        column.all(|feature| Some(feature) == first)
    };
    let still: Vec<Option<bool>> = (0..inputs).map(|input| constant[input].then(|| never_changed(input))).collect();
    drop(features);
    let false_alarms = options.false_alarms.unwrap_or(FALSE_ALARMS);
    let mut sensor = Sensor { spec, names: recordings.names.clone(), false_alarms, scales };
    if let Some(input) = sensor.scales.iter().position(|scale| !scale.is_valid()) {
        bail!(
            "channel {}: its numbers are too large for the scale of an input; choose another unit",
            sensor.channel_of(input)
        );
    }
    // What a blob cannot hold is refused before the training.
    Sensor::read(&sensor.section()?).context("the input section of the blob cannot be read back")?;
    ensure!(constant.contains(&false), "every training window is the same: there is nothing to learn");
    describe_still(&sensor, &still, text)?;
    if spec.window > 1 && !matches!(spec.front_end, FrontEnd::Spectrum { .. }) {
        let rows = windows::rows(recordings, &spec, &sensor.scales, &split.train);
        if !balance(&mut sensor.scales, &constant, &rows.images.pixels, spec.channels.into()) {
            writeln!(text, "channels: not balanced, because there are more than {MOST_INPUTS} inputs")?;
        }
    }
    Ok(sensor)
}

/// The channels that have inputs without changes: for each input, whether it never changed, or hardly; `None` if it changed.
fn describe_still(sensor: &Sensor, still: &[Option<bool>], text: &mut String) -> std::fmt::Result {
    let mut channels: Vec<(String, bool, usize)> = Vec::new();
    for (input, never) in still.iter().enumerate().filter_map(|(input, still)| Some((input, (*still)?))) {
        let name = sensor.channel_of(input);
        match channels.iter_mut().find(|(other, kind, _)| (other, *kind) == (&name, never)) {
            Some((_, _, count)) => *count += 1,
            None => channels.push((name, never, 1)),
        }
    }
    for (name, never, count) in channels {
        let how = if never {
            "never changed in training: any change counts"
        } else {
            "hardly changed in training (by less than 1/100,000 in 99 % of the windows): any larger change counts"
        };
        writeln!(text, "channel {name}: {} {how}", counted(count, "input"))?;
    }
    Ok(())
}

/// Why a front end was taken.
fn reason(trials: &[Trial]) -> String {
    let figures: Vec<String> =
        trials.iter().map(|trial| format!("{} {:.3}", name(trial.front_end), trial.auc)).collect();
    if figures.is_empty() {
        return "because there are too few training windows to try others".into();
    }
    format!("which tells healthy windows of the training set best from changed ones (AUC: {})", figures.join(", "))
}

/// The name of a front end in options.
pub fn name(front_end: FrontEnd) -> &'static str {
    match front_end {
        FrontEnd::Raw => "raw",
        FrontEnd::Centred => "centred",
        FrontEnd::Spectrum { .. } => "spectrum",
        _ => "a front end that this program does not know",
    }
}

/// `raw`, `centred`, `spectrum in 32 bands`
pub fn describe(front_end: FrontEnd) -> String {
    match front_end {
        FrontEnd::Spectrum { bands } => format!("spectrum in {}", counted(bands, "band")),
        other => name(other).into(),
    }
}
