//! Rows of pixels as PNG files: images as images, other rows as line plots.

use crate::files::{self, FileError};
use crate::formats::PROTECTED;
use std::io::Cursor;
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
    /// The file does not begin like a PNG.
    #[error("{}: not a PNG", .0.display())]
    NotAPng(PathBuf),
    /// The file is cut short, or its bytes have changed.
    #[error("{}: a damaged PNG", .0.display())]
    Damaged(PathBuf),
    /// No PNG has such pixels.
    #[error("{}: {depth} bits a channel in colour type {colour}, which no PNG has", path.display())]
    Depth {
        /// Which file.
        path: PathBuf,
        /// Bits a channel.
        depth: u8,
        /// The number of the colour type.
        colour: u8,
    },
    /// The header announces more than is read.
    #[error("{}: {width} × {height} pixels by its header; at most {MAX_PIXELS} are read", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
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
        let contents = files::read(path)?;
        let damaged = || PngError::Damaged(path.to_owned());
        ensure_header(path, &contents)?;
        let mut decoder = png::Decoder::new(Cursor::new(&contents));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|_| damaged())?;
        let mut bytes = vec![0; reader.output_buffer_size().ok_or_else(damaged)?];
        let info = reader.next_frame(&mut bytes).map_err(|_| damaged())?;
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

/// Checks what the header of a PNG announces, because the decoder's messages are made for programmers.
///
/// ```text
/// signature [8]   length [4]   "IHDR"   width [4]   height [4]   bits a channel   colour type
/// ```
fn ensure_header(path: &Path, contents: &[u8]) -> Result<(), PngError> {
    const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
    let path = || path.to_owned();
    let header = contents.strip_prefix(&SIGNATURE).ok_or_else(|| PngError::NotAPng(path()))?;
    let header = header.get(4..).and_then(|header| header.strip_prefix(b"IHDR")).and_then(<[u8]>::first_chunk);
    let Some([w0, w1, w2, w3, h0, h1, h2, h3, depth, colour]) = header.copied() else {
        return Err(PngError::Damaged(path()));
    };
    let [width, height] = [[w0, w1, w2, w3], [h0, h1, h2, h3]].map(u32::from_be_bytes);
    let possible = match colour {
        0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
        3 => matches!(depth, 1 | 2 | 4 | 8),
        2 | 4 | 6 => matches!(depth, 8 | 16),
        _ => false,
    };
    if !possible {
        return Err(PngError::Depth { path: path(), depth, colour });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PngError::TooLarge { path: path(), width, height });
    }
    Ok(())
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
pub(crate) fn is_image(row: &[u8], width: usize) -> bool {
    row.len() > width
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
    fn a_sheet_shows_images_as_they_are_and_other_rows_as_plots() {
        let row: &[u8] = &[0, 255, 0, 255];
        let image = Gray::sheet(&[vec![row; 3], vec![row; 3]], 2, 2);
        assert_eq!((image.width, image.height), (3 * 6 + 2, 2 * 6 + 2));
        let plots = Gray::sheet(&[vec![row; 3], vec![row; 3]], 4, 2);
        assert_eq!((plots.width, plots.height), (3 * (PLOT[0] + 2) + 2, 2 * (PLOT[1] + 2) + 2));
    }

    /// The messages are complete: a caller has nothing to add, and no word is the decoder's.
    #[test]
    fn a_png_that_cannot_be_read_is_described_in_plain_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture");
        Gray { width: 20, height: 30, pixels: (0..600).map(|i| (i % 251) as u8).collect() }.write(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        // Other bytes at `at`, and the right CRC of the header.
        let with = |at: usize, bytes: &[u8]| {
            let mut png = good.clone();
            png[at..at + bytes.len()].copy_from_slice(bytes);
            let crc = crate::crc32::checksum(&png[12..29]);
            png[29..33].copy_from_slice(&crc.to_be_bytes());
            png
        };
        let large = "20000 × 20000 pixels by its header; at most 16777216 are read";
        let mut cases = vec![
            (b"GIF89a".to_vec(), "not a PNG"),
            (vec![], "not a PNG"),
            (with(16, &[0; 4]), "a damaged PNG"),
            (with(8, &[0xff; 4]), "a damaged PNG"),
            (with(12, b"IDAT"), "a damaged PNG"),
            (with(24, &[4, 2]), "4 bits a channel in colour type 2, which no PNG has"),
            (with(24, &[7, 0]), "7 bits a channel in colour type 0, which no PNG has"),
            (with(24, &[8, 5]), "8 bits a channel in colour type 5, which no PNG has"),
            (with(24, &[16, 3]), "16 bits a channel in colour type 3, which no PNG has"),
            (with(24, &[8, 3]), "a damaged PNG"), // without a palette
            (with(16, [20_000u32.to_be_bytes(), 20_000u32.to_be_bytes()].as_flattened()), large),
            (with(16, &[0xff; 8]), "4294967295 × 4294967295 pixels by its header; at most 16777216 are read"),
        ];
        let mut flipped = good.clone();
        flipped[45] ^= 4;
        cases.push((flipped, "a damaged PNG"));
        cases.extend((8..good.len() - 16).step_by(7).map(|length| (good[..length].to_vec(), "a damaged PNG")));
        for (bytes, message) in cases {
            std::fs::write(&path, &bytes).unwrap();
            let error = anyhow::Error::from(Gray::read(&path).unwrap_err());
            assert_eq!(format!("{error:#}"), format!("{}: {message}", path.display()));
        }
        std::fs::write(&path, &good).unwrap();
        assert_eq!(Gray::read(&path).unwrap().pixels[250], 250);
    }
}
