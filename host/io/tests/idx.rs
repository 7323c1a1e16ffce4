//! IDX files from outside: which of several files is read, what is said of one that cannot be, and how much is read.

use autoencoder_io::idx::{IdxError, Images};
use std::fs;
use std::path::Path;

/// A file of images of one pixel.
fn image(folder: &Path, name: &str, pixel: u8) {
    let header = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
    fs::write(folder.join(name), [&header[..], &[pixel]].concat()).unwrap();
}

#[test]
fn the_shortest_of_names_that_begin_alike_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, pixel) in [("letters-hard", 1), ("letters", 2), ("letters-hardest", 3)] {
        image(folder.path(), &format!("{name}-train-images-idx3-ubyte"), pixel);
    }
    for (start, pixel) in [("letters", 2), ("letters-hard", 1), ("letters-hardest", 3)] {
        assert_eq!(Images::train(&folder.path().join(start)).unwrap().pixels, [pixel], "{start}");
    }
    // Part of a name stands for the only set that begins so.
    assert_eq!(Images::train(&folder.path().join("letters-harde")).unwrap().pixels, [3]);
    assert!(matches!(Images::train(&folder.path().join("lett")), Err(IdxError::Several { .. })));
}

#[test]
fn the_names_of_several_sets_are_listed_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b-train-images-idx3-ubyte", "a_train-images-idx3-ubyte", "a-b-train-images-idx3-ubyte"] {
        image(folder.path(), name, 1);
        image(folder.path(), &format!("{name}.other"), 1);
    }
    match Images::train(folder.path()) {
        Err(IdxError::Several { names, .. }) => assert_eq!(names, ["a", "a-b", "b"]),
        other => panic!("{other:?}"),
    }
}

/// The CRC-32 of the core, which is another implementation.
#[test]
fn the_crc_is_that_of_all_pixels() {
    for length in [1, 2, 63, 1000] {
        let pixels: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
        let expected = autoencoder_core::crc::checksum(&pixels);
        assert_eq!(Images { pixels, height: 1, width: 1 }.crc(), expected);
    }
}

/// What is said of a file with these bytes.
fn said(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, bytes).unwrap();
    let error = Images::read(&path).unwrap_err().to_string();
    error.strip_prefix(path.to_str().unwrap()).unwrap().to_owned()
}

#[test]
fn a_short_file_is_told_by_its_length_and_others_by_their_beginning() {
    for (bytes, name) in [
        (&b""[..], "a file of 0 bytes"),
        (b"1", "a file of 1 byte"),
        (b"123", "a file of 3 bytes"),
        (b"1234", "looks like text"),
        // The beginning of which four bytes say nothing.
        (b"\x93NUMPY\x01\0v\0", "a NumPy array (.npy)"),
        (b"   \n  <!DOCTYPE html>", "looks like a web page (HTML) or XML"),
        (b"text, then \xff", "bytes of an unknown format"),
    ] {
        assert_eq!(said(bytes), format!(": {name}; expected an IDX file of images or rows of bytes"));
    }
}

/// At most 2³¹ bytes are read, the header among them.
#[test]
fn a_file_that_announces_too_much_is_refused_before_it_is_read() {
    let with = |columns: u32| {
        let [a, b, c, d] = columns.to_be_bytes();
        said(&[0, 0, 8, 2, 0, 0, 0, 4, a, b, c, d, 1, 2, 3])
    };
    // 12 bytes of header, then 4 rows.
    let most = ((1 << 31) - 12) / 4;
    let too_large =
        format!(": 4 × {} numbers by its header; at most 2147483648 bytes are read, header included", most + 1);
    assert_eq!(with(most + 1), too_large);
    assert!(!with(most).contains("at most"), "{}", with(most));
}

#[test]
fn of_a_longer_file_one_byte_more_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let header = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3];
    for more in [1, 2, 100] {
        fs::write(&path, [&header[..], &vec![7; 6 + more]].concat()).unwrap();
        assert!(matches!(Images::read(&path), Err(IdxError::Length { expected: 18, found: 19, .. })), "{more} more");
    }
}
