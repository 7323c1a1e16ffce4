//! The device's library for C. `include/autoencoder.h` is generated from the public items here, with their documentation.
//!
//! Three objects have the functions: [`AeCodec`], [`AeDetector`], [`AeLearner`]. A program that uses one of them links the code of
//! that one alone. Each object is memory of the caller's, of a size that the header knows.
#![no_std]

mod blob;
mod codec;
mod detector;
mod flash;
mod learner;
mod memory;
mod observation;
#[path = "../../images/src/panic.rs"]
mod panic;
mod run;
mod status;

const _: () = {
    let [codec, detector, learner] =
        [size_of::<codec::Value>(), size_of::<detector::Value>(), size_of::<learner::Value>()];
    assert!(codec != detector && detector != learner && learner != codec, "the size of an object is its tag");
};

pub use blob::AeInfo;
pub use codec::AeCodec;
pub use detector::AeDetector;
pub use flash::AeFlash;
pub use learner::AeLearner;
pub use observation::{AeDrift, AeObservation};
pub use run::{AeJudgement, AeLearned, AeLearning, AeMethod, AeOutcome, AeRecord, AeRun};
pub use status::AeStatus;
