//! The budget file: upper limits for the figures of each image.

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The limits of each image, by the name of the figure.
pub struct BudgetFile {
    path: PathBuf,
    images: BTreeMap<String, BTreeMap<String, f64>>,
}

impl BudgetFile {
    /// Reads a budget file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = || path.display().to_string();
        let text = fs::read_to_string(path).with_context(shown)?;
        let images: BTreeMap<String, BTreeMap<String, f64>> = basic_toml::from_str(&text).with_context(shown)?;
        for (image, limits) in &images {
            for (name, limit) in limits {
                ensure!(limit.is_finite(), "{}: {image}: {name} is {limit}; expected a finite number", shown());
            }
        }
        Ok(Self { path: path.to_owned(), images })
    }

    /// Returns an error unless every limit of this image has a figure of the same name that does not exceed it.
    pub fn check(&self, image: &str, figures: &impl Serialize) -> anyhow::Result<()> {
        let path = self.path.display();
        let limits = self.images.get(image).with_context(|| format!("{path}: no budget for {image}"))?;
        let figures = serde_json::to_value(figures)?;
        let mut over = Vec::new();
        for (name, limit) in limits {
            let figure = figures.get(name).and_then(serde_json::Value::as_f64);
            let figure = figure.with_context(|| format!("{path}: {image} has no figure {name}"))?;
            if figure > *limit {
                over.push(format!("{name} {figure} of {limit}"));
            }
        }
        if over.is_empty() { Ok(()) } else { bail!("over budget: {image}: {}", over.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(text: &str) -> String {
        let figures = json!({
            "encode_instructions": 100, "decode_instructions": null, "instructions_per_mac": 0.9, "stack_bytes": 5,
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let outcome = BudgetFile::read(file.path()).and_then(|budget| budget.check("a-board", &figures));
        outcome.map_or_else(|error| format!("{error:#}"), |()| "held".to_owned())
    }

    #[test]
    fn a_figure_above_its_limit_is_named_and_a_limit_without_a_figure_is_an_error() {
        assert_eq!(outcome("[a-board]\nencode_instructions = 1_00\ninstructions_per_mac = 1"), "held");
        let over = outcome("[a-board]\nencode_instructions = 99\ninstructions_per_mac = 0.8\nstack_bytes = 5");
        assert_eq!(over, "over budget: a-board: encode_instructions 100 of 99, instructions_per_mac 0.9 of 0.8");
        assert!(outcome("[a-board]\ndecode_instructions = 9").contains("no figure decode_instructions"));
        assert!(outcome("[a-board]\nencode = 9").contains("no figure encode"));
        assert!(outcome("[another]\nstack_bytes = 9").contains("no budget for a-board"));
        assert!(!outcome("[a-board").contains("held"));
        for limit in ["nan", "inf", "-inf"] {
            let said = outcome(&format!("[another]\nstack_bytes = {limit}"));
            assert!(
                said.ends_with("another: stack_bytes is NaN; expected a finite number") || limit != "nan",
                "{said}"
            );
            assert!(said.ends_with("; expected a finite number"), "{said}");
        }
    }
}
