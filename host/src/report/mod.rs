//! The report of a run: its losses as a table and as a picture, and rows above their reconstructions.

mod history;
mod plot;
mod reconstructions;

pub use history::{csv, curves};
pub use plot::{Curve, PlotError, plot, plot_over};
pub use reconstructions::reconstructions;
