//! Features against the equations in `f64`, and spectra against those of numpy.

extern crate std;
use super::*;
use std::vec::Vec;

/// Pseudo-random numbers from -1 to 1.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn computed(spec: &Spec, window: &Window<'_>) -> Vec<f32> {
    let mut scratch = std::vec![0.0; spec.scratch()];
    let mut all = Vec::new();
    features(spec, window, &mut scratch, |feature| all.push(feature));
    assert_eq!(all.len(), spec.inputs());
    all
}

/// The samples of `spectra.py`, which are the same in `f32`: noise, a square wave, and gravity.
fn dyadic(count: usize, channels: usize) -> Vec<f32> {
    let mut state = 1u32;
    let sample = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let square = if i / channels / 5 % 2 == 1 { 4.0 } else { -4.0 };
        (state >> 16) as f32 / 32_768.0 - 1.0 + square + 9.8125
    };
    (0..count).map(sample).collect()
}

/// The largest error of a band, in octaves: its energy is within 0.014 % of that of numpy in `f64`. Of these 783 bands, two
/// differ by more than half of that: the rounding of the strongest bins of 1,024 samples reaches the weakest bands.
const ERROR: f64 = 2e-4;

#[test]
fn a_spectrum_is_that_of_numpy() {
    let mut bands_checked = 0;
    for line in include_str!("spectra.csv").lines() {
        let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
        let [window, bands, channels] = [0, 1, 2].map(|i| numbers[i] as u16);
        let spec = Spec { channels, window, hop: 1, rate: 0.0, front_end: FrontEnd::Spectrum { bands } };
        spec.check().unwrap();
        let samples = dyadic(spec.samples(), channels.into());
        let found = computed(&spec, &Window::new(&samples, 0, channels.into()));
        assert_eq!(found.len(), numbers.len() - 3);
        for (band, (found, expected)) in found.iter().zip(&numbers[3..]).enumerate() {
            assert!((f64::from(*found) - expected).abs() < ERROR, "{spec:?} band {band}: {found}, not {expected}");
        }
        bands_checked += found.len();
    }
    assert_eq!(bands_checked, 783);
}

#[test]
fn silence_has_the_lowest_energy_there_is() {
    let spec = Spec { channels: 1, window: 32, hop: 1, rate: 0.0, front_end: FrontEnd::Spectrum { bands: 4 } };
    assert_eq!(computed(&spec, &Window::new(&[7.25; 32], 0, 1)), [-126.0; 4]);
}

#[test]
fn a_ring_may_start_anywhere() {
    let samples = noise(64 * 3);
    for front_end in [FrontEnd::Raw, FrontEnd::Centred, FrontEnd::Spectrum { bands: 16 }] {
        let spec = Spec { channels: 3, window: 64, hop: 1, rate: 0.0, front_end };
        let straight = computed(&spec, &Window::new(&samples, 0, 3));
        for first in [1, 40, 63, 64] {
            let mut ring = samples.clone();
            ring.rotate_right(3 * first);
            assert_eq!(computed(&spec, &Window::new(&ring, first, 3)), straight, "{first}");
        }
    }
}

#[test]
fn centred_windows_have_no_mean_and_raw_ones_are_the_samples() {
    let samples = noise(10 * 2);
    let window = Window::new(&samples, 0, 2);
    let spec = |front_end| Spec { channels: 2, window: 10, hop: 1, rate: 0.0, front_end };
    assert_eq!(computed(&spec(FrontEnd::Raw), &window), samples);
    let centred = computed(&spec(FrontEnd::Centred), &window);
    for channel in 0..2 {
        let of = |x: &[f32]| x.iter().skip(channel).step_by(2).map(|x| f64::from(*x)).collect::<Vec<_>>();
        let (raw, centred) = (of(&samples), of(&centred));
        let mean = raw.iter().sum::<f64>() / 10.0;
        assert!(raw.iter().zip(centred).all(|(raw, centred)| (raw - mean - centred).abs() < 1e-6));
    }
}

#[test]
fn a_feature_is_scaled_to_the_nearest_step_and_clipping_is_counted() {
    let scale = Scale::between(-2.0, 3.0).unwrap();
    for (feature, expected) in
        [(-2.0, (0, false)), (3.0, (255, false)), (0.5, (128, false)), (-2.02, (0, true)), (3.02, (255, true))]
    {
        assert_eq!(scale.apply(feature), expected, "{feature}");
    }
    for q in 0..=255 {
        assert_eq!(scale.apply(scale.feature(q)), (q, false));
    }
    for lost in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38] {
        assert!(scale.apply(lost).1, "{lost}");
    }
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f32::NAN, 1.0), (0.0, f32::INFINITY), (0.0, 1e-40)] {
        assert_eq!(Scale::between(low, high), None);
    }
    let spec = Spec::rows(3);
    let mut q = [9; 3];
    let clipped = row(&spec, [scale; 3], &Window::new(&[-9.0, 0.5, 9.0], 0, 3), &mut [], &mut q);
    assert_eq!((clipped, q), (2, [0, 128, 255]));
}

#[test]
fn a_section_comes_back_and_one_that_makes_no_sense_is_refused() {
    let spec = Spec { channels: 2, window: 16, hop: 4, rate: 50.0, front_end: FrontEnd::Spectrum { bands: 3 } };
    let scales: Vec<Scale> = (1..=6).map(|i| Scale { offset: i as f32, gain: 1.0 / i as f32 }).collect();
    let write = |spec: &Spec, names: &str, scales: &[Scale]| {
        let mut buffer = std::vec![0; section_len(spec, names, 0.005, scales).unwrap()];
        write_section(spec, names, 0.005, scales, &mut buffer).unwrap();
        buffer
    };
    let bytes = write(&spec, "ax\nay", &scales);
    let section = Section::read(&bytes).unwrap();
    assert_eq!((section.spec, section.names, section.scales().collect::<Vec<_>>()), (spec, "ax\nay", scales.clone()));
    assert!(Section::read(&write(&spec, "", &scales)).is_ok());
    for end in 0..bytes.len() {
        assert_eq!(Section::read(&bytes[..end]), Err(Error::Malformed), "{end}");
    }
    let mut long = bytes.clone();
    long.push(0);
    let mut zero_gain = scales.clone();
    zero_gain[5].gain = 0.0;
    for wrong in [
        long,
        write(&spec, "ax", &scales),
        write(&spec, "ax\nay", &scales[..5]),
        write(&spec, "ax\nay", &zero_gain),
        write(&Spec { window: 17, ..spec }, "ax\nay", &scales),
        write(&Spec { hop: 0, ..spec }, "ax\nay", &scales),
        write(&Spec { rate: f32::NAN, ..spec }, "ax\nay", &scales),
    ] {
        assert_eq!(Section::read(&wrong), Err(Error::Malformed), "{wrong:?}");
    }
    assert!(write_section(&spec, "", 0.005, &scales, &mut [0; 50]).is_err());
}
