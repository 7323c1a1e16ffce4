//! The losses of a run, as a table and as curves.

use super::plot::Curve;
use crate::train::checkpoint::Point;
use std::fmt::Write;

/// The losses as CSV.
pub fn csv(history: &[Point]) -> String {
    let mut csv = String::from("step,loss,learning_rate,test_mse\n");
    for Point { step, loss, learning_rate, test_mse } in history {
        let test_mse = test_mse.map(|mse| format!("{mse:.6e}")).unwrap_or_default();
        writeln!(csv, "{step},{loss:.6e},{learning_rate:.6e},{test_mse}").expect("a string takes it all");
    }
    csv
}

/// The two curves of a run.
pub fn curves(history: &[Point]) -> [Curve<'static>; 2] {
    let point = |point: &Point, y: f64| (f64::from(point.step), y);
    [
        Curve { name: "training batches", points: history.iter().map(|p| point(p, p.loss.into())).collect() },
        Curve {
            name: "test set",
            points: history.iter().filter_map(|p| p.test_mse.map(|mse| point(p, mse))).collect(),
        },
    ]
}
