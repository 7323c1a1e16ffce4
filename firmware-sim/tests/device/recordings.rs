//! Recordings that are given to an emulated board, sample by sample.

use crate::run::object;
use crate::serial::Board;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_core::front_end::{FrontEnd, Scale, Spec, write_section};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use tests::net::{Net, Random};

/// What a command prints over a link, without the memory that the device used and the names of files.
fn report(folder: &Path, link: &str, arguments: &str) -> Value {
    let mut command = cargo_bin_cmd!("firmware-sim");
    command.current_dir(folder).args(arguments.split(' '));
    command.args(["--link", link, "--weights", "blob", "--board", "mps2-an386", "--json"]);
    let mut report = object(command.assert());
    let keys = report.as_object_mut().unwrap();
    for key in ["flash", "out", "emulated", "instructions_per_step"] {
        keys.remove(key);
    }
    keys.retain(|key, _| !key.ends_with("_bytes"));
    report
}

/// A folder with a blob and with recordings.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let spec = Spec { channels: 2, window: 8, hop: 3, rate: 10.0, front_end: FrontEnd::Centred };
    let (mut section, scales) = ([0; 512], [Scale::between(-64.0, 64.0).unwrap(); 16]);
    let section = write_section(&spec, "", 0.005, &scales, &mut section).unwrap();
    let net = Net::relay("16-8-4-8-16", Format::Int8, 1);
    let thresholds = Thresholds { lower: 0, upper: 70_000 };
    fs::write(folder.path().join("blob"), net.blob_with_section(&Header { thresholds, ..net.header() }, section))
        .unwrap();
    let (mut random, mut text) = (Random::new(3), "x,y,run\n".to_owned());
    for (run, samples) in [("a", 150i32), ("b", 7), ("c", 150)] {
        for i in 0..samples {
            let step = if i < 100 { 4 } else { 120 };
            let [x, y] = [0; 2].map(|_| 100 + 4 * (i % 30 - 15).abs() + random.range(-step, step));
            writeln!(text, "{x}.25,{y},{run}").unwrap();
        }
    }
    fs::write(folder.path().join("runs.csv"), text).unwrap();
    folder
}

const DATA: &str = "--data runs.csv --columns x,y --group run";
const LEARN: &str = "--first 30 --passes 3";

#[test]
fn an_emulated_board_reports_what_the_device_in_process_reports() {
    let folder = place();
    let both = |arguments: &str| {
        ["in-process", "qemu"].map(|link| report(folder.path(), link, &arguments.replace("LINK", link)))
    };
    let [here, emulated] = both(&format!("monitor {DATA} --out LINK.png"));
    assert_eq!(here, emulated);
    assert!(here["clipped"].as_f64().unwrap() > 0.0 && here["alarms"][0]["seconds"].is_f64(), "{here}");
    let [here, emulated] = both(&format!("learn {DATA} {LEARN} --foreign --flash LINK --out LINK.png"));
    assert_eq!((&here, &here["persisted"]), (&emulated, &true.into()));
    let files = ["in-process", "qemu"].map(|link| fs::read(folder.path().join(link)).unwrap());
    assert!(files[0] == files[1]);
    let pictures = ["in-process", "qemu"].map(|link| fs::read(folder.path().join(format!("{link}.png"))).unwrap());
    assert!(pictures[0] == pictures[1]);
}

#[test]
fn a_board_on_a_serial_port_monitors_and_learns_recordings() {
    let folder = place();
    let monitor = format!("monitor {DATA} --out out.png");
    let learn = |flash: &str| format!("learn {DATA} {LEARN} --foreign --out out.png --flash {flash}");
    let emulated = report(folder.path(), "qemu", &monitor); // builds the image
    let here = [report(folder.path(), "in-process", &monitor), report(folder.path(), "in-process", &learn("here"))];
    assert_eq!((emulated, &here[1]["persisted"]), (here[0].clone(), &true.into()), "{}", here[1]);
    fs::write(folder.path().join("erased"), vec![0xff; 32 * 1024]).unwrap();
    let [blob, kept] = ["blob", "erased"].map(|file| folder.path().join(file));
    let board = Board::loaded("mps2-an386-detector-learn/detector", &[(&blob, 0x80000), (&kept, 0x0010_0000)]);
    let link = format!("serial:{}", board.port);
    for _ in 0..2 {
        // The second run does not depend on the first.
        assert_eq!(report(folder.path(), &link, &monitor), here[0]);
    }
    assert_eq!(report(folder.path(), &link, &learn("there")), here[1]);
    let flash = ["here", "there"].map(|file| fs::read(folder.path().join(file)).unwrap());
    assert!(flash[0] == flash[1], "the board has kept what the process has");
    // The board has learned now.
    let [here, there] = [("in-process", "here"), (link.as_str(), "there")]
        .map(|(link, flash)| report(folder.path(), link, &format!("{monitor} --flash {flash}")));
    assert_eq!((&here, &here["record"]), (&there, &1.into()));
}
