//! Training a small network whole, as the application on the device does it and reports it.

use autoencoder_device::app::Probes;
use autoencoder_device::frame;
use autoencoder_device::tiny::{PIXELS, RAM, Report, STACK, Task, TinyTraining};
use autoencoder_io::zeroed_box;

#[test]
fn the_same_task_gives_the_same_reports_and_another_one_others() {
    let images: Vec<[u8; PIXELS]> =
        (0..40).map(|i| std::array::from_fn(|j| ((i * 37 + j * (i + 3)) % 256) as u8)).collect();
    let reports = |steps| {
        let (mut training, mut reports) = (zeroed_box::<TinyTraining>(), Vec::new());
        let task = Task { steps, learned: &images[..30], held_out: &images[30..] };
        training.train(&task, &Probes::NONE, &mut |report| reports.push(format!("{report:?}")));
        reports
    };
    assert_eq!(reports(50), reports(50));
    // The task, before the first step, after each tenth, ten images, what it took.
    assert_eq!(reports(50).len(), 1 + 1 + 10 + 10 + 1);
    // A sign of life after every hundred steps.
    assert_eq!(reports(250).iter().filter(|report| report.starts_with("Step")).count(), 2);
    assert_eq!(
        reports(50)[0],
        format!("Task(Some({}))", Task { steps: 50, learned: &images[..30], held_out: &images[30..] }.crc())
    );
    assert_ne!(reports(50).last_chunk::<4>(), reports(60).last_chunk::<4>());
    assert_eq!(reports(3).iter().filter(|report| report.starts_with("Progress")).count(), 1 + 3);
}

#[test]
fn a_task_is_read_as_it_was_written_and_anything_else_is_refused() {
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
    assert_eq!(Task::read(&flash), None, "less held out than a batch: no error could be measured");
    flash[8..12].fill(0xff);
    assert_eq!(Task::read(&flash), None, "more images than there are");
}

#[test]
fn the_rest_of_the_ram_is_the_stacks() {
    assert!(size_of::<TinyTraining>() <= RAM - STACK);
    // A network, its gradient, two moments; outputs, their gradients and the images of a batch of two.
    assert_eq!(size_of::<TinyTraining>(), 4 * (4 * 2276 + 2 * (2 * 100 + 64)));
}

#[test]
fn a_report_is_read_as_it_was_sent() {
    let report = Report::Progress { step: 1, mse: 0.5, crc: 2 };
    let mut frame = frame::write(&report, &mut [0; 64]).unwrap().to_vec();
    assert_eq!(Report::read(frame::read(&mut frame).unwrap()), Ok(report));
}
