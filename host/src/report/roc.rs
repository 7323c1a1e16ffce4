//! ROC curves of some detectors.

use crate::evaluate::detection::Roc;
use autoencoder_io::plot::{self, Area, DrawingError, FONT, Mark, PlotError, SIZE, clipped, colour, legend, text};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::path::Path;

/// The lowest false-alarm rate that can be shown.
const LOWEST: f64 = 1e-5;
const CHANCE: RGBColor = RGBColor(170, 170, 170);

/// A detector and its curve.
#[derive(Clone, Copy, Debug)]
pub struct Detector<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Its curve.
    pub roc: &'a Roc,
}

/// The ROC curves of detectors on the same windows. The axis of false alarms is logarithmic, because a detector is used at few of
/// them; a curve begins at the left edge with what is detected without a false alarm.
#[derive(Clone, Copy, Debug)]
pub struct RocPlot<'a> {
    /// The line above the picture.
    pub title: &'a str,
    /// The detectors, the network first. The legend has their areas under the curve.
    pub detectors: &'a [Detector<'a>],
    /// The shares of false alarms and of detections at the network's threshold.
    pub operating_point: Option<(f64, f64)>,
}

impl RocPlot<'_> {
    /// Draws the curves into a PNG of 800 × 480 pixels.
    pub fn write(&self, path: &Path) -> Result<(), PlotError> {
        plot::write(path, SIZE, |area| self.draw(area))
    }

    fn draw(&self, area: &Area<'_>) -> Result<(), DrawingError> {
        let low = self.lowest();
        let at = |(x, y): (f64, f64)| (x.clamp(low, 1.0), y);
        let line = |i: usize| colour(i).stroke_width(if i == 0 { 3 } else { 2 });
        let mut entries: Vec<(Mark, RGBAColor, String)> = Vec::new();
        for (i, Detector { name, roc }) in self.detectors.iter().enumerate() {
            entries.push((Mark::Line, colour(i).to_rgba(), format!("{}, AUC {:.4}", clipped(name, 24), roc.auc())));
        }
        entries.push((Mark::Line, CHANCE.to_rgba(), "chance".to_owned()));
        if let Some((x, y)) = self.operating_point {
            let [x, y] = [x, y].map(|share| 100.0 * share);
            entries.push((
                Mark::Point,
                BLACK.to_rgba(),
                format!("at the threshold: {x:.2} % false alarms, {y:.2} % detected"),
            ));
        }
        area.draw(&Text::new(clipped(self.title, 100), (12, 18), text(20, HPos::Left)))?;
        let top = legend(area, 32, &entries)? + 8;
        let powers = (low.log10().round() as i32..=0).map(|power| format!("1e{power}").parse().unwrap_or(f64::NAN));
        let mut chart = ChartBuilder::on(area)
            .margin_top(top)
            .margin_left(10)
            .margin_right(28)
            .margin_bottom(8)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d((low..1.0).log_scale().with_key_points(powers.collect()), 0.0..1.0)?;
        chart
            .configure_mesh()
            .x_desc("false alarms, share of the normal windows (logarithmic axis)")
            .y_desc("detected, share of the faulty windows")
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 15))
            .x_label_formatter(&|x| if *x <= low { format!("≤ {x}") } else { format!("{x}") })
            .y_labels(11)
            .y_label_formatter(&|y| format!("{y:.1}"))
            .light_line_style(TRANSPARENT)
            .draw()?;
        let chance = (0..=100).map(|i| low.powf(f64::from(i) / 100.0)).map(|x| (x, x));
        chart.draw_series(LineSeries::new(chance, CHANCE))?;
        for (i, detector) in self.detectors.iter().enumerate().rev() {
            chart.draw_series(LineSeries::new(thinned(detector.roc.points().into_iter().map(at), low), line(i)))?;
        }
        if let Some(point) = self.operating_point {
            chart.draw_series(
                [(6, BLACK), (3, WHITE)].map(|(size, colour)| Circle::new(at(point), size, colour.filled())),
            )?;
        }
        Ok(())
    }

    /// The left end of the axis: the power of ten below the lowest false-alarm rate of a curve.
    fn lowest(&self) -> f64 {
        let points = self.detectors.iter().flat_map(|detector| detector.roc.points());
        let lowest = points.map(|(x, _)| x).filter(|x| *x > 0.0).fold(0.1, f64::min);
        10f64.powi(lowest.max(LOWEST).log10().floor() as i32)
    }
}

/// The points of a curve that differ by a pixel or so.
fn thinned(points: impl Iterator<Item = (f64, f64)>, low: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for point in points {
        let far = |(x, y): &(f64, f64)| (point.0 / x).ln() / -low.ln() > 1e-3 || (point.1 - y).abs() > 2e-3;
        if kept.last().is_none_or(far) {
            kept.push(point);
        }
        last = Some(point);
    }
    kept.extend(last.filter(|last| kept.last() != Some(last)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_its_steps() {
        let curve: Vec<(f64, f64)> =
            (0..=100_000).map(|i| (f64::from(i.max(10)) / 1e5, if i < 500 { 0.2 } else { 0.9 })).collect();
        let kept = thinned(curve.iter().copied(), 1e-4);
        assert!(kept.len() < 1100, "{}", kept.len());
        assert_eq!((kept[0], kept[kept.len() - 1]), ((1e-4, 0.2), (1.0, 0.9)));
        let step = kept.iter().position(|(_, y)| *y > 0.5).unwrap();
        assert_eq!(kept[step], (0.005, 0.9));
    }

    #[test]
    fn the_axis_begins_below_the_lowest_false_alarm_rate() {
        let roc = |rows: u32| Roc::new(&(0..rows).collect::<Vec<_>>(), &[rows / 2]).unwrap();
        for (rows, expected) in [(1, 0.1), (4, 0.1), (20, 0.01), (300, 1e-3), (1_000_000, 1e-5)] {
            let roc = roc(rows);
            let detectors = [Detector { name: "network", roc: &roc }];
            let found = RocPlot { title: "", detectors: &detectors, operating_point: None }.lowest();
            assert!((found / expected - 1.0).abs() < 1e-9, "{rows} rows: {found}, not {expected}");
        }
    }

    #[test]
    fn any_curves_can_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roc.png");
        let rocs = [Roc::new(&[1], &[1]), Roc::new(&[1], &[2]), Roc::new(&[2], &[1])].map(Option::unwrap);
        let detectors = [0, 1, 2].map(|i| Detector { name: "a detector", roc: &rocs[i] });
        for count in 0..=3 {
            for operating_point in [None, Some((0.0, 0.0)), Some((1.0, 1.0))] {
                RocPlot { title: "", detectors: &detectors[..count], operating_point }.write(&path).unwrap();
            }
        }
    }
}
