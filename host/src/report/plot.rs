//! Curves in a PNG.

use autoencoder_io::files::FileError;
use autoencoder_io::picture;
use plotters::prelude::*;
use plotters::style::register_font;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Width and height.
const SIZE: (u32, u32) = (800, 480);

/// A curve over the steps, or over another number.
pub struct Curve<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Steps and values. A curve with few points marks each of them.
    pub points: Vec<(f64, f64)>,
}

/// A picture of curves that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The curves cannot be drawn.
    #[error("{}: {reason}", path.display())]
    Drawing {
        /// Which file.
        path: PathBuf,
        /// The message of the drawing library.
        reason: String,
    },
}

/// Draws curves of MSE, on a logarithmic axis, over steps into a PNG.
pub fn plot(path: &Path, title: &str, curves: &[Curve<'_>]) -> Result<(), PlotError> {
    plot_over(path, title, "step", curves)
}

/// Draws curves of MSE over `over`.
pub fn plot_over(path: &Path, title: &str, over: &str, curves: &[Curve<'_>]) -> Result<(), PlotError> {
    let pixels = draw(title, over, curves);
    let pixels = pixels.map_err(|error| PlotError::Drawing { path: path.to_owned(), reason: error.to_string() })?;
    Ok(picture::write_rgb(path, SIZE.0 as usize, SIZE.1 as usize, &pixels)?)
}

/// The pixels of the picture, each red, green, blue.
fn draw(title: &str, over: &str, curves: &[Curve<'_>]) -> Result<Vec<u8>, Box<dyn Error>> {
    const FEW: usize = 12;
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        // Fails only if the system has a font of that name, which will do.
        let _ = register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
    let points = || curves.iter().flat_map(|curve| &curve.points).filter(|(_, y)| *y > 0.0);
    let last = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let low = points().map(|(_, y)| *y).fold(f64::INFINITY, f64::min).min(0.1);
    let high = points().map(|(_, y)| *y).fold(low * 1.1, f64::max);
    let mut pixels = vec![255; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .margin_right(28)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..last, (low * 0.9..high * 1.1).log_scale().with_key_points(ticks(low, high)))?;
        chart
            .configure_mesh()
            .x_desc(over)
            .y_desc("MSE")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .x_labels(if last < 10.0 { last as usize + 1 } else { 10 })
            .y_label_formatter(&|y| format!("{y}"))
            .light_line_style(WHITE)
            .draw()?;
        for (i, curve) in curves.iter().enumerate() {
            let colour = Palette99::pick(i).mix(1.0);
            if curve.points.len() <= FEW {
                chart.draw_series(curve.points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
            }
            let line = LineSeries::new(curve.points.iter().copied().filter(|(_, y)| *y > 0.0), colour.stroke_width(2));
            chart
                .draw_series(line)?
                .label(curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        area.present()?;
    }
    Ok(pixels)
}

/// 1, 2 and 5 times each power of ten from `low` to `high`.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    // Read from text: the number nearest to 0.002 prints as 0.002.
    let numbers =
        decades.flat_map(|decade| [1, 2, 5].map(|digit| format!("{digit}e{decade}").parse().unwrap_or(f64::NAN)));
    numbers.filter(|tick| (low * 0.9..=high * 1.1).contains(tick)).collect()
}
