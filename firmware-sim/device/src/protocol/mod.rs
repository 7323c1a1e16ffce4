//! The protocol between host and device: its messages, and the frames that carry them.

pub mod frame;
pub mod message;
