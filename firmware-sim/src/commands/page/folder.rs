//! The files of the page.

use super::figures::Figures;
use super::module;
use anyhow::{Context, bail};
use autoencoder_device::learn::HELD_OUT;
use autoencoder_io::files;
use autoencoder_io::formats::PROTECTED;
use autoencoder_io::idx::{self, Images};
use std::fs;
use std::path::Path;

/// The top of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The file that a browser opens first. It names the others of its folder.
const PAGE: &str = include_str!("../../../../web/index.html");
/// The name of that file, and its title, by which a folder of the page is recognised.
const INDEX: &str = "index.html";
const TITLE: &str = "<title>Draw a digit. The microcontroller answers.</title>";
/// Other files that are copied.
const COPIED: [(&str, &str); 4] = [
    ("models", "classic.int8.blob"),
    ("models", "classic.int4.blob"),
    ("models", "watch.int8.blob"),
    ("data/watch", "subjects-8-10.csv.gz"),
];
/// Test digits to choose from.
const DIGITS: usize = 100;
/// Training digits to learn from.
const LEARNING: usize = 1000;
/// Files that are made.
const MADE: [&str; 4] = ["digits.bin", "learning.bin", "figures.json", "device.wasm"];

/// A file of the page.
pub struct File {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

/// The files of `web`: the index, and the modules, style sheets and pictures that it names.
fn web() -> impl Iterator<Item = &'static str> {
    let named = PAGE.split('"').filter(|text| [".mjs", ".css", ".svg"].iter().any(|end| text.ends_with(end)));
    std::iter::once(INDEX).chain(named)
}

/// Files that are copied, each with its folder. The first is the index.
fn copied() -> impl Iterator<Item = (&'static str, &'static str)> {
    web().map(|name| ("web", name)).chain(COPIED)
}

/// Returns an error if a file cannot be made in the folder, or if one would be replaced that this command has not written.
/// Changes nothing.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    let index = folder.join(INDEX);
    files::ensure_not_input(&index, [Path::new(ROOT).join("web").as_path()])?;
    files::ensure_replaceable(&index, b"", &PROTECTED)?;
    if fs::read_to_string(&index).is_ok_and(|text| text.contains(TITLE)) {
        return Ok(());
    }
    let mut names = copied().map(|(_, name)| name).chain(MADE);
    let found = names.find(|name| folder.join(name).exists());
    let folder = folder.display();
    found.map_or(Ok(()), |name| {
        bail!("--out {folder}: {name} is there, which this command has not written; give another folder")
    })
}

/// Builds or reads all files of the page. The first is the index, so a folder that is half written is recognised.
pub fn files() -> anyhow::Result<Vec<File>> {
    let root = Path::new(ROOT);
    let mut files = Vec::new();
    for (folder, name) in copied() {
        files.push(File { name, bytes: files::read(&root.join(folder).join(name))? });
    }
    let mnist = root.join("data/mnist");
    let (test, training) = (Images::test(&mnist)?, Images::train(&mnist)?);
    let test_labels = idx::test_labels(&mnist, test.len())?;
    let training_labels = idx::train_labels(&mnist, training.len())?;
    let figures = root.join("docs/size.md");
    let text = String::from_utf8(files::read(&figures)?).context("docs/size.md")?;
    let figures = Figures::read(&text).context("docs/size.md")?;
    let made = [
        digits(&test, test_labels, DIGITS)?,
        digits(&training, training_labels, LEARNING + HELD_OUT)?,
        serde_json::to_vec(&figures)?,
        module::build()?,
    ];
    files.extend(MADE.into_iter().zip(made).map(|(name, bytes)| File { name, bytes }));
    Ok(files)
}

/// The first digits: for each its label, a byte, and its pixels.
fn digits(images: &Images, labels: Option<Vec<u8>>, count: usize) -> anyhow::Result<Vec<u8>> {
    let labels = labels.context("data/mnist: no labels")?;
    let digits = labels.iter().enumerate().take(count).map(|(i, label)| [&[*label], images.image(i)].concat());
    Ok(digits.collect::<Vec<_>>().concat())
}

/// Writes the files to a folder.
pub fn write(folder: &Path, page: &[File]) -> anyhow::Result<()> {
    for File { name, bytes } in page {
        files::replace(&folder.join(name), bytes, &PROTECTED)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_names_each_file_of_its_folder_once() {
        let mut named: Vec<&str> = web().collect();
        named.sort_unstable();
        let there = fs::read_dir(Path::new(ROOT).join("web")).unwrap().map(Result::unwrap);
        let files = there.filter(|entry| entry.file_type().unwrap().is_file());
        let mut files: Vec<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
        files.sort_unstable();
        assert_eq!(named, files);
        assert_eq!(copied().next(), Some(("web", INDEX)));
    }

    #[test]
    fn only_a_folder_of_the_page_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("site");
        check(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("other.html"), "a stranger's").unwrap();
        check(&folder).unwrap();
        for name in ["style.css", "device.wasm", INDEX] {
            fs::write(folder.join(name), "a stranger's").unwrap();
            let said = format!("{:#}", check(&folder).unwrap_err());
            assert!(said.contains(&format!("{name} is there, which this command has not written")), "{said}");
            fs::remove_file(folder.join(name)).unwrap();
        }
        fs::write(folder.join("style.css"), "a stranger's").unwrap();
        fs::write(folder.join(INDEX), include_str!("../../../../web/index.html")).unwrap();
        check(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[test]
    fn a_place_that_is_no_folder_and_the_sources_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "one").unwrap();
        assert!(format!("{:#}", check(&file).unwrap_err()).contains("is not a folder"));
        let said = format!("{:#}", check(&Path::new(ROOT).join("web")).unwrap_err());
        assert!(said.contains("would replace an input"), "{said}");
        let said = format!("{:#}", check(&Path::new(ROOT).join("models")).unwrap_err());
        assert!(said.contains("classic.int8.blob is there"), "{said}");
    }
}
