//! Training a small network whole, as the application on the device does it and reports it.

use autoencoder_core::optimizer::Sgd;
use autoencoder_core::{Parameters, Topology};
use autoencoder_device::app::Probes;
use autoencoder_device::frame;
use autoencoder_device::tiny::{BATCH, PIXELS, RAM, Report, STACK, Task, TinyTraining};
use autoencoder_io::blob_file::{BlobFile, f32_blob};
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
    // A network, its gradient, two moments; outputs, their gradients and the images of a batch of two; the mean image.
    assert_eq!(size_of::<TinyTraining>(), 4 * (4 * 2276 + 2 * (2 * 100 + 64) + 64));
}

/// The sizes of the network's layers.
const SIZES: [usize; 5] = [PIXELS, 16, 4, 16, PIXELS];

/// The network's MSE over some rows, in `f64`. Its first layer takes each row less `mean`.
fn loss(parameters: &[f64], rows: &[Vec<f64>], mean: &[f64]) -> f64 {
    let mut sum = 0.0;
    for row in rows {
        let mut y: Vec<f64> = row.iter().zip(mean).map(|(x, c)| x - c).collect();
        let mut rest = parameters;
        for outputs in &SIZES[1..] {
            let (weights, after) = rest.split_at(outputs * y.len());
            let (bias, after) = after.split_at(*outputs);
            let units = weights.chunks(y.len()).zip(bias);
            y = units.map(|(w, b)| 1.0 / (1.0 + (-dot(w, &y) - b).exp())).collect();
            rest = after;
        }
        sum += row.iter().zip(&y).map(|(x, y)| (y - x).powi(2)).sum::<f64>();
    }
    sum / (rows.len() * PIXELS) as f64
}

fn dot(w: &[f64], x: &[f64]) -> f64 {
    w.iter().zip(x).map(|(w, x)| w * x).sum()
}

/// What is learned in `f32` from bright images, with plain gradient descent, follows from differences of the loss of a
/// network whose first layer takes each image less the mean image, in `f64`.
#[test]
fn a_step_is_that_of_a_network_with_centred_inputs() {
    const RATE: f32 = 5000.0; // steps that are far above the rounding of a weight
    const H: f64 = 1e-5;
    let images: Vec<[u8; PIXELS]> =
        (0..BATCH).map(|i| std::array::from_fn(|j| 255 - ((i * 37 + j * (i + 3)) % 100) as u8)).collect();
    let start: Vec<f32> = (0..2276).map(|i| 0.3 * (i as f32 * 1.7).sin()).collect();
    let mut flash = f32_blob(&Topology::named("tiny").unwrap(), 1, 8, &start, &[]).unwrap();
    flash.extend(images.as_flattened());
    let mut training = zeroed_box::<TinyTraining>();
    training.load(BlobFile::new("flash".as_ref(), &flash).bytes()).unwrap();
    let found_loss = training.forward();
    training.backward();
    training.update(1, RATE, &Sgd { momentum: 0.0 });
    let found: Vec<f32> = training.net().slices().flatten().copied().collect();

    let rows: Vec<Vec<f64>> =
        images.iter().map(|image| image.iter().map(|pixel| f64::from(*pixel) / 255.0).collect()).collect();
    let mean: Vec<f64> = (0..PIXELS).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / BATCH as f64).collect();
    let mut centred: Vec<f64> = start.iter().map(|p| f64::from(*p)).collect();
    let (weights, rest) = centred.split_at_mut(SIZES[1] * PIXELS);
    weights.chunks(PIXELS).zip(&mut *rest).for_each(|(w, b)| *b += dot(w, &mean)); // the bias of the centred form
    let expected_loss = loss(&centred, &rows, &mean);
    assert!((f64::from(found_loss) / expected_loss - 1.0).abs() < 1e-5, "{found_loss} instead of {expected_loss}");
    let steps: Vec<f64> = (0..centred.len())
        .map(|i| {
            let at = |h| {
                let mut parameters = centred.clone();
                parameters[i] += h;
                loss(&parameters, &rows, &mean)
            };
            f64::from(RATE) * (at(H) - at(-H)) / (2.0 * H)
        })
        .collect();
    for (p, step) in centred.iter_mut().zip(&steps) {
        *p -= step;
    }
    let (weights, rest) = centred.split_at_mut(SIZES[1] * PIXELS);
    weights.chunks(PIXELS).zip(&mut *rest).for_each(|(w, b)| *b -= dot(w, &mean)); // and back

    let mut first = 0;
    for (array, net) in training.net().slices().enumerate() {
        let range = first..first + net.len();
        let step = |after: f64, i: usize| after - f64::from(start[i]);
        let largest = range.clone().map(|i| step(centred[i], i).abs()).fold(0.0, f64::max);
        for i in range {
            let [found, expected] = [f64::from(found[i]), centred[i]].map(|after| step(after, i));
            assert!((found - expected).abs() < 1e-4 * largest, "array {array}: {found} instead of {expected}");
        }
        first += net.len();
    }
    assert_eq!(first, centred.len());
}

#[test]
fn without_images_nothing_is_centred() {
    let start: Vec<f32> = (0..2276).map(|i| (i as f32).sin()).collect();
    let blob = f32_blob(&Topology::named("tiny").unwrap(), 1, 8, &start, &[]).unwrap();
    let mut training = zeroed_box::<TinyTraining>();
    training.load(BlobFile::new("flash".as_ref(), &blob).bytes()).unwrap();
    training.forward();
    training.backward();
    training.update(1, 0.1, &Sgd::default());
    let weights = SIZES[1] * PIXELS;
    let found: Vec<f32> = training.net().slices().flatten().copied().collect();
    assert_eq!(found[..weights], start[..weights], "no pixel, no gradient of the first layer's weights");
    assert!(found[weights..].iter().zip(&start[weights..]).all(|(found, start)| found.is_finite() && found != start));
}

#[test]
fn a_report_is_read_as_it_was_sent() {
    let report = Report::Progress { step: 1, mse: 0.5, crc: 2 };
    let mut frame = frame::write(&report, &mut [0; 64]).unwrap().to_vec();
    assert_eq!(Report::read(frame::read(&mut frame).unwrap()), Ok(report));
}
