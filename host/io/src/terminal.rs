//! Rows of pixels in a terminal: images as half blocks, other rows as lines of blocks. And texts from files.

use crate::picture::is_image;
use std::ffi::OsStr;
use std::io::IsTerminal;

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

/// A text from a file with its control characters escaped: they could move the cursor or change what stands above.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
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
    fn control_characters_are_escaped() {
        assert_eq!(printable("a.weight ÄÖ [2, 3]"), "a.weight ÄÖ [2, 3]");
        assert_eq!(printable("a\x1b[2J\r\n\u{9b}"), "a\\u{1b}[2J\\r\\n\\u{9b}");
    }

    #[test]
    fn a_terminal_has_colours_unless_it_is_dumb_or_asked_for_none() {
        let outcome = |no_color: &str, term: &str| has_colours(no_color.as_ref(), term.as_ref());
        assert!(outcome("", "xterm-256color"));
        assert!(!outcome("1", "xterm-256color") && !outcome("", "dumb"));
        assert_eq!(outcome("", ""), cfg!(windows));
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
