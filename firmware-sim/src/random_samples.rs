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
    let (recordings, places) = cut(&spec, samples.to_vec())?;
    let scales: Vec<Scale> = section.scales().collect();
    let rows = windows::rows(&recordings, &spec, &scales, &places);
    let of = |(i, place): (usize, &Place)| HostWindow {
        row: rows.images.image(i).to_vec(),
        clipped: rows.clipped[i],
        end: place.start + usize::from(spec.window),
    };
    Ok(places.iter().enumerate().map(of).collect())
}

/// A recording of some samples, and the places of its windows.
fn cut(spec: &Spec, samples: Vec<f32>) -> anyhow::Result<(Recordings, Vec<Place>)> {
    let recording = Recording { name: "noise".into(), samples, ..Recording::default() };
    let recordings =
        Recordings { channels: spec.channels.into(), recordings: vec![recording], ..Recordings::default() };
    let places = windows::places(&recordings, spec, &Normal::default())?;
    Ok((recordings, places))
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

/// Noise in the range of the scales: few inputs are 0, which a kernel would leave out.
///
/// A number is drawn between the ends of the scale of its input. A spectrum has no such input: its channels are white noise,
/// `a` times as large as noise between -1 and 1, which raises the logarithm of each band's energy by `2 log₂ a`.
pub fn noise_in_scale(section: &Section<'_>, windows: usize) -> anyhow::Result<Vec<f32>> {
    let spec = section.spec;
    let channels = usize::from(spec.channels);
    let scales: Vec<Scale> = section.scales().collect();
    let mut random = Random::new();
    let mut unit = || random.range(-1_000_000, 1_000_000) as f32 / 1e6;
    let FrontEnd::Spectrum { bands } = spec.front_end else {
        let between = |i: usize| {
            let [low, high] = [0, 255].map(|q| scales[i % scales.len()].feature(q));
            low + (high - low) * f32::midpoint(unit(), 1.0)
        };
        return Ok((0..numbers(&spec, windows)).map(between).collect());
    };
    let mut samples: Vec<f32> = repeat_with(unit).take(numbers(&spec, windows)).collect();
    let (recordings, places) = cut(&spec, samples.clone())?;
    let features = windows::features(&recordings, &spec, &places[..1]);
    for (channel, (features, scales)) in features.chunks(bands.into()).zip(scales.chunks(bands.into())).enumerate() {
        let above: f32 = features.iter().zip(scales).map(|(feature, scale)| scale.feature(128) - feature).sum();
        let factor = (above / features.len() as f32 / 2.0).exp2();
        samples.iter_mut().skip(channel).step_by(channels).for_each(|sample| *sample *= factor);
    }
    Ok(samples)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_in_scale_fills_the_scales_of_every_front_end() {
        for front_end in [FrontEnd::Raw, FrontEnd::Centred, FrontEnd::Spectrum { bands: 16 }] {
            let spec = Spec { channels: 2, window: 64, hop: 16, rate: 0.0, front_end };
            // Far from 0, and other scales for each channel. The mean of a centred channel is 0, in the middle of its scale.
            let scale = |i: usize| {
                let high = match front_end {
                    FrontEnd::Raw => 5000.0 + 100.0 * (i % 2) as f32,
                    FrontEnd::Centred => 300.0 + 100.0 * (i % 2) as f32,
                    _ => 30.0 + (i / 16 * 8) as f32,
                };
                let low = if front_end == FrontEnd::Centred { -high } else { high - 12.0 };
                Scale::between(low, high).unwrap()
            };
            let scales: Vec<Scale> = (0..spec.inputs()).map(scale).collect();
            let mut buffer = vec![0; 64 + scales.len() * size_of::<Scale>()];
            let section = Section::read(write_section(&spec, "", 0.005, &scales, &mut buffer).unwrap()).unwrap();
            let samples = noise_in_scale(&section, 50).unwrap();
            let rows: Vec<u8> =
                windows(&section, &samples).unwrap().into_iter().flat_map(|window| window.row).collect();
            let share = |end: u8| rows.iter().map(|q| f64::from(u8::from(*q == end))).sum::<f64>() / rows.len() as f64;
            let mean = rows.iter().map(|q| f64::from(*q)).sum::<f64>() / rows.len() as f64;
            assert_eq!(rows.len(), 50 * spec.inputs());
            assert!(share(0) < 0.02 && share(255) < 0.02 && (100.0..156.0).contains(&mean), "{front_end:?} {mean}");
        }
    }
}
