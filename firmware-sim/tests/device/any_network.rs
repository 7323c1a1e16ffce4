//! One image for each board, whatever the network.

use crate::run::{ROOT, object};
use assert_cmd::assert::Assert;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_core::blob::Format;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::net::{Net, Random, waves};

/// A folder with a blob and data for it, in which the program runs.
struct Place(TempDir);

impl Place {
    fn new(net: &Net) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("blob"), net.blob()).unwrap();
        fs::create_dir(place.path("data")).unwrap();
        let width = net.topology().row() as u32;
        let mut random = Random::new(9);
        for (set, count) in [("train", 40), ("t10k", 12)] {
            let header = [0x802, count, width].into_iter().flat_map(u32::to_be_bytes);
            let rows = (0..count).flat_map(|i| {
                // Rows from dense to mostly zero.
                let mut row = random.bytes(width as usize);
                row.iter_mut().enumerate().filter(|(j, _)| j % (1 + i as usize % 5) > 0).for_each(|(_, q)| *q = 0);
                row
            });
            let name = format!("data/{set}-images-idx2-ubyte");
            fs::write(place.path(&name), header.chain(rows).collect::<Vec<_>>()).unwrap();
        }
        place
    }

    /// Writes data that can be learned.
    fn write_waves(&self, width: usize) {
        for (set, count) in [("train", 200), ("t10k", 12)] {
            let header = [0x802, count as u32, width as u32].map(u32::to_be_bytes);
            let name = format!("data/{set}-images-idx2-ubyte");
            fs::write(self.path(&name), [header.as_flattened(), &waves(width, count)].concat()).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &str) -> Assert {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(self.0.path()).args(arguments.split(' ')).args(["--weights", "blob"]).assert()
    }
}

/// The path of a board's image, and its bytes.
fn image(board: &str) -> (PathBuf, Vec<u8>) {
    let path = Path::new(ROOT).join(format!("firmware-sim/images/target/images/{board}/device-image"));
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn one_image_runs_five_networks_in_turn() {
    let networks = [
        Net::new("784-256-128-256-784", 1),
        Net::new("70-9r-3-9r-70i", 2),
        Net::of("64-32-8-8*-64", Format::Int4, 3).with_code_bits(5),
        Net::new("30-30", 4),
        Net::new("300-40r-50r-60-7-33i-300", 5).with_code_bits(3),
    ];
    for board in ["mps2-an386", "mps2-an505", "mps3-an547", "lm3s6965evb", "microbit", "virt-riscv32"] {
        let mut before: Option<Vec<u8>> = None;
        // Every board runs the same code around its kernels, so one of them runs all of the networks.
        let networks = if board == "mps2-an386" { &networks[..] } else { &networks[1..3] };
        for net in networks {
            let topology = net.topology().to_string();
            let place = Place::new(net);
            let both = ["qemu", "in-process"].map(|link| {
                place.run(&format!("encode --data data --board {board} --link {link} --out {link}.bin")).success();
                place.run(&format!("decode --data data --board {board} --link {link} --out {link}.png")).success();
                ["bin", "png"].map(|kind| fs::read(place.path(&format!("{link}.{kind}"))).unwrap())
            });
            assert!(both[0] == both[1], "{topology} on {board}");
            let verify = object(place.run(&format!("verify --data data --board {board} --json")));
            assert_eq!(verify["equal_rows"], 12, "{topology} on {board}: {verify}");
            let bench = object(place.run(&format!("bench --data data --board {board} --rows 2 --json")));
            assert_eq!(bench["equal_rows"], 2, "{topology} on {board}: {bench}");
            let layers = net.topology().layers().len();
            let counted = ["encode", "decode"].map(|half| bench["layers"][half].as_array().unwrap().len());
            assert_eq!(counted.iter().sum::<usize>(), layers, "{topology} on {board}: {bench}");
            // The file has not changed, so no image was built in between.
            let (path, bytes) = image(board);
            assert!(before.is_none_or(|before| before == bytes), "{} was rebuilt for {topology}", path.display());
            before = Some(bytes);
            // The RAM that this network uses, and the spare RAM of the image.
            let number = |key: &str| bench[key].as_u64().unwrap();
            assert_eq!(number("ram_bytes"), number("static_bytes") + number("stack_bytes"), "{bench}");
            assert!(number("spare_bytes") > 0, "{bench}");
        }
    }
}

#[test]
fn a_network_that_is_too_large_is_refused_with_both_numbers() {
    /// The last line of an error, and the number of numbers in it.
    fn refusal(place: &Place, arguments: &str) -> (String, usize) {
        let assert = place.run(arguments).code(1);
        let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        let line = err.lines().last().unwrap().to_owned();
        let numbers = line.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).count();
        (line, numbers)
    }
    for (topology, part) in
        [("9000-4-9000", "bytes for a message"), ("10-48000-1-10", "bytes of memory for activations")]
    {
        let place = Place::new(&Net::new(topology, 1));
        for command in ["encode --data data", "roundtrip --data data", "budget --board mps2-an386"] {
            let (line, numbers) = refusal(&place, &format!("{command} --link qemu"));
            assert!(line.starts_with("error: blob: network too large: it needs "), "{topology}: {line}");
            assert!(line.contains(part) && numbers == 2, "{topology}: {line}");
        }
    }
    // The image that learns has its own capacities and its own flash.
    for (topology, part) in [
        ("64-900-4-1000-64", "blob: network too large: it needs 1968 channels that learn; "),
        ("64-1000-4-1000-64", "the learned parameters: 40960 bytes; the image has room for 32768"),
    ] {
        let place = Place::new(&Net::new(topology, 1));
        let (line, numbers) = refusal(&place, "learn --data data --link qemu --flash flash --out png");
        assert!(line.contains(part) && numbers == 2, "{topology}: {line}");
        assert!(!place.path("flash").exists() && !place.path("png").exists());
    }
}

#[test]
fn odd_networks_learn_the_same_bytes_in_process_and_in_the_emulator() {
    for (topology, seed) in [("70-9r-3-9r-70i", 2), ("64-32-8-8*-64", 3), ("30-30", 4)] {
        let net = Net::relay(topology, Format::Int8, seed);
        let place = Place::new(&net);
        place.write_waves(net.topology().row());
        let [there, here] = ["qemu", "in-process"].map(|link| {
            let options = format!("--data data --shift invert --link {link} --json");
            let report = object(place.run(&format!("learn {options} --flash {link}.flash --out {link}.png")));
            assert_eq!(report["persisted"], true, "{topology}: {report}");
            let files = ["flash", "png"].map(|kind| fs::read(place.path(&format!("{link}.{kind}"))).unwrap());
            (files, report)
        });
        assert!(there.0 == here.0, "{topology}: flash or picture differs");
        for key in ["mse_before", "mse_after", "mse_old_data", "record"] {
            assert_eq!(there.1[key], here.1[key], "{topology}: {key}");
        }
        // Each device continues with the parameters that the other has learned.
        let resumed =
            object(place.run("roundtrip --data data --shift invert --link qemu --flash in-process.flash --json"));
        assert_eq!(resumed["mse"], here.1["mse_after"], "{topology}: {resumed}");
    }
}
