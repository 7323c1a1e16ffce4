//! `firmware-sim verify`: whether a device computes what this process computes, layer by layer.

use super::link::Kind;
use super::session::{Digest, Session};
use super::weights::Weights;
use super::{args, images, progress};
use anyhow::{bail, ensure};
use serde_json::json;
use std::fmt;

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
    let mut device = Session::open(&args.common, args.link, &weights)?;
    let mut here = Session::open(&args::Common { json: true, ..args.common.clone() }, Kind::InProcess, against)?;
    let images = images::test(&args.data, args.images, &weights)?;
    let (mut equal, mut first) = (0, None);
    for (i, image) in progress(&images).enumerate() {
        if device.digest(image, weights.layers)? == here.digest(image, weights.layers)? {
            equal += 1;
        } else if first.is_none() {
            first = Some(Difference { image: i, layer: layer(image, weights.layers, &mut device, &mut here)? });
        }
    }
    let report = device.finish()?;
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
        let Some(first) = first else { return Ok(object) };
        print!("{object}");
        bail!("{summary}; the first difference: {first}");
    }
    if let Some(first) = first {
        bail!("{summary}; the first difference: {first}");
    }
    let mut text = format!("{summary}\n");
    report.text(&mut text)?;
    Ok(text)
}

/// The first layer whose outputs differ: asked for with one more layer at a time.
fn layer(image: &[u8], layers: u8, device: &mut Session<'_>, here: &mut Session<'_>) -> anyhow::Result<Option<u8>> {
    for layer in 1..=layers {
        let [Digest { crc, .. }, Digest { crc: own, .. }] = [device.digest(image, layer)?, here.digest(image, layer)?];
        if crc != own {
            return Ok(Some(layer));
        }
    }
    Ok(None)
}
