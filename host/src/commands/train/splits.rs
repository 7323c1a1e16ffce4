//! The rows to train on and to test with, and their description.

use crate::args;
use crate::commands::network_file::NetworkFile;
use crate::commands::rows::optional_labels;
use crate::commands::sensor::{Detector, SensorData, warn_of_columns};
use autoencoder_io::data_options::Data;
use autoencoder_io::idx::{Images, test_labels, train_labels};
use autoencoder_io::number::counted;
use autoencoder_io::terminal;
use std::fmt::Write;
use std::io::stderr;
use std::path::Path;

/// Training and test rows, all of one size, and their labels if there are any.
pub struct Splits {
    pub train: Images,
    pub test: Images,
    /// What a detector has beside them; `None` for IDX files.
    pub detector: Option<Detector>,
    /// The paths of the data.
    pub data: String,
    train_labels: Option<Vec<u8>>,
    test_labels: Option<Vec<u8>>,
}

impl Splits {
    /// Reads the data that the options name: recordings, a folder of IDX files, or one data set in it. `from` is the network to
    /// fine-tune.
    pub fn read(args: &args::Train, from: Option<&NetworkFile>) -> anyhow::Result<Self> {
        match args.data.read(&args.sensor.test_where)? {
            Data::Folder(data) => {
                args.sensor.ensure_unused(&data)?;
                Self::folder(&data)
            }
            Data::Recordings(recordings) => {
                if !args.data.names_columns() && from.is_none() {
                    warn_of_columns(&recordings);
                }
                let tests = args.sensor.read_tests(&args.data)?;
                let known = from.and_then(NetworkFile::sensor).transpose()?;
                let data = SensorData::new(&args.sensor, &recordings, tests.as_ref(), known)?;
                Ok(Self {
                    train: data.train,
                    test: data.test,
                    detector: Some(data.detector),
                    data: args.data.describe(),
                    train_labels: None,
                    test_labels: None,
                })
            }
        }
    }

    fn folder(data: &Path) -> anyhow::Result<Self> {
        let [train, test] = Images::both(data)?;
        let train_labels = optional_labels(train_labels(data, train.len()));
        let test_labels = optional_labels(test_labels(data, test.len()));
        Ok(Self { train, test, detector: None, data: data.display().to_string(), train_labels, test_labels })
    }

    /// The input section of the blobs.
    pub fn input(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.detector.as_ref().map(|detector| detector.sensor.section()).transpose()?.unwrap_or_default())
    }

    /// Describes the rows: their numbers, their size, the number of rows with each label, and a drawing of the first row. Only
    /// the first `used` training rows are used.
    pub fn describe(&self, used: usize) -> String {
        let Self { train, test, data, .. } = self;
        if let Some(detector) = &self.detector {
            return format!("{data}: {}\n", detector.text);
        }
        let all = train.len();
        let of_all = if used < all { format!(" (the first of {all})") } else { String::new() };
        let mut text = format!(
            "{data}: {}{of_all} and {} of {}",
            counted(used, "training row"),
            counted(test.len(), "test row"),
            counted(train.image_size(), "input")
        );
        if train.height > 1 {
            write!(text, ", images of {} by {} pixels", train.width, train.height).expect(WRITES);
        }
        text.push('\n');
        let columns = terminal::columns();
        let train_labels = self.train_labels.as_deref().map(|labels| &labels[..used]);
        for (set, labels) in [("training", train_labels), ("test", self.test_labels.as_deref())] {
            text.push_str(&labels.map(|labels| counts(set, labels, columns)).unwrap_or_default());
        }
        text.push('\n');
        text.push_str(&terminal::draw(&[train.image(0)], &[&[]], train.width, columns, terminal::colours(&stderr())));
        text.push('\n');
        text
    }
}

const WRITES: &str = "a string takes it all";

/// The number of rows with each label, in lines of at most `columns` columns.
fn counts(set: &str, labels: &[u8], columns: usize) -> String {
    let start = format!("{set} rows of label");
    let mut text = start.clone();
    let mut column = start.len();
    let mut counts = [0; 256];
    for label in labels {
        counts[usize::from(*label)] += 1;
    }
    for (label, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let item = format!("  {label}: {count}");
        if column + item.len() > columns && column > start.len() {
            write!(text, "\n{:1$}", "", start.len()).expect(WRITES);
            column = start.len();
        }
        column += item.len();
        text.push_str(&item);
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(height: usize, width: usize) -> Splits {
        let rows = |count: usize| Images { pixels: [0, 128, 255, 255].repeat(count), height, width };
        Splits {
            train: rows(3),
            test: rows(1),
            detector: None,
            data: "data/ours".into(),
            train_labels: Some(vec![7, 0, 7]),
            test_labels: None,
        }
    }

    #[test]
    fn rows_labels_and_the_first_row_are_described() {
        let text = splits(2, 2).describe(3);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "data/ours: 3 training rows and 1 test row of 4 inputs, images of 2 by 2 pixels");
        assert_eq!(lines[1..3], ["training rows of label  0: 1  7: 2", ""]);
        // A recipe that uses fewer rows, and rows that are not images.
        let text = splits(1, 4).describe(2);
        assert_eq!(
            text,
            "data/ours: 2 training rows (the first of 3) and 1 test row of 4 inputs\n\
             training rows of label  0: 1  7: 1\n\n\
             ▁▅██\n\n"
        );
    }

    #[test]
    fn many_labels_are_wrapped() {
        let labels: Vec<u8> = (0..20).collect();
        let text = counts("test", &labels, 40);
        assert!(text.lines().all(|line| line.len() <= 40) && text.lines().count() == 7, "{text}");
        assert_eq!(text.lines().nth(1), Some("                    3: 1  4: 1  5: 1"));
    }
}
