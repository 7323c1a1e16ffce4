//! Curves in a PNG.

use autoencoder_io::plot::{
    self, Area, DrawingError, FONT, Mark, PlotError, SIZE, clipped, colour, legend, text, ticks,
};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
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
    let entries: Vec<_> =
        curves.iter().enumerate().map(|(i, c)| (Mark::Line, colour(i).into(), c.name.into())).collect();
    area.draw(&Text::new(clipped(title, 100), (12, 18), text(20, HPos::Left)))?;
    let top = legend(area, 32, &entries)? + 8;
    let mut chart = ChartBuilder::on(area)
        .margin_top(top)
        .margin_left(8)
        .margin_right(28)
        .margin_bottom(8)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, (low..high).log_scale().with_key_points(ticks(low, high)))?;
    chart
        .configure_mesh()
        .x_desc(over)
        .y_desc("MSE (logarithmic axis)")
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .x_labels(if last < 10.0 { last as usize + 1 } else { 10 })
        .y_label_formatter(&|y| format!("{y}"))
        .light_line_style(WHITE)
        .draw()?;
    for (i, curve) in curves.iter().enumerate() {
        // A logarithmic axis has no place for the others.
        let points = || curve.points.iter().copied().filter(|(_, y)| *y > 0.0);
        if curve.points.len() <= FEW {
            chart.draw_series(points().map(|point| Circle::new(point, 4, colour(i).filled())))?;
        }
        chart.draw_series(LineSeries::new(points(), colour(i).stroke_width(2)))?;
    }
    Ok(())
}
