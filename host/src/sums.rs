//! Sums over rows of numbers, in partial sums that stay in vector registers.

/// Partial sums.
const LANES: usize = 16;

/// `Σ term(a, b, …)` over slices of one length. Sixteen partial sums are added at the end, so the loop vectorises where it is
/// inlined.
#[inline(always)]
pub fn sum<const N: usize>(slices: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let parts = slices.map(<[f32]>::as_chunks::<LANES>);
    for i in 0..parts.iter().map(|(whole, _)| whole.len()).min().unwrap_or(0) {
        let terms = parts.map(|(whole, _)| &whole[i]);
        sums = std::array::from_fn(|lane| sums[lane] + term(terms.map(|numbers| numbers[lane])));
    }
    let rest = parts.map(|(_, rest)| rest);
    for (i, sum) in sums.iter_mut().enumerate().take(rest.iter().map(|rest| rest.len()).min().unwrap_or(0)) {
        *sum += term(rest.map(|numbers| numbers[i]));
    }
    sums.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_added_once() {
        for length in [0, 1, 15, 16, 17, 32, 100] {
            // Integers below 2^24: every order of additions gives the same.
            let [a, b] = [3, 5].map(|k| (0..length).map(|i| (i * k % 11) as f32).collect::<Vec<f32>>());
            assert_eq!(sum([&a], |[a]| a), a.iter().sum::<f32>(), "{length}");
            let expected: f32 = (0..length).map(|i| ((i * 3 % 11) * (i * 5 % 11)) as f32).sum();
            assert_eq!(sum([&a, &b], |[a, b]| a * b), expected, "{length}");
        }
    }
}
