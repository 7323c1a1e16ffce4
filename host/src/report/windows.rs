//! Windows of a signal with their reconstructions.

use autoencoder_io::plot::{
    self, Area, DrawingError, FONT, Mark, PlotError, SIZE, clipped, colour, legend, short, text,
};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// The most windows and the most channels in a picture.
const MOST: [usize; 2] = [4, 12];
/// Pixels of the height of a channel, at least.
const CELL: u32 = 84;
/// Pixels above and below the channels.
const MARGINS: [u32; 2] = [90, 44];
/// Pixels left of the cells for the channels' names, and in each cell for the numbers of its axis.
const NAMES: i32 = 24;
const NUMBERS: i32 = 44;
/// A line with few points marks each of them.
const FEW: usize = 20;
/// A line with more points is thin.
const MANY: usize = 64;

/// A window and its reconstruction.
#[derive(Clone, Debug)]
pub struct Example {
    /// The line above it: its label, or its score.
    pub caption: String,
    /// Its numbers, channel by channel: samples in the unit of the file, or bands.
    pub signal: Vec<f32>,
    /// As many numbers of the reconstruction.
    pub reconstruction: Vec<f32>,
}

/// The horizontal axis: number `i` of a channel is at `first + i · step`.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    /// Its name and unit: `time (s)`, `frequency (Hz)`, `band`.
    pub name: &'a str,
    /// Where the first number of a channel is.
    pub first: f64,
    /// The distance to the next one.
    pub step: f64,
}

/// Windows beside each other, their channels below each other: signal and reconstruction in two colours. A channel has the same
/// vertical axis in all windows.
#[derive(Clone, Copy, Debug)]
pub struct Windows<'a> {
    /// The line above the picture.
    pub title: &'a str,
    /// The windows: up to four.
    pub examples: &'a [Example],
    /// The channels' names: up to twelve.
    pub channels: &'a [String],
    /// The horizontal axis.
    pub axis: Axis<'a>,
    /// What the vertical axes are in.
    pub unit: &'a str,
}

impl Windows<'_> {
    /// Draws the windows into a PNG of 800 × 480 pixels, or a higher one for more than four channels.
    pub fn write(&self, path: &Path) -> Result<(), PlotError> {
        let channels = self.channels.len().min(MOST[1]) as u32;
        plot::write(path, (SIZE.0, SIZE.1.max(MARGINS[0] + MARGINS[1] + CELL * channels)), |area| self.draw(area))
    }

    fn draw(&self, area: &Area<'_>) -> Result<(), DrawingError> {
        let examples = &self.examples[..self.examples.len().min(MOST[0])];
        let channels = &self.channels[..self.channels.len().min(MOST[1])];
        let more = if channels.len() < self.channels.len() {
            format!(" (the first {} of {} channels)", MOST[1], self.channels.len())
        } else {
            String::new()
        };
        area.draw(&Text::new(clipped(self.title, 90) + &more, (12, 18), text(20, HPos::Left)))?;
        let kinds = ["signal", "reconstruction"].map(str::to_owned);
        let entries = [0, 1].map(|i| (Mark::Line, colour(i).to_rgba(), kinds[i].clone()));
        legend(area, 32, &entries)?;
        let (width, height) = area.dim_in_pixel();
        let unit = format!("vertical axes: {}", self.unit);
        area.draw(&Text::new(unit, (width as i32 - 12, 42), text(15, HPos::Right)))?;
        let [top, bottom] = MARGINS;
        let (columns, rows) = (examples.len().max(1) as i32, channels.len().max(1) as i32);
        let left = |column: usize| NAMES + column as i32 * (width as i32 - NAMES - 8) / columns;
        let upper = |row: usize| top as i32 + row as i32 * (height - top - bottom) as i32 / rows;
        for (row, name) in channels.iter().enumerate() {
            // As many characters as fit beside the cell.
            let style = TextStyle::from((FONT, 16)).transform(FontTransform::Rotate270);
            let style = style.pos(Pos::new(HPos::Center, VPos::Center));
            let (middle, most) = (i32::midpoint(upper(row), upper(row + 1)), (upper(row + 1) - upper(row)) / 7);
            area.draw(&Text::new(clipped(name, most as usize), (NAMES - 10, middle), &style))?;
            let range = self.range(examples, row);
            for (column, example) in examples.iter().enumerate() {
                let cell = area.clone().shrink(
                    (left(column), upper(row)),
                    ((left(column + 1) - left(column)) as u32, (upper(row + 1) - upper(row)) as u32),
                );
                self.draw_cell(
                    &cell,
                    [example.signal.as_slice(), &example.reconstruction].map(|x| self.channel(x, row)),
                    range,
                )?;
            }
        }
        for (column, example) in examples.iter().enumerate() {
            let middle = i32::midpoint(left(column) + NUMBERS, left(column + 1) - 10);
            let most = (left(column + 1) - left(column)) as usize / 8;
            area.draw(&Text::new(clipped(&example.caption, most), (middle, top as i32 - 22), text(15, HPos::Center)))?;
            self.draw_axis(area, (left(column) + NUMBERS, left(column + 1) - 10), upper(channels.len()))?;
        }
        Ok(())
    }

    /// A channel of a window.
    fn draw_cell(&self, cell: &Area<'_>, lines: [&[f32]; 2], range: (f64, f64)) -> Result<(), DrawingError> {
        let mut chart = ChartBuilder::on(cell)
            .margin_top(4)
            .margin_bottom(4)
            .margin_right(10)
            .y_label_area_size(NUMBERS)
            .build_cartesian_2d(self.ends().0..self.ends().1, range.0..range.1)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .y_labels(5)
            .label_style((FONT, 13))
            .y_label_formatter(&|y| short(*y))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (i, line) in lines.into_iter().enumerate() {
            let point = |(i, y): (usize, &f32)| (self.axis.first + i as f64 * self.axis.step, f64::from(*y));
            let points = || line.iter().enumerate().filter(|(_, y)| y.is_finite()).map(point);
            let stroke = if line.len() <= MANY { 2 } else { 1 };
            chart.draw_series(LineSeries::new(points(), colour(i).stroke_width(stroke)))?;
            if line.len() <= FEW {
                chart.draw_series(points().map(|point| Circle::new(point, 3, colour(i).filled())))?;
            }
        }
        Ok(())
    }

    /// The numbers and the name of the horizontal axis, below the last channel.
    fn draw_axis(&self, area: &Area<'_>, (left, right): (i32, i32), y: i32) -> Result<(), DrawingError> {
        let (first, last) = self.ends();
        for (x, number, side) in [(left, first, HPos::Left), (right, last, HPos::Right)] {
            area.draw(&Text::new(short(number), (x, y + 8), text(13, side)))?;
        }
        area.draw(&Text::new(
            clipped(self.axis.name, 24),
            (i32::midpoint(left, right), y + 24),
            text(15, HPos::Center),
        ))?;
        Ok(())
    }

    /// Numbers of a channel.
    fn len(&self) -> usize {
        self.examples.first().map_or(0, |example| example.signal.len() / self.channels.len().max(1))
    }

    fn channel<'a>(&self, numbers: &'a [f32], channel: usize) -> &'a [f32] {
        numbers.get(channel * self.len()..(channel + 1) * self.len()).unwrap_or_default()
    }

    /// The ends of the horizontal axis.
    fn ends(&self) -> (f64, f64) {
        let Axis { first, step, .. } = self.axis;
        (first, first + step * self.len().saturating_sub(1).max(1) as f64)
    }

    /// The ends of a channel's vertical axis, in all windows.
    fn range(&self, examples: &[Example], channel: usize) -> (f64, f64) {
        let of = |numbers| self.channel(numbers, channel).iter().filter(|y| y.is_finite()).map(|y| f64::from(*y));
        let all = || examples.iter().flat_map(|example| of(&example.signal).chain(of(&example.reconstruction)));
        let low = all().reduce(f64::min).unwrap_or(0.0);
        let high = all().reduce(f64::max).unwrap_or(1.0);
        let margin = if high > low { 0.06 * (high - low) } else { low.abs().max(1.0) * 0.1 };
        (low - margin, high + margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(signal: &[f32], reconstruction: &[f32]) -> Example {
        Example { caption: "score 12".into(), signal: signal.to_vec(), reconstruction: reconstruction.to_vec() }
    }

    const AXIS: Axis<'static> = Axis { name: "time (s)", first: 0.0, step: 0.02 };

    #[test]
    fn the_axes_hold_signal_and_reconstruction_of_all_windows() {
        let channels = ["x", "y"].map(String::from);
        let examples =
            [example(&[1.0, 2.0, 3.0, 0.0, 0.0, 0.0], &[1.0, 2.0, 9.0, 0.0, 0.0, 0.0]), example(&[0.0; 6], &[-2.0; 6])];
        let windows = Windows { title: "", examples: &examples, channels: &channels, axis: AXIS, unit: "g" };
        assert_eq!((windows.len(), windows.ends()), (3, (0.0, 0.04)));
        assert_eq!(windows.channel(&examples[0].signal, 1), [0.0; 3]);
        let close = |found: (f64, f64), expected: (f64, f64)| {
            assert!((found.0 - expected.0).abs() + (found.1 - expected.1).abs() < 1e-9, "{found:?}, not {expected:?}");
        };
        close(windows.range(&examples, 0), (-2.0 - 0.66, 9.0 + 0.66));
        close(windows.range(&examples, 1), (-2.0 - 0.12, 0.12));
        // Numbers that are all the same still have an axis.
        close(windows.range(&examples[..0], 0), (-0.06, 1.06));
        close(
            Windows { examples: &[example(&[50.0; 2], &[50.0; 2])], ..windows }
                .range(&[example(&[50.0; 2], &[50.0; 2])], 0),
            (45.0, 55.0),
        );
    }

    #[test]
    fn any_windows_can_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windows.png");
        let names = |count: usize| (0..count).map(|i| format!("channel {i} (µm)")).collect::<Vec<_>>();
        for channels in [0, 1, 3, 100] {
            for len in [0, 1, 300] {
                let wave: Vec<f32> = (0..channels * len).map(|i| (i as f32 / 9.0).sin()).collect();
                let strange: Vec<f32> = wave.iter().map(|x| if *x > 0.9 { f32::NAN } else { x * f32::MAX }).collect();
                for count in [0, 1, 7] {
                    let examples = vec![example(&wave, &strange); count];
                    let windows =
                        Windows { title: "", examples: &examples, channels: &names(channels), axis: AXIS, unit: "g" };
                    windows.write(&path).unwrap();
                }
            }
        }
        // Twelve channels of 84 pixels.
        let header = std::fs::read(&path).unwrap();
        assert_eq!(u32::from_be_bytes([header[20], header[21], header[22], header[23]]), 90 + 44 + 12 * 84);
    }
}
