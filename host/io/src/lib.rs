//! The modules that `host` and `firmware-sim` share: the command line, files, images and weights blobs in memory.

pub mod blob_file;
pub mod c_array;
pub mod crc32;
pub mod data_folder;
pub mod data_options;
pub mod detection;
pub mod files;
pub mod formats;
mod gzip;
pub mod heap;
pub mod idx;
pub mod interrupt;
pub mod normal;
pub mod number;
pub mod picture;
pub mod plot;
pub mod program;
pub mod record;
pub mod recordings;
pub mod terminal;
pub mod topology;
pub mod windows;

use autoencoder_core::Zeroed;

/// Allocates a zeroed value on the heap. A network is too large for the stack.
pub fn zeroed_box<T: Zeroed>() -> Box<T> {
    T::new_box_zeroed().expect("memory for a network")
}
