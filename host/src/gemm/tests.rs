//! The products against plain loops.

use super::*;
use autoencoder_core::init::Init;

/// `B` rows, `I` inputs, `O` outputs: sizes around and between the kernels' tiles.
fn check<const B: usize, const I: usize, const O: usize>(rounds: Rounds) {
    type Filler<const R: usize, const C: usize> = autoencoder_core::Dense<C, R, autoencoder_core::Identity>;
    #[allow(clippy::unnecessary_box_returns)] // too large for the stack of a test
    fn matrix<const R: usize, const C: usize>(seed: u64) -> Box<[[f32; C]; R]> {
        let mut layer = <Filler<R, C> as autoencoder_core::Zeroed>::ZERO;
        Init::UnitNormal.fill(&mut layer, &mut rand_pcg::Pcg32::new(seed, 0));
        Box::new(layer.weights)
    }
    let (kernels, error) = match rounds {
        Rounds::Nothing => (Gemm::default(), 1e-5),
        _ => (Gemm::default().rounding(rounds), 1.0 / 256.0),
    };
    let close = |fast: &[f32], plain: &[f32], terms: usize| {
        for (a, b) in fast.iter().zip(plain) {
            assert!((a - b).abs() < error * (terms as f32).sqrt().max(1.0) * 4.0, "{a} {b}");
        }
    };
    let (x, w, dy) = (matrix::<B, I>(1), matrix::<O, I>(2), matrix::<B, O>(3));
    let (mut fast, mut plain) = ([[7.0; O]; B], [[8.0; O]; B]);
    kernels.x_wt(&x[..], &w, &mut fast);
    Plain.x_wt(&x[..], &w, &mut plain);
    close(fast.as_flattened(), plain.as_flattened(), I);
    let (mut fast, mut plain) = ([[7.0; I]; B], [[8.0; I]; B]);
    kernels.dy_w(&dy[..], &w, &mut fast);
    Plain.dy_w(&dy[..], &w, &mut plain);
    close(fast.as_flattened(), plain.as_flattened(), O);
    let (mut fast, mut plain) = ([[7.0; I]; O], [[8.0; I]; O]);
    kernels.dyt_x(&dy[..], &x[..], &mut fast);
    Plain.dyt_x(&dy[..], &x[..], &mut plain);
    close(fast.as_flattened(), plain.as_flattened(), B);
}

#[test]
fn products_equal_the_plain_loops() {
    for rounds in [Rounds::Nothing, Rounds::Everything] {
        check::<1, 1, 1>(rounds);
        check::<2, 3, 5>(rounds);
        check::<7, 16, 9>(rounds);
        check::<17, 65, 33>(rounds);
        check::<64, 96, 48>(rounds);
        check::<129, 31, 130>(rounds);
    }
}

/// `B` rows of which one number in `every` is not 0.
fn check_sparse<const B: usize, const I: usize, const O: usize>(every: usize) {
    let mut x = vec![[0.0f32; I]; B];
    let mut dy = vec![[0.0f32; O]; B];
    let mut w = vec![[0.0f32; I]; O];
    let fill = |numbers: &mut [f32], every: usize| {
        for (i, x) in numbers.iter_mut().enumerate().filter(|(i, _)| i * i % every == 0) {
            *x = ((i * 7919 % 1000) as f32 - 499.5) / 1000.0;
        }
    };
    fill(x.as_flattened_mut(), every);
    fill(dy.as_flattened_mut(), 1);
    fill(w.as_flattened_mut(), 1);
    x[0][0] = -0.0;
    assert!(sparse::pays(Arch::default(), x.as_flattened(), O), "the lists are what is tested");
    let w: &[[f32; I]; O] = w.first_chunk().unwrap();
    let kernels = Gemm::default();
    let (mut fast, mut plain) = (vec![[7.0; O]; B], vec![[8.0; O]; B]);
    kernels.x_wt(&x, w, &mut fast);
    Plain.x_wt(&x, w, &mut plain);
    for (fast, plain) in fast.as_flattened().iter().zip(plain.as_flattened()) {
        assert!((fast - plain).abs() < 1e-5, "{fast} {plain}");
    }
    let (mut fast, mut plain) = (vec![[7.0; I]; O], vec![[8.0; I]; O]);
    kernels.dyt_x(&dy, &x, fast.first_chunk_mut::<O>().unwrap());
    Plain.dyt_x(&dy, &x, plain.first_chunk_mut::<O>().unwrap());
    for (fast, plain) in fast.as_flattened().iter().zip(plain.as_flattened()) {
        assert!((fast - plain).abs() < 1e-5, "{fast} {plain}");
    }
}

#[test]
fn products_with_zeros_equal_the_plain_loops() {
    check_sparse::<128, 784, 256>(7);
    check_sparse::<57, 113, 128>(11);
    check_sparse::<16, 3, 384>(48);
    check_sparse::<112, 56, 128>(10_000_000);
}

/// Small integers are bfloat16 numbers, and so small are their sums that no order of them matters.
#[test]
fn rounded_products_of_small_integers_are_exact() {
    fn check<const B: usize, const I: usize, const O: usize>() {
        fn integers<const C: usize>(rows: usize, factor: usize) -> Vec<[f32; C]> {
            let number = |i: usize| (i * factor % 31) as f32 - 15.0;
            (0..rows).map(|r| std::array::from_fn(|c| number(r * C + c))).collect()
        }
        let (dy, mut x, w) = (integers::<O>(B, 7), integers::<I>(B, 11), integers::<I>(O, 13));
        // Whole strips' pairs of 0, of either sign, which are passed over.
        for (r, row) in x.iter_mut().enumerate() {
            let zeros = row.iter_mut().enumerate().filter(|(c, _)| !(r / 40 + c / 7).is_multiple_of(3));
            zeros.for_each(|(c, x)| *x = if c % 2 == 0 { 0.0 } else { -0.0 });
        }
        let w: &[[f32; I]; O] = w.first_chunk().unwrap();
        let kernels = Gemm::default().rounding(Rounds::Everything);
        let (mut fast, mut plain) = (vec![[7.0; O]; B], vec![[8.0; O]; B]);
        kernels.x_wt(&x, w, &mut fast);
        Plain.x_wt(&x, w, &mut plain);
        assert_eq!(fast, plain);
        let (mut fast, mut plain) = (vec![[7.0; I]; B], vec![[8.0; I]; B]);
        kernels.dy_w(&dy, w, &mut fast);
        Plain.dy_w(&dy, w, &mut plain);
        assert_eq!(fast, plain);
        let (mut fast, mut plain) = (vec![[7.0; I]; O], vec![[8.0; I]; O]);
        kernels.dyt_x(&dy, &x, fast.first_chunk_mut::<O>().unwrap());
        Plain.dyt_x(&dy, &x, plain.first_chunk_mut::<O>().unwrap());
        assert_eq!(fast, plain);
    }
    check::<128, 48, 144>();
    check::<32, 16, 32>();
    check::<100, 32, 18>();
}

/// Two blocks of rows, from shards of which the last has an odd number of rows; small integers, as above.
#[test]
fn gradients_by_rows_and_shards_equal_the_whole() {
    const ROWS: usize = 128;
    for (zeros_of_ten, rounds) in [(0, Rounds::Nothing), (9, Rounds::Nothing), (9, Rounds::Gradients)] {
        let x: Vec<[f32; 48]> = (0..97)
            .map(|r| std::array::from_fn(|c| if (r + c) % 10 < zeros_of_ten { 0.0 } else { (r * c % 9) as f32 }))
            .collect();
        let dy: Vec<[f32; 2 * ROWS]> = (0..97).map(|r| std::array::from_fn(|c| (r * c % 15) as f32 - 7.0)).collect();
        let (mut whole, mut rows) = (vec![[7.0; 48]; 2 * ROWS], vec![[8.0; 48]; 2 * ROWS]);
        Plain.dyt_x(&dy, &x, whole.first_chunk_mut::<{ 2 * ROWS }>().unwrap());
        let shards = dy.chunks(64).zip(x.chunks(64)).map(|(dy, x)| [dy.as_flattened(), x.as_flattened()]);
        for (block, rows) in rows.chunks_mut(ROWS).enumerate() {
            let kernels = Gemm::default().rounding(rounds);
            kernels.gradient(shards.clone(), 2 * ROWS, block * ROWS, 48, rows.as_flattened_mut());
        }
        assert_eq!(rows, whole, "{zeros_of_ten} of ten 0, {rounds:?}");
    }
}

#[test]
fn no_rows_give_zero_gradients() {
    let mut dw = [[1.0f32; 3]; 2];
    Gemm::default().dyt_x::<3, 2>(&[], &[], &mut dw);
    assert_eq!(dw, [[0.0; 3]; 2]);
}
