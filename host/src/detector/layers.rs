//! The layers of a detector's network, unless the command line names them.

use autoencoder_core::Topology;
use autoencoder_core::topology::TopologyError;

/// Outputs of the layers between inputs and code.
const HIDDEN: usize = 64;
/// The most numbers of the code.
const MOST: usize = 24;
/// Training windows for each number of the code, at least.
const WINDOWS: usize = 8;

/// The network for `inputs` inputs and this many training windows: `N-64-code-64-N`.
///
/// ```text
/// code = min(24, ceil(inputs/2), floor(windows/8)), at least 1
/// ```
///
/// A code of as many numbers as there are inputs has nothing to learn, and one of as many as there are windows learns them by
/// heart.
pub fn layers(inputs: usize, windows: usize) -> Result<Topology, TopologyError> {
    let code = MOST.min(inputs.div_ceil(2)).min(windows / WINDOWS).max(1);
    format!("{inputs}-{HIDDEN}-{code}*-{HIDDEN}-{inputs}").parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_fits_inputs_and_windows() {
        for (inputs, windows, code) in [
            (384, 1000, 24),
            (48, 192, 24),
            (47, 192, 24),
            (46, 192, 23),
            (384, 191, 23),
            (384, 64, 8),
            (3, 1000, 2),
            (1, 1, 1),
            (384, 7, 1),
        ] {
            let expected = format!("{inputs}-64-{code}*-64-{inputs}").parse::<Topology>().unwrap();
            assert_eq!(layers(inputs, windows).unwrap(), expected, "{inputs}, {windows}");
        }
    }
}
