//! Which windows of recordings are normal, by their labels.

use crate::recordings::{Recordings, list};

/// Which labels are normal.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Normal {
    /// A label of normal samples; may be given several times [default: empty, 0, normal, ok, healthy]
    #[arg(long = "normal", value_name = "VALUE", requires = "label")]
    labels: Vec<String>,
}

/// All windows are of one kind, so nothing can be told apart.
#[derive(Debug, thiserror::Error)]
#[error("--label: all windows are {kind} (labels: {labels}; {rule}), so nothing can be told apart")]
pub struct OneKind {
    /// `normal` or `faulty`.
    kind: &'static str,
    /// The labels that occur.
    labels: String,
    /// Which labels are normal.
    rule: String,
}

impl Normal {
    const DEFAULT: [&str; 5] = ["", "0", "normal", "ok", "healthy"];

    /// Whether the option was given.
    pub fn is_given(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether a label is one of normal samples.
    pub fn accepts(&self, label: &str) -> bool {
        if self.labels.is_empty() {
            Self::DEFAULT.iter().any(|normal| normal.eq_ignore_ascii_case(label))
        } else {
            self.labels.iter().any(|normal| normal == label)
        }
    }

    /// The labels of normal samples, in words.
    pub fn describe(&self) -> String {
        if self.labels.is_empty() {
            "normal labels are empty, 0, normal, ok and healthy; --normal names others".into()
        } else {
            format!("--normal says {}", self.labels.join(", "))
        }
    }

    /// Returns an error unless some windows are normal and some are faulty.
    pub fn ensure_both(&self, recordings: &Recordings, faulty: &[bool]) -> Result<(), OneKind> {
        if faulty.contains(&true) && faulty.contains(&false) {
            return Ok(());
        }
        let labels: Vec<String> = recordings.labels.iter().map(|label| format!("{label:?}")).collect();
        let kind = if faulty.contains(&true) { "faulty" } else { "normal" };
        Err(OneKind { kind, labels: list(&labels), rule: self.describe() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recordings(labels: &[&str]) -> Recordings {
        Recordings { labels: labels.iter().map(|label| (*label).to_owned()).collect(), ..Recordings::default() }
    }

    #[test]
    fn named_labels_are_normal_and_others_are_not() {
        let named = Normal { labels: vec!["PEN".into()] };
        for (label, by_default, by_name) in [
            ("", true, false),
            ("Healthy", true, false),
            ("0", true, false),
            ("PEN", false, true),
            ("pen", false, false),
        ] {
            let found = [Normal::default(), named.clone()].map(|normal| normal.accepts(label));
            assert_eq!(found, [by_default, by_name], "{label}");
        }
    }

    #[test]
    fn windows_of_one_kind_are_refused_with_their_labels() {
        let normal = Normal { labels: vec!["PEN".into()] };
        let recordings = recordings(&["FEL", "PEN"]);
        let said = |faulty: &[bool]| normal.ensure_both(&recordings, faulty).map_err(|error| error.to_string());
        assert_eq!(said(&[true, false]), Ok(()));
        for (kind, faulty) in [("faulty", true), ("normal", false)] {
            let expected = format!(
                "--label: all windows are {kind} (labels: \"FEL\", \"PEN\"; --normal says PEN), so nothing can be told \
                 apart"
            );
            assert_eq!(said(&[faulty; 3]), Err(expected));
        }
        let many = Recordings { labels: (0..1000).map(|label| label.to_string()).collect(), ..Recordings::default() };
        let said = normal.ensure_both(&many, &[true]).unwrap_err().to_string();
        assert!(said.contains(", \"19\", … (1000 in all); --normal"), "{said}");
    }
}
