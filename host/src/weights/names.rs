//! Names of tensors: `encoder.0.weight`, `sequential/dense_1/kernel`.

use std::cmp::Ordering;

/// Separators of the parts of a name.
const SEPARATORS: [char; 2] = ['.', '/'];

/// Collections of Flax, which are no part of a layer's name.
const COLLECTIONS: [&str; 2] = ["params", "batch_stats"];

/// The prefix of a name, which its layer shares, and the last part. TensorFlow's `:0` at the end is no part of it.
pub(super) fn split(name: &str) -> (&str, &str) {
    let name = name.strip_suffix(":0").unwrap_or(name);
    let (prefix, last) = name.rsplit_once(SEPARATORS).unwrap_or(("", name));
    let without_collection = match prefix.split_once(SEPARATORS) {
        Some((first, rest)) if COLLECTIONS.contains(&first) => rest,
        None if COLLECTIONS.contains(&prefix) => "",
        _ => prefix,
    };
    (without_collection, last)
}

/// The order of prefixes: part by part, numbers by their value, `enc…` first and `dec…` last.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split(SEPARATORS), b.split(SEPARATORS));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match half(a).cmp(&half(b)).then_with(|| natural_order_of_parts(a, b)) {
                Ordering::Equal => {}
                order => return order,
            },
        }
    }
}

/// The place of a part of a name in an autoencoder: the encoder, what lies between, the decoder.
fn half(part: &str) -> u8 {
    let begins = |start: &str| part.get(..start.len()).is_some_and(|part| part.eq_ignore_ascii_case(start));
    match (begins("enc"), begins("dec")) {
        (true, _) => 0,
        (_, true) => 2,
        _ => 1,
    }
}

/// Compares pieces of digits by their value, and others letter by letter.
fn natural_order_of_parts(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() && !b.is_empty() {
        let (piece_a, piece_b) = (take_piece(&mut a), take_piece(&mut b));
        let order = if is_number(piece_a) && is_number(piece_b) {
            let [digits_a, digits_b] = [piece_a, piece_b].map(|digits| digits.trim_start_matches('0'));
            digits_a.len().cmp(&digits_b.len()).then(digits_a.cmp(digits_b)).then(piece_a.cmp(piece_b))
        } else {
            piece_a.cmp(piece_b)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Takes the digits at the start of a text, or everything before the first digit.
fn take_piece<'a>(text: &mut &'a str) -> &'a str {
    let digits = is_number(text.get(..1).unwrap_or_default());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    let (piece, rest) = text.split_at(end);
    *text = rest;
    piece
}

/// Whether a text is a number.
pub(super) fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A prefix without its last part.
pub(super) fn parent(prefix: &str) -> &str {
    prefix.rsplit_once(SEPARATORS).map_or("", |(parent, _)| parent)
}

/// The parent of a prefix, and the number that is its last part; `None` if that is no number.
pub(super) fn place(prefix: &str) -> Option<(&str, u32)> {
    let (parent, last) = prefix.rsplit_once(SEPARATORS).unwrap_or(("", prefix));
    if is_number(last) { Some((parent, last.parse().ok()?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_in_natural_order() {
        let sorted = [
            "Encoder.1",
            "encoder.0",
            "encoder.2",
            "encoder.10",
            "encoder_output",
            "0",
            "2",
            "010",
            "10",
            "bottleneck",
            "dense",
            "dense_1",
            "dense_2",
            "dense_10",
            "dense_10b",
            "decoder",
            "decoder.0",
            "decoder.0.fc",
        ];
        let mut names: Vec<&str> = sorted.iter().rev().copied().collect();
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, sorted);
        for a in sorted {
            for b in sorted {
                assert_eq!(natural_order(a, b), natural_order(b, a).reverse(), "{a} {b}");
                assert_eq!(natural_order(a, b) == Ordering::Equal, a == b, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_name_is_a_prefix_and_a_last_part() {
        for (name, expected) in [
            ("0.weight", ("0", "weight")),
            ("sequential/dense_1/kernel:0", ("sequential/dense_1", "kernel")),
            ("params.Dense_0.kernel", ("Dense_0", "kernel")),
            ("batch_stats/block/BatchNorm_0/mean", ("block/BatchNorm_0", "mean")),
            ("params.kernel", ("", "kernel")),
            ("weight", ("", "weight")),
            ("", ("", "")),
            ("params", ("", "params")),
        ] {
            assert_eq!(split(name), expected, "{name}");
        }
    }

    #[test]
    fn a_place_is_a_parent_and_a_number() {
        assert_eq!(place("encoder.10"), Some(("encoder", 10)));
        assert_eq!(place("3"), Some(("", 3)));
        for prefix in ["encoder", "dense_1", "", "encoder.", "1.a", "99999999999"] {
            assert_eq!(place(prefix), None, "{prefix}");
        }
    }
}
