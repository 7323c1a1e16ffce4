//! The budget file: what each image may take at most.

use anyhow::{Context, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What `bench` measures of an image; instructions and code where the emulator runs it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    pub encode_instructions: Option<u64>,
    /// For an image without a zero pixel.
    pub encode_dense_instructions: Option<u64>,
    /// `None`, too, where the device holds the encoder alone.
    pub decode_instructions: Option<u64>,
    /// Where nothing is left out.
    pub instructions_per_mac: Option<f64>,
    /// The network and the reader of its blob, without driver and protocol.
    pub engine_code_bytes: Option<usize>,
    pub image_code_bytes: Option<usize>,
    /// The network's statics, and the stack.
    pub engine_ram_bytes: Option<usize>,
    pub image_ram_bytes: usize,
    pub stack_bytes: usize,
}

/// For each image the most of each figure.
pub struct Limits {
    path: PathBuf,
    images: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Limits {
    /// Reads a budget file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = || path.display().to_string();
        let text = fs::read_to_string(path).with_context(shown)?;
        let images = toml::from_str(&text)
            .map_err(|error| error.message().to_owned())
            .map_err(anyhow::Error::msg)
            .with_context(shown)?;
        Ok(Self { path: path.to_owned(), images })
    }

    /// An error unless every figure that has a limit is within it, and every limit has a figure.
    pub fn hold(&self, image: &str, figures: &impl Serialize) -> anyhow::Result<()> {
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

    const FIGURES: Figures = Figures {
        encode_instructions: Some(100),
        encode_dense_instructions: Some(200),
        decode_instructions: None,
        instructions_per_mac: Some(0.9),
        engine_code_bytes: Some(1),
        image_code_bytes: Some(2),
        engine_ram_bytes: Some(3),
        image_ram_bytes: 4,
        stack_bytes: 5,
    };

    fn outcome(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let outcome = Limits::read(file.path()).and_then(|limits| limits.hold("a-board", &FIGURES));
        outcome.map_or_else(|error| format!("{error:#}"), |()| "held".to_owned())
    }

    #[test]
    fn what_is_over_a_limit_is_named_and_a_limit_without_a_figure_is_none() {
        assert_eq!(outcome("[a-board]\nencode_instructions = 100\ninstructions_per_mac = 1"), "held");
        let over = outcome("[a-board]\nencode_instructions = 99\ninstructions_per_mac = 0.8\nstack_bytes = 5");
        assert_eq!(over, "over budget: a-board: encode_instructions 100 of 99, instructions_per_mac 0.9 of 0.8");
        assert!(outcome("[a-board]\ndecode_instructions = 9").contains("no figure decode_instructions"));
        assert!(outcome("[a-board]\nencode = 9").contains("no figure encode"));
        assert!(outcome("[another]\nstack_bytes = 9").contains("no budget for a-board"));
        assert!(!outcome("[a-board").contains("held"));
    }
}
