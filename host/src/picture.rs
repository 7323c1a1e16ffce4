//! Images as PNG files and as half blocks in a terminal.

use crate::files::{self, FileError};
use std::io::{BufReader, IsTerminal};
use std::path::{Path, PathBuf};

/// Of a PNG that is read: nothing is allocated for what only a header says.
const MAX_PIXELS: u64 = 1 << 24;

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

/// What can be wrong with a PNG file.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not a PNG, or a broken one.
    #[error("{}", path.display())]
    Png {
        /// Which file.
        path: PathBuf,
        /// What the decoder says.
        source: png::DecodingError,
    },
}

impl Gray {
    /// Black.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
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

    /// Reads a PNG of any colour type as gray; transparent pixels count as their colour.
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
            // ITU-R BT.601
            [r, g, b, ..] => ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u8,
            [gray, ..] => gray,
            [] => 0,
        });
        Ok(Self { width: info.width as usize, height: info.height as usize, pixels: pixels.collect() })
    }
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
    files::replace(path, &bytes)
}

/// Whether standard output takes colours: a terminal, and `NO_COLOR` not set.
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal; 80 where there is none.
pub fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))
}

/// Draws `top` above `bottom`, image by image, as many beside each other as fit, at half size: a character is two
/// pixels wide and four high, its upper and lower halves drawn as half blocks.
pub fn half_blocks(top: &[&[u8]], bottom: &[&[u8]], width: usize, columns: usize, colours: bool) -> String {
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
