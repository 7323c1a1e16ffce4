//! Files of recordings, written byte by byte or by the programs' own libraries.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use tempfile::TempDir;

/// A folder with files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str, bytes: impl AsRef<[u8]>, selection: &Selection) -> Result<Recordings, String> {
        let path = self.write(name, bytes);
        let folder = format!("{}/", self.0.path().display());
        Recordings::read(&[path], selection).map_err(|error| error.to_string().replace(&folder, ""))
    }
}

fn samples(recordings: &Recordings) -> Vec<&[f32]> {
    recordings.recordings.iter().map(|recording| &recording.samples[..]).collect()
}

fn all() -> Selection {
    Selection::default()
}

const ROWS: [&[f32]; 1] = [&[1.0, 2.5, -3.0, 4.0]];

#[test]
fn a_table_is_read_with_any_delimiter_header_or_compression() {
    let folder = Folder::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"x,y\n1,2.5\n-3,4\n").unwrap();
    for (name, bytes, header) in [
        ("a.csv", &b"x,y\n1,2.5\n-3,4\n"[..], true),
        ("a.csv", b"1,2.5\n-3,4", false),
        ("a.csv", b"\xef\xbb\xbfx,y\r\n1,2.5\r\n-3,4\r\n", true),
        ("a.tsv", b"x\ty\n1\t2.5\n-3\t4\n", true),
        ("a.csv", b"x;y\n1;2,5\n-3;4\n", true),
        ("a.csv", b"1;2.5\n-3;4\n", false),
        ("a.csv", b" x ,\"y\"\n 1 , 2.5\n -3 ,\"4\"\n", true),
        ("a.csv.gz", &gzip.finish().unwrap(), true),
    ] {
        let read = folder.read(name, bytes, &all()).unwrap();
        assert_eq!((samples(&read), read.channels), (ROWS.to_vec(), 2), "{name} {bytes:?}");
        assert_eq!(read.names, if header { vec!["x", "y"] } else { vec![] });
    }
}

#[test]
fn columns_groups_labels_and_conditions_choose() {
    let text = "run,who,x,y,fault\n1,a,1,2,\n2,a,3,4,\n1,b,5,6,coin\n2,b,7,8,\n1,a,9,10,\n";
    let folder = Folder::new();
    let some = |text: &str| Some(text.to_owned());
    let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut selection =
        Selection { columns: strings(&["y", "3"]), group: some("run"), label: some("fault"), conditions: vec![] };
    let read = folder.read("a.csv", text, &selection).unwrap();
    assert_eq!(samples(&read), [&[2.0, 1.0, 6.0, 5.0, 10.0, 9.0][..], &[4.0, 3.0, 8.0, 7.0]]);
    assert_eq!((read.names, read.labels), (strings(&["y", "x"]), strings(&["", "coin"])));
    assert_eq!(read.recordings[0].labels, [0, 1, 0]);
    assert!(read.recordings[1].name.ends_with("a.csv:2"));
    selection.conditions = vec!["who=a,c".parse().unwrap(), "run=1".parse().unwrap()];
    assert_eq!(samples(&folder.read("a.csv", text, &selection).unwrap()), [&[2.0, 1.0, 10.0, 9.0]]);
    // What has another use is no channel.
    selection.columns = vec![];
    assert_eq!(folder.read("a.csv", text, &selection).unwrap().names, ["x", "y"]);
    selection.conditions = vec!["who=z".parse().unwrap()];
    assert_eq!(folder.read("a.csv", text, &selection), Err("a.csv: no row has who=z".to_owned()));
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_place() {
    let folder = Folder::new();
    let with = |column: &str| Selection { columns: vec![column.to_owned()], ..all() };
    for (text, selection, said) in [
        ("x,y\n1,2\n3,four\n", all(), "a.csv, line 3, column y: \"four\"; expected a number"),
        ("x,y\n1,2\n,4\n", all(), "a.csv, line 3, column x: an empty cell; expected a number"),
        ("1,2\n3,NaN\n", all(), "a.csv, line 2, column 2: \"NaN\"; expected a number"),
        ("1,2\n3,inf\n", all(), "a.csv, line 2, column 2: \"inf\"; expected a number"),
        ("1,2\n3,1e99\n", all(), "a.csv, line 2, column 2: \"1e99\"; expected a number"),
        ("1,2\n\n\n3\n", all(), "a.csv, line 4: 1 column where the lines before it have 2"),
        ("x,y\n1,2\n", with("z"), "a.csv: no column z; there are x, y"),
        ("1,2\n", with("3"), "a.csv: no column 3; there are 1, 2"),
        ("", all(), "a.csv: no rows to read"),
        ("x,y\n", all(), "a.csv: no rows to read"),
        ("\n\n", all(), "a.csv: no rows to read"),
    ] {
        assert_eq!(folder.read("a.csv", text, &selection), Err(said.to_owned()), "{text:?}");
    }
    let said = folder.read("a.json", "{}", &all()).unwrap_err();
    assert_eq!(said, "a.json: expected a file that is named .csv, .tsv, .npy, .npz or .wav");
}

/// An array in `NumPy`'s format, its header made here.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn arrays_of_any_type_order_and_dimensions_are_read() {
    let folder = Folder::new();
    let read = |bytes: Vec<u8>| folder.read("a.npy", bytes, &all());
    let (le, be) = (|x: f64| x.to_le_bytes().to_vec(), |x: f64| x.to_be_bytes().to_vec());
    let numbers = [1.0, 2.5, -3.0, 4.0];
    let of = |f: fn(f64) -> Vec<u8>| numbers.map(f).concat();
    for array in [
        npy("<f8", false, "2, 2", &of(le)),
        npy(">f8", false, "2, 2", &of(be)),
        npy("<f8", true, "2, 2", &[1.0, -3.0, 2.5, 4.0].map(le).concat()),
        npy("<f4", false, "2, 2", &of(|x| (x as f32).to_le_bytes().to_vec())),
    ] {
        assert_eq!(samples(&read(array).unwrap()), ROWS);
    }
    for (descr, bytes) in [
        ("|u1", vec![1, 200]),
        ("<u2", vec![1, 0, 200, 0]),
        (">i2", vec![0, 1, 0, 200]),
        ("<i4", vec![1, 0, 0, 0, 200, 0, 0, 0]),
        ("<u8", [1u64.to_le_bytes(), 200u64.to_le_bytes()].concat()),
    ] {
        let found = read(npy(descr, false, "2,", &bytes)).unwrap();
        assert_eq!((samples(&found), found.channels), (vec![&[1.0, 200.0][..]], 1), "{descr}");
    }
    let windows = npy("|i1", false, "2, 3, 1", &[1, 2, 3, 4, 5, 255]);
    assert_eq!(samples(&read(windows).unwrap()), [[1.0, 2.0, 3.0], [4.0, 5.0, -1.0]]);
    for (array, said) in [
        (npy("|O", false, "2,", &[0; 16]), "a.npy: an array of type "),
        (npy("<f4", false, "3,", &[0; 8]), "a.npy: the array is cut off"),
        (npy("<f4", false, "1,", &f32::NAN.to_le_bytes()), "a.npy: number 0 is not finite; expected finite numbers"),
        (npy("|u1", false, "1, 1, 1, 1", &[0]), "a.npy: an array of 4 dimensions; expected [samples]"),
        (b"not an array".to_vec(), "a.npy: "),
        (vec![], "a.npy: "),
    ] {
        let outcome = read(array).unwrap_err();
        assert!(outcome.starts_with(said), "{outcome}");
    }
}

#[test]
fn an_archive_of_arrays_is_several_recordings() {
    let folder = Folder::new();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data) in [("one.npy", [1, 2]), ("two.npy", [3, 4])] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&npy("|u1", false, "2,", &data)).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    let read = folder.read("a.npz", &bytes, &all()).unwrap();
    assert_eq!(samples(&read), [[1.0, 2.0], [3.0, 4.0]]);
    assert!(read.recordings[1].name.ends_with("a.npz:two"));
    assert!(folder.read("a.npz", &bytes[..bytes.len() / 2], &all()).is_err());
}

/// A WAV file of two channels.
fn wav(bits: u16, format: u16, data: &[u8]) -> Vec<u8> {
    let block = 2 * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend([format.to_le_bytes(), 2u16.to_le_bytes()].concat());
    bytes.extend([8000u32.to_le_bytes(), (8000 * u32::from(block)).to_le_bytes()].concat());
    bytes.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn sound_keeps_its_numbers() {
    let folder = Folder::new();
    let floats = [0.5f32, -0.25].map(f32::to_le_bytes).concat();
    for (bytes, expected) in [
        (wav(16, 1, &[1, 0, 0xff, 0xff, 0, 0x80, 2, 1]), vec![1.0, -1.0, -32768.0, 258.0]),
        (wav(24, 1, &[1, 0, 0, 0xff, 0xff, 0xff]), vec![1.0, -1.0]),
        (wav(32, 1, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), vec![1.0, -1.0]),
        (wav(8, 1, &[129, 127]), vec![1.0, -1.0]),
        (wav(32, 3, &floats), vec![0.5, -0.25]),
    ] {
        let read = folder.read("a.wav", bytes, &all()).unwrap();
        assert_eq!((samples(&read), read.channels, read.rate), (vec![&expected[..]], 2, Some(8000.0)));
    }
    let whole = wav(16, 1, &[1, 0, 0xff, 0xff, 0, 0x80, 2, 1]);
    let cut = folder.read("a.wav", &whole[..whole.len() - 3], &all());
    assert_eq!(cut, Err("a.wav: the file is cut off".to_owned()));
    let second = Selection { columns: vec!["2".to_owned()], ..all() };
    assert_eq!(samples(&folder.read("a.wav", &whole, &second).unwrap()), [[-1.0, 258.0]]);
    let labelled = Selection { label: Some("fault".to_owned()), ..all() };
    assert!(
        folder.read("a.wav", &whole, &labelled).unwrap_err().ends_with("--group, --label and --where need a CSV file")
    );
}

#[test]
fn a_folder_is_its_files_and_all_have_the_same_channels() {
    let folder = Folder::new();
    for (name, text) in [("b.csv", "x\n3\n"), ("a.csv", "x\n1\n2\n"), (".c.csv", "x\n9\n"), ("notes.md", "x")] {
        folder.write(name, text);
    }
    fs::create_dir(folder.0.path().join("d.csv")).unwrap();
    let read = |paths: &[PathBuf]| Recordings::read(paths, &all());
    let both = read(&[folder.0.path().to_owned()]).unwrap();
    assert_eq!((samples(&both), both.samples()), (vec![&[1.0, 2.0][..], &[3.0]], 3));
    let other = folder.write("e.tsv", "x\ty\n1\t2\n");
    let said = read(&[folder.0.path().join("a.csv"), other]).unwrap_err().to_string();
    assert!(said.contains("e.tsv: 2 channels (x, y); ") && said.ends_with("a.csv has 1 channel (x)"), "{said}");
    assert!(are_recordings(folder.0.path()) && !are_recordings(&folder.0.path().join("notes.md")));
    let empty = tempfile::tempdir().unwrap();
    let said = read(&[empty.path().to_owned()]).unwrap_err().to_string();
    assert!(said.ends_with(": no file of recordings; expected .csv, .tsv, .npy, .npz or .wav"), "{said}");
    assert!(read(&[empty.path().join("no.csv")]).is_err());
}
