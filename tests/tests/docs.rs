//! The documents: their links lead somewhere, and their data can be read.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files with this extension, at the top and in the folders of documents and data.
fn files(extension: &str) -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/data", "docs/guide", "data/mnist", "models"].map(|folder| root().join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    assert!(files.len() > 3, "{files:?}");
    files
}

#[test]
fn links_to_files_lead_somewhere() {
    for page in files("md") {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.starts_with("http") {
                assert!(page.with_file_name(file).exists(), "{}: {link}", page.display());
            }
        }
    }
}

/// Fields of a line: a comma within quotes separates none.
fn fields(line: &str) -> usize {
    let (mut quoted, mut count) = (false, 1);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

#[test]
fn each_line_of_data_has_the_fields_of_the_header() {
    for table in files("csv") {
        let text = fs::read_to_string(&table).unwrap();
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let expected = fields(lines.next().unwrap());
        for line in lines {
            assert_eq!(fields(line), expected, "{}: {line}", table.display());
        }
    }
}
