//! Recordings as the samples that a device takes, window by window.

use crate::link::session::Session;
use crate::weights::WeightsBlob;
use anyhow::{Context, ensure};
use autoencoder_core::front_end::Spec;
use autoencoder_device::Observation;
use autoencoder_io::data_options::DataOptions;
use autoencoder_io::normal::Normal;
use autoencoder_io::number::counted;
use autoencoder_io::recordings::Recordings;
use autoencoder_io::windows::{self, Kind, Place};

/// Recordings that fit a detector, and their windows.
pub struct Samples {
    pub spec: Spec,
    pub recordings: Recordings,
    /// All windows, in order.
    pub places: Vec<Place>,
    /// For each window, whether its label is not one of normal samples. Without labels, none is.
    pub faulty: Vec<bool>,
    /// Whether there are labels.
    pub labelled: bool,
}

/// The samples that complete a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<'a> {
    /// Whether they do not follow the samples before.
    pub restart: bool,
    /// Each number of each channel, oldest first: a hop, or a whole window after a restart.
    pub samples: &'a [f32],
}

impl Samples {
    /// Reads the windows of recordings for the detector in a blob. With labels, some have to be normal and some faulty.
    pub fn read(data: &DataOptions, weights: &WeightsBlob, normal: &Normal) -> anyhow::Result<Self> {
        let path = weights.path.display();
        let section = weights.section()?;
        let section = section.with_context(|| format!("{path}: the network takes rows of bytes, not recordings"))?;
        let names: Vec<String> = section.channel_names().map(str::to_owned).collect();
        let (spec, labelled) = (section.spec, data.has_labels());
        let recordings = data.read_for(&names)?;
        windows::check(&recordings, &spec, &names).with_context(|| format!("{path} does not fit the data"))?;
        let places = windows::places(&recordings, &spec, normal)?;
        let faulty: Vec<bool> = places.iter().map(|place| place.kind == Kind::Faulty).collect();
        if labelled {
            normal.ensure_both(&recordings, &faulty)?;
        }
        Ok(Self { spec, recordings, places, faulty, labelled })
    }

    /// `30 windows of 64 samples every 16, in 2 recordings`, and how many recordings have none.
    pub fn describe(&self) -> String {
        let used = self.places.chunk_by(|a, b| a.recording == b.recording).count();
        format!(
            "{} of {} every {}, in {}{}",
            counted(self.places.len(), "window"),
            counted(self.spec.window, "sample"),
            self.spec.hop,
            counted(used, "recording"),
            windows::describe_short(&self.recordings, &self.spec)
        )
    }

    /// The name of a window's recording.
    pub fn recording(&self, window: usize) -> &str {
        &self.recordings.recordings[self.places[window].recording].name
    }

    /// The label of a window, if there are labels.
    pub fn label(&self, window: usize) -> Option<&str> {
        let label = self.recordings.labels.get(self.places[window].label as usize).filter(|_| self.labelled);
        label.map(String::as_str)
    }

    /// The labels in pictures. An empty one is that of normal samples.
    pub fn label_names(&self) -> Vec<String> {
        let name = |label: &String| if label.is_empty() { "normal".to_owned() } else { label.clone() };
        self.recordings.labels.iter().map(name).collect()
    }

    /// Seconds from one window to the next, if the rate is known.
    pub fn hop_seconds(&self) -> Option<f64> {
        let rate = f64::from(self.spec.rate);
        (rate > 0.0).then(|| f64::from(self.spec.hop) / rate)
    }

    /// Seconds from the beginning of its recording to the end of a window, if the rate is known.
    pub fn seconds(&self, window: usize) -> Option<f64> {
        let (rate, end) = (f64::from(self.spec.rate), self.places[window].start + usize::from(self.spec.window));
        (rate > 0.0).then(|| end as f64 / rate)
    }

    /// What to give the device for some windows, which are in order.
    pub fn steps(&self, chosen: &[usize]) -> Vec<Step<'_>> {
        let mut before: Option<Place> = None;
        let step = |window: &usize| {
            let place = self.places[*window];
            let next = |before: Place| Place { start: before.start + usize::from(self.spec.hop), ..before };
            let follows =
                before.map(next).is_some_and(|next| (next.recording, next.start) == (place.recording, place.start));
            before = Some(place);
            let end = place.start + usize::from(self.spec.window);
            let length = usize::from(if follows { self.spec.hop } else { self.spec.window });
            let channels = self.recordings.channels;
            let samples = &self.recordings.recordings[place.recording].samples;
            Step { restart: !follows, samples: &samples[(end - length) * channels..end * channels] }
        };
        chosen.iter().map(step).collect()
    }

    /// The numbers of some windows that are normal, or faulty.
    pub fn of<T: Copy>(&self, chosen: &[usize], values: &[T], faulty: bool) -> Vec<T> {
        let own = |(window, value): (&usize, &T)| (self.faulty[*window] == faulty).then_some(*value);
        chosen.iter().zip(values).filter_map(own).collect()
    }
}

impl Step<'_> {
    /// Gives the device the samples, and returns its observation of the window that they complete.
    pub fn observe(&self, session: &mut Session<'_>) -> anyhow::Result<Observation> {
        self.begin(session)?;
        one(&session.observe(self.samples)?)
    }

    /// Lets the device learn from the window that the samples complete. Returns its score, and whether it was held out.
    pub fn learn(&self, session: &mut Session<'_>) -> anyhow::Result<(u32, bool)> {
        self.begin(session)?;
        one(&session.learn_samples(self.samples)?)
    }

    fn begin(&self, session: &mut Session<'_>) -> anyhow::Result<()> {
        if self.restart { session.restart() } else { Ok(()) }
    }
}

/// The result of the window that the samples of a step complete.
fn one<T: Copy>(results: &[T]) -> anyhow::Result<T> {
    ensure!(results.len() == 1, "the device completed {} where there is 1", counted(results.len(), "window"));
    Ok(results[0])
}

/// Returns an error if one of these options was given; `because` says why it cannot be.
pub fn ensure_unused(because: &str, options: &[(&str, bool)]) -> anyhow::Result<()> {
    let given = options.iter().find(|(_, given)| *given);
    ensure!(given.is_none(), "{}: {because}", given.map_or("", |(option, _)| option));
    Ok(())
}
