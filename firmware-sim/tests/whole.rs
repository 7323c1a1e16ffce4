//! A whole network trained on the device: from random weights until it has converged, and told as it is.

use assert_cmd::cargo::cargo_bin_cmd;
use firmware_sim::app::Board;
use firmware_sim::whole::{PIXELS, RAM, Report, STACK, Task, Whole};
use host::picture::Gray;
use host::trainer::zeroed_box;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The object that `train` prints.
fn train(arguments: &str, out: &std::path::Path) -> Value {
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(ROOT).args(["train", "--json"]).args(arguments.split_whitespace()).arg("--out").arg(out);
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

#[test]
fn it_converges_below_what_any_linear_code_of_four_numbers_reaches() {
    /// PCA with 4 components of the 4,000 images, on the 500 test images, clipped to [0, 1].
    const LINEAR: f64 = 0.02976;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("trained.png");
    let report = train("", &out);
    assert!(number(&report, "mse_before") > 0.15, "{report}");
    assert!(number(&report, "mse_after") < 0.85 * LINEAR, "{report}");
    // It has come to rest: the last tenth of the steps gains less than a fiftieth.
    let progress: Vec<f64> =
        report["progress"].as_array().unwrap().iter().map(|row| row[1].as_f64().unwrap()).collect();
    assert_eq!(progress.len(), 11);
    let [.., before, last] = progress[..] else { panic!("{report}") };
    assert!((last / before - 1.0).abs() < 0.02, "{report}");
    assert!(number(&report, "ram_bytes") <= RAM as f64 && report["heap_bytes"] == 0, "{report}");
    let picture = Gray::read(&out).unwrap();
    assert_eq!((picture.width, picture.height), (16 * 58 + 2, 2 * 58 + 2));
}

#[test]
fn the_same_task_gives_the_same_bytes_and_another_one_others() {
    let images: Vec<[u8; PIXELS]> =
        (0..40).map(|i| std::array::from_fn(|j| ((i * 37 + j * (i + 3)) % 256) as u8)).collect();
    let told = |steps| {
        let (mut whole, mut told) = (zeroed_box::<Whole>(), Vec::new());
        let task = Task { steps, learned: &images[..30], held_out: &images[30..] };
        whole.train(&task, &Board::UNKNOWN, &mut |report| told.push(format!("{report:?}")));
        told
    };
    assert_eq!(told(50), told(50));
    // The task, before the first step, after each tenth, ten images, what it took.
    assert_eq!(told(50).len(), 1 + 1 + 10 + 10 + 1);
    // A sign of life after every hundred steps.
    assert_eq!(told(250).iter().filter(|told| told.starts_with("Step")).count(), 2);
    assert_eq!(
        told(50)[0],
        format!("Task(Some({}))", Task { steps: 50, learned: &images[..30], held_out: &images[30..] }.crc())
    );
    assert_ne!(told(50).last_chunk::<4>(), told(60).last_chunk::<4>());
    assert_eq!(told(3).iter().filter(|told| told.starts_with("Progress")).count(), 1 + 3);
}

#[test]
fn a_task_is_read_as_it_was_written_and_what_is_none_is_refused() {
    let images = [[1; PIXELS], [2; PIXELS], [3; PIXELS]];
    let task = Task { steps: 7, learned: &images[..1], held_out: &images[1..] };
    let header = task.header();
    let mut flash = [header.as_flattened(), images.as_flattened(), &[0xff; 100]].concat();
    // Bytes are as good as words: nothing has to be aligned.
    assert_eq!(Task::read(&flash), Some(task));
    assert_eq!(Task::read(&flash[..12 + 3 * PIXELS - 1]), None, "the last image is cut");
    assert_eq!(Task::read(&[0xff; 4096]), None, "erased");
    assert_eq!(Task::read(&[0; 4096]), None, "no images");
    assert_eq!(Task::read(&[]), None);
    flash[8] = 1;
    assert_eq!(Task::read(&flash), None, "less held out than a batch, of which no error could be told");
    flash[8..12].fill(0xff);
    assert_eq!(Task::read(&flash), None, "more than there are");
}

#[test]
fn what_the_static_leaves_is_the_stacks() {
    assert!(size_of::<Whole>() <= RAM - STACK);
    // A network, its gradient, two moments; outputs, their gradients and the images of a batch of two.
    assert_eq!(size_of::<Whole>(), 4 * (4 * 2276 + 2 * (2 * 100 + 64)));
    let report = Report::Progress { step: 1, mse: 0.5, crc: 2 };
    let mut frame = firmware_sim::frame::write(&report, &mut [0; 64]).unwrap().to_vec();
    assert_eq!(Report::read(firmware_sim::frame::read(&mut frame).unwrap()), Ok(report));
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    for (arguments, expected) in [
        ("--link serial:/dev/none", "/dev/none: No such file"),
        ("--data nowhere", "nowhere: No such file"),
        ("--images 7001", "7001"),
    ] {
        let mut command = cargo_bin_cmd!("firmware-sim");
        let assert = command.current_dir(ROOT).arg("train").args(arguments.split(' ')).assert().failure();
        let said = String::from_utf8_lossy(&assert.get_output().stderr);
        assert!(said.contains(expected), "{said}");
    }
}
