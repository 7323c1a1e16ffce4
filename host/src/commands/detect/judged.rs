//! A detector's scores of windows, and what its thresholds and the monitor make of them.

use autoencoder_core::blob::Thresholds;
use autoencoder_device::monitor::Monitor;
use autoencoder_io::idx::Images;
use autoencoder_io::windows::Place;
use host::evaluate::detection::{Events, Roc};

/// A detector's scores of windows, and its alarms.
pub struct Judged {
    /// Its name for programs, and for people.
    pub name: &'static str,
    pub described: String,
    scores: Vec<f64>,
    /// The range of normal scores, if it is known.
    range: Option<[f64; 2]>,
    /// For each window, whether the monitor reports a drift.
    pub drifted: Vec<bool>,
    pub events: Events,
}

impl Judged {
    /// Votes over the scores of each recording, which is a stream of its own.
    pub fn new(
        name: &'static str,
        described: String,
        scores: Vec<f64>,
        range: Option<[f64; 2]>,
        places: &[Place],
        rows: &Images,
        faulty: &[bool],
    ) -> Self {
        /// What the monitor sees: 0 below the range, 1 within, 2 above.
        const WITHIN: Thresholds = Thresholds { lower: 1, upper: 1 };
        let vote = |score: f64| match range {
            Some([lower, _]) if score < lower => 0,
            Some([_, upper]) if score > upper => 2,
            _ => 1,
        };
        let (mut events, mut drifted) = (Events::default(), Vec::with_capacity(places.len()));
        for recording in places.chunk_by(|a, b| a.recording == b.recording) {
            let mut monitor = Monitor::new(WITHIN);
            let first = drifted.len();
            let windows = first..first + recording.len();
            drifted.extend(windows.clone().map(|i| monitor.push(rows.image(i), vote(scores[i])).drifted));
            events.add(&drifted[windows.clone()], &faulty[windows]);
        }
        Self { name, described, scores, range, drifted, events }
    }

    /// Whether a window's score is above the threshold.
    pub fn is_above(&self, window: usize) -> bool {
        self.range.is_some_and(|[_, upper]| self.scores[window] > upper)
    }

    /// The scores of the windows that are chosen.
    fn of(&self, chosen: impl Fn(usize) -> bool) -> Vec<f64> {
        self.scores.iter().enumerate().filter(|(window, _)| chosen(*window)).map(|(_, score)| *score).collect()
    }

    /// The curve that tells the normal windows from those that are chosen; `None` without windows of one kind.
    pub fn roc(&self, faulty: &[bool], chosen: impl Fn(usize) -> bool) -> Option<Roc> {
        Roc::new(&self.of(|window| !faulty[window]), &self.of(|window| faulty[window] && chosen(window)))
    }

    /// The alarms in windows that are chosen: of faulty ones, the stretches that are found, and of normal ones, the alarms that
    /// begin there.
    pub fn events_of(&self, places: &[Place], faulty: &[bool], chosen: impl Fn(usize) -> bool) -> Events {
        let mut events = Events::default();
        let mut first = 0;
        for recording in places.chunk_by(|a, b| a.recording == b.recording) {
            let windows = first..first + recording.len();
            first = windows.end;
            let of_faults: Vec<bool> = windows.clone().map(|window| faulty[window] && chosen(window)).collect();
            let mut all = Events::default();
            all.add(&self.drifted[windows.clone()], &of_faults);
            events.stretches += all.stretches;
            events.delays.extend(all.delays);
            for window in windows.clone().filter(|window| !faulty[*window] && chosen(*window)) {
                let drifted = self.drifted[window];
                events.normal_windows += 1;
                events.normal_windows_in_alarm += usize::from(drifted);
                events.false_alarms += usize::from(drifted && (window == windows.start || !self.drifted[window - 1]));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autoencoder_io::windows::Kind;

    /// Two recordings: one that is normal for 12 windows and then broken in two ways, one normal.
    fn judged() -> (Judged, Vec<Place>, Vec<bool>) {
        let place = |recording| move |start| Place { recording, start, label: 0, kind: Kind::Normal };
        let places: Vec<Place> = (0..44).map(place(0)).chain((0..40).map(place(1))).collect();
        let faulty: Vec<bool> = (0..84).map(|i| (12..44).contains(&i)).collect();
        // Above from window 12 to 33, below from 34 to 43; in the second recording above from window 60 on.
        let scores = (0..84).map(|i| match i {
            12..34 => 9.5,
            34..44 => 0.5,
            60.. => 8.0,
            _ => 5.0,
        });
        let rows = Images { pixels: (0..84).collect(), height: 1, width: 1 };
        let range = Some([1.0, 7.5]);
        let judged = Judged::new("one", "one".into(), scores.collect(), range, &places, &rows, &faulty);
        (judged, places, faulty)
    }

    #[test]
    fn the_monitor_votes_over_both_ends_of_the_range() {
        let (judged, _, faulty) = judged();
        // Ten windows outside begin a drift, and each recording starts anew.
        assert_eq!(
            (0..84).filter(|i| judged.drifted[*i]).collect::<Vec<_>>(),
            (21..44).chain(69..84).collect::<Vec<_>>()
        );
        let events = &judged.events;
        assert_eq!((events.false_alarms, events.stretches, &events.delays[..]), (1, 1, &[9][..]));
        assert_eq!((0..84).filter(|i| judged.is_above(*i)).count(), 22 + 24);
        // Of 32 x 52 pairs: 22 faulty ones are above all normal ones, 10 below all.
        let roc = judged.roc(&faulty, |_| true).unwrap();
        assert!((roc.auc() - 22.0 / 32.0).abs() < 1e-12);
    }

    #[test]
    fn each_kind_of_windows_has_its_own_events() {
        let (judged, places, faulty) = judged();
        let of = |windows: std::ops::Range<usize>| {
            let events = judged.events_of(&places, &faulty, |window| windows.contains(&window));
            (
                events.stretches,
                events.delays,
                events.false_alarms,
                events.normal_windows,
                events.normal_windows_in_alarm,
            )
        };
        assert_eq!(of(12..20), (1, vec![], 0, 0, 0), "a fault that ends before the vote");
        assert_eq!(of(20..44), (1, vec![1], 0, 0, 0));
        assert_eq!(of(0..12), (0, vec![], 0, 12, 0));
        assert_eq!(of(44..84), (0, vec![], 1, 40, 15));
        assert_eq!(of(70..84), (0, vec![], 0, 14, 14), "an alarm that began before");
    }

    #[test]
    fn without_a_range_only_a_frozen_stream_is_an_alarm() {
        let places: Vec<Place> =
            (0..40).map(|start| Place { recording: 0, start, label: 0, kind: Kind::Normal }).collect();
        let rows = Images { pixels: vec![7; 40], height: 1, width: 1 };
        let judged = Judged::new("one", "one".into(), vec![1e9; 40], None, &places, &rows, &[false; 40]);
        assert_eq!(judged.drifted.iter().position(|drifted| *drifted), Some(32));
        assert!(!judged.is_above(0) && judged.roc(&[false; 40], |_| true).is_none());
    }
}
