//! Rows of pixels as PNG files and in a terminal: images as images, other rows as line plots.

use crate::files::{self, FileError};
use crate::formats::PROTECTED;
use std::ffi::OsStr;
use std::io::{BufReader, IsTerminal};
use std::path::{Path, PathBuf};

/// The largest PNG to read: a header alone must not make this program allocate more.
const MAX_PIXELS: u64 = 1 << 24;

/// Width and height of a line plot.
const PLOT: [usize; 2] = [112, 56];

/// A gray image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gray {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height · width` pixels, 0 black to 255 white.
    pub pixels: Vec<u8>,
}

/// Errors of PNG files.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a PNG, or it is damaged.
    #[error("{}", path.display())]
    Png {
        /// Which file.
        path: PathBuf,
        /// The decoder's error.
        source: png::DecodingError,
    },
}

impl Gray {
    /// A black image.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }

    /// A sheet of rows, with those of one kind (originals, reconstructions) beside each other. It is a grid of images with a
    /// width of `width` pixels, or of line plots if a row has only `width` values.
    pub fn sheet(kinds: &[Vec<&[u8]>], width: usize, zoom: usize) -> Self {
        if kinds.iter().flatten().any(|row| is_image(row, width)) {
            return Self::grid(kinds, width, zoom);
        }
        let plots: Vec<Vec<Self>> = kinds.iter().map(|rows| rows.iter().map(|row| Self::plot(row)).collect()).collect();
        let pixels: Vec<Vec<&[u8]>> =
            plots.iter().map(|plots| plots.iter().map(|plot| &plot.pixels[..]).collect()).collect();
        Self::grid(&pixels, PLOT[0], 1)
    }

    /// A line plot: the first value at the left edge, the last at the right, 0 at the bottom, 255 at the top.
    pub fn plot(values: &[u8]) -> Self {
        let [width, height] = PLOT;
        let mut plot = Self::new(width, height);
        let Some(last) = values.len().checked_sub(1) else { return plot };
        // A column is a vertical stroke from the lowest to the highest value between its edges.
        let edge = |column: usize| column as f32 * last as f32 / width as f32;
        let value = |at: f32| {
            let (before, after) = (values[at as usize], values[(at as usize + 1).min(last)]);
            f32::from(before) + at.fract() * (f32::from(after) - f32::from(before))
        };
        let line = |value: f32| ((255.0 - value) / 255.0 * (height - 1) as f32).round() as usize;
        for column in 0..width {
            let (left, right) = (edge(column), edge(column + 1));
            let between = &values[(left.ceil() as usize).min(last)..=(right as usize).min(last)];
            let shown = between.iter().map(|value| f32::from(*value)).chain([value(left), value(right)]);
            let (low, high) = shown.fold((255.0, 0.0), |(low, high), value| (value.min(low), value.max(high)));
            for y in line(high)..=line(low) {
                plot.pixels[y * width + column] = 255;
            }
        }
        plot
    }

    /// A grid of images of `width` pixels a row, a margin around each, every pixel `zoom` pixels wide and high.
    pub fn grid(rows: &[Vec<&[u8]>], width: usize, zoom: usize) -> Self {
        const MARGIN: usize = 2;
        let height = rows.iter().flatten().map(|image| image.len() / width).max().unwrap_or(0);
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let (cell_width, cell_height) = (width * zoom + MARGIN, height * zoom + MARGIN);
        let mut grid = Self::new(columns * cell_width + MARGIN, rows.len() * cell_height + MARGIN);
        grid.pixels.fill(64);
        for (r, row) in rows.iter().enumerate() {
            for (c, image) in row.iter().enumerate() {
                for y in 0..height * zoom {
                    for x in 0..width * zoom {
                        let to = (r * cell_height + MARGIN + y) * grid.width + c * cell_width + MARGIN + x;
                        grid.pixels[to] = image[y / zoom * width + x / zoom];
                    }
                }
            }
        }
        grid
    }

    /// Writes a PNG.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        encode(path, self.width, self.height, png::ColorType::Grayscale, &self.pixels)
    }

    /// Reads a PNG of any colour type as gray. Its background is white, as on a page or in a browser: black ink on a transparent
    /// ground becomes black on white.
    pub fn read(path: &Path) -> Result<Self, PngError> {
        let error = |source| PngError::Png { path: path.to_owned(), source };
        let mut decoder = png::Decoder::new(BufReader::new(files::open(path)?));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(error)?;
        let pixels = u64::from(reader.info().width) * u64::from(reader.info().height);
        let size = reader.output_buffer_size().filter(|_| pixels <= MAX_PIXELS);
        let size = size.ok_or_else(|| error(png::DecodingError::LimitsExceeded))?;
        let mut bytes = vec![0; size];
        let info = reader.next_frame(&mut bytes).map_err(error)?;
        let channels = info.color_type.samples();
        let pixels = bytes[..info.buffer_size()].chunks_exact(channels).map(|pixel| match *pixel {
            [gray] => gray,
            [gray, alpha] => on_white(gray, alpha),
            [r, g, b] => luma(r, g, b),
            [r, g, b, alpha] => on_white(luma(r, g, b), alpha),
            _ => 0,
        });
        Ok(Self { width: info.width as usize, height: info.height as usize, pixels: pixels.collect() })
    }
}

/// The brightness of a colour (ITU-R BT.601).
fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u8
}

/// A pixel over a white ground: `α·gray + (1 - α)·white`, rounded.
fn on_white(gray: u8, alpha: u8) -> u8 {
    let alpha = u32::from(alpha);
    ((alpha * u32::from(gray) + (255 - alpha) * 255 + 127) / 255) as u8
}

/// Writes a PNG of 8-bit RGB pixels.
pub fn write_rgb(path: &Path, width: usize, height: usize, pixels: &[u8]) -> Result<(), FileError> {
    encode(path, width, height, png::ColorType::Rgb, pixels)
}

fn encode(path: &Path, width: usize, height: usize, color: png::ColorType, pixels: &[u8]) -> Result<(), FileError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    written.map_err(|e| FileError::new(path, e.into()))?;
    files::replace(path, &bytes, &PROTECTED)
}

/// Whether a row is more than one line of pixels.
fn is_image(row: &[u8], width: usize) -> bool {
    row.len() > width
}

/// Whether a stream, standard output or standard error, shows colours: it is a terminal, `TERM` is not `dumb`, and `NO_COLOR` is
/// not set.
pub fn colours(stream: &impl IsTerminal) -> bool {
    let [no_color, term] = ["NO_COLOR", "TERM"].map(|name| std::env::var_os(name).unwrap_or_default());
    stream.is_terminal() && has_colours(&no_color, &term)
}

/// The same for a terminal, from its environment. On Windows, terminals do not set `TERM`.
fn has_colours(no_color: &OsStr, term: &OsStr) -> bool {
    no_color.is_empty() && term != "dumb" && (cfg!(windows) || !term.is_empty())
}

/// The columns of the terminal; 80 without one.
pub fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))
}

/// Draws `top` above `bottom` for a terminal: images as half blocks, other rows as lines of blocks.
pub fn draw(top: &[&[u8]], bottom: &[&[u8]], width: usize, columns: usize, colours: bool) -> String {
    if top.iter().chain(bottom).any(|row| is_image(row, width)) {
        return half_blocks(top, bottom, width, columns, colours);
    }
    let mut out = String::new();
    for (i, pair) in top.iter().zip(bottom).enumerate() {
        out.push_str(if i == 0 { "" } else { "\n" });
        for row in [pair.0, pair.1].into_iter().filter(|row| !row.is_empty()) {
            out.push_str(&blocks(row, columns));
            out.push('\n');
        }
    }
    out
}

/// Draws a row as blocks of eight heights. If there are more values than columns, a block is the mean of several.
fn blocks(values: &[u8], columns: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mean = |values: &[u8]| values.iter().map(|value| usize::from(*value)).sum::<usize>() / values.len();
    values.chunks(values.len().div_ceil(columns.max(1)).max(1)).map(|values| BLOCKS[mean(values) / 32]).collect()
}

/// Draws `top` above `bottom`, image by image, with as many beside each other as fit. Images have half their size: a character
/// is two pixels wide and four high, and its halves are half blocks.
fn half_blocks(top: &[&[u8]], bottom: &[&[u8]], width: usize, columns: usize, colours: bool) -> String {
    let per_line = (columns / (width.div_ceil(2) + 1)).max(1);
    let mut out = String::new();
    for (top, bottom) in top.chunks(per_line).zip(bottom.chunks(per_line)) {
        for images in [top, bottom] {
            let height = images.iter().map(|image| image.len() / width).max().unwrap_or(0);
            for y in (0..height).step_by(4) {
                let mut line = String::new();
                for image in images {
                    for x in (0..width).step_by(2) {
                        let (upper, lower) = (mean(image, width, x, y), mean(image, width, x, y + 2));
                        half_block(&mut line, upper, lower, colours);
                    }
                    line.push_str(if colours { "\x1b[0m " } else { " " });
                }
                out.push_str(line.trim_end_matches(' '));
                out.push('\n');
            }
        }
        out.push('\n');
    }
    out.pop();
    out
}

/// The mean of the two by two pixels at `x`, `y`; black beyond the edge.
fn mean(image: &[u8], width: usize, x: usize, y: usize) -> u8 {
    let mut sum = 0;
    for y in y..y + 2 {
        for x in x..(x + 2).min(width) {
            sum += u32::from(image.get(y * width + x).copied().unwrap_or(0));
        }
    }
    (sum / 4) as u8
}

fn half_block(line: &mut String, upper: u8, lower: u8, colours: bool) {
    use std::fmt::Write;
    if colours {
        write!(line, "\x1b[38;2;{upper};{upper};{upper};48;2;{lower};{lower};{lower}m▀")
            .expect("a string takes it all");
    } else {
        line.push(match (upper >= 96, lower >= 96) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_an_image_is_plotted() {
        let [width, height] = PLOT;
        let column =
            |plot: &Gray, x: usize| -> Vec<usize> { (0..height).filter(|y| plot.pixels[y * width + x] > 0).collect() };
        let ramp = Gray::plot(&[0, 255]);
        assert_eq!((ramp.width, ramp.height), (width, height));
        assert_eq!((column(&ramp, 0).last(), column(&ramp, width - 1).first()), (Some(&(height - 1)), Some(&0)));
        let flat = Gray::plot(&[255]);
        assert!((0..width).all(|x| column(&flat, x) == [0]));
        // With more values than columns, every value is shown and neighbouring strokes meet.
        let mut spike = vec![0; 50 * width];
        spike[25 * width + 3] = 255;
        let spike = Gray::plot(&spike);
        assert_eq!((0..width).map(|x| column(&spike, x).len()).max(), Some(height));
        for values in [&[0, 200, 30, 255, 10][..], &[3; 1000]] {
            let plot = Gray::plot(values);
            for x in 1..width {
                let (before, here) = (column(&plot, x - 1), column(&plot, x));
                assert!(before[0] <= here[here.len() - 1] && here[0] <= before[before.len() - 1], "column {x}");
            }
        }
    }

    #[test]
    fn the_background_of_a_transparent_image_is_white() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ink.png");
        let rgba = [[0, 0, 0, 255], [0, 0, 0, 0], [255, 255, 255, 0], [100, 100, 100, 128], [255, 0, 0, 255]];
        let alpha = |gray: f64, alpha: f64| (gray * alpha / 255.0 + 255.0 * (1.0 - alpha / 255.0)).round() as u8;
        encode(&path, 5, 1, png::ColorType::Rgba, rgba.as_flattened()).unwrap();
        assert_eq!(Gray::read(&path).unwrap().pixels, [0, 255, 255, alpha(100.0, 128.0), 76]);
        let gray = [[0, 255], [0, 0], [255, 1], [30, 77], [200, 254]];
        encode(&path, 5, 1, png::ColorType::GrayscaleAlpha, gray.as_flattened()).unwrap();
        assert_eq!(Gray::read(&path).unwrap().pixels, [0, 255, 255, alpha(30.0, 77.0), alpha(200.0, 254.0)]);
    }

    #[test]
    fn a_terminal_has_colours_unless_it_is_dumb_or_asked_for_none() {
        let outcome = |no_color: &str, term: &str| has_colours(no_color.as_ref(), term.as_ref());
        assert!(outcome("", "xterm-256color"));
        assert!(!outcome("1", "xterm-256color") && !outcome("", "dumb"));
        assert_eq!(outcome("", ""), cfg!(windows));
    }

    #[test]
    fn a_sheet_shows_images_as_they_are_and_other_rows_as_plots() {
        let row: &[u8] = &[0, 255, 0, 255];
        let image = Gray::sheet(&[vec![row; 3], vec![row; 3]], 2, 2);
        assert_eq!((image.width, image.height), (3 * 6 + 2, 2 * 6 + 2));
        let plots = Gray::sheet(&[vec![row; 3], vec![row; 3]], 4, 2);
        assert_eq!((plots.width, plots.height), (3 * (PLOT[0] + 2) + 2, 2 * (PLOT[1] + 2) + 2));
    }

    #[test]
    fn a_terminal_shows_images_as_half_blocks_and_other_rows_as_blocks() {
        let row: &[u8] = &[0, 31, 32, 64, 96, 128, 160, 192, 224, 255];
        assert_eq!(draw(&[row], &[&[]], 10, 80, false), "▁▁▂▃▄▅▆▇██\n");
        assert_eq!(draw(&[row, row], &[row, row], 10, 5, false), "▁▂▄▆█\n▁▂▄▆█\n\n▁▂▄▆█\n▁▂▄▆█\n");
        let image = [255, 255, 255, 255, 0, 0, 0, 0];
        assert_eq!(draw(&[&image], &[&image], 2, 80, false), "▀\n▀\n");
    }
}
