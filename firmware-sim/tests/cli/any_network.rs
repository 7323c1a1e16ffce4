//! Every command with unusual networks, on images and on other rows.

use crate::net::{Net, crc, waves};
use crate::place::{Place, json, stderr, stdout};
use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_io::picture::Gray;
use serde_json::Value;
use std::fs;

/// A network, and the height and width of the rows that it takes.
const NETWORKS: [(&str, [u32; 2]); 3] = [("70-9r-3-9r-70i", [1, 70]), ("64-32-8-8*-64", [8, 8]), ("30-30", [5, 6])];

const THRESHOLDS: Thresholds = Thresholds { lower: 1, upper: 1_000_000 };

/// Writes a folder of training and test data, IDX files of two or three dimensions, in which no two rows are equal.
fn write_data(place: &Place, [height, width]: [u32; 2]) {
    let file = |set: &str, count: u32| {
        let (dimensions, sizes) = if height == 1 { (2, vec![count, width]) } else { (3, vec![count, height, width]) };
        let header = [0x800 + dimensions].into_iter().chain(sizes).flat_map(u32::to_be_bytes);
        let values = waves((height * width) as usize, count as usize);
        place.write(&format!("data/{set}-images-idx{dimensions}-ubyte"), &header.chain(values).collect::<Vec<_>>());
    };
    let _ = fs::remove_dir_all(place.path("data"));
    file("train", 200);
    file("t10k", 24);
}

/// Each network with its data in its own folder. Most scores are within its thresholds.
fn places() -> impl Iterator<Item = (&'static str, [u32; 2], Net, Place)> {
    NETWORKS.into_iter().enumerate().map(|(i, (topology, size))| {
        let format = if i == 0 { Format::Int4 } else { Format::Int8 };
        let net = Net::relay(topology, format, 1).with_code_bits(if i == 1 { 5 } else { 8 });
        let place = Place::new();
        write_data(&place, size);
        let mut header = net.header();
        header.thresholds = THRESHOLDS;
        place.write("blob", &net.blob_with(&header));
        (topology, size, net, place)
    })
}

/// The `i`th test row.
fn test_row(place: &Place, [height, width]: [u32; 2], i: usize) -> Vec<u8> {
    let dimensions = if height == 1 { 2 } else { 3 };
    let file = fs::read(place.path(&format!("data/t10k-images-idx{dimensions}-ubyte"))).unwrap();
    let length = (height * width) as usize;
    file[4 + 4 * dimensions + i * length..][..length].to_vec()
}

#[test]
fn rows_are_reconstructed_directly_and_through_packets() {
    for (topology, size, net, place) in places() {
        let rows: Vec<_> = (0..24).map(|i| test_row(&place, size, i)).collect();
        let report = json(&place.run("roundtrip --weights blob --data data --json").success());
        let sum: u64 = rows.iter().map(|row| u64::from(net.score(row))).sum();
        let mse = sum as f64 / 65_025.0 / rows.concat().len() as f64;
        assert!((report["mse"].as_f64().unwrap() / mse - 1.0).abs() < 1e-9, "{topology}: {report}, expected {mse}");
        assert_eq!(
            (&report["rows"], &report["heap_bytes"], &report["spare_bytes"]),
            (&24.into(), &0.into(), &0.into())
        );

        let assert = place.run("encode --weights blob --data data --rows 24 --out codes.bin").success();
        assert!(stderr(&assert).contains(&format!("weights: blob ({topology}, ")), "{}", stderr(&assert));
        let codes = fs::read(place.path("codes.bin")).unwrap();
        let frames = codes.split_inclusive(|byte| *byte == 0).zip(&rows);
        for (frame, row) in frames {
            let message = autoencoder_device::frame::read(&mut frame.to_vec()).unwrap().to_vec();
            let response = autoencoder_device::Response::read(&message).unwrap();
            let Ok(autoencoder_device::Reply::Code { code, .. }) = response.result else { panic!("{response:?}") };
            assert_eq!(code, net.packed(&net.encode(row)), "{topology}");
        }
        let decoded = json(&place.run("decode codes.bin --weights blob --json --out decoded.png").success());
        assert_eq!((&decoded["rows"], &decoded["skipped"]), (&24.into(), &0.into()), "{topology}");
        place.run("decode --weights blob --data data --rows 24 --out whole.png").success();
        let [decoded, whole] = ["decoded.png", "whole.png"].map(|name| Gray::read(&place.path(name)).unwrap());
        assert!(decoded.width > 0 && whole.height > decoded.height, "{topology}: originals are above");
    }
}

#[test]
fn images_are_drawn_as_images_and_rows_as_lines() {
    for (topology, [height, width], net, place) in places() {
        let text = stdout(&place.run("decode --weights blob --data data --rows 3 --out out.png").success());
        let picture = Gray::read(&place.path("out.png")).unwrap();
        if height > 1 {
            let zoom = 56 / width as usize;
            let cell = [width as usize * zoom + 2, height as usize * zoom + 2];
            assert_eq!([picture.width, picture.height], [3 * cell[0] + 2, 2 * cell[1] + 2], "{topology}");
            let pixel = |row: usize, i: usize| {
                let (x, y) = (i % width as usize, i / width as usize);
                picture.pixels[(2 + row * cell[1] + y * zoom) * picture.width + 2 + x * zoom]
            };
            let row = test_row(&place, [height, width], 0);
            assert!((0..row.len()).all(|i| pixel(0, i) == row[i]), "{topology}");
            let decoded = net.reconstruct(&row);
            assert!((0..row.len()).all(|i| pixel(1, i) == decoded[i]), "{topology}");
        } else {
            assert!(text.contains('▄') && text.lines().next().unwrap().chars().count() == 70, "{text}");
            assert!(text.contains("3 rows, originals above their reconstructions, MSE 0."), "{text}");
        }
    }
}

#[test]
fn every_network_is_measured_monitored_and_verified() {
    for (topology, _, net, place) in places() {
        let bench = json(&place.run("bench --link in-process --weights blob --data data --rows 9 --json").success());
        assert_eq!((&bench["rows"], &bench["equal_rows"]), (&9.into(), &9.into()), "{topology}: {bench}");
        let verify = json(&place.run("verify --link in-process --weights blob --data data --json").success());
        let layers = net.topology().layers().len();
        assert_eq!((&verify["equal_rows"], &verify["layers"]), (&24.into(), &layers.into()), "{topology}: {verify}");
        let monitor = json(&place.run("monitor --weights blob --data data --json").success());
        let thresholds = (&monitor["lower_threshold"], &monitor["upper_threshold"]);
        assert_eq!((&monitor["rows"], thresholds), (&24.into(), (&1.into(), &1_000_000.into())), "{topology}");
        let budget = json(&place.run("budget --weights blob --board stm32f103 --json").success());
        let row = &budget["budget"][0];
        assert_eq!(
            (&row["topology"], &row["fits"], &row["learns"]),
            (&topology.into(), &"whole".into(), &"yes".into())
        );
    }
}

/// Bytes of the buffers that a network needs on this computer, from its sizes. They hold a frame in each direction, and
/// the activations of all layers, each padded to a multiple of four; inputs and outputs share their memory.
fn buffers(net: &Net) -> i64 {
    let padded = |size: usize| size.next_multiple_of(4);
    let topology = net.topology();
    let layers = topology.layers().len();
    let hidden: usize = (1..layers.max(2)).map(|boundary| padded(topology.size(boundary))).sum();
    let ends = padded(topology.inputs()).max(padded(topology.outputs()));
    let message = topology.row() + 5 + 3 + 5 + 3 + 4;
    (ends + hidden + 2 * (message + message / 254 + 2)) as i64
}

#[test]
fn the_measured_memory_follows_from_the_sizes() {
    let statics: Vec<i64> = places()
        .map(|(topology, _, net, place)| {
            let bench =
                json(&place.run("bench --link in-process --weights blob --data data --rows 2 --json").success());
            let number = |key: &str| bench[key].as_i64().unwrap_or_else(|| panic!("{topology}: {key} in {bench}"));
            number("image_ram_bytes") - number("stack_bytes") - buffers(&net)
        })
        .collect();
    // The rest is the application itself, which is the same for every network.
    assert!(statics.iter().all(|rest| *rest == statics[0] && *rest > 0), "{statics:?}");
}

/// The outputs of both networks by plain loops determine the rows and layers that must differ.
#[test]
fn verify_finds_the_layer_of_a_flipped_bit_in_any_network() {
    for (topology, size, net, place) in places() {
        for layer in 0..net.layers.len() {
            let mut other = net.clone();
            let [inputs, outputs] = net.layers[layer].spec.sizes();
            // A bit that is also flipped in weights of four bits.
            other.layers[layer].weights[outputs / 2][inputs / 2] ^=
                if net.header().format == Format::Int4 { 4 } else { 0x20 };
            let mut header = other.header();
            header.thresholds = THRESHOLDS;
            place.write("other", &other.blob_with(&header));
            let (mut equal, mut first) = (0, None);
            for i in 0..24 {
                let row = test_row(&place, size, i);
                // The outputs in order; the code is rounded before the decoder.
                let outputs = |net: &Net| {
                    let code = net.rounded(&net.encode(&row));
                    let encoder = net.topology().encoder_layers();
                    let mut all = net.layer_outputs(&row);
                    all.truncate(encoder);
                    if let Some(last) = all.last_mut() {
                        last.clone_from(&code);
                    }
                    let decoded = (1..=net.layers.len() - encoder).map(|count| {
                        net.layers[encoder..][..count].iter().fold(code.clone(), |x, layer| layer.forward(&x))
                    });
                    all.into_iter().chain(decoded).collect::<Vec<_>>()
                };
                match outputs(&net).iter().zip(&outputs(&other)).position(|(one, two)| one != two) {
                    Some(layer) => first = first.or(Some((i, layer + 1))),
                    None => equal += 1,
                }
            }
            let verify = "verify --link in-process --weights blob --against other --data data --json";
            let assert = place.run(verify).code(i32::from(first.is_some()));
            let found = json(&assert);
            let expected = (equal.into(), first.map(|first| first.0).into(), first.map(|first| first.1).into());
            let found = (found["equal_rows"].clone(), found["first_row"].clone(), found["first_layer"].clone());
            let expected: (Value, Value, Value) = expected;
            assert_eq!(found, expected, "{topology}, layer {}", layer + 1);
        }
    }
}

#[test]
fn every_network_learns_and_is_reset() {
    for (topology, _, _, place) in places() {
        let flash = "--weights blob --flash flash --json";
        let learn = format!("learn --data data {flash} --out learned.png");
        let report = json(&place.run(&learn).success());
        assert_eq!((&report["persisted"], &report["rows"]), (&true.into(), &192.into()), "{topology}: {report}");
        let number = |report: &Value, key: &str| report[key].as_f64().unwrap();
        assert!(number(&report, "mse_after") < number(&report, "mse_before"), "{topology}: {report}");
        let shifted = format!("roundtrip --shift gain-offset --data data {flash}");
        let learned = json(&place.run(&shifted).success());
        assert_eq!(learned["record"], 1, "{topology}");
        assert!((number(&learned, "mse") / number(&report, "mse_after") - 1.0).abs() < 1e-9, "{topology}: {learned}");
        let reset = json(&place.run(&format!("reset {flash}")).success());
        assert_eq!(reset["persisted"], false, "{topology}: {reset}");
        let again = json(&place.run(&shifted).success());
        assert_eq!(again["mse"], report["mse_before"], "{topology}: {again}");
    }
}

#[test]
fn shifts_apply_to_images_and_to_other_rows() {
    for (topology, [height, width], _, place) in places() {
        let data = "--weights blob --data data";
        for shift in ["gain-offset", "invert", "columns"] {
            place.run(&format!("roundtrip --shift {shift} {data}")).success();
        }
        let rotate = format!("roundtrip --shift rotate {data}");
        match (height, width) {
            (1, _) => place.refuses(&rotate, "--shift rotate: the rows are not images"),
            (8, 8) => drop(place.run(&rotate).success()),
            _ => place.refuses(&rotate, "--shift rotate: the images are not square, but 6 by 5"),
        }
        let _ = topology;
    }
    // Rows that are too short for the stuck columns.
    let place = Place::new();
    for width in [1, 2, 11] {
        place.write("blob", &Net::new(&format!("{width}-3-{width}"), 1).blob());
        write_data(&place, [1, width]);
        place.run("roundtrip --shift columns --weights blob --data data").success();
    }
}

#[test]
fn data_of_another_width_is_refused_with_both_numbers() {
    let place = Place::new();
    let commands = ["encode", "decode", "roundtrip", "monitor", "learn", "verify --link in-process", "bench"];
    for (topology, size, because) in [
        ("70-9r-3-9r-70i", [1, 96], "data: rows of 96 values; the network 70-9r-3-9r-70 takes 70"),
        ("30-30", [7, 6], "data: an image of 6 by 7, 42 pixels; the network 30-30 takes 30"),
        ("64-32-64", [5, 6], "data: an image of 6 by 5, 30 pixels; the network 64-32-64 takes 64"),
    ] {
        let mut net = Net::new(&topology.replace("70i", "70"), 1).header();
        net.thresholds = THRESHOLDS;
        place.write("blob", &Net::new(&topology.replace("70i", "70"), 1).blob_with(&net));
        write_data(&place, size);
        for command in commands {
            place.refuses(&format!("{command} --weights blob --data data"), because);
        }
    }
    assert!(!place.path("artifacts").exists());
}

/// If the number of inputs is a square number, the images may still have another shape.
#[test]
fn images_need_not_be_square() {
    let place = Place::new();
    let net = Net::new("64-32-64", 1);
    place.write("blob", &net.blob());
    write_data(&place, [4, 16]);
    let outcome = json(&place.run("roundtrip --weights blob --data data --json").success());
    assert!(outcome["mse"].is_number(), "{outcome}");
}

#[test]
fn half_a_network_runs_its_commands_and_refuses_the_others() {
    let (_, size, net, place) = places().next().unwrap();
    place.write("encoder", &net.encoder().blob());
    place.write("decoder", &net.decoder().blob());
    let data = "--data data";

    place.run(&format!("encode --weights encoder {data} --out codes.bin")).success();
    let bench =
        json(&place.run(&format!("bench --link in-process --rows 3 --weights encoder {data} --json")).success());
    assert_eq!((&bench["equal_rows"], &bench["decode_instructions"]), (&3.into(), &Value::Null), "{bench}");
    // The whole network decodes the codes of the encoder alone.
    place.write("whole", &net.blob());
    let decoded = json(&place.run("decode codes.bin --weights whole --out out.png --json").success());
    assert_eq!(decoded["rows"], 16, "{decoded}");

    // Packets with the identity of the decoder alone.
    let row = test_row(&place, size, 0);
    let code = net.packed(&net.encode(&row));
    let reply: autoencoder_device::Reply<'_> =
        autoencoder_device::Reply::Code { identity: crc(&net.decoder().blob()), code: &code };
    let response = autoencoder_device::Response { sequence: 1, result: Ok(reply) };
    place.write("own.bin", autoencoder_device::frame::write(&response, &mut [0; 64]).unwrap());
    let decoded = json(&place.run("decode own.bin --weights decoder --out own.png --json").success());
    assert_eq!(decoded["rows"], 1, "{decoded}");
    place.refuses("decode codes.bin --weights decoder", "codes.bin: refused 16 packets made with other weights");

    for half in ["encoder", "decoder"] {
        let budget = json(&place.run(&format!("budget --weights {half} --json")).success());
        assert!(budget["budget"].as_array().unwrap().iter().all(|row| row["fits"] == "whole"), "{budget}");
        for command in ["roundtrip", "decode", "monitor", "learn", "verify --link in-process"] {
            let (has, needs) = if half == "encoder" { ("encoder", "decoder") } else { ("decoder", "encoder") };
            let because =
                format!("{half}: {} {has} alone; `{}", if has == "encoder" { "an" } else { "a" }, &command[..5]);
            place.refuses(&format!("{command} --weights {half} {data}"), &because);
            place.refuses(&format!("{command} --weights {half} {data}"), &format!("needs the {needs}"));
        }
    }
    place.refuses(&format!("encode --weights decoder {data}"), "decoder: a decoder alone; `encode` needs the encoder");
}

#[test]
fn budget_and_bench_accept_a_topology_without_weights() {
    let place = Place::new();
    let budget = json(&place.run("budget --layers 96-32-8-32-96 --json").success());
    let rows = budget["budget"].as_array().unwrap();
    assert!(rows.len() == 14 && rows.iter().all(|row| row["topology"] == "96-32-8-32-96"), "{budget}");
    let text = stdout(&place.run("budget --layers 640-128r-128r-128r-128r-8r-128r-128r-128r-128r-640i").success());
    assert!(text.lines().nth(1).unwrap().starts_with("anomaly "), "{text}");
    let text = stdout(&place.run("budget --layers 64-32-8*-8-64 --board nrf52840").success());
    assert!(text.contains("64-32-8-8-64 "), "{text}");
    for shape in ["--layers 70-9r-3-9r-70i", "--topology tiny"] {
        let bench = json(&place.run(&format!("bench --link in-process --rows 2 {shape} --json")).success());
        assert_eq!(bench["equal_rows"], 2, "{bench}");
    }
    for (arguments, because) in [
        ("budget --layers 784", "at least two sizes are needed"),
        ("budget --layers 784-0-784", "part 2 is not a size from 1 to 65535"),
        ("bench --layers 64-8x-64", "part 2 has an unknown suffix"),
        ("budget --layers 64-8-64 --topology tiny", "cannot be used with"),
        ("budget --layers 64-8-64 --weights blob", "cannot be used with"),
        ("bench --topology huge", "[possible values: classic, small, anomaly, tiny]"),
    ] {
        let assert = place.run(arguments).code(2);
        let err = stderr(&assert);
        assert!(err.contains(because) && err.lines().count() == 1, "{arguments}: {err}");
    }
}

#[test]
fn a_board_without_enough_room_refuses_a_network() {
    let place = Place::new();
    place.write("blob", &Net::new("900-700-50-700-900", 1).blob());
    write_data(&place, [30, 30]);
    place.refuses(
        "roundtrip --weights blob --data data",
        "over budget: 900-700-50-700-900 on nucleo-f446re exceeds flash by",
    );
    let report = json(&place.run("roundtrip --weights blob --data data --board rp2040 --json").success());
    assert_eq!(report["rows"], 24, "{report}");
}
