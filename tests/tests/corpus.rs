//! Runs the functions of the fuzz targets over their corpus and over their findings since.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use autoencoder_device::learn::Saved;
use autoencoder_device::{Reply, Response, frame};
use std::fs;
use std::path::Path;

/// Runs a target over its folder and returns the number of inputs.
fn replay(target: &str, run: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        let bytes = fs::read(file).unwrap();
        run(&bytes);
        // Also the inputs near it: truncated anywhere, or with any bit flipped.
        for at in 0..bytes.len() {
            run(&bytes[..at]);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            run(&flipped);
        }
    }
    files.len()
}

#[test]
fn any_bytes_on_the_line_are_answered_and_the_next_request_is_served() {
    assert!(replay("line", fuzz::line) >= 5);
}

#[test]
fn any_bytes_in_flash_are_refused_or_run() {
    assert!(replay("blob", fuzz::blob) >= 3);
}

/// Inputs near the seeds then cover a whole run of learning.
#[test]
fn the_seeds_of_learning_end_with_a_record_in_flash() {
    for name in ["adam", "rmsprop", "sgd"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/corpus/line/learning-{name}"));
        let judged = fuzz::with_learner(|app| {
            let mut judged = None;
            for byte in fs::read(path).unwrap() {
                let Some(answer) = app.push(byte) else { continue };
                let mut answer = answer[..answer.len() - 1].to_vec();
                if let Ok(Reply::Judged(judgement)) = Response::read(frame::read(&mut answer).unwrap()).unwrap().result
                {
                    judged = Some(judgement);
                }
            }
            judged
        });
        assert!(judged.is_some_and(|judgement| judgement.kept == Ok(Saved::Channels(1))), "{name}: {judged:?}");
    }
}
