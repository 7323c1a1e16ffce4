//! `firmware-sim verify`: whether a device computes what this process computes, layer by layer.

use super::firmware::whole;
use super::images::Count;
use super::link::Kind;
use super::report::Report;
use super::session::Session;
use super::weights::Weights;
use super::{args, images, progress};
use anyhow::{bail, ensure};
use serde_json::json;
use std::fmt;
use std::io::{Write, stdout};
use std::thread::{available_parallelism, scope};

pub fn run(args: &args::Verify) -> anyhow::Result<String> {
    let weights = Weights::find(args.common.weights.as_deref())?;
    let against = args.against.as_deref().map(|path| Weights::find(Some(path))).transpose()?;
    let against = against.as_ref().unwrap_or(&weights);
    ensure!(
        against.topology == weights.topology,
        "{}: of the topology {}, not {}",
        against.path.display(),
        against.topology,
        weights.topology
    );
    let images = images::test(&args.source.data, Count::of("--images", args.images), &weights)?;
    whole(&args.common, &weights)?;
    // Of emulators, as many as there are cores: a line of theirs takes longer than what the device computes.
    let devices = if args.common.link == Kind::Qemu { available_parallelism().map_or(1, usize::from) } else { 1 };
    let chunk = images.len().div_ceil(devices);
    let parts: Vec<anyhow::Result<Part>> = scope(|scope| {
        let chunks = images.chunks(chunk).enumerate();
        let parts: Vec<_> = chunks
            .map(|(i, images)| {
                let (weights, common) =
                    (&weights, args::Common { json: args.common.json || i > 0, ..args.common.clone() });
                scope.spawn(move || compare(&common, [weights, against], images, i * chunk))
            })
            .collect();
        parts.into_iter().map(|part| part.join().expect("a comparison that ends")).collect()
    });
    let (mut equal, mut first, mut report) = (0, None, None);
    for part in parts {
        let part = part?;
        equal += part.equal;
        first = first.or(part.first);
        report = report.or(Some(part.report));
    }
    let Some(report) = report else { bail!("no images") };
    let summary = format!(
        "{equal} of {} images: the outputs of all {} layers and the score are the same bytes as in process",
        images.len(),
        weights.layers
    );
    if args.common.json {
        let object = report.json(json!({
            "images": images.len(),
            "layers": weights.layers,
            "equal_digits": equal,
            "first_image": first.map(|first| first.image),
            "first_layer": first.and_then(|first| first.layer),
        }));
        if first.is_none() {
            return Ok(object);
        }
        let _ = write!(stdout(), "{object}"); // nobody may be listening
    }
    if let Some(first) = first {
        bail!("{summary}; the first difference: {first}");
    }
    let mut text = format!("{summary}\n");
    report.text(&mut text)?;
    Ok(text)
}

/// The first image of which the device makes something else, and the first layer that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    image: usize,
    /// From 1, the encoder's first; `None` where all layers agree and only the score does not.
    layer: Option<u8>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some(layer) => write!(f, "image {}, layer {layer}", self.image),
            None => write!(f, "image {}, the score", self.image),
        }
    }
}

/// What came of some of the images.
struct Part {
    equal: usize,
    first: Option<Difference>,
    report: Report,
}

/// Holds a device with the first weights against this process with the second. `at` is the first image's number.
fn compare(
    common: &args::Common,
    [weights, against]: [&Weights; 2],
    images: &[Vec<u8>],
    at: usize,
) -> anyhow::Result<Part> {
    let mut device = Session::open(common, weights)?;
    let mut here = Session::open(&common.here(), against)?;
    let (mut equal, mut first) = (0, None);
    for (image, pixels) in (at..).zip(progress(images)) {
        if device.digest(pixels, weights.layers)? == here.digest(pixels, weights.layers)? {
            equal += 1;
        } else if first.is_none() {
            first = Some(Difference { image, layer: layer(pixels, weights.layers, &mut device, &mut here)? });
        }
    }
    Ok(Part { equal, first, report: device.finish()? })
}

/// The first layer whose outputs differ: asked for with one more layer at a time.
fn layer(image: &[u8], layers: u8, device: &mut Session<'_>, here: &mut Session<'_>) -> anyhow::Result<Option<u8>> {
    for layer in 1..=layers {
        if device.digest(image, layer)?.crc != here.digest(image, layer)?.crc {
            return Ok(Some(layer));
        }
    }
    Ok(None)
}
