//! Tests of single commands: those that may be repeated, those that a device refuses, and its usage report.

#[path = "common/learner.rs"]
mod learner;
#[path = "common/line.rs"]
mod line;
#[path = "common/net.rs"]
mod net;
#[path = "common/probes.rs"]
mod probes;

use autoencoder_core::Network;
use autoencoder_core::blob::{Format, Thresholds};
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::{Begin, Learn, Method};
use autoencoder_device::message::{LearningCommand, Usage};
use autoencoder_device::monitor::{Verdict, WINDOW};
use autoencoder_device::store::StoreError;
use autoencoder_device::{App, Codec, Command, Error, Frozen, Memory, Reply, Request, Response, frame};
use crc::{CRC_32_ISO_HDLC, Crc};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use learner::{Device, FRAME, TOPOLOGY, blob, blob_of, erased, light};
use net::{Net, Random};
use probes::PROBES;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const BEGIN: Begin = Begin { method: Method::Adam, rate: 10_000, batch: 1, rows: 9, passes: 1, forced: false };
const LEARNING: [LearningCommand<'_>; 6] = [
    LearningCommand::Status,
    LearningCommand::Begin(BEGIN),
    LearningCommand::Row(&[1; 16]),
    LearningCommand::End,
    LearningCommand::Reset,
    LearningCommand::Flash { at: 0 },
];

/// A command may be sent twice unless the device counts its rows, because the second one would count as another row.
#[test]
fn commands_that_count_rows_are_not_repeated() {
    let row = &[1; 16];
    let others = [
        Command::Info,
        Command::Encode { row },
        Command::Decode { identity: 1, code: row },
        Command::Score { row },
        Command::Usage,
        Command::Digest { row, layers: 2 },
    ];
    assert!(others.iter().all(Command::repeatable));
    assert!(!Command::Monitor { row }.repeatable());
    let learning = LEARNING.map(|command| Command::Learn(command).repeatable());
    assert_eq!(learning, [true, true, false, false, true, true]);
}

#[test]
fn a_device_that_does_not_learn_refuses_every_learning_command() {
    let blob = blob(1);
    let mut memory = Memory::<64, FRAME>::new();
    let mut app = App::new(memory.buffers(), Frozen);
    app.load(blob.bytes());
    for command in LEARNING {
        line::ask(&mut app, Command::Learn(command), |reply| assert_eq!(reply, Err(Error::Frozen), "{command:?}"));
    }
    // Also one by one, without the status that follows.
    let network = Network::open(blob.bytes()).unwrap();
    assert_eq!(Frozen.begin(&network, BEGIN, 0), Err(Error::Frozen));
    assert_eq!(Frozen.reset(&network), Err(Error::Frozen));
}

#[test]
fn a_message_without_a_number_is_answered_with_number_0() {
    let mut memory = Memory::<64, FRAME>::new();
    let mut app = App::new(memory.buffers(), Frozen);
    // A number of more than 32 bits.
    let bytes = frame::write(&[0x80u8; 6], &mut [0; 64]).unwrap().to_vec();
    let mut answers: Vec<Vec<u8>> = bytes.iter().filter_map(|byte| app.push(*byte).map(<[u8]>::to_vec)).collect();
    assert_eq!(answers.len(), 1);
    let response = Response::read(frame::read(&mut answers[0]).unwrap()).unwrap();
    assert_eq!(response, Response { sequence: 0, result: Err(Error::Malformed) });
}

#[test]
fn usage_has_the_measurements_of_the_board_and_the_spare_bytes_of_the_network() {
    let usage = |app: &mut App<'_, '_, Frozen>, command| {
        let mut last = None;
        for command in [command, Command::Usage] {
            let bytes = frame::write(&Request { sequence: 1, command }, &mut [0; FRAME]).unwrap().to_vec();
            let answers = bytes.iter().filter_map(|byte| app.push_probed(&PROBES, *byte).map(<[u8]>::to_vec));
            last = answers.last();
        }
        match Response::read(frame::read(&mut last.unwrap()).unwrap()).unwrap().result {
            Ok(Reply::Usage(usage)) => usage,
            other => panic!("{other:?}"),
        }
    };
    let (small, large) = (blob(1), blob_of(&Net::relay("25-13-5-11-25", Format::Int8, 2)));
    let mut memory = Memory::<256, FRAME>::new();
    let mut app = App::new(memory.buffers(), Frozen);
    let expected = |spare_bytes, instructions| Usage { static_bytes: 11, stack_bytes: 22, spare_bytes, instructions };
    assert_eq!(app.spare_bytes(), 0);
    // `Usage` itself is not measured.
    assert_eq!(usage(&mut app, Command::Usage), expected(0, 0));
    assert_eq!(usage(&mut app, Command::Info), expected(0, 1000), "a refused command also counts");
    app.load(large.bytes());
    let of_large = app.spare_bytes();
    app.load(small.bytes());
    let of_small = app.spare_bytes();
    // The larger network has more activations and, in both directions, longer frames.
    assert!(0 < of_large && of_large + 2 * (25 - 16) < of_small, "{of_large} and {of_small}");
    assert_eq!(usage(&mut app, Command::Score { row: &[1; 16] }), expected(of_small as u32, 1000));
    app.load(&[]);
    assert_eq!(usage(&mut app, Command::Info), expected(0, 1000), "without a network, nothing is spare");
}

#[test]
fn without_a_network_no_memory_is_spare() {
    let mut memory = [0; 100];
    let codec = Codec::new(&mut memory, Frozen);
    assert_eq!((codec.spare_bytes(), codec.memory_bytes()), (0, 100));
}

/// The verdict of the monitor after each row of a stream that darkens, and the row's score.
fn monitored(device: &mut Device<'_>, random: &mut Random, count: u8) -> Vec<(u32, Verdict)> {
    let one = |i| {
        let row: Vec<u8> = light(random, 16).into_iter().map(|x| x - i / 8).collect();
        device.ask(Command::Monitor { row: &row }, |reply| match reply {
            Ok(Reply::Monitored { score, verdict }) => (score, verdict),
            other => panic!("{other:?}"),
        })
    };
    (0..count).map(one).collect()
}

/// The scores above and below, counted again by the thresholds of the status.
#[test]
fn the_monitor_uses_the_learned_thresholds() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let mut random = Random::new(8);
    monitored(&mut device, &mut random, 40);
    assert!(device.run(light).kept.is_ok());
    let Thresholds { lower, upper } = device.status(LearningCommand::Status).thresholds;
    let verdicts = monitored(&mut device, &mut random, 80);
    let mut differs = false;
    for (i, (_, verdict)) in verdicts.iter().enumerate() {
        let window = &verdicts[(i + 1).saturating_sub(WINDOW as usize)..=i];
        let count = |outside: &dyn Fn(u32) -> bool| window.iter().filter(|(score, _)| outside(*score)).count() as u8;
        assert_eq!(verdict.above, count(&|score| score > upper), "row {i}");
        assert_eq!(verdict.below, count(&|score| score < lower), "row {i}");
        differs |= verdict.above != count(&|score| score > learner::THRESHOLDS.upper);
        differs |= verdict.below != count(&|score| score < learner::THRESHOLDS.lower);
    }
    assert!(differs, "the blob's thresholds would give the same verdicts");
}

/// A record has 20 bytes before its channels, of 8 bytes each.
#[test]
fn a_code_carries_the_crc_of_the_weights_and_of_the_channels() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    assert!(device.run(light).kept.is_ok());
    let channels = &device.flash()[20..][..8 * Net::new(TOPOLOGY, 1).topology().channels()];
    assert_eq!(device.code(&[200; 16]).0, net::crc(blob.bytes()) ^ CRC.checksum(channels));
}

/// A flash in which some bits are misread from a certain read on.
struct Failing {
    nor: Nor<Vec<u8>>,
    good: u32,
}

impl ErrorType for Failing {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Failing {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.nor.read(offset, bytes)?;
        match self.good.checked_sub(1) {
            Some(left) => self.good = left,
            None => bytes.iter_mut().for_each(|byte| *byte ^= 0x10),
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.nor.capacity()
    }
}

impl NorFlash for Failing {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.nor.erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.nor.write(offset, bytes)
    }
}

/// The channels are checked, then read again. A failure in between must not leave a mixture.
#[test]
fn a_flash_that_fails_during_a_read_leaves_the_blobs_channels() {
    let blob = blob(1);
    let mut device = Device::boot(&blob, erased());
    let base = device.codes();
    assert!(device.run(light).kept.is_ok());
    let (flash, learned) = (device.flash(), device.codes());
    let mut failed = 0;
    for good in 0..40 {
        let mut device = Device::boot_on(&blob, Failing { nor: Nor::new(flash.clone()), good });
        let status = device.status(LearningCommand::Status);
        if let Ok(kept) = status.kept {
            let is_learned = kept.record().is_some();
            assert_eq!(device.codes(), if is_learned { learned.clone() } else { base.clone() }, "{good} reads");
        } else {
            assert_eq!(status.kept, Err(StoreError::Verify));
            assert_eq!((device.codes(), status.thresholds), (base.clone(), learner::THRESHOLDS), "{good} reads");
            failed += 1;
        }
    }
    assert!(failed > 1, "no read failed between the check and the end");
}

/// The rates were chosen among those that `learning-rates.csv` measures on two changed sensors.
#[test]
fn the_default_rate_of_each_optimizer_is_among_the_best_measured() {
    let table = include_str!("../../../docs/data/learning-rates.csv");
    for (method, name, beta2) in
        [(Method::Sgd, "sgd", ""), (Method::RmsProp, "rmsprop", ""), (Method::Adam, "adam", "0.95")]
    {
        // The product of both errors at a rate, in millionths.
        let mut products: Vec<(u32, f64)> = Vec::new();
        for line in table.lines().skip(1) {
            let [optimizer, decay, rate, batch, formula, _, error] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            if (optimizer, decay, batch, formula) == (name, beta2, "1", "both") {
                let rate = (rate.parse::<f64>().unwrap() * 1e6).round() as u32;
                let error: f64 = error.parse().unwrap();
                match products.iter_mut().find(|(found, _)| *found == rate) {
                    Some((_, product)) => *product *= error,
                    None => products.push((rate, error)),
                }
            }
        }
        let best = products.iter().map(|(_, product)| *product).fold(f64::INFINITY, f64::min);
        let own = products.iter().find(|(rate, _)| *rate == method.rate());
        assert!(own.is_some_and(|(_, product)| *product < 1.03 * best), "{method:?}: {own:?} of {products:?}");
    }
}
