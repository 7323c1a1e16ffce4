//! The memory that a device used of its board, in JSON and as text.

use super::Ram;
use crate::board::Board;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The memory that a device used of its board.
pub struct Report {
    /// The file of the weights.
    pub weights: String,
    /// Number of the record that holds the parameters, if they were learned.
    pub record: Option<u32>,
    pub board: &'static Board,
    /// The board that ran in its place, if it was emulated.
    pub emulated: Option<&'static Board>,
    /// Weights and code.
    pub flash: usize,
    pub ram: Ram,
}

impl Report {
    /// What a command prints: the object with its `keys` for `--json`, else its `text` with this report after it.
    pub fn output(
        &self,
        as_json: bool,
        keys: impl FnOnce() -> Value,
        text: impl FnOnce(&mut String) -> std::fmt::Result,
    ) -> Result<String, std::fmt::Error> {
        if as_json {
            return Ok(self.json(keys()));
        }
        let mut output = String::new();
        text(&mut output)?;
        self.text(&mut output)?;
        Ok(output)
    }

    /// The report as an object for `--json`, after the command's own keys.
    pub fn json(&self, keys: Value) -> String {
        let mut object = Map::new();
        if let Value::Object(keys) = keys {
            object.extend(keys);
        }
        let own = json!({
            "ram_bytes": self.ram.used(),
            "stack_bytes": self.ram.stack,
            "static_bytes": self.ram.statics,
            "spare_bytes": self.ram.spare,
            "heap_bytes": self.ram.heap,
            "flash_bytes": self.flash,
            "board": self.board.name,
            "weights": self.weights,
        });
        if let Value::Object(own) = own {
            object.extend(own);
        }
        if let Some(record) = self.record {
            object.insert("record".into(), json!(record));
        }
        if let Some(board) = self.emulated {
            object.insert("emulated".into(), json!(board.name));
        }
        format!("{}\n", Value::Object(object))
    }

    /// Writes the report as lines of text.
    pub fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { board, flash, ram, .. } = self;
        let Ram { statics, spare, stack, heap } = ram;
        if let Some(record) = self.record {
            writeln!(text, "with what was learned, record {record}")?;
        }
        write!(text, "{}", board.name)?;
        if let Some(emulated) = self.emulated {
            write!(text, ", emulated")?;
            if emulated != self.board {
                write!(text, " by {} ({})", emulated.name, emulated.processor)?;
            }
        }
        writeln!(text)?;
        writeln!(
            text,
            "  RAM    {:7} of {:8} bytes: static {statics}, stack {stack}, heap {heap}",
            ram.used(),
            board.ram
        )?;
        if *spare > 0 {
            let all = ram.used() + spare;
            writeln!(text, "         {all:7}, with the {spare} bytes that the image has for larger networks")?;
        }
        writeln!(text, "  flash  {flash:7} of {:8} bytes: weights, and code (estimated)", board.flash)
    }
}
