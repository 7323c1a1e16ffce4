//! The program as a user meets it: exit codes, messages, files.

use assert_cmd::Command;
use flate2::read::GzDecoder;
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
        let mut command = Command::cargo_bin("host").unwrap();
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

    let program = assert_cmd::cargo::cargo_bin("host");
    let mut child = std::process::Command::new(program)
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

#[test]
fn a_run_that_diverges_stops_and_keeps_the_checkpoint() {
    use host::checkpoint::Checkpoint;
    use host::trainer::Trainer;
    type Small = autoencoder_core::model::Small;

    let sandbox = Sandbox::new();
    sandbox.train("--steps 4 --json").assert().success();
    let path = sandbox.path("artifacts/checkpoint");
    let good = Checkpoint::read(&path).unwrap();
    let images = host::idx::Images::train(&sandbox.path("data")).unwrap();
    let mut trainer = Trainer::<Small>::new(host::recipe::Recipe::DEFAULT, 4, 100, 1, &images);
    assert!(good.is_finite() && good.restore(&mut trainer));
    trainer.restore(2, &[], |[net, ..]| net.encoder.0.bias[7] = f32::NAN);
    let diverging = Checkpoint::new(good.run.clone(), &trainer);
    assert!(!diverging.is_finite());
    diverging.write(&path).unwrap();
    let before = fs::read(&path).unwrap();

    let error = sandbox.error("train --data data --resume");
    assert!(error.contains("the loss is NaN at step 3: training diverged"), "{error}");
    assert!(fs::read(&path).unwrap() == before);
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
    sandbox.host("train --data data --topology small --steps 3 --json").assert().success();
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
    let error = sandbox.error(train);
    assert!(error.contains("more than one IDX file of training images") && error.contains("two-train"), "{error}");
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
