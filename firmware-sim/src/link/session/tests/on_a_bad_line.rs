//! Lines that damage frames.

use super::*;
use autoencoder_device::flash::Nor;
use autoencoder_device::learn::{Begin, HELD_OUT, Method, record_bytes};
use autoencoder_device::store::Store;
use serialport::{SerialPort, TTYPort};
use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

/// The damage to a frame on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// One of its bits is flipped.
    Flipped,
    /// Its final zero is lost.
    Endless,
    /// It arrives after the host has stopped waiting for it.
    Late,
}

/// Longer than the patience of a serial line in tests and the silence that it then waits for.
const LATE: Duration = Duration::from_millis(2_500);

/// One direction of a line, which damages one frame.
struct Direction {
    damage: Option<(usize, Damage)>,
    frame: usize,
    byte: usize,
}

impl Direction {
    fn carry(&mut self, byte: u8) -> Option<u8> {
        let damage = self.damage.filter(|(frame, _)| *frame == self.frame).map(|(_, damage)| damage);
        self.byte += 1;
        if byte == 0 {
            self.frame += usize::from(self.byte > 1); // a zero alone is not a frame
            let lost = damage == Some(Damage::Endless) && self.byte > 1;
            if damage == Some(Damage::Late) && self.byte > 1 {
                thread::sleep(LATE);
            }
            self.byte = 0;
            return (!lost).then_some(0);
        }
        let flip = |byte: u8| byte ^ if byte == 0x10 { 0x20 } else { 0x10 };
        Some(if damage == Some(Damage::Flipped) && self.byte == 7 { flip(byte) } else { byte })
    }
}

/// Calls `ask` with a device that learns, over a serial line that damages a frame in each direction. Returns the
/// outcome and the number of frames that the device answered.
fn over_a_bad_line<T>(
    there: Option<(usize, Damage)>,
    back: Option<(usize, Damage)>,
    ask: impl FnOnce(&mut Session<'_>) -> anyhow::Result<T>,
) -> (anyhow::Result<T>, usize) {
    let weights = weights();
    let (mut port, here) = TTYPort::pair().unwrap();
    port.set_timeout(Duration::from_millis(50)).unwrap();
    let path = here.name().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let device = scope.spawn(|| {
            let flash = flash_file::erased(weights.topology());
            let mut device = InProcess::boot_learning(weights.bytes(), flash).unwrap();
            let [mut there, mut back] = [there, back].map(|damage| Direction { damage, frame: 0, byte: 0 });
            let (mut byte, mut request) = ([0], Vec::new());
            while !done.load(Relaxed) {
                if port.read(&mut byte).is_ok_and(|count| count == 1)
                    && let Some(byte) = there.carry(byte[0])
                {
                    request.push(byte);
                    if byte == 0 {
                        let answer = device.exchange(&request).unwrap();
                        let carried: Vec<u8> = answer.iter().filter_map(|byte| back.carry(*byte)).collect();
                        port.write_all(&carried).unwrap();
                        request.clear();
                    }
                }
            }
            back.frame
        });
        let link = Box::new(Serial::open(path.as_ref()).unwrap());
        let target = Target::new(&Kind::Serial(path.into()), None, true).unwrap();
        let outcome =
            Session::start(target, link, &weights, Application::Learner).and_then(|mut session| ask(&mut session));
        done.store(true, Relaxed);
        (outcome, device.join().unwrap())
    })
}

#[test]
fn a_damaged_frame_costs_only_a_second_request() {
    let image: Vec<u8> = (0..784).map(|i| (i % 251) as u8).collect();
    let ask = |session: &mut Session<'_>| {
        let first = session.reconstruct(&image)?;
        Ok((first, session.score(&image)?, session.encode(&image)?))
    };
    let (whole, answers) = over_a_bad_line(None, None, ask);
    let whole = whole.unwrap();
    assert_eq!(answers, 6); // info, usage, and four of these
    // Frame 0 is the greeting and frame 1 asks for the usage. They are also sent again.
    for damage in [Damage::Flipped, Damage::Endless, Damage::Late] {
        for frame in [0, 1, 2] {
            if damage != Damage::Flipped && frame < 2 {
                continue; // no reply to the greeting: not our device
            }
            for (there, back) in [(Some((frame, damage)), None), (None, Some((frame, damage)))] {
                let (outcome, answers) = over_a_bad_line(there, back, ask);
                assert!(outcome.unwrap() == whole, "{damage:?} {there:?} {back:?}");
                // The second request, and before it one for the usage, unless the damage is to such a request.
                assert_eq!(answers, if frame == 1 { 7 } else { 8 }, "{damage:?} {there:?} {back:?}");
            }
        }
    }
}

#[test]
fn the_file_of_another_board_is_not_replaced() {
    let weights = weights();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flash");
    let mut flash: Nor<Vec<u8>> = Nor::new(flash_file::erased(weights.topology()));
    let length = record_bytes(weights.channels());
    Store::new(&mut flash, weights.crc, length).unwrap().save([&vec![7; length][..]]).unwrap();
    std::fs::write(&path, flash.bytes()).unwrap();
    let kept = |replaced| {
        let ask = |session: &mut Session<'_>| session.kept(&FlashFile::read(&path, session.weights)?, replaced);
        over_a_bad_line(None, None, ask).0.map_err(|error| error.to_string())
    };
    let refused = format!("{}: the learned parameters of another device; give another --flash", path.display());
    assert_eq!((kept(false), kept(true)), (Err(refused), Ok(RecordState::Nothing)));
    std::fs::write(&path, flash_file::erased(weights.topology())).unwrap();
    assert_eq!(kept(false), Ok(RecordState::Nothing), "nothing is lost");
}

#[test]
fn a_learning_step_is_never_taken_twice() {
    let begin = Begin { method: Method::Adam, rate: 10_000, batch: 1, rows: 4, passes: 1, forced: false };
    let learned = |there, back| {
        let ask = |session: &mut Session<'_>| {
            session.status(LearningCommand::Begin(begin))?;
            let row = |i: usize| -> Vec<u8> { (0..784).map(|j| (i + j) as u8).collect() };
            (0..HELD_OUT + 4).try_for_each(|i| session.learn(&row(i)).map(|_| ()))?;
            Ok(session.status(LearningCommand::Status)?.rows)
        };
        over_a_bad_line(there, back, ask)
    };
    assert_eq!(learned(None, None).0.unwrap(), 4);
    // Frame 2 begins the run, and frame 3 is its first image. This is the first image to learn from.
    let first = 3 + HELD_OUT;
    for (there, back) in [(Some((first, Damage::Flipped)), None), (None, Some((first, Damage::Flipped)))] {
        let (outcome, answers) = learned(there, back);
        let text = format!("{:#}", outcome.unwrap_err());
        assert!(text.ends_with(&Error::Crc.to_string()), "{text}");
        assert_eq!(answers, first + 1, "something was sent after it");
    }
    // Beginning a run again is not a step.
    let (outcome, answers) = learned(None, Some((2, Damage::Flipped)));
    assert_eq!((outcome.unwrap(), answers), (4, 2 + 2 + HELD_OUT + 4 + 2));
}
