//! Takes some training steps in `f32` on one thread. `.ci/step-instructions` counts the instructions of this program.
//!
//!     cargo run -p tests --example training_steps 3

use autoencoder_core::Topology;
use autoencoder_io::idx::Images;
use host::train::{ProductKind, Recipe, Trainer};
use rayon::ThreadPoolBuilder;
use std::env;

/// Rows of the data set and of a batch: one shard.
const ROWS: usize = 128;
/// The length of the run. Only its first steps are taken, in which rows are translated and weights are not yet rounded.
const STEPS: u32 = 10_000;

fn main() {
    let steps = env::args().nth(1).and_then(|count| count.parse().ok());
    let Some(steps @ 1..=100) = steps else {
        println!("usage: training_steps STEPS, from 1 to 100");
        return;
    };
    // A bright disc on black: four fifths of the pixels are 0, as in a digit.
    let pixel = |row: usize, [y, x]: [usize; 2]| {
        let [y, x] = [y.abs_diff(10 + row % 8), x.abs_diff(8 + row / 8 % 12)];
        if y * y + x * x < 50 { 255 - (y * y + x * x) as u8 } else { 0 }
    };
    let pixels = (0..ROWS).flat_map(|row| (0..784).map(move |i| pixel(row, [i / 28, i % 28])));
    let images = Images { pixels: pixels.collect(), height: 28, width: 28 };
    let topology = Topology::named("small").expect("784-128-32-128-784");
    let recipe = Recipe { products: ProductKind::F32, ..Recipe::DEFAULT };
    let mut trainer = Trainer::new(&topology, recipe, STEPS, ROWS, 1, &images);
    let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    let loss = pool.install(|| (0..steps).map(|_| trainer.step(&images)).last());
    println!("loss {loss:?} at step {}", trainer.steps_done());
}
