//! Training a network on the host.
//!
//! A [`Trainer`] takes the steps of a [`Recipe`]. Each step runs every shard of a batch forward and backward (`pass.rs`), then
//! updates the parameters some rows at a time (`update.rs`). [`centre`] and [`qat`] explain two additions of the default
//! recipe. [`checkpoint`] stores a run.

mod backend;
pub mod centre;
pub mod checkpoint;
mod parallel;
pub(crate) mod pass;
#[cfg(test)]
mod plain;
pub mod qat;
pub mod recipe;
mod spin_join;
mod trainer;
mod update;

pub use recipe::{ProductKind, Recipe};
pub use trainer::Trainer;
