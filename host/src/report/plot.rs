//! Curves in a PNG.

use autoencoder_io::plot::{self, Area, DrawingError, FONT, PlotError, SIZE, ticks};
use plotters::prelude::*;
use std::path::Path;

/// A curve over the steps, or over another number.
pub struct Curve<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Steps and values. A curve with few points marks each of them.
    pub points: Vec<(f64, f64)>,
}

/// Draws curves of MSE, on a logarithmic axis, over steps into a PNG.
pub fn plot(path: &Path, title: &str, curves: &[Curve<'_>]) -> Result<(), PlotError> {
    plot_over(path, title, "step", curves)
}

/// Draws curves of MSE over `over`.
pub fn plot_over(path: &Path, title: &str, over: &str, curves: &[Curve<'_>]) -> Result<(), PlotError> {
    plot::write(path, SIZE, |area| draw(area, title, over, curves))
}

fn draw(area: &Area<'_>, title: &str, over: &str, curves: &[Curve<'_>]) -> Result<(), DrawingError> {
    const FEW: usize = 12;
    let points = || curves.iter().flat_map(|curve| &curve.points).filter(|(_, y)| *y > 0.0);
    let last = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let low = points().map(|(_, y)| *y).fold(f64::INFINITY, f64::min).min(0.1);
    let high = points().map(|(_, y)| *y).fold(low * 1.1, f64::max);
    let (low, high) = (low * 0.9, high * 1.1);
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 20))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, (low..high).log_scale().with_key_points(ticks(low, high)))?;
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
    Ok(())
}
