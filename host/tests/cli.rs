//! The program as a user meets it: exit codes, messages, files.

use assert_cmd::Command;
use autoencoder_core::model::Small;
use flate2::read::GzDecoder;
use host::blob_file::BlobFile;
use host::checkpoint::{Checkpoint, CheckpointError};
use host::idx::Images;
use host::quantise::{self, About};
use host::recipe::Recipe;
use host::trainer::Trainer;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A folder with a small data set of real digits, of which each test has its own.
struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let sandbox = Self { folder };
        let bytes = shipped("t10k-images-idx3-ubyte.gz");
        sandbox.images("train-images-idx3-ubyte", 400, &bytes[16..]);
        sandbox.images("t10k-images-idx3-ubyte", 50, &bytes[16 + 784 * 400..]);
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn images(&self, name: &str, count: u32, pixels: &[u8]) {
        let header = [0x803, count, 28, 28].map(u32::to_be_bytes).concat();
        fs::write(self.path("data").join(name), [&header[..], &pixels[..784 * count as usize]].concat()).unwrap();
    }

    fn host(&self, args: &str) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).args(args.split_whitespace());
        command
    }

    fn train(&self, args: &str) -> Command {
        self.host(&format!("train --data data --topology small --batch 100 {args}"))
    }

    /// The one line on standard error of a command that has to fail.
    fn error(&self, args: &str) -> String {
        one_line(&self.host(args).output().unwrap(), args)
    }
}

fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin("host")
}

fn one_line(output: &Output, what: &str) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{what}: {stderr}");
    assert!(output.stdout.is_empty(), "{what}");
    assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() == 1, "{what}: {stderr}");
    stderr
}

fn shipped(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mnist").join(name);
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn train_writes_everything_and_eval_agrees() {
    let sandbox = Sandbox::new();
    let summary = json(&sandbox.train("--steps 60 --json").output().unwrap());
    assert_eq!(summary["steps"], 60);
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["ms_per_step"].as_f64().unwrap() > 0.0);
    let mse = summary["test_mse"].as_f64().unwrap();
    assert!(mse < 0.09, "MSE {mse}");
    for file in ["checkpoint", "model.f32.blob", "model.int8.blob", "loss.csv", "loss.png", "reconstructions.png"] {
        assert!(fs::metadata(sandbox.path("artifacts").join(file)).unwrap().len() > 0, "{file}");
    }
    let csv = fs::read_to_string(sandbox.path("artifacts/loss.csv")).unwrap();
    assert_eq!(csv.lines().count(), 61);
    assert!(csv.starts_with("step,loss,learning_rate,test_mse\n1,"));

    let float = json(&sandbox.host("eval --data data --json").output().unwrap());
    assert_eq!(float["test_mse"], summary["test_mse"]);
    assert_eq!(float["test_mse_int8"], summary["test_mse_int8"]);
    let int8 = json(&sandbox.host("eval artifacts/model.int8.blob --data data --json").output().unwrap());
    assert_eq!(int8["test_mse_int8"], summary["test_mse_int8"]);
    assert_eq!((&int8["test_mse"], &int8["steps"]), (&serde_json::Value::Null, &60.into()));

    // The exporter writes the trainer's bytes, from the checkpoint and from the f32 blob.
    let trained = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    for source in ["artifacts/checkpoint", "artifacts/model.f32.blob"] {
        sandbox.host(&format!("export {source} --format int8 --out again --data data")).assert().success();
        assert_eq!(fs::read(sandbox.path("again")).unwrap(), trained, "{source}");
    }
    let inspected = sandbox.host("inspect again").output().unwrap();
    let text = String::from_utf8(inspected.stdout).unwrap();
    for part in ["Int8", "small", "60 steps", "784", "checked", "threshold        a score of "] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_finished_network_is_tuned_for_coarser_numbers() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 60 --json").assert().success();
    let tune = "train --data data --batch 100 --quantise-aware int4 --code-bits 4 --steps 20 --json";
    let mut blobs = Vec::new();
    for (source, out) in [("checkpoint", "one"), ("model.f32.blob", "two")] {
        let summary = json(&sandbox.host(&format!("{tune} --from artifacts/{source} --out {out}")).output().unwrap());
        assert_eq!((&summary["steps"], &summary["test_mse_int8"]), (&20.into(), &serde_json::Value::Null));
        let int4 = summary["test_mse_int4"].as_f64().unwrap();
        assert!((int4 / summary["test_mse"].as_f64().unwrap() - 1.0).abs() < 0.01, "one network: {summary}");
        let blob = format!("{out}/model.int4.blob");
        let measured = json(&sandbox.host(&format!("eval {blob} --data data --json")).output().unwrap());
        assert_eq!((&measured["test_mse_int4"], &measured["steps"]), (&int4.into(), &80.into()));
        blobs.push(fs::read(sandbox.path(&blob)).unwrap());
        // The exporter writes the trainer's bytes: the scales are the run's, the code has the run's bits.
        for source in ["checkpoint", "model.f32.blob"] {
            sandbox.host(&format!("export {out}/{source} --format int4 --out again --data data")).assert().success();
            assert!(fs::read(sandbox.path("again")).unwrap() == blobs[blobs.len() - 1], "{out}/{source}");
        }
        let inspected = sandbox.host(&format!("inspect {blob}")).output().unwrap();
        let text = String::from_utf8(inspected.stdout).unwrap();
        for part in ["Int4", "4 bits an element", "80 steps", "7.000"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert!(blobs[0].len() < fs::metadata(sandbox.path("artifacts/model.int8.blob")).unwrap().len() as usize * 3 / 5);
    // A checkpoint holds the exact weights, the blob the rounded ones: not the same beginning.
    assert!(blobs[0] != blobs[1]);

    sandbox.host("export one/checkpoint --format int8 --code-bits 6 --out six --data data").assert().success();
    let inspected = sandbox.host("inspect six").output().unwrap();
    assert!(String::from_utf8(inspected.stdout).unwrap().contains("6 bits an element"));

    // Of a network that was trained for ever.
    let mut net = host::trainer::zeroed_box::<Small>();
    let float = BlobFile::read(&sandbox.path("artifacts/model.f32.blob")).unwrap();
    float.open().unwrap().copy_f32(&mut *net).unwrap();
    let about = About { encoder_layers: 2, steps: u32::MAX - 3, code_bits: 8 };
    fs::write(sandbox.path("old.f32.blob"), quantise::f32_blob(&*net, about).unwrap()).unwrap();
    sandbox.host("train --data data --batch 100 --from old.f32.blob --steps 9 --out old").assert().success();
    let tuned = BlobFile::read(&sandbox.path("old/model.int8.blob")).unwrap();
    assert_eq!(tuned.open().unwrap().header().steps, u32::MAX);

    let other = sandbox.error("train --data data --resume --out one --code-bits 5");
    assert!(other.contains("code-bits 4, not 5"), "{other}");
    let error = sandbox.error("train --data data --from artifacts/model.int8.blob --steps 2 --out never");
    assert!(error.contains("another number format"), "{error}");
    let error = sandbox.error("train --data data --from artifacts/checkpoint --topology classic --steps 2 --out never");
    assert!(error.contains("parameters of small, not of classic"), "{error}");
    assert!(!sandbox.path("never").exists());
}

/// Ten rectified layers and a linear one: their gains, ranges and zero points are none of a sigmoid network's.
#[test]
fn the_anomaly_detector_is_trained_and_quantised() {
    let sandbox = Sandbox::new();
    let pixels = &shipped("t10k-images-idx3-ubyte.gz")[16..];
    for (name, images) in [("train-images-idx3-ubyte", 0..400), ("t10k-images-idx3-ubyte", 400..450)] {
        let header = [0x803, images.len() as u32, 20, 32].map(u32::to_be_bytes).concat();
        // The first 640 pixels of each digit are 20 rows of 32 as well as any.
        let rows: Vec<u8> = images.flat_map(|image| pixels[784 * image..][..640].to_vec()).collect();
        fs::write(sandbox.path("data").join(name), [header, rows].concat()).unwrap();
    }
    let train = "train --data data --topology anomaly --batch 100 --steps 300 --json";
    let summary = json(&sandbox.host(train).output().unwrap());
    let [float, int8] = ["test_mse", "test_mse_int8"].map(|key| summary[key].as_f64().unwrap());
    // What predicts the mean image has 0.075.
    assert!(float < 0.06 && int8 < 1.04 * float, "f32 {float}, int8 {int8}");
}

#[test]
fn a_human_reads_lines_and_a_summary() {
    let sandbox = Sandbox::new();
    let output = sandbox.train("--steps 250").output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(stderr.lines().filter(|line| line.contains("test MSE") && line.contains("images/s")).count(), 3);
    assert!(stdout.contains("small trained for 250 steps") && stdout.contains("int8") && stdout.contains(" dB"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_resume_ends_in_the_same_bytes() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 1000 --out whole --json").assert().success();

    let mut child = std::process::Command::new(program())
        .current_dir(sandbox.folder.path())
        .args("train --data data --topology small --batch 100 --steps 1000 --out parts".split(' '))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Once the first line is there, training is under way.
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut stderr, &mut String::new()).unwrap();
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(rest.contains("error: stopped at step ") && rest.contains("--resume"), "{rest}");
    assert!(!sandbox.path("parts/model.int8.blob").exists());

    sandbox.host("train --resume --data data --out parts --json").assert().success();
    for file in ["model.f32.blob", "model.int8.blob", "loss.csv", "reconstructions.png"] {
        let [whole, parts] = ["whole", "parts"].map(|out| fs::read(sandbox.path(out).join(file)).unwrap());
        assert!(whole == parts, "{file} differs");
    }
    let other = sandbox.error("train --resume --data data --out parts --seed 9");
    assert!(other.contains("seed 1, not 9"), "{other}");
}

/// A weight overflows in the step after `step`: of a pixel that is always black, so that step's loss is still a number.
fn about_to_diverge(sandbox: &Sandbox, step: u32) -> Checkpoint {
    let path = sandbox.path("artifacts/checkpoint");
    let good = Checkpoint::read(&path).unwrap();
    let images = Images::train(&sandbox.path("data")).unwrap();
    let mut trainer = Trainer::<Small>::new(Recipe::DEFAULT, 4, 100, 1, &images);
    assert!(good.restore(&mut trainer));
    trainer.restore(step, &[], |[_, first, second]| {
        first.encoder.0.weights[7][0] = f32::MAX;
        second.encoder.0.weights[7][0] = 0.0;
    });
    let diverging = Checkpoint::new(good.run.clone(), &trainer);
    diverging.write(&path).unwrap();
    diverging
}

#[test]
fn a_run_that_diverges_stops_and_keeps_the_last_good_files() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 4 --json").assert().success();
    let files = ["checkpoint", "model.f32.blob", "model.int8.blob"];
    let read = || files.map(|file| fs::read(sandbox.path("artifacts").join(file)).unwrap());
    for (step, message) in [
        // The last step's checkpoint is due with an infinite weight in it.
        (3, "a weight or a moment is not finite at step 4: training diverged; the checkpoint of step 3 stands"),
        (2, "the loss is NaN at step 4: training diverged; the checkpoint of step 2 stands"),
    ] {
        let checkpoint = about_to_diverge(&sandbox, step);
        let before = read();
        // Twice: what stands is taken up again.
        for _ in 0..2 {
            let output = sandbox.host("train --data data --resume").output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(stderr.lines().last(), Some(&*format!("error: {message} in artifacts")), "{stderr}");
            assert!(read() == before);
            assert!(Checkpoint::read(&sandbox.path("artifacts/checkpoint")).unwrap() == checkpoint);
        }
    }
}

#[test]
fn no_number_that_is_not_finite_is_written() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    let path = sandbox.path("artifacts/checkpoint");
    let (before, good) = (fs::read(&path).unwrap(), Checkpoint::read(&path).unwrap());
    let images = Images::train(&sandbox.path("data")).unwrap();
    let mut trainer = Trainer::<Small>::new(Recipe::DEFAULT, 2, 100, 1, &images);
    for which in 0..3 {
        for number in [f32::NAN, f32::INFINITY] {
            assert!(good.restore(&mut trainer));
            trainer.restore(1, &[], |nets| nets[which].decoder.1.bias[9] = number);
            let error = Checkpoint::new(good.run.clone(), &trainer).write(&path).unwrap_err();
            assert!(matches!(error, CheckpointError::NotFinite { .. }), "{error}");
            let about = About { encoder_layers: 2, steps: 1, code_bits: 8 };
            if which == 0 {
                let error = quantise::f32_blob(trainer.net(), about).unwrap_err();
                assert_eq!(error.to_string(), "layer 4: a number that is not finite");
            }
        }
    }
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_checkpoint_that_is_none_says_what_it_is() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    let path = sandbox.path("artifacts/checkpoint");
    let good = fs::read(&path).unwrap();
    let with = |at: usize, byte: u8| [&good[..at], &[byte], &good[at + 1..]].concat();
    for (bytes, message) in [
        (Vec::new(), "not a checkpoint"),
        (with(0, b'x'), "not a checkpoint"),
        (fs::read(sandbox.path("artifacts/model.f32.blob")).unwrap(), "not a checkpoint"),
        (with(4, 1), "a checkpoint of version 1, this program knows 2"),
        (with(5000, !good[5000]), "a damaged checkpoint"),
        (good[..4].to_vec(), "a damaged checkpoint"),
        (good[..good.len() / 2].to_vec(), "a damaged checkpoint"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = sandbox.error("train --data data --resume");
        assert_eq!(error, format!("error: artifacts/checkpoint: {message}\n"));
    }
}

#[test]
fn two_runs_do_not_write_into_one_folder() {
    let sandbox = Sandbox::new();
    let claim = host::files::Claim::new(&sandbox.path("artifacts")).unwrap();
    for args in ["", "--resume"] {
        let error = sandbox.error(&format!("train --data data --topology small --steps 2 {args}"));
        assert_eq!(error, "error: artifacts: another process is writing into this folder\n");
    }
    assert_eq!(fs::read_dir(sandbox.path("artifacts")).unwrap().count(), 0);
    drop(claim);
    sandbox.train("--steps 2").assert().success();
}

/// A write that is cut off, here by a limit on the size of files as well as by `kill -9`, leaves the old file and no other.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_killed_while_it_writes_leaves_nothing_behind() {
    use std::os::unix::process::ExitStatusExt;
    const SIGXFSZ: i32 = 25;

    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let out = sandbox.path("artifacts");
    let before: Vec<_> = fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name()).collect();
    let blob = fs::read(out.join("model.int8.blob")).unwrap();
    let export = format!("ulimit -f 64; exec {} export --format int8 --data data", program().display());
    let status = std::process::Command::new("sh").args(["-c", &export]).current_dir(sandbox.folder.path()).status();
    assert_eq!(status.unwrap().signal(), Some(SIGXFSZ));
    let after: Vec<_> = fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(after, before);
    assert!(fs::read(out.join("model.int8.blob")).unwrap() == blob);
}

#[test]
fn any_folder_of_idx_files_will_do() {
    let sandbox = Sandbox::new();
    // Named as EMNIST names them, one of them compressed beside its plain self.
    for file in fs::read_dir(sandbox.path("data")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let pixels: Vec<u8> = (0..=255).cycle().take(784 * 300).collect();
    sandbox.images("emnist-letters-train-images-idx3-ubyte", 130, &pixels);
    sandbox.images("emnist-letters-test-images-idx3-ubyte", 3, &pixels);
    fs::write(sandbox.path("data/emnist-letters-test-images-idx3-ubyte.gz"), "not looked at").unwrap();
    let output = sandbox.host("train --data data --topology small --steps 3").output().unwrap();
    assert!(output.status.success());
    // Batches of 256 are asked for; there are fewer images.
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("small trained for 3 steps of 130 images in "));
}

/// EMNIST is one folder of six such sets, compressed.
#[test]
fn one_data_set_of_a_folder_is_named_by_what_its_files_begin_with() {
    let sandbox = Sandbox::new();
    let digits = shipped("t10k-images-idx3-ubyte.gz");
    let folder = sandbox.path("emnist");
    fs::create_dir(&folder).unwrap();
    let write = |name: String, magic: u32, count: u32, sizes: &[u32], bytes: &[u8]| {
        let header: Vec<u8> = [&[magic, count][..], sizes].concat().into_iter().flat_map(u32::to_be_bytes).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &[&header[..], bytes].concat()).unwrap();
        fs::write(folder.join(name), gzip.finish().unwrap()).unwrap();
    };
    for (split, train, test) in [("letters", 130u32, 7u32), ("letters-extra", 1, 1), ("mnist", 3, 2)] {
        for (set, count) in [("train", train), ("test", test)] {
            let pixels = &digits[16..][..784 * count as usize];
            write(format!("emnist-{split}-{set}-images-idx3-ubyte.gz"), 0x803, count, &[28, 28], pixels);
            let labels: Vec<u8> = (0..count).map(|i| (1 + i % 2) as u8).collect();
            write(format!("emnist-{split}-{set}-labels-idx1-ubyte.gz"), 0x801, count, &[], &labels);
        }
        fs::write(folder.join(format!("emnist-{split}-mapping.txt")), "1 65 97").unwrap();
    }
    let train = "train --topology small --steps 2 --data";
    for data in ["emnist", "emnist/emnist"] {
        let error = sandbox.error(&format!("{train} {data}"));
        let sets = "NAME one of emnist-letters, emnist-letters-extra, emnist-mnist";
        assert_eq!(
            error,
            format!("error: {data}: training images of several data sets; give --data emnist/NAME, {sets}\n")
        );
    }
    for (data, images) in [("emnist/emnist-letters", 7), ("emnist/emnist-letters-e", 1), ("emnist/emnist-m", 2)] {
        sandbox.host(&format!("{train} {data}")).assert().success();
        let measured = json(&sandbox.host(&format!("eval --data {data} --json")).output().unwrap());
        assert_eq!(measured["images"], images, "{data}");
        assert_eq!(measured["digits"][0]["label"], 1, "{data}");
    }
    let error = sandbox.error(&format!("{train} emnist/emnist-digits"));
    assert!(error.contains("emnist/emnist-digits: No such file"), "{error}");
    let error = sandbox.error(&format!("{train} emnist/emnist-letters-train"));
    assert!(error.contains("emnist/emnist-letters-train: no IDX file of training images"), "{error}");
    // Its files are spared as those of a folder are.
    let blob = "artifacts/model.f32.blob --format int8 --data emnist/emnist-mnist";
    let error = sandbox.error(&format!("export {blob} --out emnist/emnist-mnist-train-images-idx3-ubyte.gz"));
    assert!(error.contains("the output would replace an input"), "{error}");
}

#[test]
fn eval_shows_each_label_in_each_format_and_their_mean_is_the_whole() {
    let sandbox = Sandbox::new();
    let labels: Vec<u8> = (0..50).map(|i| [3, 7, 7, 200][i % 4]).collect();
    let header = [0x801, 50].map(u32::to_be_bytes).concat();
    fs::write(sandbox.path("data/t10k-labels-idx1-ubyte"), [header, labels].concat()).unwrap();
    sandbox.train("--steps 60").assert().success();
    for (blob, formats, others) in
        [("model.f32.blob", &["", "_int8"][..], &["_int4"][..]), ("model.int8.blob", &["_int8"], &["", "_int4"])]
    {
        let eval = format!("eval artifacts/{blob} --data data");
        let all = json(&sandbox.host(&format!("{eval} --json")).output().unwrap());
        let digits = all["digits"].as_array().unwrap();
        let of = |key: &str| digits.iter().map(|digit| digit[key].as_f64().unwrap()).collect::<Vec<_>>();
        assert_eq!((of("label"), of("images")), (vec![3.0, 7.0, 200.0], vec![13.0, 25.0, 12.0]));
        for format in formats {
            let (mse, psnr) = (of(&format!("test_mse{format}")), of(&format!("test_psnr{format}")));
            let mean = (13.0 * mse[0] + 25.0 * mse[1] + 12.0 * mse[2]) / 50.0;
            assert!((mean / all[format!("test_mse{format}")].as_f64().unwrap() - 1.0).abs() < 1e-6);
            assert!(mse.iter().zip(psnr).all(|(mse, psnr)| (psnr + 10.0 * mse.log10()).abs() < 1e-9));
        }
        for format in others {
            assert!(digits.iter().all(|digit| digit[format!("test_mse{format}")].is_null()));
        }
        let text = String::from_utf8(sandbox.host(&eval).output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let heading: Vec<&str> = lines[0].split_whitespace().collect();
        let names = formats.iter().flat_map(|format| match *format {
            "" => ["f32", "MSE", "PSNR"],
            _ => ["int8", "MSE", "PSNR"],
        });
        assert_eq!(heading, ["label", "images"].into_iter().chain(names).collect::<Vec<_>>());
        let first: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(first, ["label", "all", "3", "7", "200"]);
        let mse = digits[1][format!("test_mse{}", formats[0])].as_f64().unwrap();
        assert!(lines[3].contains(&format!("7      25  {mse:.6}  {:5.2} dB", -10.0 * mse.log10())), "{text}");
    }
}

#[test]
fn export_asks_for_images_only_where_it_needs_them() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 60").assert().success();
    let float = fs::read(sandbox.path("artifacts/model.f32.blob")).unwrap();
    sandbox.host("export artifacts/model.f32.blob --format f32 --out again --data nowhere").assert().success();
    assert!(fs::read(sandbox.path("again")).unwrap() == float);
    let error = sandbox.error("export artifacts/model.f32.blob --format int8 --out never --data nowhere");
    assert!(
        error.contains("the threshold of an integer blob needs the training images (--data): nowhere: "),
        "{error}"
    );
    let error = sandbox.error("export --format f32 --out never --data nowhere");
    assert!(error.contains("a checkpoint of rounded weights needs the training images (--data): nowhere: "), "{error}");
    // Other images would give its biases other values.
    sandbox.images("train-images-idx3-ubyte", 100, &shipped("t10k-images-idx3-ubyte.gz")[16..]);
    let error = sandbox.error("export --format f32 --out never --data data");
    assert!(error.contains("artifacts/checkpoint: trained on other images than those given (--data)"), "{error}");
    assert!(!sandbox.path("never").exists());
    // Without rounded steps, the weights are the checkpoint's own.
    sandbox.train("--steps 4 --quantise-aware none --out exact").assert().success();
    sandbox.host("export exact/checkpoint --format f32 --out again --data nowhere").assert().success();
    assert!(fs::read(sandbox.path("again")).unwrap() == fs::read(sandbox.path("exact/model.f32.blob")).unwrap());
}

#[test]
fn a_gzip_file_whose_checksum_is_wrong_is_refused() {
    let sandbox = Sandbox::new();
    let plain = sandbox.path("data/t10k-images-idx3-ubyte");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &fs::read(&plain).unwrap()).unwrap();
    let mut gzip = gzip.finish().unwrap();
    fs::remove_file(plain).unwrap();
    let file = sandbox.path("data/t10k-images-idx3-ubyte.gz");
    fs::write(&file, &gzip).unwrap();
    sandbox.train("--steps 2").assert().success();
    let crc = gzip.len() - 8;
    gzip[crc] ^= 1;
    fs::write(&file, gzip).unwrap();
    let error = sandbox.error("train --topology small --steps 2 --data data --out out");
    assert!(error.contains("t10k-images-idx3-ubyte.gz: ") && error.contains("checksum"), "{error}");
}

#[test]
fn a_run_does_not_replace_the_one_it_starts_from() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2").assert().success();
    let checkpoint = fs::read(sandbox.path("artifacts/checkpoint")).unwrap();
    let error = sandbox.error("train --data data --from artifacts/checkpoint --steps 2");
    assert!(error.contains("artifacts/checkpoint: the output would replace an input"), "{error}");
    assert!(fs::read(sandbox.path("artifacts/checkpoint")).unwrap() == checkpoint);
}

#[test]
fn blank_images_have_a_report_too() {
    let sandbox = Sandbox::new();
    for name in ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"] {
        sandbox.images(name, 40, &vec![0; 784 * 40]);
    }
    let output = sandbox.host("report --data data --out docs").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn bad_data_is_one_line_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let train = "train --topology small --steps 2 --data data --out out";
    let image_file = sandbox.path("data/train-images-idx3-ubyte");
    let good = fs::read(&image_file).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("empty", Vec::new(), "expected 16 bytes, the file holds 0"),
        ("labels", with(3, &[1]), "magic 0x00000801, expected 0x00000803"),
        ("truncated", good[..1000].to_vec(), "expected 313616 bytes, the file holds 1000"),
        ("longer", [&good[..], &[0]].concat(), "expected 313616 bytes, the file holds more"),
        ("huge sizes", with(4, &[0xff; 12]), "bytes, the file holds 313616"),
        ("no images", with(4, &[0, 0, 0, 0])[..16].to_vec(), "no images"),
        ("broken gzip", vec![0x1f, 0x8b, 8, 0, 1, 2, 3], "train-images-idx3-ubyte"),
    ];
    for (name, bytes, message) in cases {
        fs::write(&image_file, bytes).unwrap();
        let error = sandbox.error(train);
        assert!(error.contains(message), "{name}: {error}");
    }
    let wide = [0x803u32, 1, 20, 30].map(u32::to_be_bytes).concat();
    fs::write(&image_file, [&wide[..], &[0; 600]].concat()).unwrap();
    assert!(sandbox.error(train).contains("training images of 600 pixels, test images of 784"));
    fs::write(&image_file, &good).unwrap();
    let error = sandbox.error("train --topology anomaly --steps 2 --data data --out out");
    assert!(error.contains("images of 784 pixels, topology anomaly takes 640"), "{error}");
    fs::remove_file(&image_file).unwrap();
    assert!(sandbox.error(train).contains("no IDX file of training images"));
    for name in ["one-train-images-idx3-ubyte.gz", "two-train-images-idx3-ubyte"] {
        fs::write(sandbox.path("data").join(name), &good).unwrap();
    }
    assert!(sandbox.error(train).contains("give --data data/NAME, NAME one of one, two"));
    for name in ["one-train-images-idx3-ubyte.gz", "two-train-images-idx3-ubyte"] {
        fs::rename(sandbox.path("data").join(name), sandbox.path("data").join(&name[4..])).unwrap();
    }
    fs::write(sandbox.path("data/train-images.idx3-ubyte"), &good).unwrap();
    let error = sandbox.error(train);
    let both = "more than one IDX file of training images: train-images-idx3-ubyte, train-images.idx3-ubyte\n";
    assert!(error.ends_with(both), "{error}");
    assert!(sandbox.error("train --data nowhere").contains("nowhere: No such file"));
    assert!(!sandbox.path("out").exists());
}

#[test]
fn bad_blobs_and_folders_are_one_line() {
    let sandbox = Sandbox::new();
    sandbox.train("--steps 2 --json").assert().success();
    let blob = fs::read(sandbox.path("artifacts/model.int8.blob")).unwrap();
    let mut flipped = blob.clone();
    flipped[5000] ^= 4;
    for (name, bytes, message) in [
        ("empty", &[][..], "the blob is empty"),
        ("truncated", &blob[..blob.len() / 2], "blob truncated"),
        ("flipped", &flipped, "blob damaged"),
        ("foreign", b"GIF89a, not a blob", "not a weights blob"),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
        for command in ["eval", "inspect", "export --format int8 --out never"] {
            let (verb, options) = command.split_once(' ').unwrap_or((command, ""));
            let data = if verb == "inspect" { "" } else { "--data data" };
            let error = sandbox.error(&format!("{verb} {name} {options} {data}"));
            assert!(error.contains(message) && error.contains(name), "{command}: {error}");
        }
    }
    assert!(sandbox.error("eval missing --data data").contains("missing: No such file"));
    assert!(sandbox.error("train --resume --data data --out nowhere").contains("nowhere/checkpoint"));
    fs::write(sandbox.path("a-file"), "").unwrap();
    let blocked = sandbox.train("--steps 2 --out a-file").output().unwrap();
    assert!(one_line(&blocked, "output folder is a file").contains("a-file"));
    let error = sandbox.error("export artifacts/model.int8.blob --format f32 --out never --data data");
    assert!(error.contains("another number format"), "{error}");
    assert!(!sandbox.path("never").exists());
}

#[test]
fn wrong_arguments_exit_with_2() {
    let sandbox = Sandbox::new();
    for args in ["", "train --steps 0", "train --topology nosuch", "train --recipe nosuch", "eval --nosuch", "inspect"]
    {
        let output = sandbox.host(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}");
    }
}
