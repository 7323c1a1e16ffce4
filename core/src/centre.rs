//! Centred inputs: a layer that learns as if the mean of its inputs were 0.
//!
//! If all inputs of a layer are positive, the gradients of a unit's weights have the sign of its bias's gradient for each row.
//! So a step mostly changes the mean of the unit's sum, to which all of them contribute. The same layer, written as
//!
//! ```text
//! z = W·(x - c) + b̃              so  b = b̃ - W·c
//! ```
//!
//! where `c` is the mean of the inputs, computes the same function, but it learns faster, and inverted images are as easy for
//! it as upright ones. The parameters remain `W` and `b`. Their gradients are turned into those of this form, the optimizer
//! takes its steps there, and the steps are turned back:
//!
//! ```text
//! dW̃ = dzᵀ·(x - c) = dW - db ⊗ c          db̃ = db
//! W -= steps(dW̃)                           b -= steps(db) - steps(dW̃)·c
//! ```
//!
//! Shapes, with `I` inputs and `O` outputs, row-major: `W`, `dW` `[O, I]`; `b`, `db` `[O]`; `c` `[I]`.
//!
//! Centring: LeCun, Bottou, Orr and Müller, "Efficient Backprop", 1998; for gradients: Schraudolph, "Centering neural
//! network gradient factors", 1998.

use crate::kernels::{rows, rows_mut};

/// `dW̃ = dW - db ⊗ c`: turns the gradient of the weights into that of the layer with centred inputs, in place.
#[inline(always)]
pub fn weight_gradient(db: &[f32], c: &[f32], dw: &mut [f32]) {
    for (dw, db) in rows_mut(dw, c.len()).zip(db) {
        for (dw, c) in dw.iter_mut().zip(c) {
            *dw -= db * c;
        }
    }
}

/// `b = b̃ - W·c`, in place: folds the mean of the inputs into the bias. With steps in place of the parameters, it turns the
/// step of `b̃` into that of `b`.
#[inline(always)]
pub fn fold_mean(w: &[f32], c: &[f32], b: &mut [f32]) {
    for (w, b) in rows(w, c.len()).zip(b) {
        *b -= w.iter().zip(c).map(|(w, c)| w * c).sum::<f32>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::ActivationKind;
    use crate::{LayerSpec, dense};

    const I: usize = 5;
    const O: usize = 3;
    const ROWS: usize = 4;
    const SPEC: LayerSpec = LayerSpec { inputs: I as u16, outputs: O as u16, activation: ActivationKind::Sigmoid };

    /// Numbers between `low` and `high` without a pattern.
    fn numbers<const N: usize>(seed: f64, low: f64, high: f64) -> [f32; N] {
        core::array::from_fn(|i| {
            let uniform = libm::sin(seed + 12.9898 * i as f64) * 43_758.547;
            (low + (high - low) * (uniform - libm::floor(uniform))) as f32
        })
    }

    /// `W`, `b`, the inputs and their mean.
    fn layer() -> ([f32; O * I], [f32; O], [f32; ROWS * I], [f32; I]) {
        let x: [f32; ROWS * I] = numbers(3.0, 0.6, 1.0);
        let c = core::array::from_fn(|i| x.iter().skip(i).step_by(I).sum::<f32>() / ROWS as f32);
        (numbers(1.0, -1.0, 1.0), numbers(2.0, -1.0, 1.0), x, c)
    }

    /// `Σ y²/2` over the outputs of the layer in its centred form, `y = σ(W̃·(x - c) + b̃)`.
    fn loss(w: &[f64; O * I], b: &[f64; O], x: &[f32], c: &[f32]) -> f64 {
        let mut loss = 0.0;
        for x in x.chunks(I) {
            for (w, b) in w.chunks(I).zip(b) {
                let z = w.iter().zip(x.iter().zip(c)).map(|(w, (x, c))| w * f64::from(x - c)).sum::<f64>() + b;
                let y = 1.0 / (1.0 + libm::exp(-z));
                loss += y * y / 2.0;
            }
        }
        loss
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss_of_the_centred_layer() {
        const H: f64 = 1e-5;
        let (w, b, x, c) = layer();
        let (mut y, mut dw, mut db) = ([0.0; ROWS * O], [0.0; O * I], [0.0; O]);
        dense::forward(SPEC, &w, &b, &x, &mut y);
        let mut d = y; // dL/dy of the loss above
        dense::backward(SPEC, &w, &x, &y, &mut d, None, &mut dw, &mut db);
        let uncentred = dw;
        weight_gradient(&db, &c, &mut dw);

        let w = w.map(f64::from);
        // b̃ = b + W·c
        let b: [f64; O] = core::array::from_fn(|o| {
            f64::from(b[o]) + w[o * I..][..I].iter().zip(c).map(|(w, c)| w * f64::from(c)).sum::<f64>()
        });
        for i in 0..O * I {
            let at = |h| {
                let mut w = w;
                w[i] += h;
                loss(&w, &b, &x, &c)
            };
            let expected = (at(H) - at(-H)) / (2.0 * H);
            assert!((f64::from(dw[i]) - expected).abs() < 1e-6, "weight {i}: {} instead of {expected}", dw[i]);
            assert!((f64::from(uncentred[i]) - expected).abs() > 1e-3, "weight {i}: centring makes no difference");
        }
        for i in 0..O {
            let at = |h| {
                let mut b = b;
                b[i] += h;
                loss(&w, &b, &x, &c)
            };
            let expected = (at(H) - at(-H)) / (2.0 * H);
            assert!((f64::from(db[i]) - expected).abs() < 1e-6, "bias {i}: {} instead of {expected}", db[i]);
        }
    }

    #[test]
    fn steps_of_the_layer_are_those_of_its_centred_form() {
        let (w, b, x, c) = layer();
        let (dw, db) = (numbers::<{ O * I }>(4.0, -1.0, 1.0), numbers::<O>(5.0, -1.0, 1.0)); // steps of W̃ and b̃
        let mut step = db;
        fold_mean(&dw, &c, &mut step); // the step of b
        for x in x.chunks(I) {
            for o in 0..O {
                let z = |c: &[f32], dw: &[f32], db: f32| {
                    let products = x.iter().zip(c).zip(&w[o * I..]).zip(&dw[o * I..]);
                    let sum: f64 = products
                        .map(|(((x, c), w), dw)| (f64::from(*w) - f64::from(*dw)) * (f64::from(*x) - f64::from(*c)))
                        .sum();
                    sum - f64::from(db)
                };
                // z after the step, less b: of the layer itself; and of its centred form, where b̃ = b + W·c.
                let own = z(&[0.0; I], &dw, step[o]);
                let centred = z(&c, &dw, db[o]) + w[o * I..].iter().zip(c).map(|(w, c)| f64::from(w * c)).sum::<f64>();
                assert!((own - centred).abs() < 1e-5, "unit {o} with the bias {}: {own}, {centred}", b[o]);
            }
        }
    }
}
