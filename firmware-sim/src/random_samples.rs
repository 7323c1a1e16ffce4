//! Pseudo-random samples for a network's input section, and the rows of their windows as this process computes them.

use crate::random::Random;
use autoencoder_core::front_end::{FrontEnd, Scale, Section, Spec, write_section};
use autoencoder_io::normal::Normal;
use autoencoder_io::recordings::{Recording, Recordings};
use autoencoder_io::windows::{self, Place};
use std::iter::repeat_with;

/// A window as this process computes it.
pub struct HostWindow {
    pub row: Vec<u8>,
    /// Inputs that were clipped to the ends of their scales.
    pub clipped: u32,
    /// Samples up to its end.
    pub end: usize,
}

/// The windows of a recording, computed as the host computes its training rows: from the recording itself instead of a
/// ring.
pub fn windows(section: &Section<'_>, samples: &[f32]) -> anyhow::Result<Vec<HostWindow>> {
    let spec = section.spec;
    let recording = Recording { name: "noise".into(), samples: samples.to_vec(), ..Recording::default() };
    let recordings =
        Recordings { channels: spec.channels.into(), recordings: vec![recording], ..Recordings::default() };
    let places = windows::places(&recordings, &spec, &Normal::default())?;
    let scales: Vec<Scale> = section.scales().collect();
    let rows = windows::rows(&recordings, &spec, &scales, &places);
    let of = |(i, place): (usize, &Place)| HostWindow {
        row: rows.images.image(i).to_vec(),
        clipped: rows.clipped[i],
        end: place.start + usize::from(spec.window),
    };
    Ok(places.iter().enumerate().map(of).collect())
}

/// Numbers of samples that complete `windows` windows.
pub fn numbers(spec: &Spec, windows: usize) -> usize {
    spec.samples() + (windows.max(1) - 1) * usize::from(spec.hop) * usize::from(spec.channels)
}

/// Noise in the range of most sensors.
pub fn noise(spec: &Spec, windows: usize) -> Vec<f32> {
    let mut random = Random::new();
    repeat_with(|| random.range(-8000, 8000) as f32 / 1000.0).take(numbers(spec, windows)).collect()
}

/// Noise of very different magnitudes, with numbers that no sensor gives: they must not differ between machines either.
pub fn hard(spec: &Spec, windows: usize) -> Vec<f32> {
    let mut random = Random::new();
    let count = numbers(spec, windows);
    let stretch = spec.samples() + 1;
    let number = |i: usize| {
        let x = random.range(-1_000_000, 1_000_000) as f32 / 1e6;
        let odd = random.range(0, 99);
        match (i / stretch % 4, odd) {
            (3, 0) => [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX][random.range(0, 3) as usize],
            (3, 1) => x * 1e38,
            (3, 2) => x * 1e-38, // and numbers that are not normal
            (2, _) => 20.0 + x * 1e-3,
            (1, _) => x * 1000.0,
            _ => x * 8.0,
        }
    };
    (0..count).map(number).collect()
}

/// An input section for noise, whose scales clip some of it.
pub fn section(spec: &Spec) -> Vec<u8> {
    let (low, high) = if matches!(spec.front_end, FrontEnd::Spectrum { .. }) { (-2.0, 12.0) } else { (-7.0, 7.0) };
    let between = |i: usize| Scale { offset: low - i as f32 * 0.01, gain: 255.0 / (high - low) };
    let scales: Vec<Scale> = (0..spec.inputs()).map(between).collect();
    let mut buffer = vec![0; 64 + scales.len() * size_of::<Scale>()];
    write_section(spec, "", 0.005, &scales, &mut buffer).map(<[u8]>::to_vec).unwrap_or_default()
}
