//! Charts in PNG files.

mod legend;
mod stream;

pub use legend::{Mark, legend};
pub use stream::Stream;

use crate::files::FileError;
use crate::picture;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Width and height of a chart.
pub const SIZE: (u32, u32) = (800, 480);
/// The only font.
pub const FONT: &str = "sans-serif";

/// Where a chart is drawn.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
/// An error of the drawing library.
pub type DrawingError = Box<dyn std::error::Error>;

/// A picture that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The picture cannot be drawn.
    #[error("{}: {reason}", path.display())]
    Drawing {
        /// Which file.
        path: PathBuf,
        /// The message of the drawing library.
        reason: String,
    },
}

/// Draws a picture on white and writes it as a PNG.
pub fn write(
    path: &Path,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), DrawingError>,
) -> Result<(), PlotError> {
    let pixels = pixels(size, draw);
    let pixels = pixels.map_err(|error| PlotError::Drawing { path: path.to_owned(), reason: error.to_string() })?;
    Ok(picture::write_rgb(path, size.0 as usize, size.1 as usize, &pixels)?)
}

/// The pixels of a picture, each red, green, blue.
fn pixels(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<(), DrawingError>) -> Result<Vec<u8>, DrawingError> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // Fails only if the system has a font of that name, which will do.
        let _ = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
    let mut pixels = vec![255; size.0 as usize * size.1 as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    Ok(pixels)
}

/// The colour of a label, or of another kind of things. Those of the first eight can be told apart by colour-blind eyes (Okabe
/// and Ito, without yellow, which is too light for a line); then they repeat.
pub const fn colour(kind: usize) -> RGBColor {
    const COLOURS: [RGBColor; 8] = [
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(86, 180, 233),
        RGBColor(110, 70, 30),
        RGBColor(70, 70, 70),
    ];
    COLOURS[kind % COLOURS.len()]
}

/// A style for text of `size` pixels whose position is the middle of its left edge, its centre, or the middle of its right edge.
pub fn text(size: i32, horizontal: HPos) -> TextStyle<'static> {
    TextStyle::from((FONT, size)).pos(Pos::new(horizontal, VPos::Center))
}

/// The ends of a logarithmic axis for numbers, of which those below 1 are drawn as 1: a decade or more.
pub fn log_range(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = numbers.map(|number| number.max(1.0)).fold(None, |ends: Option<(f64, f64)>, number| {
        let (low, high) = ends.unwrap_or((number, number));
        Some((low.min(number), high.max(number)))
    });
    let (low, high) = ends.map_or((1.0, 10.0), |(low, high)| (low / 1.3, high * 1.3));
    let wider = (10.0 * low / high).max(1.0).sqrt();
    (low / wider, high * wider)
}

/// 1, 2 and 5 times each power of ten from `low` to `high`, or the powers alone if there are more than three.
pub fn ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let digits: &[u8] = if high / low > 1e3 { &[1] } else { &[1, 2, 5] };
    // Read from text: the number nearest to 0.002 prints as 0.002.
    let numbers = decades
        .flat_map(|decade| digits.iter().map(move |digit| format!("{digit}e{decade}").parse().unwrap_or(f64::NAN)));
    numbers.filter(|tick| (low..=high).contains(tick)).collect()
}

/// A number in few characters: `0.25`, `50`, `20k`, `3M`.
pub fn short(number: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let (unit, suffix) = units.into_iter().find(|(unit, _)| number.abs() >= *unit).unwrap_or((1.0, ""));
    let digits = format!("{:.3}", number / unit);
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{}{suffix}", if digits == "-0" { "0" } else { digits })
}

/// A name from a file in one short line.
pub fn clipped(name: &str, most: usize) -> String {
    let mut characters = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    let clipped: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        clipped.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    } else {
        clipped
    }
}

#[cfg(test)]
mod tests;
