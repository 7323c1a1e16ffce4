//! The scores of a stream of windows over time, and when the monitor reports a drift.

use super::{Area, DrawingError, FONT, Mark, PlotError, SIZE, clipped, colour, legend, log_range, short, text, ticks};
use autoencoder_core::blob::Thresholds;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::ops::Range;
use std::path::Path;

/// The most labels in the legend.
const NAMES: usize = 12;
const SCORE: RGBColor = RGBColor(60, 60, 60);
const THRESHOLD: RGBColor = RGBColor(200, 0, 0);
const DRIFT: RGBColor = RGBColor(255, 190, 190);

/// A stream of windows. The picture shows any number of windows: a column of pixels shows the lowest and the highest of its
/// scores, a drift if there is one, and the rarest of its labels.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// The line above the picture.
    pub title: &'a str,
    /// The score of each window. The axis is logarithmic; 0 is drawn as 1.
    pub scores: &'a [u32],
    /// Lines across the picture; none for those of [`Thresholds::NONE`].
    pub thresholds: Thresholds,
    /// For each window, whether the monitor reports a drift.
    pub drifted: &'a [bool],
    /// For each window, the number of its label in `names`; empty if there are no labels.
    pub labels: &'a [u32],
    /// The labels.
    pub names: &'a [String],
    /// Seconds from one window to the next. If they are not known, the axis counts windows.
    pub seconds: Option<f64>,
}

impl Stream<'_> {
    /// Draws the stream into a PNG.
    pub fn write(&self, path: &Path) -> Result<(), PlotError> {
        Self::write_all(std::slice::from_ref(self), path)
    }

    /// Draws streams into a PNG, one below the other, with the same axis of scores.
    pub fn write_all(streams: &[Self], path: &Path) -> Result<(), PlotError> {
        super::write(path, size(streams.len()), |area| Self::draw_all(streams, area))
    }

    fn draw_all(streams: &[Self], area: &Area<'_>) -> Result<(), DrawingError> {
        let areas = area.split_evenly((streams.len(), 1));
        let shown =
            |stream: &Self| stream.scores.iter().copied().chain(stream.lines()).map(f64::from).collect::<Vec<_>>();
        let range = log_range(streams.iter().flat_map(shown));
        streams.iter().zip(&areas).try_for_each(|(stream, area)| stream.draw(area, range))
    }

    /// Draws one stream, with an axis of scores from `low` to `high`.
    fn draw(&self, area: &Area<'_>, (low, high): (f64, f64)) -> Result<(), DrawingError> {
        const STRIP: i32 = 14;
        const FEW: usize = 60;
        assert_eq!(self.scores.len(), self.drifted.len(), "windows with a score, and with a verdict");
        assert!([0, self.scores.len()].contains(&self.labels.len()), "windows with a label");
        let (step, unit) = self.time_axis();
        let end = self.scores.len().max(1) as f64 * step;
        area.draw(&Text::new(clipped(self.title, 100), (12, 18), text(20, HPos::Left)))?;
        let top = legend(area, 32, &self.entries())? + if self.labels.is_empty() { 6 } else { STRIP + 10 };
        let mut chart = ChartBuilder::on(area)
            .margin_top(top)
            .margin_left(8)
            .margin_right(28)
            .margin_bottom(8)
            .x_label_area_size(38)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..end, (low..high).log_scale().with_key_points(ticks(low, high)))?;
        let (x, y) = chart.plotting_area().get_pixel_range();
        // The range counts from the corner of the picture; what is drawn counts from the corner of this area.
        let (left, top) = area.get_base_pixel();
        let (x, y) = (x.start - left..x.end - left, y.start - top..y.end - top);
        let columns = columns(self.scores.len(), x.len());
        let left = |column: usize| x.start + (column * x.len() / columns.len()) as i32;
        for (run, drifted) in runs(&columns, |windows| self.drifted[windows.clone()].contains(&true)) {
            if drifted {
                let [from, to] = [left(run.start), left(run.end).max(left(run.start) + 2)];
                area.draw(&Rectangle::new([(from, y.start), (to, y.end)], DRIFT.filled()))?;
            }
        }
        if !self.labels.is_empty() {
            let counts = self.counts();
            for (run, label) in runs(&columns, |windows| self.rarest(&counts, windows)) {
                let corners = [(left(run.start), y.start - STRIP - 4), (left(run.end), y.start - 4)];
                area.draw(&Rectangle::new(corners, colour(label as usize).filled()))?;
            }
        }
        chart
            .configure_mesh()
            .x_desc(unit)
            .y_desc("score (logarithmic axis)")
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 15))
            .x_labels(10)
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| short(*y))
            .light_line_style(TRANSPARENT)
            .draw()?;
        let point = |i: usize| (i as f64 * step, f64::from(self.scores[i].max(1)));
        chart.draw_series(LineSeries::new(columns.iter().flat_map(|c| self.extremes(c)).map(point), SCORE))?;
        if self.scores.len() <= FEW {
            let points = (0..self.scores.len()).map(point);
            chart.draw_series(points.map(|point| Circle::new(point, 2, SCORE.filled())))?;
        }
        for threshold in self.lines() {
            let y = f64::from(threshold.max(1));
            chart.draw_series(LineSeries::new([(0.0, y), (end, y)], THRESHOLD))?;
        }
        Ok(())
    }

    /// The length of a window's step on the axis, and the axis' name.
    fn time_axis(&self) -> (f64, &'static str) {
        let Some(seconds) = self.seconds.filter(|seconds| *seconds > 0.0 && seconds.is_finite()) else {
            return (1.0, "window");
        };
        match seconds * self.scores.len() as f64 {
            ..600.0 => (seconds, "time (s)"),
            ..18_000.0 => (seconds / 60.0, "time (min)"),
            _ => (seconds / 3600.0, "time (h)"),
        }
    }

    /// The thresholds to draw.
    fn lines(&self) -> impl Iterator<Item = u32> {
        let Thresholds { lower, upper } = self.thresholds;
        let none = Thresholds::NONE;
        [(lower, none.lower), (upper, none.upper)].into_iter().filter(|(own, none)| own != none).map(|(own, _)| own)
    }

    fn entries(&self) -> Vec<(Mark, RGBAColor, String)> {
        let mut entries = vec![(Mark::Line, SCORE.to_rgba(), "score".to_owned())];
        if self.lines().next().is_some() {
            let thresholds = if self.lines().count() == 1 { "threshold" } else { "thresholds" };
            entries.push((Mark::Line, THRESHOLD.to_rgba(), thresholds.to_owned()));
        }
        entries.push((Mark::Box, DRIFT.to_rgba(), "alarm".to_owned()));
        if !self.labels.is_empty() {
            let names = self.names.iter().enumerate().take(NAMES);
            entries.extend(names.map(|(i, name)| (Mark::Box, colour(i).to_rgba(), clipped(name, 24))));
            if let Some(more) = self.names.len().checked_sub(NAMES + 1) {
                entries.push((Mark::Box, TRANSPARENT, format!("and {} more", more + 1)));
            }
        }
        entries
    }

    /// The label of some windows that the fewest windows of the stream have.
    fn rarest(&self, counts: &[usize], windows: &Range<usize>) -> u32 {
        let labels = self.labels[windows.clone()].iter().copied();
        labels.min_by_key(|label| counts.get(*label as usize).copied().unwrap_or(0)).unwrap_or(0)
    }

    /// Windows of each label.
    fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        for label in self.labels {
            if let Some(count) = counts.get_mut(*label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// The windows of a column that its picture needs, in order: the first, the lowest, the highest and the last. A line through
    /// them covers the same pixels as one through all windows.
    fn extremes(&self, windows: &Range<usize>) -> Vec<usize> {
        let score = |i: &usize| self.scores[*i];
        let (lowest, highest) = (windows.clone().min_by_key(score), windows.clone().max_by_key(score));
        let mut shown: Vec<usize> =
            [windows.clone().next(), lowest, highest, windows.clone().last()].into_iter().flatten().collect();
        shown.sort_unstable();
        shown.dedup();
        shown
    }
}

/// Width and height of a picture of some streams.
fn size(streams: usize) -> (u32, u32) {
    (SIZE.0, SIZE.1 * streams as u32)
}

/// The windows of each column: at most `most` columns, each with at least one window.
fn columns(windows: usize, most: usize) -> Vec<Range<usize>> {
    let count = windows.min(most);
    (0..count).map(|column| column * windows / count..(column + 1) * windows / count).collect()
}

/// Neighbouring columns with the same property, and the property.
fn runs<T: PartialEq>(columns: &[Range<usize>], property: impl Fn(&Range<usize>) -> T) -> Vec<(Range<usize>, T)> {
    let mut runs: Vec<(Range<usize>, T)> = Vec::new();
    for (i, windows) in columns.iter().enumerate() {
        let here = property(windows);
        match runs.last_mut() {
            Some((run, last)) if *last == here => run.end = i + 1,
            _ => runs.push((i..i + 1, here)),
        }
    }
    runs
}

#[cfg(test)]
mod tests;
