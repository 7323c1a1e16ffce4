//! The files that a command writes.

use crate::sandbox::Sandbox;
use std::fs;

#[test]
fn data_that_is_not_an_input_is_not_replaced() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let rows = fs::read(sandbox.path("data/t10k-images-idx3-ubyte")).unwrap();
    for (name, bytes, what) in
        [("rows-idx3-ubyte", &rows[..], "an IDX file"), ("rows.gz", b"\x1f\x8b\x08, compressed", "a gzip file")]
    {
        fs::write(sandbox.path(name), bytes).unwrap();
        let expected =
            format!("error: {name}: {what} is there, which is not replaced: give another name, or delete it\n");
        let error = sandbox.error(&format!("export --format int8 --data data --out {name} --force"));
        assert_eq!(error, expected);
        assert!(fs::read(sandbox.path(name)).unwrap() == bytes, "{name}");
    }
    // The files of a run as well.
    for file in ["model.f32.blob", "model.int8.blob", "loss.csv", "loss.png", "reconstructions.png"] {
        fs::create_dir_all(sandbox.path("out")).unwrap();
        fs::write(sandbox.path("out").join(file), &rows).unwrap();
        let error = sandbox.error("train --data data --topology small --steps 2 --force --out out");
        assert!(error.starts_with(&format!("error: out/{file}: an IDX file is there")), "{error}");
        assert!(fs::read(sandbox.path("out").join(file)).unwrap() == rows, "{file}");
        fs::remove_dir_all(sandbox.path("out")).unwrap();
    }
}

/// Standard output may be a pipe or a file.
#[cfg(unix)]
#[test]
fn a_blob_on_standard_output_is_nothing_but_the_blob() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let blob = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    let export = "export --format int8 --data data --out /dev/stdout";
    let summary = format!("/dev/stdout: {} bytes, int8, 784-128-32-128-784 (small) after 2 steps\n", blob.len());
    let piped = sandbox.host(export).output().unwrap();
    assert!(piped.status.success() && piped.stdout == blob, "{}", String::from_utf8_lossy(&piped.stderr));
    assert_eq!(String::from_utf8(piped.stderr).unwrap(), summary);

    let file = fs::File::create(sandbox.path("redirected")).unwrap();
    let mut command = std::process::Command::new(crate::sandbox::program());
    command.current_dir(sandbox.path("")).args(export.split(' ')).stdout(file);
    let redirected = command.output().unwrap();
    assert_eq!(String::from_utf8(redirected.stderr).unwrap(), summary);
    assert!(fs::read(sandbox.path("redirected")).unwrap() == blob);
}
