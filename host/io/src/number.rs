//! Numbers in arguments and in messages.

use clap::builder::TypedValueParser;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Reads a whole number from the command line. An error says which numbers were expected.
pub fn whole<T>(range: RangeInclusive<T>) -> impl TypedValueParser<Value = T>
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.parse::<T>().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Reads a positive, finite number from the command line.
pub fn positive(text: &str) -> Result<f32, &'static str> {
    let number = text.parse().ok().filter(|number: &f32| *number > 0.0 && number.is_finite());
    number.ok_or("expected a positive number")
}

/// `1 row`, `2 rows`
pub fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let s = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// A fraction in percent, with six significant digits: `0.5 %`. The `f64` product of 100 and 0.07 has more.
pub fn percent(fraction: f64) -> String {
    let rounded = format!("{:.5e}", 100.0 * fraction);
    rounded.parse().map_or(rounded, |percent: f64| format!("{percent} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_in_percent_as_it_was_given() {
        let said = [0.0, 1e-9, 0.005, 0.07, 0.29, 1.0 / 3.0, 1.0].map(percent);
        assert_eq!(said, ["0 %", "0.0000001 %", "0.5 %", "7 %", "29 %", "33.3333 %", "100 %"]);
    }

    #[test]
    fn one_is_singular() {
        let said = [0usize, 1, 2, 11].map(|count| counted(count, "row"));
        assert_eq!(said, ["0 rows", "1 row", "2 rows", "11 rows"]);
    }
}
