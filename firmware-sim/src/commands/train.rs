//! `firmware-sim train`: a whole small network trained on the device, from random weights.

use crate::link::training::{Reports, flash, in_process, on_device};
use crate::link::{Kind, Ram};
use crate::reduction::{Row, reduced};
use crate::rows::{Count, Folder, Set, Shape, set_noun};
use crate::writable::{ensure_writable, export, text_after};
use crate::{args, drawing};
use anyhow::ensure;
use autoencoder_device::tiny::{BATCH, DRAWN, RAM, Task};
use autoencoder_io::number::counted;
use serde_json::json;
use std::fmt::Write;

/// How many training and test images are taken by default.
const IMAGES: usize = 4000;
const TEST_IMAGES: usize = 500;

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    let folder = args.data.path()?;
    let data = Folder::data(&folder);
    let (count, test_count) =
        (Count::or("--rows", args.rows, IMAGES), Count::or("--test-rows", args.test_rows, TEST_IMAGES));
    let (learned, _) = reduced(data, Set::Training, count)?;
    let (held_out, shape) = reduced(data, Set::Test, test_count)?;
    let there = held_out.len();
    ensure!(
        there >= BATCH,
        "{}: {}; training takes {BATCH}",
        folder.display(),
        counted(there, &set_noun(Set::Test, shape))
    );
    let task = Task { steps: args.steps, learned: &learned, held_out: &held_out };
    if let Some(path) = &args.export {
        ensure_writable(&[path], [folder.as_path()])?;
        return export(path, &flash(&task), "a whole network", args.json);
    }
    ensure_writable(&[&args.out], [folder.as_path()])?;
    let reports = match &args.link {
        Kind::InProcess => in_process(&task)?,
        link => on_device(&task, link)?,
    };
    ensure!(!reports.progress.is_empty(), "the device reported nothing of its training");
    let used = reports.ram.used();
    ensure!(used <= RAM, "over budget: training takes {used} bytes of RAM of {RAM}");
    let originals: Vec<Vec<u8>> = held_out.iter().take(DRAWN).map(|image: &Row| image.to_vec()).collect();
    let picture = drawing::png(&[&originals, &reports.images], shape).write(&args.out);
    let text = if args.json {
        json(args, &task, &reports)
    } else {
        let mut text = drawing::terminal(Some(&originals), &reports.images, shape);
        summary(&mut text, args, &task, &reports, shape)?;
        text
    };
    text_after(text, picture)
}

fn json(args: &args::Train, task: &Task<'_>, reports: &Reports) -> String {
    let Reports { progress, ram, instructions, .. } = reports;
    let object = json!({
        "steps": args.steps,
        "batch": BATCH,
        "rows": task.learned.len(),
        "test_rows": task.held_out.len(),
        "mse_before": progress.first().map(|(_, mse, _)| mse),
        "mse_after": progress.last().map(|(_, mse, _)| mse),
        "parameters_crc": progress.last().map(|(_, _, crc)| format!("{crc:08x}")),
        "progress": progress.iter().map(|(step, mse, crc)| json!([step, mse, format!("{crc:08x}")])).collect::<Vec<_>>(),
        "instructions_per_step": instructions,
        "ram_bytes": ram.used(),
        "static_bytes": ram.statics,
        "stack_bytes": ram.stack,
        "heap_bytes": ram.heap,
        "out": args.out.display().to_string(),
    });
    format!("{object}\n")
}

fn summary(
    text: &mut String,
    args: &args::Train,
    task: &Task<'_>,
    reports: &Reports,
    shape: Shape,
) -> std::fmt::Result {
    let Reports { progress, ram, instructions, .. } = reports;
    let (count, there) = (shape.counted(task.learned.len()), task.held_out.len());
    writeln!(text, "\n64-16-4-16-64 in f32 from random weights, {count}, batches of {BATCH}")?;
    writeln!(text, "    step  MSE of {}", counted(there, &set_noun(Set::Test, shape)))?;
    for (step, mse, _) in progress {
        writeln!(text, "  {step:6}  {mse:.6}")?;
    }
    if let Some((_, _, crc)) = progress.last() {
        writeln!(text, "CRC-32 of all parameters: {crc:08x}")?;
    }
    writeln!(text, "test {} above their reconstructions: {}", shape.plural(), args.out.display())?;
    if *instructions > 0 {
        writeln!(text, "{instructions} instructions for a step")?;
    }
    let Ram { statics, stack, heap, .. } = ram;
    writeln!(text, "RAM {} of {RAM} bytes: static {statics}, stack {stack}, heap {heap}", ram.used())
}
