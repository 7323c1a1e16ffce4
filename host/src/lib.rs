//! Trains autoencoders on the host and writes the weights blob that a microcontroller loads.

pub mod files;
pub mod idx;
pub mod picture;
