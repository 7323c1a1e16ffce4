//! The products against plain loops.

use super::*;
use autoencoder_core::init::Init;

/// `B` rows, `I` inputs, `O` outputs: sizes around and between the kernels' tiles.
fn check<const B: usize, const I: usize, const O: usize>() {
    type Filler<const R: usize, const C: usize> = autoencoder_core::Dense<C, R, autoencoder_core::Identity>;
    #[allow(clippy::unnecessary_box_returns)] // too large for the stack of a test
    fn matrix<const R: usize, const C: usize>(seed: u64) -> Box<[[f32; C]; R]> {
        let mut layer = <Filler<R, C> as autoencoder_core::Zeroed>::ZERO;
        Init::UnitNormal.fill(&mut layer, &mut rand_pcg::Pcg32::new(seed, 0));
        Box::new(layer.weights)
    }
    let kernels = Gemm::default();
    let close = |fast: &[f32], plain: &[f32], terms: usize| {
        for (a, b) in fast.iter().zip(plain) {
            assert!((a - b).abs() < 1e-5 * (terms as f32).sqrt().max(1.0) * 4.0, "{a} {b}");
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
    check::<1, 1, 1>();
    check::<2, 3, 5>();
    check::<7, 16, 9>();
    check::<17, 65, 33>();
    check::<64, 96, 48>();
    check::<129, 31, 130>();
}

/// This machine's vector instructions and all narrower ones: tiles and blocks are as wide as these.
fn instruction_sets() -> Vec<Gemm> {
    let mut sets = vec![Arch::Scalar, Arch::default()];
    #[cfg(target_arch = "x86_64")]
    sets.extend(pulp::x86::V3::try_new().map(Arch::V3));
    sets.into_iter().map(|arch| Gemm { arch }).collect()
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
    let w: &[[f32; I]; O] = w.first_chunk().unwrap();
    for kernels in instruction_sets() {
        assert!(sparse::pays(kernels.arch, x.as_flattened(), O), "the lists are what is tested");
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
}

#[test]
fn products_with_zeros_equal_the_plain_loops() {
    check_sparse::<128, 784, 256>(7);
    check_sparse::<57, 113, 128>(11);
    check_sparse::<60, 117, 128>(7);
    check_sparse::<16, 3, 384>(48);
    check_sparse::<16, 1, 128>(48);
    check_sparse::<112, 56, 128>(10_000_000);
}

/// As many of one column's numbers as a tile has rows: no list runs into the next.
#[test]
fn a_column_without_zeros_fills_its_list() {
    const ROWS: usize = 56;
    let x: Vec<[f32; 9]> =
        (0..ROWS).map(|r| std::array::from_fn(|c| if c % 4 == 0 { (r + c) as f32 + 1.0 } else { 0.0 })).collect();
    let dy: Vec<[f32; 128]> = (0..ROWS).map(|r| std::array::from_fn(|o| (r * o % 15) as f32 - 7.0)).collect();
    let (mut fast, mut plain) = ([[7.0; 9]; 128], [[8.0; 9]; 128]);
    Plain.dyt_x(&dy, &x, &mut plain);
    for kernels in instruction_sets() {
        assert!(sparse::pays(kernels.arch, x.as_flattened(), 128), "the lists are what is tested");
        kernels.dyt_x(&dy, &x, &mut fast);
        assert_eq!(fast, plain);
    }
}

/// Two blocks of rows, from shards of which the last has an odd number of rows; integers so small that no order of their
/// sums matters.
#[test]
fn gradients_by_rows_and_shards_equal_the_whole() {
    const ROWS: usize = 128;
    for zeros_of_ten in [0, 9] {
        let x: Vec<[f32; 48]> = (0..97)
            .map(|r| std::array::from_fn(|c| if (r + c) % 10 < zeros_of_ten { 0.0 } else { (r * c % 9) as f32 }))
            .collect();
        let dy: Vec<[f32; 2 * ROWS]> = (0..97).map(|r| std::array::from_fn(|c| (r * c % 15) as f32 - 7.0)).collect();
        // All rows, then fewer: of the second shard's lists nothing is left.
        for count in [97, 60] {
            let (dy, x) = (&dy[..count], &x[..count]);
            let (mut whole, mut rows) = (vec![[7.0; 48]; 2 * ROWS], vec![[8.0; 48]; 2 * ROWS]);
            Plain.dyt_x(dy, x, whole.first_chunk_mut::<{ 2 * ROWS }>().unwrap());
            let shards = dy.chunks(64).zip(x.chunks(64)).map(|(dy, x)| [dy.as_flattened(), x.as_flattened()]);
            for (block, rows) in rows.chunks_mut(ROWS).enumerate() {
                Gemm::default().gradient(shards.clone(), 2 * ROWS, block * ROWS, 48, rows.as_flattened_mut());
            }
            assert_eq!(rows, whole, "{zeros_of_ten} of ten 0, {count} rows");
        }
    }
}

#[test]
fn no_rows_give_zero_gradients() {
    let mut dw = [[1.0f32; 3]; 2];
    Gemm::default().dyt_x::<3, 2>(&[], &[], &mut dw);
    assert_eq!(dw, [[0.0; 3]; 2]);
}
