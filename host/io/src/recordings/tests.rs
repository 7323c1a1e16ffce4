//! Files of recordings, written byte by byte or by the programs' own libraries.

use super::*;
use crate::normal::Normal;
use crate::windows;
use autoencoder_core::front_end::{FrontEnd, Spec};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
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
        ("a.tsv", b"1,0\t2,5\n-3,0\t4,0\n", false),
        // More commas than semicolons, and no header.
        ("a.csv", b"1,0;2,5\n-3,0;4\n", false),
        ("a.csv", b"x;y\n1,0;2,5\n-3,0;4,0\n", true),
        // A semicolon within quotes is none between cells.
        ("a.csv", b"x,\"y\"\n\"1\",2.5\n-3,4\n", true),
        ("a.csv.gz", &gzip.finish().unwrap(), true),
    ] {
        let read = folder.read(name, bytes, &all()).unwrap();
        assert_eq!((samples(&read), read.channels), (ROWS.to_vec(), 2), "{name} {bytes:?}");
        assert_eq!(read.names, if header { vec!["x", "y"] } else { vec![] });
    }
}

/// Decimal commas are more than the semicolons of a line: only two whole lines tell. A read gives fewer bytes than a line where
/// lines are long, or where a compressed file is of short pieces.
#[test]
fn the_delimiter_and_the_mark_come_from_whole_lines() {
    let folder = Folder::new();
    let line = vec!["0,5"; 5000].join(";") + "\n";
    let read = folder.read("a.csv", line.repeat(2), &all()).unwrap();
    assert_eq!((read.channels, read.recordings[0].samples.len()), (5000, 10_000));
    let quoted = "m,s;\"n\nkg\";k,g,h\n1;2;3\n";
    assert_eq!(folder.read("a.csv", quoted, &all()).unwrap().names, ["m,s", "n kg", "k,g,h"]);
    let pieces = [&b"\xef"[..], b"\xbb\xbf1,5;", b"2", b",5\n\n3,5;4,5\n"].map(|piece| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(piece).unwrap();
        gzip.finish().unwrap()
    });
    assert_eq!(samples(&folder.read("a.csv.gz", pieces.concat(), &all()).unwrap()), [[1.5, 2.5, 3.5, 4.5]]);
}

#[test]
fn columns_groups_labels_and_conditions_choose() {
    let text = "run,who,x,y,fault\n1,a,1,2,\n2,a,3,4,\n1,b,5,6,coin\n2,b,7,8,\n1,a,9,10,\n";
    let folder = Folder::new();
    let some = |text: &str| Some(text.to_owned());
    let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut selection = Selection { columns: strings(&["y", "3"]), group: some("run"), label: some("fault"), ..all() };
    let read = folder.read("a.csv", text, &selection).unwrap();
    assert_eq!(samples(&read), [&[2.0, 1.0, 6.0, 5.0, 10.0, 9.0][..], &[4.0, 3.0, 8.0, 7.0]]);
    assert_eq!((read.names, read.labels), (strings(&["y", "x"]), strings(&["", "coin"])));
    assert_eq!(read.recordings[0].labels, [0, 1, 0]);
    assert!(read.recordings[1].name.ends_with("a.csv, recording 2"));
    selection.conditions = vec!["who=a,c".parse().unwrap(), "run=1".parse().unwrap()];
    // The row of b was between these two.
    assert_eq!(samples(&folder.read("a.csv", text, &selection).unwrap()), [[2.0, 1.0], [10.0, 9.0]]);
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
        ("x,y\n1,2\n", with(""), "a.csv: no column \"\"; there are x, y"),
        ("x|y\n1|2\n", with("x"), "a.csv: no column x; there is x|y (a comma, a semicolon or a tab divides columns)"),
        ("1,2\n3,4,\n", all(), "a.csv, line 2: 3 columns where the lines before it have 2"),
        (
            "x,y\n1,5,2,5\n",
            all(),
            "a.csv, line 2: 4 columns where the lines before it have 2; decimal commas need semicolons or tabs between columns",
        ),
        // Text from the first row on is no damage: the column is none of a channel.
        (
            "t,y\n2024-01-01,2\n",
            all(),
            "a.csv, line 2, column t: \"2024-01-01\"; expected a number, or --columns with the names of the channels",
        ),
        ("t,y\n2024-01-01,2\n", with("t"), "a.csv, line 2, column t: \"2024-01-01\"; expected a number"),
        ("1,2\n", with("3"), "a.csv: no column 3; there are 1, 2"),
        // The first line is not lost because it holds no number.
        (
            "NaN,NaN\n1,2\n",
            all(),
            "a.csv, line 1, column 1: \"NaN\"; expected a number, or --columns with the names of the channels",
        ),
        (
            "inf,x\n1,2\n",
            all(),
            "a.csv, line 1, column 1: \"inf\"; expected a number, or --columns with the names of the channels",
        ),
        (
            ",\n1,2\n",
            all(),
            "a.csv, line 1, column 1: an empty cell; expected a number, or --columns with the names of the channels",
        ),
        (
            "NA,n/a\n1,2\n",
            all(),
            "a.csv, line 1, column 1: \"NA\"; expected a number, or --columns with the names of the channels",
        ),
        ("x,y,x\n1,2,3\n", with("x"), "a.csv: columns 1 and 3 are both named x; a channel is known by its name"),
        ("x,y,x\n1,2,3\n", all(), "a.csv: columns 1 and 3 are both named x; a channel is known by its name"),
        (
            "x,y\n1,2\n",
            Selection { columns: vec!["x".into(), "1".into()], ..all() },
            "a.csv: --columns has column x twice",
        ),
        (
            ",y,\n1,2,3\n",
            Selection { columns: vec!["1".into(), "3".into()], ..all() },
            "a.csv: columns 1 and 3 are both named \"\"; a channel is known by its name",
        ),
        (
            "x,y\n1,2\n",
            Selection { group: Some("x".into()), label: Some("y".into()), ..all() },
            "a.csv: no column is left for a channel; there are x, y",
        ),
        ("", all(), "a.csv: no rows to read"),
        ("x,y\n", all(), "a.csv: no rows to read"),
        ("\n\n", all(), "a.csv: no rows to read"),
    ] {
        assert_eq!(folder.read("a.csv", text, &selection), Err(said.to_owned()), "{text:?}");
    }
    let said = folder.read("a.json", "{}", &all()).unwrap_err();
    assert_eq!(said, "a.json: expected a file that is named .csv, .tsv, .npy, .npz or .wav");
}

#[test]
fn lines_of_spaces_are_empty_and_names_are_found_without_their_spaces() {
    let folder = Folder::new();
    let chosen = Selection { columns: vec!["x".into(), " y".into()], ..all() };
    assert_eq!(samples(&folder.read("a.csv", "x,y\n1,2.5\n  \n-3,4\n \t\n", &chosen).unwrap()), ROWS);
    let wide: Vec<u8> = "x,y\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let said = folder.read("a.csv", [&b"\xff\xfe"[..], &wide].concat(), &all());
    assert_eq!(said, Err("a.csv: the text is UTF-16; expected UTF-8".to_owned()));
}

/// The first damaged byte shows as a strange line, long before the checksum.
#[test]
fn damage_to_a_compressed_file_is_said_as_such() {
    let folder = Folder::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(b"x,y\n1,2\n").unwrap();
    gzip.write_all(&b"1,2\n".repeat(100)).unwrap();
    let mut bytes = gzip.finish().unwrap();
    let comma = bytes.windows(3).rposition(|text| text == b"1,2").unwrap() + 1;
    bytes[comma] = b';';
    let said = |bytes: &[u8]| folder.read("a.csv.gz", bytes, &all()).unwrap_err();
    assert_eq!(said(&bytes), "a.csv.gz: the gzip file is damaged");
    assert_eq!(said(&bytes[..bytes.len() - 20]), "a.csv.gz: the gzip file is cut short");
}

/// A clock has more digits than an `f32`: in the samples it stands still.
#[test]
fn columns_of_clocks_counters_and_names_are_suspects() {
    let folder = Folder::new();
    let row =
        |i: u32| format!("{}.{:02},{i},{},{},{}\n", 1_704_067_200 + i / 50, i % 50 * 2, i / 20, i / 20 % 2, i * 7 % 5);
    let rows: String = (0..60).map(row).collect();
    let read = |selection: &Selection| {
        let read = folder.read("a.csv", "time,row,run,arm,x\n".to_owned() + &rows, selection).unwrap();
        let suspects = read.columns.iter().filter(|column| column.suspicion().is_some());
        suspects.map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(read(&all()), ["time", "row", "run"]);
    assert_eq!(read(&Selection { group: Some("run".into()), ..all() }), ["time", "row", "arm"]);
}

#[test]
fn rows_of_another_set_are_left_out() {
    let text = "who,day,x\na,1,1\na,2,2\nb,1,3\n";
    let folder = Folder::new();
    let without = |conditions: &[&str]| Selection {
        exclude: conditions.iter().map(|condition| condition.parse().unwrap()).collect(),
        ..all()
    };
    let read = |conditions: &[&str]| folder.read("a.csv", text, &without(conditions));
    let rows = read(&["who=a"]).unwrap();
    assert_eq!((samples(&rows), rows.names.clone()), (vec![&[1.0, 3.0][..]], vec!["day".to_owned(), "x".to_owned()]));
    let rows = read(&["who=a", "day=1"]).unwrap();
    assert_eq!((samples(&rows), rows.names.clone()), (vec![&[2.0, 3.0][..]], vec!["x".to_owned()]));
    assert_eq!(read(&["who=a,b"]), Err("a.csv: every row has who=a,b, so none is left to train with".to_owned()));
}

/// Rows 2 and 4 are no neighbours, so no window has both.
#[test]
fn a_recording_ends_where_a_row_is_left_out() {
    let folder = Folder::new();
    let text = "run,day,x\nu,a,1\nv,a,10\nu,a,2\nu,b,3\nv,a,20\nu,a,4\nu,a,5\nw,b,6\nw,a,7\n";
    let day: Where = "day=a".parse().unwrap();
    let not_day: Where = "day=b".parse().unwrap();
    let grouped = Selection { columns: vec!["x".into()], group: Some("run".into()), ..all() };
    let spec = Spec { channels: 1, window: 2, hop: 1, rate: 0.0, front_end: FrontEnd::Raw };
    for selection in [
        Selection { conditions: vec![day.clone()], ..grouped.clone() },
        Selection { exclude: vec![not_day], ..grouped.clone() },
    ] {
        let read = folder.read("a.csv", text, &selection).unwrap();
        assert_eq!(samples(&read), [&[1.0, 2.0][..], &[10.0, 20.0], &[4.0, 5.0], &[7.0]]);
        let names: Vec<&str> =
            read.recordings.iter().filter_map(|one| Some(one.name.rsplit_once("a.csv")?.1)).collect();
        assert_eq!(names, [", recording u", ", recording v", ", recording u from line 7", ", recording w"]);
        let places = windows::places(&read, &spec, &Normal::default()).unwrap();
        let windows = places.iter().map(|place| windows::samples(&read, &spec, place)).collect::<Vec<_>>();
        assert_eq!(windows, [[1.0, 2.0], [10.0, 20.0], [4.0, 5.0]]);
    }
    let alone = Selection { group: None, conditions: vec![day], ..grouped };
    let read = folder.read("a.csv", text, &alone).unwrap();
    assert_eq!(samples(&read), [&[1.0, 10.0, 2.0][..], &[20.0, 4.0, 5.0], &[7.0]]);
}

#[test]
fn a_name_has_no_line_break_and_is_found_by_its_words() {
    let folder = Folder::new();
    let text = "\"speed\n(m/s)\",\" t  \"\n1,2\n";
    assert_eq!(folder.read("a.csv", text, &all()).unwrap().names, ["speed (m/s)", "t"]);
    let one = Selection { columns: vec!["speed (m/s)".into()], ..all() };
    assert_eq!(samples(&folder.read("a.csv", text, &one).unwrap()), [[1.0]]);
}

/// The channels of a network are columns where there are names, and all there are elsewhere.
#[test]
fn expected_channels_need_no_names_in_files_without_any() {
    let folder = Folder::new();
    let expected = Selection { expected: vec!["y".into(), "x".into()], ..all() };
    let read = |name: &str, bytes: &[u8]| folder.read(name, bytes, &expected).map(|read| (read.names, read.channels));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(read("a.csv", b"x,y,z\n1,2,3\n"), Ok((names(&["y", "x"]), 2)));
    assert_eq!(read("a.csv", b"1,2\n3,4\n"), Ok((vec![], 2)));
    assert_eq!(read("a.npy", &npy("|u1", false, "1, 2", &[1, 2])), Ok((vec![], 2)));
    assert_eq!(read("a.csv", b"x,z\n1,2\n"), Err("a.csv: no column y; there are x, z".to_owned()));
}

/// A column of times has as many values as rows: that would be a mistake, and slow.
#[test]
fn too_many_labels_are_refused_with_their_line() {
    let folder = Folder::new();
    let rows = |count: usize| (0..count).map(|i| format!("{i},1\n")).collect::<Vec<_>>().concat();
    let labelled = Selection { label: Some("t".into()), ..all() };
    let read = |count| folder.read("a.csv", "t,x\n".to_owned() + &rows(count), &labelled);
    assert_eq!(read(1000).unwrap().labels.len(), 1000);
    let said = "a.csv, line 1002, column t: more than 1000 labels; expected a column that says the same of many rows";
    assert_eq!(read(1001), Err(said.to_owned()));
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
        ("<f2", [half::f16::from_f32(1.0), half::f16::from_f32(200.0)].map(half::f16::to_le_bytes).concat()),
        (">f2", [half::f16::from_f32(1.0), half::f16::from_f32(200.0)].map(half::f16::to_be_bytes).concat()),
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
        (npy("<f8", false, "-1,", &[0; 8]), "a.npy: "),
        (npy("<c8", false, "1,", &[0; 8]), "a.npy: an array of type "),
        (npy("<f4", false, "1,", &f32::NAN.to_le_bytes()), "a.npy, row 1: NaN; expected a finite number"),
        (
            npy("<f4", true, "2, 2", &[1.0, 2.0, f32::INFINITY, 4.0].map(f32::to_le_bytes).concat()),
            "a.npy, row 1, column 2: inf; expected a finite number",
        ),
        (
            npy("<f8", false, "2, 1, 1", &[1.0, 1e300].map(f64::to_le_bytes).concat()),
            "a.npy, window 2, sample 1, channel 1: inf; expected a finite number",
        ),
        // It is refused before its memory is asked for.
        (npy("<f8", false, "300000000, 1000", &[0; 8]), "a.npy: more than 268435456 numbers; take fewer files"),
        (npy("|u1", false, "4000000000, 4000000000, 4000000000", &[0; 8]), "a.npy: more than 268435456 numbers"),
        (npy("<f2", false, "1000000000000L, 1L", &[0; 8]), "a.npy: more than 268435456 numbers"),
        (npy("<f2", false, "3,", &[0; 4]), "a.npy: the array is cut off"),
        (npy("<f4", false, "0, 100000", &[]), "a.npy: no rows to read"),
        (npy("|u1", false, "1, 1, 1, 1", &[0]), "a.npy: an array of 4 dimensions; expected [samples]"),
        (b"not an array".to_vec(), "a.npy: "),
        (vec![], "a.npy: "),
    ] {
        let outcome = read(array).unwrap_err();
        assert!(outcome.starts_with(said), "{outcome}");
    }
    let twice = Selection { columns: vec!["2".into(), "1".into(), "2".into()], ..all() };
    let said = folder.read("a.npy", npy("|u1", false, "1, 2", &[1, 2]), &twice);
    assert_eq!(said, Err("a.npy: --columns has column 2 twice".to_owned()));
    let none = Err("a.npy: the array has no channel".to_owned());
    assert_eq!(read(npy("<f4", false, "3, 0", &[])), none);
    assert_eq!(read(npy("<f4", false, "3, 4, 0", &[])), none);
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
    assert!(read.recordings[1].name.ends_with("a.npz, array two"));
    assert!(folder.read("a.npz", &bytes[..bytes.len() / 2], &all()).is_err());
}

/// Each array may be short enough, and all together too long. Names may hold anything.
#[test]
fn the_arrays_of_an_archive_are_limited_together() {
    let folder = Folder::new();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["one.npy", "\u{1b}[2J.npy"] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&npy("|u1", false, "2,", &[1, 2])).unwrap();
    }
    let path = folder.write("a.npz", archive.finish().unwrap().into_inner());
    let names: Vec<String> = read_arrays(&path).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["one", "\\u{1b}[2J"]);
    assert!(npy::read_arrays_up_to(&path, 4).is_ok());
    assert!(matches!(npy::read_arrays_up_to(&path, 3), Err(RecordingError::TooLarge(_))));
}

#[test]
fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
    let folder = Folder::new();
    // A line of 4 MiB is too long, whether it is zeros as in a file with a hole, or a quote that never closes.
    let endless = [&b"x,y\n1,2\n"[..], &vec![0; (1 << 22) + (1 << 16)]].concat();
    let expected = "a.csv, line 3: more than 4194304 bytes without an end";
    assert_eq!(folder.read("a.csv", &endless, &all()), Err(expected.to_owned()));
    let quote = [&b"x,y\n1,2\n\"1"[..], &b",2\n3".repeat((1 << 20) + (1 << 14)), b"0,1\n"].concat();
    assert_eq!(folder.read("a.csv", &quote, &all()), Err(expected.to_owned()));
    // Long files of short lines are not.
    let long = [&b"x,y\n"[..], &b"1,2\n".repeat((1 << 20) + 4096)].concat();
    assert_eq!(folder.read("a.csv", &long, &all()).unwrap().recordings[0].samples.len(), 2 * ((1 << 20) + 4096));
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
        // 2^24 + 1 is no `f32`: the nearest one is even.
        (wav(32, 1, &[1, 0, 0, 1, 0, 0, 0, 1]), vec![16_777_216.0; 2]),
        (wav(8, 1, &[129, 127]), vec![1.0, -1.0]),
        (wav(32, 3, &floats), vec![0.5, -0.25]),
    ] {
        let read = folder.read("a.wav", bytes, &all()).unwrap();
        assert_eq!((samples(&read), read.channels, read.rate), (vec![&expected[..]], 2, Some(8000.0)));
    }
    let strange = [f32::NAN, 1.0].map(f32::to_le_bytes).concat();
    let said = folder.read("a.wav", wav(32, 3, &[floats, strange].concat()), &all());
    assert_eq!(said, Err("a.wav, sample 2, channel 1: NaN; expected a finite number".to_owned()));
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
    // Files of recordings may be named as they like.
    let named = tempfile::tempdir().unwrap();
    fs::write(named.path().join("sensor-idx.csv"), "x\n1\n").unwrap();
    assert!(are_recordings(named.path()));
    fs::write(named.path().join("train-images-idx3-ubyte.gz"), "").unwrap();
    assert!(!are_recordings(named.path()));
    let empty = tempfile::tempdir().unwrap();
    let said = read(&[empty.path().to_owned()]).unwrap_err().to_string();
    assert!(said.ends_with(": no file of recordings; expected .csv, .tsv, .npy, .npz or .wav"), "{said}");
    assert!(read(&[empty.path().join("no.csv")]).is_err());
}
