use super::*;
use autoencoder_io::normal::Normal;
use rand::RngExt;
use rand_pcg::Pcg32;
use std::f32::consts::TAU;

/// Twelve recordings of one channel. `signal` makes each from random numbers between 0 and 1.
fn trials(window: u16, signal: impl Fn(&mut dyn FnMut() -> f32) -> Vec<f32>) -> Vec<Trial> {
    let mut rng = Pcg32::new(1, 0);
    let mut uniform = move || rng.random::<f32>();
    let recording = |_| Recording { samples: signal(&mut uniform), ..Recording::default() };
    let recordings = Recordings { channels: 1, recordings: (0..12).map(recording).collect(), ..Recordings::default() };
    let spec = Spec { channels: 1, window, hop: window / 4, rate: 0.0, front_end: FrontEnd::Raw };
    try_front_ends(&recordings, &spec, &places(&recordings, &spec), window / 4)
}

fn places(recordings: &Recordings, spec: &Spec) -> Vec<Place> {
    windows::places(recordings, spec, &Normal::default()).unwrap()
}

/// A vibration: three tones that are no multiples of each other, at any phase, and some noise.
fn vibration(uniform: &mut dyn FnMut() -> f32) -> Vec<f32> {
    let phases = [(); 3].map(|()| TAU * uniform());
    let tones = |t: usize| (0..3).map(|i| (TAU * t as f32 / [8.3, 5.1, 3.7][i] + phases[i]).sin()).sum::<f32>();
    (0..512).map(|t| 9.81 + tones(t) + 0.3 * uniform()).collect()
}

/// Ramps of 40 samples with pauses of the same length, on a level.
fn ramps(level: f32, uniform: &mut dyn FnMut() -> f32) -> Vec<f32> {
    let start = (80.0 * uniform()) as usize;
    (0..512).map(|t| level + ((t + start) % 80).min(40) as f32 / 40.0 + 0.05 * uniform()).collect()
}

#[test]
fn a_vibration_gets_its_spectrum() {
    let found = trials(64, vibration);
    assert_eq!(best(&found), FrontEnd::Spectrum { bands: 16 }, "{found:?}");
    // A window of this length has no spectrum.
    let found = trials(48, vibration);
    assert_eq!(found.iter().map(|trial| trial.front_end).collect::<Vec<_>>(), [FrontEnd::Raw, FrontEnd::Centred]);
}

#[test]
fn a_slow_course_stays_raw_unless_its_level_says_nothing() {
    let found = trials(64, |uniform| ramps(2.0, uniform));
    assert_eq!(best(&found), FrontEnd::Raw, "{found:?}");
    let found = trials(64, |uniform| {
        let level = 100.0 * uniform();
        ramps(level, uniform)
    });
    assert_eq!(best(&found), FrontEnd::Centred, "{found:?}");
}

#[test]
fn signals_without_a_difference_and_few_windows_are_raw() {
    let found = trials(16, |_| vec![0.0; 64]);
    assert!(found.iter().all(|trial| trial.auc == 0.0) && best(&found) == FrontEnd::Raw, "{found:?}");
    assert_eq!(best(&[]), FrontEnd::Raw);
    let recordings = Recordings {
        channels: 1,
        recordings: vec![Recording { samples: vec![1.0; 20], ..Recording::default() }],
        ..Recordings::default()
    };
    let spec = Spec { channels: 1, window: 16, hop: 1, rate: 0.0, front_end: FrontEnd::Raw };
    // Each window shares samples with each other.
    assert!(try_front_ends(&recordings, &spec, &places(&recordings, &spec), 4).is_empty());
}

#[test]
fn the_figure_is_the_mean_over_changes_and_parts() {
    // Two channels of constant windows at levels of both signs: louder, quieter, faster and slower windows are the same rows
    // (AUC 0.5), turned ones are all farther away (AUC 1): (4 · 0.5 + 1) / 5. Without their level, all windows are the same.
    let level = |i: usize| if i.is_multiple_of(4) { -1.0 } else { 5.0 + 0.25 * (i % 4) as f32 };
    let recording = |i: usize| Recording { samples: vec![level(i); 2 * 16], ..Recording::default() };
    let recordings = Recordings { channels: 2, recordings: (0..12).map(recording).collect(), ..Recordings::default() };
    let spec = Spec { channels: 2, window: 16, hop: 16, rate: 0.0, front_end: FrontEnd::Raw };
    let found = try_front_ends(&recordings, &spec, &places(&recordings, &spec), 4);
    assert_eq!(found.iter().map(|trial| trial.auc).collect::<Vec<_>>(), [0.6, 0.0, 0.0], "{found:?}");
}

/// The same windows on levels of one sign: turned about their mean they are the same again, so nothing is told apart.
#[test]
fn a_channel_of_one_sign_is_turned_about_its_mean() {
    let recording = |i: usize| Recording { samples: vec![5.0 + 0.25 * (i % 4) as f32; 16], ..Recording::default() };
    let recordings = Recordings { channels: 1, recordings: (0..12).map(recording).collect(), ..Recordings::default() };
    let spec = Spec { channels: 1, window: 16, hop: 16, rate: 0.0, front_end: FrontEnd::Raw };
    let found = try_front_ends(&recordings, &spec, &places(&recordings, &spec), 4);
    assert_eq!(found.iter().map(|trial| trial.auc).collect::<Vec<_>>(), [0.5, 0.0, 0.0], "{found:?}");
    assert_eq!(pivots(&recordings, &spec, &places(&recordings, &spec)), [5.375]);
}

/// Gravity on one axis of an accelerometer, an axis of vibration, and a temperature.
#[test]
fn an_axis_of_one_sign_is_turned_with_the_others_and_a_temperature_about_its_mean() {
    let sample = |t: usize| [0.9 + 0.1 * (t as f32).sin(), 2.0 * (t as f32).cos(), 20.0 + 0.01 * t as f32];
    let samples = (0..64).flat_map(sample).collect();
    let recordings = Recordings {
        channels: 3,
        recordings: vec![Recording { samples, ..Recording::default() }],
        ..Recordings::default()
    };
    let spec = Spec { channels: 3, window: 16, hop: 16, rate: 0.0, front_end: FrontEnd::Raw };
    let found = pivots(&recordings, &spec, &places(&recordings, &spec));
    assert!(found[..2] == [0.0, 0.0] && (found[2] - 20.315).abs() < 1e-3, "{found:?}");
}

/// A current that is off for three quarters of the time, and one with a single spike below zero in 64 samples that are not 0.
#[test]
fn zeros_count_for_the_mean_and_not_for_the_signs() {
    let off = |t: usize| if t.is_multiple_of(4) { 8.0 } else { 0.0 };
    let spikes = |t: usize| if t == 4 { -8.0 } else { off(t) };
    let found = [&off as &dyn Fn(usize) -> f32, &spikes].map(|current| {
        let recordings = Recordings {
            channels: 1,
            recordings: vec![Recording { samples: (0..256).map(current).collect(), ..Recording::default() }],
            ..Recordings::default()
        };
        let spec = Spec { channels: 1, window: 16, hop: 16, rate: 0.0, front_end: FrontEnd::Raw };
        pivots(&recordings, &spec, &places(&recordings, &spec))
    });
    // One in 64 is more than 1 %, one in 256 is less.
    assert_eq!(found, [[2.0], [0.0]]);
}

#[test]
fn places_are_spread_over_all() {
    let all: Vec<Place> = (0..10).map(|start| Place { recording: 0, start, label: 0, kind: Kind::Normal }).collect();
    let starts = |most| spread(&all, most).iter().map(|place| place.start).collect::<Vec<_>>();
    assert_eq!(starts(4), [0, 2, 5, 7]);
    assert_eq!(starts(20), (0..10).collect::<Vec<_>>());
    assert_eq!(distance(&[0, 255, 7], &[255, 0, 4]), 2 * 65_025 + 9);
}
