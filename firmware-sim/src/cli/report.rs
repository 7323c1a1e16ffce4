//! What a device took, in JSON and in words.

use super::boards::Board;
use super::link::Memory;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What a device took of its board.
pub struct Report {
    pub weights: String,
    /// Of the tables, if a flash had learned ones.
    pub record: Option<u32>,
    pub board: &'static Board,
    pub flash: usize,
    pub memory: Memory,
}

impl Report {
    /// As an object of `--json`, to which a command adds its own keys.
    pub fn json(&self, keys: Value) -> String {
        let mut object = Map::new();
        if let Value::Object(keys) = keys {
            object.extend(keys);
        }
        let memory = json!({
            "ram_bytes": self.memory.ram(),
            "stack_bytes": self.memory.stack,
            "static_bytes": self.memory.statics,
            "heap_bytes": self.memory.heap,
            "flash_bytes": self.flash,
            "board": self.board.name,
            "weights": self.weights,
        });
        if let Value::Object(memory) = memory {
            object.extend(memory);
        }
        if let Some(record) = self.record {
            object.insert("record".into(), json!(record));
        }
        format!("{}\n", Value::Object(object))
    }

    /// As lines of text.
    pub fn text(&self, text: &mut String) -> std::fmt::Result {
        let Self { board, flash, memory, .. } = self;
        let Memory { statics, stack, heap } = memory;
        if let Some(record) = self.record {
            writeln!(text, "with the tables that were learned, record {record}")?;
        }
        writeln!(text, "{}", board.name)?;
        writeln!(
            text,
            "  RAM    {:7} of {:8} bytes: static {statics}, stack {stack}, heap {heap}",
            memory.ram(),
            board.ram
        )?;
        writeln!(text, "  flash  {flash:7} of {:8} bytes: weights, and code (estimated)", board.flash)
    }
}
