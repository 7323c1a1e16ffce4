//! Sets of IDX files: any good one is read, a broken one is refused.

use crate::sandbox::{Sandbox, json, shipped};
use std::fs;

#[test]
fn any_folder_of_idx_files_is_read() {
    let sandbox = Sandbox::new();
    // Names of EMNIST. One file is there plain and compressed.
    for file in fs::read_dir(sandbox.path("data")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let pixels: Vec<u8> = (0..=255).cycle().take(784 * 300).collect();
    sandbox.images("emnist-letters-train-images-idx3-ubyte", 130, &pixels);
    sandbox.images("emnist-letters-test-images-idx3-ubyte", 3, &pixels);
    fs::write(sandbox.path("data/emnist-letters-test-images-idx3-ubyte.gz"), "not looked at").unwrap();
    let output = sandbox.host("train --data data --topology small --steps 3").output().unwrap();
    assert!(output.status.success());
    // Batches of 256 are asked for; there are fewer images.
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("784-128-32-128-784 (small) trained for 3 steps of 130 rows in ")
    );
}

/// EMNIST is one folder of six such sets, compressed.
#[test]
fn the_start_of_its_file_names_selects_a_data_set() {
    let sandbox = Sandbox::new();
    let digits = shipped("t10k-images-idx3-ubyte.gz");
    let folder = sandbox.path("emnist");
    fs::create_dir(&folder).unwrap();
    let write = |name: String, magic: u32, count: u32, sizes: &[u32], bytes: &[u8]| {
        let header: Vec<u8> = [&[magic, count][..], sizes].concat().into_iter().flat_map(u32::to_be_bytes).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &[&header[..], bytes].concat()).unwrap();
        fs::write(folder.join(name), gzip.finish().unwrap()).unwrap();
    };
    for (split, train, test) in [("letters", 130u32, 7u32), ("letters-extra", 1, 1), ("mnist", 3, 2)] {
        for (set, count) in [("train", train), ("test", test)] {
            let pixels = &digits[16..][..784 * count as usize];
            write(format!("emnist-{split}-{set}-images-idx3-ubyte.gz"), 0x803, count, &[28, 28], pixels);
            let labels: Vec<u8> = (0..count).map(|i| (1 + i % 2) as u8).collect();
            write(format!("emnist-{split}-{set}-labels-idx1-ubyte.gz"), 0x801, count, &[], &labels);
        }
        fs::write(folder.join(format!("emnist-{split}-mapping.txt")), "1 65 97").unwrap();
    }
    let train = "train --topology small --steps 2 --force --data";
    for data in ["emnist", "emnist/", "emnist/emnist"] {
        let error = sandbox.error(&format!("{train} {data}"));
        let sets = "NAME one of emnist-letters, emnist-letters-extra, emnist-mnist";
        assert_eq!(
            error,
            format!("error: {data}: training images of several data sets; give --data emnist/NAME, {sets}\n")
        );
    }
    for (data, images) in [("emnist/emnist-letters", 7), ("emnist/emnist-letters-e", 1), ("emnist/emnist-m", 2)] {
        sandbox.host(&format!("{train} {data}")).assert().success();
        let measured = json(&sandbox.host(&format!("eval --data {data} --json")).output().unwrap());
        assert_eq!(measured["rows"], images, "{data}");
        assert_eq!(measured["labels"][0]["label"], 1, "{data}");
    }
    let error = sandbox.error(&format!("{train} emnist/emnist-digits"));
    assert!(error.contains("emnist/emnist-digits: No such file"), "{error}");
    let error = sandbox.error(&format!("{train} emnist/emnist-letters-train"));
    assert!(error.contains("emnist/emnist-letters-train: no IDX file of training images"), "{error}");
    // The files of the data set are protected like those of a folder.
    let blob = "artifacts/model.f32.blob --format int8 --data emnist/emnist-mnist";
    let error = sandbox.error(&format!("export {blob} --out emnist/emnist-mnist-train-images-idx3-ubyte.gz"));
    assert!(error.contains("the output would replace an input"), "{error}");
}

#[test]
fn a_gzip_file_whose_checksum_is_wrong_is_refused() {
    let sandbox = Sandbox::new();
    let plain = sandbox.path("data/t10k-images-idx3-ubyte");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &fs::read(&plain).unwrap()).unwrap();
    let mut gzip = gzip.finish().unwrap();
    fs::remove_file(plain).unwrap();
    let file = sandbox.path("data/t10k-images-idx3-ubyte.gz");
    fs::write(&file, &gzip).unwrap();
    sandbox.train("--steps 2").assert().success();
    let crc = gzip.len() - 8;
    gzip[crc] ^= 1;
    fs::write(&file, gzip).unwrap();
    let error = sandbox.error("train --topology small --steps 2 --data data --out out");
    assert!(error.contains("t10k-images-idx3-ubyte.gz: ") && error.contains("the gzip file is damaged"), "{error}");
}

#[test]
fn bad_data_is_one_line_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let train = "train --topology small --steps 2 --data data --out out";
    let image_file = sandbox.path("data/train-images-idx3-ubyte");
    let good = fs::read(&image_file).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("empty", Vec::new(), "a file of 0 bytes; expected an IDX file"),
        ("labels", with(3, &[1]), "an IDX file of unsigned bytes in 1 dimension; expected an IDX file"),
        ("truncated", good[..1000].to_vec(), "cut short: 1000 bytes of the 313616 that its header announces"),
        ("longer", [&good[..], &[0]].concat(), "more than the 313616 bytes that its header announces"),
        (
            "huge sizes",
            with(4, &[0xff; 12]),
            "4294967295 × 4294967295 × 4294967295 numbers by its header; at most 2147483648 bytes are read, header included",
        ),
        ("no images", with(4, &[0, 0, 0, 0])[..16].to_vec(), "no images"),
        ("broken gzip", vec![0x1f, 0x8b, 8, 0, 1, 2, 3], "train-images-idx3-ubyte"),
    ];
    for (name, bytes, message) in cases {
        fs::write(&image_file, bytes).unwrap();
        let error = sandbox.error(train);
        assert!(error.contains(message), "{name}: {error}");
    }
    for [height, width] in [[20u32, 30], [14, 56]] {
        let header = [0x803, 1, height, width].map(u32::to_be_bytes).concat();
        fs::write(&image_file, [header, vec![0; (height * width) as usize]].concat()).unwrap();
        let error = sandbox.error(train);
        let sizes = format!("training images of {height} × {width} pixels, test images of 28 × 28");
        assert!(error.contains(&sizes), "{error}");
    }
    fs::write(&image_file, &good).unwrap();
    let error = sandbox.error("train --topology anomaly --steps 2 --data data --out out");
    assert!(error.contains("data: rows of 784 values, where 640-128r-128r-") && error.contains("takes 640"), "{error}");
    fs::remove_file(&image_file).unwrap();
    assert!(sandbox.error(train).contains("no IDX file of training images"));
    for name in ["one-train-images-idx3-ubyte.gz", "two-train-images-idx3-ubyte"] {
        fs::write(sandbox.path("data").join(name), &good).unwrap();
    }
    assert!(sandbox.error(train).contains("give --data data/NAME, NAME one of one, two"));
    for name in ["one-train-images-idx3-ubyte.gz", "two-train-images-idx3-ubyte"] {
        fs::rename(sandbox.path("data").join(name), sandbox.path("data").join(&name[4..])).unwrap();
    }
    fs::write(sandbox.path("data/train-images.idx3-ubyte"), &good).unwrap();
    let error = sandbox.error(train);
    let both = "more than one IDX file of training images: train-images-idx3-ubyte, train-images.idx3-ubyte\n";
    assert!(error.ends_with(both), "{error}");
    assert!(sandbox.error("train --data nowhere").contains("nowhere: No such file"));
    assert!(!sandbox.path("out").exists());
}

/// In 64 bits, the products of these sizes overflow to 0 and to 19 images of 784 pixels.
#[test]
fn sizes_whose_product_overflows_are_refused() {
    let sandbox = Sandbox::new();
    for (sizes, pixels) in [([1 << 31, 1 << 31, 4], 0), ([428_319_952, 657_311, 65_521], 19 * 784)] {
        let product = sizes.iter().fold(1u64, |product, size| product.wrapping_mul(u64::from(*size)));
        assert_eq!(product, pixels as u64);
        let header: Vec<u8> = [&[0x803u32][..], &sizes].concat().into_iter().flat_map(u32::to_be_bytes).collect();
        fs::write(sandbox.path("data/train-images-idx3-ubyte"), [header, vec![7; pixels]].concat()).unwrap();
        let error = sandbox.error("train --topology small --steps 2 --data data --out out");
        let [count, height, width] = sizes;
        let header = format!("{count} × {height} × {width} numbers by its header");
        let file = "data/train-images-idx3-ubyte";
        assert_eq!(error, format!("error: {file}: {header}; at most 2147483648 bytes are read, header included\n"));
    }
    assert!(!sandbox.path("out").exists());
}

#[test]
fn the_default_data_is_found_from_a_folder_below() {
    let sandbox = Sandbox::new();
    let error = sandbox.error("train --steps 1");
    let message = "error: no --data was given, and the default folder does not exist: data/mnist: neither in ";
    assert!(error.starts_with(message) && error.ends_with(" nor in a folder above it\n"), "{error}");
    sandbox.train("--steps 2").assert().success();
    fs::rename(sandbox.path("data"), sandbox.path("rows")).unwrap();
    fs::create_dir_all(sandbox.path("data")).unwrap();
    fs::rename(sandbox.path("rows"), sandbox.path("data/mnist")).unwrap();
    fs::create_dir_all(sandbox.path("far/below")).unwrap();
    let mut command = std::process::Command::new(crate::sandbox::program());
    let output =
        command.current_dir(sandbox.path("far/below")).args(["eval", "../../artifacts/model.f32.blob", "--json"]);
    assert_eq!(json(&output.output().unwrap())["rows"], 50);
}

/// Labels only make figures more detailed.
#[test]
fn labels_that_cannot_be_used_are_left_out() {
    let sandbox = Sandbox::new();
    for (name, labels) in [("train", "train-labels-idx1-ubyte"), ("test", "t10k-labels-idx1-ubyte")] {
        fs::write(sandbox.path("data").join(labels), "<html>").unwrap();
        let output = sandbox.train("--steps 2 --force").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let warning = "looks like a web page (HTML) or XML; expected an IDX file of labels; going on without labels";
        assert!(output.status.success() && stderr.contains(warning), "{name}: {stderr}");
    }
    let output = sandbox.host("eval artifacts/model.f32.blob --data data --json").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("warning: data/t10k-labels-idx1-ubyte: "));
    assert_eq!(json(&output)["labels"].as_array().map(Vec::len), Some(0));
}
