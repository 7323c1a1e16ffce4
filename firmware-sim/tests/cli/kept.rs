//! Commands do not replace files that took long to make.

use crate::net::Net;
use crate::place::{Place, data, json, stderr};
use std::fs;

/// An output that would replace a protected file is refused before any work begins.
#[test]
fn every_output_is_checked_before_the_work() {
    let place = Place::new();
    let blob = Net::new("tiny", 1).blob();
    place.write("b.png", &blob);
    place.write("b.bin", &blob);
    place.write("learned.flash", b"AEKP and a record");
    let weights = format!("--weights classic.blob --data {}", data().display());
    let here = format!("--data {}", data().display());
    for (command, output, what) in [
        (format!("encode --out b.bin {weights}"), "b.bin", "a weights blob"),
        (format!("encode --out b.dat {weights}"), "b.png", "a weights blob"), // the picture beside it
        (format!("decode --out b.png {weights}"), "b.png", "a weights blob"),
        (format!("decode --out learned.flash {weights}"), "learned.flash", "the flash of a device that has learned"),
        (format!("learn --out b.png --flash flash {weights}"), "b.png", "a weights blob"),
        (format!("learn --flash b.bin {weights}"), "b.bin", "a weights blob"),
        (format!("learn --force --flash b.bin {weights}"), "b.bin", "a weights blob"),
        (format!("train --out b.png {here}"), "b.png", "a weights blob"),
        (format!("train --export b.bin {here}"), "b.bin", "a weights blob"),
        (format!("verify --training --link in-process --export b.bin {here}"), "b.bin", "a weights blob"),
    ] {
        place.refuses(&command, &format!("error: {output}: {what} is there, which is not replaced"));
        let err = stderr(&place.run(&command).code(1));
        assert!(err.starts_with("error: "), "{command}: the work began before the check: {err}");
    }
    for name in ["b.png", "b.bin"] {
        assert_eq!(fs::read(place.path(name)).unwrap(), blob);
    }
    let mut names: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["b.bin", "b.png", "classic.blob", "learned.flash"]);
}

#[test]
fn an_output_that_is_an_input_or_another_output_is_refused() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    place.with_blob("encode --rows 2 --out codes").success();
    let weights = format!("--weights classic.blob --data {}", data().display());
    for (command, because) in [
        (
            format!("learn --flash same --out folder/../same {weights}"),
            "folder/../same: the same file as another output",
        ),
        (format!("encode --out classic.blob {weights}"), "classic.blob: the output would replace an input"),
        (format!("encode --out codes.png {weights}"), "codes.png: this path is for the picture of the codes"),
        ("decode codes --weights classic.blob --out codes".to_owned(), "codes: the output would replace an input"),
        (
            "reset --weights classic.blob --flash classic.blob".to_owned(),
            "classic.blob: the output would replace an input",
        ),
    ] {
        place.refuses(&command, because);
    }
    // The picture of the codes is beside them. A common prefix of two names is not a conflict.
    place.with_blob("encode --rows 2 --out codes").success();
    assert!(place.path("codes.png").is_file());
}

#[cfg(unix)]
#[test]
fn codes_to_a_pipe_have_no_picture() {
    let place = Place::new();
    assert!(std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    let pipe = place.path("pipe");
    let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
    let object = json(&place.with_blob("encode --rows 2 --out pipe --json").success());
    let codes = reader.join().unwrap();
    assert_eq!(
        (object["out_bytes"].as_u64(), &object["picture"]),
        (Some(codes.len() as u64), &serde_json::Value::Null)
    );
    assert_eq!(codes.split_inclusive(|byte| *byte == 0).count(), 2);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 2, "the blob and the pipe");
}
