//! The legend of a chart, in lines above it.

use super::{Area, DrawingError, clipped, text};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// How a kind of things looks in a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A line.
    Line,
    /// An area.
    Box,
    /// A ring.
    Point,
}

/// Draws the names of things beside their marks, from `top` down, and returns where the legend ends. Everything is in pixels.
pub fn legend(area: &Area<'_>, top: i32, entries: &[(Mark, RGBAColor, String)]) -> Result<i32, DrawingError> {
    const LINE: i32 = 20;
    const MARK: i32 = 16;
    const MARGIN: i32 = 14;
    const LONGEST: usize = 64;
    let width = area.dim_in_pixel().0 as i32;
    let style = text(15, HPos::Left);
    let (mut x, mut y) = (MARGIN, top + LINE / 2);
    for (mark, colour, name) in entries {
        let name = clipped(name, LONGEST);
        let room = MARK + 6 + area.estimate_text_size(&name, &style)?.0 as i32;
        if x > MARGIN && x + room > width - MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        match mark {
            Mark::Line => area.draw(&PathElement::new([(x, y), (x + MARK, y)], colour.stroke_width(2)))?,
            Mark::Box => area.draw(&Rectangle::new([(x, y - 6), (x + MARK, y + 6)], colour.filled()))?,
            Mark::Point => {
                area.draw(&Circle::new((x + MARK / 2, y), 6, colour.filled()))?;
                area.draw(&Circle::new((x + MARK / 2, y), 3, WHITE.filled()))?;
            }
        }
        area.draw(&Text::new(name, (x + MARK + 6, y), &style))?;
        x += room + MARGIN;
    }
    Ok(if entries.is_empty() { top } else { y + LINE / 2 })
}
