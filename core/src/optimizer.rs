//! SGD with momentum, RMSProp and Adam over flat arrays, for the host and the device.
//!
//! Letters: `p` parameters, `g` their gradients, `m` first and `v` second moments (running means of `g` and `g²`), all
//! of the same length; `lr` the learning rate; `t` the number of the step, from 1.

/// An optimizer as a value, with its settings.
#[derive(Clone, Copy, Debug)]
#[repr(u8)] // the first variant has tag 0, so a static can be all zeros
pub enum OptimizerKind {
    /// Gradient descent with momentum.
    Sgd(Sgd),
    /// Steps divided by the root of the mean square.
    RmsProp(RmsProp),
    /// Adaptive moments.
    Adam(Adam),
}

/// An optimizer: a rule that turns gradients into steps.
pub trait Optimizer: Sync {
    /// The rule at step `t`. It updates the moments and returns what to subtract: `p -= rule(g, m, v)`.
    fn at(&self, t: u32, lr: f32) -> impl Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync;

    /// Applies the rule to all of `g`, in place: then `p -= g`. A moment that the rule does not use may be empty.
    #[inline(always)]
    fn steps(&self, t: u32, lr: f32, g: &mut [f32], m: &mut [f32], v: &mut [f32]) {
        let rule = self.at(t, lr);
        for ((g, m), v) in g.iter_mut().zip(m).zip(v) {
            *g = rule(*g, m, v);
        }
    }
}

/// `m = momentum·m + g;  p -= lr·m`
///
/// Polyak, 1964. It does not use `v`, and with a momentum of 0 it does not use `m`.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// The fraction of `m` that stays from one step to the next.
    pub momentum: f32,
}

/// `v = decay·v + (1 - decay)·g²;  p -= lr·g / √(v + epsilon)`
///
/// Tieleman and Hinton, 2012, with epsilon inside the root as in TensorFlow 1. It does not use `m`.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    /// The decay of `v`: the higher, the longer its memory.
    pub decay: f32,
    /// Keeps the quotient finite.
    pub epsilon: f32,
}

/// `m = β₁·m + (1 - β₁)·g;  v = β₂·v + (1 - β₂)·g²;  p -= lr · m̂ / (√v̂ + epsilon)`
///
/// with `m̂ = m / (1 - β₁ᵗ)` and `v̂ = v / (1 - β₂ᵗ)`. Kingma and Ba, 2015. With Nesterov's momentum, the quotient takes
/// `m` one step ahead: `β₁·m + (1 - β₁)·g` (Dozat, 2016).
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// `β₁`, the decay of `m`.
    pub beta1: f32,
    /// `β₂`, the decay of `v`.
    pub beta2: f32,
    /// Keeps the quotient finite.
    pub epsilon: f32,
    /// Whether to use Nesterov's momentum.
    pub nesterov: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { momentum: 0.9 }
    }
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { decay: 0.9, epsilon: 1e-10 }
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, nesterov: false }
    }
}

impl Optimizer for Sgd {
    #[inline(always)]
    fn at(&self, _t: u32, lr: f32) -> impl Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync {
        let Self { momentum } = *self;
        move |g, m, _| {
            *m = momentum * *m + g;
            lr * *m
        }
    }

    #[inline(always)]
    fn steps(&self, t: u32, lr: f32, g: &mut [f32], m: &mut [f32], _v: &mut [f32]) {
        let rule = self.at(t, lr);
        if self.momentum == 0.0 {
            for g in g {
                *g = rule(*g, &mut 0.0, &mut 0.0);
            }
        } else {
            for (g, m) in g.iter_mut().zip(m) {
                *g = rule(*g, m, &mut 0.0);
            }
        }
    }
}

impl Optimizer for RmsProp {
    #[inline(always)]
    fn at(&self, _t: u32, lr: f32) -> impl Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync {
        let Self { decay, epsilon } = *self;
        move |g, _, v| {
            *v = decay * *v + (1.0 - decay) * g * g;
            lr * g / sqrt(*v + epsilon)
        }
    }

    #[inline(always)]
    fn steps(&self, t: u32, lr: f32, g: &mut [f32], _m: &mut [f32], v: &mut [f32]) {
        let rule = self.at(t, lr);
        for (g, v) in g.iter_mut().zip(v) {
            *g = rule(*g, &mut 0.0, v);
        }
    }
}

impl Adam {
    /// The bias corrections of the moments at step `t`: `1 / (1 - β₁ᵗ)` and `1 / (1 - β₂ᵗ)`.
    pub fn corrections(&self, t: u32) -> [f32; 2] {
        [self.beta1, self.beta2].map(|beta| (1.0 / (1.0 - libm::pow(f64::from(beta), f64::from(t)))) as f32)
    }
}

impl Optimizer for Adam {
    #[inline(always)]
    fn at(&self, t: u32, lr: f32) -> impl Fn(f32, &mut f32, &mut f32) -> f32 + Copy + Sync {
        let Self { beta1: b1, beta2: b2, epsilon, nesterov } = *self;
        let [c1, c2] = self.corrections(t);
        let lr = lr * c1;
        move |g, m, v| {
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            let ahead = if nesterov { b1 * *m + (1.0 - b1) * g } else { *m };
            lr * ahead / (sqrt(*v * c2) + epsilon)
        }
    }
}

/// `√x`, correctly rounded, so it has the same bits on every machine.
#[inline(always)]
pub fn sqrt(x: f32) -> f32 {
    #[cfg(feature = "std")]
    {
        extern crate std;
        x.sqrt()
    }
    #[cfg(all(not(feature = "std"), dsp, target_abi = "eabihf"))]
    {
        fpu_sqrt(x)
    }
    #[cfg(all(not(feature = "std"), not(all(dsp, target_abi = "eabihf"))))]
    libm::sqrtf(x)
}

/// The square-root instruction of a Cortex-M with an FPU, for which the core library has no function.
#[cfg(all(dsp, target_abi = "eabihf"))]
#[allow(unsafe_code)]
#[inline(always)]
fn fpu_sqrt(x: f32) -> f32 {
    let mut bits = x.to_bits();
    // SAFETY: the assembly changes only the registers that it names, and the target has an FPU.
    unsafe {
        core::arch::asm!("vmov s0, {0}", "vsqrt.f32 s0, s0", "vmov {0}, s0",
            inout(reg) bits, out("s0") _, options(pure, nomem, nostack));
    }
    f32::from_bits(bits)
}
