//! The report of a run: its losses as a table and as a picture, and rows above their reconstructions; and that of a detector:
//! its scores, its ROC curves, and windows with their reconstructions.

mod history;
mod plot;
mod reconstructions;
mod roc;
mod scores;
mod windows;

pub use autoencoder_io::plot::{PlotError, Stream};
pub use history::{csv, curves};
pub use plot::{Curve, plot, plot_over};
pub use reconstructions::{reconstruction, reconstructions};
pub use roc::{Detector, RocPlot};
pub use scores::{Group, Scores};
pub use windows::{Axis, Example, Windows};
