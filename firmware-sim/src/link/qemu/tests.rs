//! Images on emulated boards.

use super::*;
use crate::board;
use crate::board::needs::Needs;
use crate::link::flashed::Flashed;
use crate::link::measure::learning_needs;
use crate::random;
use crate::weights::WeightsBlob;
use autoencoder_core::{Error as WeightsError, Topology};
use autoencoder_device::{Command as Ask, Error, Reply, Request, Response, frame};
use elf::ElfBytes;
use elf::endian::LittleEndian;

/// A board for each kind of processor, with a topology that fits it whole or as the encoder alone.
const EACH: [(&str, &str); 6] = [
    ("mps2-an386", "small"),
    ("mps2-an505", "small"),
    ("mps3-an547", "small"),
    ("lm3s6965evb", "small"),
    ("microbit", "classic"),
    ("virt-riscv32", "small"),
];

fn weights(topology: &str) -> WeightsBlob {
    random::weights(&topology.parse().unwrap()).unwrap()
}

fn board_and_images(name: &str) -> (&'static Board, BoardImages) {
    let board = board::find(Some(name)).unwrap();
    (board, BoardImages::application(board).unwrap())
}

/// Sends a command and returns its reply as text, or the error.
fn ask(device: &mut Qemu, command: Ask<'_>) -> Result<String, Error> {
    let mut buffer = [0; 1024];
    let request = frame::write(&Request { sequence: 9, command }, &mut buffer).unwrap();
    let mut answer = device.exchange(request).unwrap().to_vec();
    let response = Response::read(frame::read(&mut answer).unwrap()).unwrap();
    assert_eq!(response.sequence, 9);
    response.result.map(|reply: Reply<'_>| format!("{reply:?}"))
}

#[test]
fn every_board_boots_without_a_blob_or_with_a_bad_one_and_reports_it() {
    for (name, topology) in EACH {
        let (board, images) = board_and_images(name);
        let weights = weights(topology);
        let Flashed { blob: good, encoder_alone } = Flashed::new(board, &weights).unwrap();
        let mut flipped = good.to_vec();
        flipped[good.len() / 2] ^= 1;
        let (mut other, truncated) = (good.to_vec(), &good[..good.len() / 2]);
        other[..4].copy_from_slice(b"text");
        let boot = |blob: &[u8]| Qemu::boot(board, &images, Program::Application, blob).unwrap();
        for bad in [&[], &[0xff; 4096][..], &flipped, &other, truncated] {
            for command in [Ask::Info, Ask::Encode { row: &[1; 784] }] {
                let answer = ask(&mut boot(bad), command);
                assert!(matches!(answer, Err(Error::Weights(_))), "{name}: {answer:?}");
            }
        }
        let answer = ask(&mut boot(&[]), Ask::Info);
        assert_eq!(answer, Err(Error::Weights(WeightsError::Empty)));
        let mut device = boot(good);
        assert!(ask(&mut device, Ask::Info).is_ok_and(|info| info.starts_with("Info")));
        assert_eq!(encoder_alone, name == "microbit");
        if encoder_alone {
            assert_eq!(ask(&mut device, Ask::Score { row: &[1; 784] }), Err(Error::Absent));
        }
    }
}

/// Where the bytes of a symbol are in the file.
fn offset_of(file: &ElfBytes<'_, LittleEndian>, name: &str) -> u64 {
    let (table, names) = file.symbol_table().unwrap().unwrap();
    let symbol = table.iter().find(|symbol| names.get(symbol.st_name as usize).unwrap() == name).unwrap();
    let segments = file.segments().unwrap();
    let holds = |start: u64, length: u64| (start..start + length).contains(&symbol.st_value);
    let segment = segments.iter().find(|segment| holds(segment.p_vaddr, segment.p_filesz)).unwrap();
    symbol.st_value - segment.p_vaddr + segment.p_offset
}

#[test]
fn a_stack_overflow_is_reported_on_every_board() {
    for (name, topology) in EACH {
        let (board, images) = board_and_images(name);
        let weights = weights(topology);
        // The same image with a tiny stack: the first word of the vectors is the initial stack pointer, and the last word of
        // a RISC-V's start-up.
        let path = images.path(Program::Application);
        let mut bytes = fs::read(&path).unwrap();
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        let at = match file.section_header_by_name(".vector_table").unwrap() {
            Some(vectors) => vectors.sh_offset,
            None => offset_of(&file, "_stack_pointer"),
        } as usize;
        bytes[at..at + 2].copy_from_slice(&0x0280_u16.to_le_bytes()); // the upper half keeps the base of the RAM
        let folder = tempfile::tempdir().unwrap();
        let small = BoardImages::in_folder(folder.path());
        fs::write(small.path(Program::Application), bytes).unwrap();
        let blob = Flashed::new(board, &weights).unwrap().blob;
        let mut device = Qemu::boot(board, &small, Program::Application, blob).unwrap();
        let mut buffer = [0; 1024];
        let request = Request { sequence: 1, command: Ask::Encode { row: &[1; 784] } };
        let error = device.exchange(frame::write(&request, &mut buffer).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the device stopped: stack overflow", "{name}");
    }
}

/// The table of boards predicts what an image refuses, and with which error.
#[test]
fn an_image_refuses_what_the_table_of_boards_predicts() {
    let info = |device: &mut Qemu| match ask(device, Ask::Info) {
        Ok(_) => Ok(()),
        Err(Error::Weights(error)) => Err(error),
        Err(error) => panic!("{error:?}"),
    };
    for (name, most) in [("mps2-an386", 60_000), ("lm3s6965evb", 0), ("microbit", 20_000)] {
        let (board, images) = board_and_images(name);
        let row = board.image.as_ref().unwrap().row;
        let needs = |sizes: &str| {
            let topology: Topology = sizes.parse().unwrap();
            Needs { weights: 0, ram: 0, code: topology.code(), topology }.check_image(board)
        };
        let mut cases = vec![format!("{row}-1-{row}"), format!("{0}-1-{0}", row + 1)];
        if most > 0 {
            // The widest hidden layer for which there is memory, and the next one that needs more.
            let hidden = |size: usize| format!("8-{size}-1*-8");
            let fitting = (1..most).rfind(|size| needs(&hidden(*size)).is_ok()).unwrap();
            cases.extend([hidden(fitting), hidden(fitting + 1)]);
        }
        for sizes in &cases {
            let weights = weights(sizes);
            let mut device = Qemu::boot(board, &images, Program::Application, weights.bytes()).unwrap();
            assert_eq!(info(&mut device), needs(sizes), "{sizes} on {name}");
        }
        let refused = cases.iter().filter(|sizes| needs(sizes).is_err()).count();
        assert_eq!(refused, cases.len() / 2, "{name}: {cases:?}");
    }
    // The image that learns has its own limits.
    let board = board::find(Some("mps2-an386")).unwrap();
    let images = BoardImages::learner(board).unwrap();
    let channels = board.learner().unwrap().channels;
    for sizes in
        ["1024-4-1024".to_owned(), "1025-4-1025".into(), format!("8-{}-8", channels - 8), format!("8-{channels}-8")]
    {
        let topology: Topology = sizes.parse().unwrap();
        let code = topology.code();
        let learning = learning_needs(Needs { weights: 0, ram: 0, topology, code });
        let weights = weights(&sizes);
        let mut device = Qemu::boot_learning(board, &images, weights.bytes(), &[]).unwrap();
        assert_eq!(info(&mut device), learning.check_image(board), "{sizes}");
    }
}

#[test]
fn a_blob_without_room_is_refused() {
    let (board, images) = board_and_images("lm3s6965evb");
    let outcome = Qemu::boot(board, &images, Program::Application, &vec![0; 300_000]);
    assert!(matches!(outcome, Err(LinkError::Room { bytes: 300_000, .. })));
}

#[test]
fn an_emulator_that_ends_is_reported_and_one_that_is_dropped_is_gone() {
    let (board, images) = board_and_images("mps2-an386");
    let good = weights("64-16-4-16-64");
    let running = |folder: &Path| {
        let folder = folder.display().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let its = processes.filter(|process| {
            fs::read(process.path().join("cmdline")).is_ok_and(|line| {
                line.starts_with(b"qemu-system-arm") && String::from_utf8_lossy(&line).contains(&folder)
            })
        });
        its.map(|process| process.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let boot = || Qemu::boot(board, &images, Program::Application, good.bytes()).unwrap();
    let mut device = boot();
    let emulators = running(device.folder.path());
    assert_eq!(emulators.len(), 1);
    assert!(Command::new("kill").args(["-9", &emulators[0]]).status().unwrap().success());
    let error = device.exchange(&[1, 1, 0]).unwrap_err();
    assert_eq!(error.to_string(), "the emulator ended: killed by signal 9");
    let device = boot();
    let folder = device.folder.path().to_owned();
    assert_eq!(running(&folder).len(), 1);
    drop(device);
    assert!(running(&folder).is_empty() && !folder.exists());
}
