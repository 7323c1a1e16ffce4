//! The distributions of scores, by label.

use autoencoder_core::blob::Thresholds;
use autoencoder_io::number::counted;
use autoencoder_io::plot::{
    self, Area, DrawingError, FONT, Mark, PlotError, SIZE, clipped, colour, legend, log_range, short, text, ticks,
};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::path::Path;

/// The most groups in a picture.
const MOST: usize = 24;
/// Pixels of the height of a group's lane, at least.
const LANE: u32 = 48;
/// Pixels above and below the lanes, and to their left and right.
const MARGINS: [u32; 4] = [66, 48, 180, 136];
/// The bins of a histogram, over the whole axis.
const BINS: usize = 120;
const THRESHOLD: RGBColor = RGBColor(200, 0, 0);

/// The scores of windows with one label.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The label.
    pub name: &'a str,
    /// Its windows' scores. The axis is logarithmic; 0 is drawn as 1.
    pub scores: &'a [u32],
}

/// Histograms of scores, a lane for each label, with the thresholds across all lanes and the shares of windows outside them.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// The line above the picture.
    pub title: &'a str,
    /// The labels, from the top: up to 24 of them.
    pub groups: &'a [Group<'a>],
    /// Lines across the picture; none for those of [`Thresholds::NONE`].
    pub thresholds: Thresholds,
}

impl Scores<'_> {
    /// Draws the distributions into a PNG of 800 × 480 pixels, or a higher one for more than seven labels.
    pub fn write(&self, path: &Path) -> Result<(), PlotError> {
        let lanes = self.groups.len().min(MOST) as u32;
        plot::write(path, (SIZE.0, SIZE.1.max(MARGINS[0] + MARGINS[1] + LANE * lanes)), |area| self.draw(area))
    }

    fn draw(&self, area: &Area<'_>) -> Result<(), DrawingError> {
        let [top, bottom, left, right] = MARGINS;
        let groups = &self.groups[..self.groups.len().min(MOST)];
        let Thresholds { lower, upper } = self.thresholds;
        let lines: Vec<(u32, &str)> =
            [(lower, Thresholds::NONE.lower, "below"), (upper, Thresholds::NONE.upper, "above")]
                .into_iter()
                .filter(|(own, none, _)| own != none)
                .map(|(own, _, side)| (own, side))
                .collect();
        let scores = groups.iter().flat_map(|group| group.scores).copied();
        let (low, high) = log_range(scores.chain(lines.iter().map(|(threshold, _)| *threshold)).map(f64::from));
        let more = if groups.len() < self.groups.len() {
            format!(" (the first {MOST} of {} labels)", self.groups.len())
        } else {
            String::new()
        };
        area.draw(&Text::new(clipped(self.title, 90) + &more, (12, 18), text(20, HPos::Left)))?;
        let named: Vec<String> = lines.iter().map(|(threshold, _)| threshold.to_string()).collect();
        let name = if lines.len() == 1 { "threshold: " } else { "thresholds: " };
        if !lines.is_empty() {
            legend(area, 32, &[(Mark::Line, THRESHOLD.to_rgba(), name.to_owned() + &named.join(" and "))])?;
        }
        let lanes = groups.len().max(1) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin_top(top)
            .margin_left(left)
            .margin_right(right)
            .margin_bottom(8)
            .x_label_area_size(bottom - 8)
            .build_cartesian_2d((low..high).log_scale().with_key_points(ticks(low, high)), 0.0..lanes)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc("score (logarithmic axis)")
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 15))
            .x_label_formatter(&|x| short(*x))
            .light_line_style(TRANSPARENT)
            .draw()?;
        let bin = |i: usize| low * (high / low).powf(i as f64 / BINS as f64);
        for (lane, group) in groups.iter().enumerate() {
            let floor = lanes - 1.0 - lane as f64;
            let counts = histogram(group.scores, low, high);
            let highest = counts.iter().max().copied().unwrap_or(0).max(1) as f64;
            let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(i, count)| {
                // A single window among many still shows.
                let height = (*count as f64 / highest).max(0.03) * 0.88;
                Rectangle::new([(bin(i), floor), (bin(i + 1), floor + height)], colour(lane).filled())
            });
            chart.draw_series(bars)?;
            chart.draw_series(LineSeries::new([(low, floor), (high, floor)], BLACK))?;
        }
        for (threshold, _) in &lines {
            let x = f64::from((*threshold).max(1));
            chart.draw_series(LineSeries::new([(x, 0.0), (x, lanes)], THRESHOLD.stroke_width(2)))?;
        }
        // The table: names on the left, counts and shares on the right.
        let (x, y) = chart.plotting_area().get_pixel_range();
        let columns = |i: usize| x.end + 60 + 52 * i as i32;
        let header = text(14, HPos::Right).color(&THRESHOLD);
        for (i, (threshold, side)) in lines.iter().enumerate() {
            area.draw(&Text::new(*side, (columns(i), y.start - 26), &header))?;
            area.draw(&Text::new(short(f64::from(*threshold)), (columns(i), y.start - 11), &header))?;
        }
        for (lane, group) in groups.iter().enumerate() {
            let middle = y.start + ((lane as f64 + 0.5) * y.len() as f64 / lanes) as i32;
            area.draw(&Text::new(clipped(group.name, 21), (x.start - 8, middle - 7), text(16, HPos::Right)))?;
            let count = counted(group.scores.len(), "window");
            area.draw(&Text::new(count, (x.start - 8, middle + 10), text(13, HPos::Right)))?;
            for (i, (threshold, side)) in lines.iter().enumerate() {
                let outside = |score: &&u32| if *side == "below" { *score < threshold } else { *score > threshold };
                let share = group.scores.iter().filter(outside).count() as f64 / group.scores.len().max(1) as f64;
                area.draw(&Text::new(percent(share), (columns(i), middle), text(15, HPos::Right)))?;
            }
        }
        Ok(())
    }
}

/// The scores in each bin of a logarithmic axis.
fn histogram(scores: &[u32], low: f64, high: f64) -> [usize; BINS] {
    let mut counts = [0; BINS];
    for score in scores {
        let along = (f64::from((*score).max(1)) / low).ln() / (high / low).ln();
        counts[((along * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    counts
}

/// `0.53 %`, `12.0 %`, `100 %`; only what is all is 100 %, and only nothing is 0.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        0.0 => "0 %".to_owned(),
        100.0 => "100 %".to_owned(),
        ..0.01 => "< 0.01 %".to_owned(),
        ..9.995 => format!("{percent:.2} %"),
        99.95.. => "> 99.9 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_in_the_bin_of_its_logarithm() {
        let counts = histogram(&[0, 1, 10, 99, 100, u32::MAX], 1.0, 1e12);
        let expected: [(usize, usize); 4] = [(0, 2), (10, 1), (19, 1), (20, 1)];
        for (bin, count) in expected {
            assert_eq!(counts[bin], count, "{bin}");
        }
        assert_eq!(counts[96], 1); // 9.63 decades
        assert_eq!(counts.iter().sum::<usize>(), 6);
    }

    #[test]
    fn a_share_is_zero_or_all_only_if_it_is() {
        let shares = [0.0, 1.0, 5e-5, 0.0053, 0.12, 0.9994, 0.999_999];
        let expected = ["0 %", "100 %", "< 0.01 %", "0.53 %", "12.0 %", "99.9 %", "> 99.9 %"];
        assert_eq!(shares.map(percent), expected);
    }

    #[test]
    fn any_scores_can_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.png");
        let group = |scores| Group { name: "one", scores };
        for groups in
            [&[][..], &[group(&[])], &[group(&[0])], &[group(&[0, u32::MAX]), group(&[7; 9])], &[group(&[5, 6]); 40]]
        {
            for thresholds in [Thresholds::NONE, Thresholds { lower: 0, upper: 0 }, Thresholds { lower: 5, upper: 6 }] {
                Scores { title: "scores", groups, thresholds }.write(&path).unwrap();
            }
        }
        // A lane for each of 24 labels.
        let header = std::fs::read(&path).unwrap();
        assert_eq!(header[16..24], [0, 0, 3, 32, 0, 0, 4, 242]);
    }
}
