//! Recordings that are given to an emulated board, sample by sample.

use crate::run::object;
use assert_cmd::cargo::cargo_bin_cmd;
use autoencoder_core::blob::{Format, Header, Thresholds};
use autoencoder_core::front_end::{FrontEnd, Scale, Spec, write_section};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use tests::net::{Net, Random};

/// What a command prints over both links, without the memory that the device used.
fn both(folder: &tempfile::TempDir, arguments: &str) -> [Value; 2] {
    ["in-process", "qemu"].map(|link| {
        let mut command = cargo_bin_cmd!("firmware-sim");
        command.current_dir(folder.path()).args(arguments.replace("LINK", link).split(' '));
        let mut report = object(command.args(["--weights", "blob", "--board", "mps2-an386", "--json"]).assert());
        let keys = report.as_object_mut().unwrap();
        for key in ["flash", "out", "emulated", "instructions_per_step"] {
            keys.remove(key);
        }
        keys.retain(|key, _| !key.ends_with("_bytes"));
        report
    })
}

#[test]
fn an_emulated_board_reports_what_the_device_in_process_reports() {
    let folder = tempfile::tempdir().unwrap();
    let spec = Spec { channels: 2, window: 8, hop: 3, rate: 10.0, front_end: FrontEnd::Centred };
    let (mut section, scales) = ([0; 512], [Scale::between(-64.0, 64.0).unwrap(); 16]);
    let section = write_section(&spec, "", 0.005, &scales, &mut section).unwrap();
    let net = Net::relay("16-8-4-8-16", Format::Int8, 1);
    let thresholds = Thresholds { lower: 0, upper: 70_000 };
    fs::write(folder.path().join("blob"), net.blob_with_section(&Header { thresholds, ..net.header() }, section))
        .unwrap();
    let (mut random, mut text) = (Random::new(3), "x,y,run\n".to_owned());
    for (run, samples) in [("a", 150), ("b", 7), ("c", 150)] {
        for i in 0..samples {
            let step = if i < 100 { 4 } else { 120 };
            let [x, y] = [0; 2].map(|_| 100 + i % 20 + random.range(-step, step));
            writeln!(text, "{x}.25,{y},{run}").unwrap();
        }
    }
    fs::write(folder.path().join("runs.csv"), text).unwrap();
    let data = "--data runs.csv --columns x,y --group run --link LINK";
    let [here, emulated] = both(&folder, &format!("monitor {data} --out LINK.png"));
    assert_eq!(here, emulated);
    assert!(here["clipped"].as_f64().unwrap() > 0.0 && here["alarms"][0]["seconds"].is_f64(), "{here}");
    let [here, emulated] = both(&folder, &format!("learn {data} --first 30 --passes 3 --flash LINK --out LINK.png"));
    assert_eq!(here, emulated);
    let flash = ["in-process", "qemu"].map(|link| fs::read(folder.path().join(link)).unwrap());
    assert!(flash[0] == flash[1]);
    let pictures = ["in-process", "qemu"].map(|link| fs::read(folder.path().join(format!("{link}.png"))).unwrap());
    assert!(pictures[0] == pictures[1]);
}
