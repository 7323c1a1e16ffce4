//! `export --format c`: a blob as a C array.

use crate::sandbox::Sandbox;
use std::fs;
use std::path::Path;

/// A sandbox with the network that the repository ships.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["classic.int8.blob", "watch.int8.blob"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name);
        fs::copy(path, sandbox.path(name)).unwrap();
    }
    sandbox
}

/// The value of a macro.
fn value(header: &str, name: &str) -> usize {
    let start = format!("#define {name} ");
    let line = header.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
    line.split('u').next().unwrap().parse().unwrap()
}

#[test]
fn the_array_has_the_bytes_of_the_blob_and_its_lengths() {
    let sandbox = sandbox();
    let output = sandbox.host("export classic.int8.blob --format c --out net.c").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "net.c and net.h: 478517 bytes, 784-256-128-256-784 (classic)\n");
    let source = fs::read_to_string(sandbox.path("net.c")).unwrap();
    let (before, numbers) = source.split_once("const uint8_t net[NET_BYTES] = {").unwrap();
    assert!(before.contains("#include \"net.h\"") && before.contains("aligned(16)"), "{before}");
    let numbers = numbers.trim_end().strip_suffix("};").unwrap().split(',').map(str::trim);
    let bytes: Vec<u8> = numbers.filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect();
    assert!(bytes == fs::read(sandbox.path("classic.int8.blob")).unwrap());
    let header = fs::read_to_string(sandbox.path("net.h")).unwrap();
    assert!(header.contains("extern const uint8_t net[NET_BYTES];"), "{header}");
    // 1,424 activations and the input program of 784 inputs; 1,424 channels, 384 gradients, 8 rows.
    for (name, expected) in [
        ("NET_BYTES", bytes.len()),
        ("NET_ROW_BYTES", 784),
        ("NET_CODE_BYTES", 128),
        ("NET_CHANNELS", 0),
        ("NET_CODEC_MEMORY", 3235),
        ("NET_DETECTOR_MEMORY", 0),
        ("NET_LEARNER_MEMORY", 3235 + 24 * 1424 + 4 * 384 + 8 * 784),
        ("NET_RECORD_BYTES", 20 + 8 * 1424 + 8 + 4),
    ] {
        assert_eq!(value(&header, name), expected, "{name}");
    }
    sandbox.host("export watch.int8.blob --format c --out watch.c").output().unwrap();
    let header = fs::read_to_string(sandbox.path("watch.h")).unwrap();
    let [row, channels, window] =
        ["ROW_BYTES", "CHANNELS", "WINDOW"].map(|name| value(&header, &format!("WATCH_{name}")));
    assert_eq!((channels, window, row), (6, 64, 6 * 64));
    let memory = ["DETECTOR", "CODEC"].map(|object| value(&header, &format!("WATCH_{object}_MEMORY")));
    assert_eq!(memory[0] - memory[1], 4 * row + row); // a window of floats, and its row
}

#[test]
fn what_is_there_is_replaced_only_by_force_and_what_makes_no_sense_is_refused() {
    let sandbox = sandbox();
    fs::write(sandbox.path("there.h"), "mine").unwrap();
    fs::copy(sandbox.path("classic.int8.blob"), sandbox.path("blob.c")).unwrap();
    for (args, expected) in [
        ("--out there.c", "there.h: a file is there; give another --out, or --force to replace it"),
        ("--out blob.c --force", "blob.c: a weights blob is there"),
        ("--out 8bit.c", "--out 8bit.c: the array has the name of its file; expected letters, digits and _ before .c"),
        (
            "--out net.txt",
            "--out net.txt: the array has the name of its file; expected letters, digits and _ before .c",
        ),
        (
            "--out int.c",
            "--out int.c: the array has the name of its file, and int has another meaning in C or C++; expected another name",
        ),
        ("--code-bits 4", "--code-bits: a C array has the bytes of a blob as they are; --code-bits has no effect"),
        ("--window 8", "--window: a C array has the bytes of a blob as they are; --window has no effect"),
        ("--flash x", "--flash: a C array has the bytes of a blob as they are; --flash has no effect"),
    ] {
        let error = sandbox.error(&format!("export classic.int8.blob --format c {args}"));
        assert!(error.starts_with(&format!("error: {expected}")), "{args}: {error}");
    }
    assert_eq!(fs::read_to_string(sandbox.path("there.h")).unwrap(), "mine");
    assert!(!sandbox.path("there.c").exists());
    sandbox.host("export classic.int8.blob --format c --out there.c --force").output().unwrap();
    assert!(fs::read_to_string(sandbox.path("there.h")).unwrap().contains("THERE_BYTES"));

    // Half of the two can be written.
    #[cfg(unix)]
    for (full, written) in [("full.h", "full.c"), ("half.c", "half.h")] {
        std::os::unix::fs::symlink("/dev/full", sandbox.path(full)).unwrap();
        let error = sandbox.error(&format!("export classic.int8.blob --format c --out {}.c", &full[..4]));
        let state = if full == "half.c" { "half.h is written, but its array is not: " } else { "" };
        assert!(error.starts_with(&format!("error: {state}{full}: ")), "{error}");
        assert_eq!(sandbox.path(written).exists(), written == "half.h");
    }

    sandbox.train("--steps 1 --out short").output().unwrap();
    let error = sandbox.error("export short/model.f32.blob --format c --out floats.c");
    let expected = "short/model.f32.blob: a blob of f32 weights; a C array is for a device: export int8 first";
    assert_eq!(error, format!("error: {expected}\n"));
    let error = sandbox.error("export short/checkpoint --format c --out checkpoint.c");
    assert!(error.starts_with("error: short/checkpoint: "), "{error}");
    assert!(!sandbox.path("floats.c").exists() && !sandbox.path("checkpoint.c").exists());
}
