//! Which dense layer a batch normalisation follows.
//!
//! In a `Sequential` of torch, modules are numbered: batch normalisation 4 follows layer 3. `block.bn` follows `block.fc` if these
//! are the only ones in `block`. Elsewhere, `batch_normalization_1` or `bn2` is found by its number of features: one place for
//! each, in the same order as the layers. The inputs of the network are a place that cannot be folded. An autoencoder has as
//! many inputs as outputs, so normalisation of this size is a question.

use super::WeightsError;
use super::layer::Normalisation;
use super::names::{parent, place};
use super::pairing::{Part, are_siblings};
use super::tensor::Tensor;
use autoencoder_core::LayerSpec;

/// The tensors of batch normalisation.
pub(super) struct NormTensors<'a> {
    pub prefix: String,
    name: String,
    scale: Option<Tensor<'a>>,
    shift: Option<Tensor<'a>>,
    mean: Tensor<'a>,
    variance: Tensor<'a>,
    epsilon: f64,
}

/// The names of a framework: scale, shift, mean, variance; and its default epsilon, which no file has.
const FRAMEWORKS: [([&str; 4], f64); 3] = [
    (["weight", "bias", "running_mean", "running_var"], 1e-5),
    (["gamma", "beta", "moving_mean", "moving_variance"], 1e-3),
    (["scale", "bias", "mean", "var"], 1e-5),
];

impl<'a> NormTensors<'a> {
    /// Whether a part is normalisation. Only its scale and its shift may have names that a dense layer's tensors have.
    pub fn are_in(part: &Part<'_>) -> bool {
        FRAMEWORKS.iter().any(|(names, _)| part.has(&names[2..])) || part.has(&["gamma", "beta", "scale"])
    }

    /// Takes the tensors of a part.
    pub fn new(mut part: Part<'a>) -> Result<Self, WeightsError> {
        let known = FRAMEWORKS.iter().find(|(names, _)| part.has(&names[2..]));
        let (names, epsilon) =
            known.or(FRAMEWORKS.iter().find(|(names, _)| part.has(&names[..1]))).copied().unwrap_or(FRAMEWORKS[0]);
        let [scale, shift, mean, variance] = names;
        let name = part.name("*");
        let reason = "missing: batch normalisation has a mean and a variance";
        let [no_mean, no_variance] = [mean, variance].map(|leaf| WeightsError::tensor(part.name(leaf), reason));
        let mut take = |leaf| part.take(leaf);
        let (scale, shift) = (take(scale), take(shift));
        let (mean, variance) = (take(mean).ok_or(no_mean)?, take(variance).ok_or(no_variance)?);
        take("num_batches_tracked"); // of no use in inference
        let prefix = part.prefix.clone();
        part.finish(&format!("no part of the batch normalisation of {}", mean.name))?;
        Ok(Self { prefix, name, scale, shift, mean, variance, epsilon })
    }

    /// Reads the numbers.
    pub fn read(&self, features: usize) -> Result<Normalisation, WeightsError> {
        let or = |tensor: &Option<Tensor<'_>>, default: f64| match tensor {
            Some(tensor) => tensor.vector(features),
            None => Ok(vec![default; features]),
        };
        Ok(Normalisation {
            name: self.name.clone(),
            variance_name: self.variance.name.clone(),
            scale: or(&self.scale, 1.0)?,
            shift: or(&self.shift, 0.0)?,
            mean: self.mean.vector(features)?,
            variance: self.variance.vector(features)?,
            epsilon: self.epsilon,
        })
    }

    fn features(&self) -> usize {
        self.mean.shape.iter().product()
    }

    fn error(&self, reason: impl AsRef<str>) -> WeightsError {
        WeightsError::tensor(&self.name, reason)
    }
}

/// A dense layer, as normalisation finds it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The prefix of its tensors.
    pub prefix: &'a str,
    /// Its sizes.
    pub spec: LayerSpec,
}

/// The normalisation of each dense layer.
pub(super) fn assign<'a>(
    norms: Vec<NormTensors<'a>>,
    layers: &[Place<'_>],
) -> Result<Vec<Option<NormTensors<'a>>>, WeightsError> {
    let mut assigned: Vec<Option<NormTensors<'a>>> = layers.iter().map(|_| None).collect();
    let mut named = Vec::new();
    for norm in norms {
        match layer_by_name(&norm, layers)? {
            None => named.push(norm),
            Some(index) => {
                if let Some(first) = &assigned[index] {
                    let reason = format!("a second batch normalisation for the layer {}", layers[index].prefix);
                    return Err(norm.error(format!("{reason}, beside {}", first.name)));
                }
                assigned[index] = Some(norm);
            }
        }
    }
    if !named.is_empty() {
        assign_by_features(named, layers, &mut assigned)?;
    }
    Ok(assigned)
}

/// The layer that normalisation follows by its name: by its number, or as the only one in its block. `None` if the name does not
/// say it.
fn layer_by_name(norm: &NormTensors<'_>, layers: &[Place<'_>]) -> Result<Option<usize>, WeightsError> {
    if layers.iter().any(|layer| are_siblings(layer.prefix, &norm.prefix)) {
        let before = place(&norm.prefix).and_then(|(_, number)| number.checked_sub(1));
        let is_before = |layer: &Place<'_>| {
            are_siblings(layer.prefix, &norm.prefix) && place(layer.prefix).map(|(_, number)| number) == before
        };
        let index = layers.iter().position(is_before).ok_or_else(|| {
            norm.error(
                "batch normalisation is folded into the dense layer right before it, and there is none at that number",
            )
        })?;
        return Ok(Some(index));
    }
    let block = parent(&norm.prefix);
    let mut beside = (0..layers.len()).filter(|layer| !block.is_empty() && parent(layers[*layer].prefix) == block);
    let (Some(index), None) = (beside.next(), beside.next()) else { return Ok(None) };
    // Later inputs are outputs of an activation, which no name shows.
    let [inputs, outputs] = layers[index].spec.sizes();
    if index == 0 && inputs == outputs {
        return Err(norm.error(format!(
            "does batch normalisation follow the first layer, or is it of the network's inputs? Both are {inputs} numbers: {NUMBERED}"
        )));
    }
    Ok(Some(index))
}

/// What makes names clear.
const NUMBERED: &str = "number the parts as torch's Sequential does, each right after its layer";

/// Finds the layers of normalisation whose names do not say them: there must be only one place for each, in the order of the
/// names. The inputs of the network are a place, too, at which nothing can be folded.
fn assign_by_features<'a>(
    norms: Vec<NormTensors<'a>>,
    layers: &[Place<'_>],
    assigned: &mut [Option<NormTensors<'a>>],
) -> Result<(), WeightsError> {
    let free: Vec<usize> = (0..layers.len()).filter(|layer| assigned[*layer].is_none()).collect();
    let features: Vec<usize> = norms.iter().map(NormTensors::features).collect();
    let inputs = layers.first().map(|layer| layer.spec.sizes()[0]);
    let outputs = free.iter().map(|layer| layers[*layer].spec.sizes()[1]);
    let sizes: Vec<usize> = inputs.into_iter().chain(outputs).collect();
    let names = norms.iter().map(|norm| norm.name.as_str()).collect::<Vec<_>>().join(", ");
    match places(&features, &sizes) {
        Places::One(places) => {
            for (place, norm) in places.into_iter().zip(norms) {
                let Some(layer) = place.checked_sub(1) else {
                    return Err(norm.error("batch normalisation of the network's inputs, which no layer is before"));
                };
                assigned[free[layer]] = Some(norm);
            }
            Ok(())
        }
        Places::None => Err(WeightsError::file(format!(
            "{names}: no dense layers with {features:?} outputs, in this order, for batch normalisation to follow"
        ))),
        Places::Several => Err(WeightsError::file(format!(
            "{names}: which dense layers does batch normalisation follow? Several, or the network's inputs, have as many \
             numbers: {NUMBERED}"
        ))),
    }
}

/// The places of some numbers in a longer list, in the same order.
#[derive(Debug, PartialEq)]
enum Places {
    None,
    One(Vec<usize>),
    Several,
}

fn places(wanted: &[usize], list: &[usize]) -> Places {
    // The first places from the left, and the last ones from the right: if these are the same, there are no others.
    let first = subsequence(wanted.iter().copied(), list.iter().copied());
    let reversed = subsequence(wanted.iter().rev().copied(), list.iter().rev().copied());
    let last = reversed.map(|places| places.into_iter().rev().map(|place| list.len() - 1 - place).collect::<Vec<_>>());
    match (first, last) {
        (Some(first), Some(last)) if first == last => Places::One(first),
        (Some(_), Some(_)) => Places::Several,
        _ => Places::None,
    }
}

/// The first places of some numbers in a list.
fn subsequence(wanted: impl Iterator<Item = usize>, list: impl Iterator<Item = usize>) -> Option<Vec<usize>> {
    let mut list = list.enumerate();
    wanted.map(|number| list.find(|(_, other)| *other == number).map(|(place, _)| place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_only_if_there_is_no_other_choice() {
        // MLPerf Tiny's anomaly detector: all but the last layer.
        let anomaly = [128, 128, 128, 128, 8, 128, 128, 128, 128, 640];
        assert_eq!(places(&anomaly[..9], &anomaly), Places::One((0..9).collect()));
        assert_eq!(places(&[3], &[8, 3, 8, 12]), Places::One(vec![1]));
        assert_eq!(places(&[8, 8], &[8, 3, 8, 12]), Places::One(vec![0, 2]));
        assert_eq!(places(&[8], &[8, 3, 8, 12]), Places::Several);
        assert_eq!(places(&[8, 3, 8], &[8, 8, 3, 8]), Places::Several);
        assert_eq!(places(&[3, 3], &[8, 3, 8, 12]), Places::None);
        assert_eq!(places(&[12, 8], &[8, 3, 8, 12]), Places::None);
        assert_eq!(places(&[8], &[]), Places::None);
    }
}
