//! A file of codes: the frames that a device sent, concatenated.

use autoencoder_device::{Error, Reply, Response, frame};

/// One code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The offset of its frame in the file.
    pub at: usize,
    /// The network that made it, as [`Reply::Code`] identifies it.
    pub identity: u32,
    /// Its elements, packed.
    pub packed: Vec<u8>,
}

/// The contents of a file of codes.
#[derive(Debug, Default)]
pub struct Contents {
    pub codes: Vec<Code>,
    /// The number of packets that cannot be read.
    pub skipped: usize,
    /// A line about each fault of the file.
    pub problems: Vec<String>,
}

/// Reads a file of codes. Damaged packets are skipped.
pub fn read(bytes: &[u8]) -> Contents {
    let Contents { mut codes, mut skipped, mut problems } = Contents::default();
    let mut at = 0;
    let mut next = 1u64; // can exceed any packet's number
    let mut damaged = 0; // packets since the last readable one; each accounts for one missing number
    for frame in bytes.split_inclusive(|byte| *byte == 0) {
        let begins = at;
        at += frame.len();
        if frame == [0] {
            continue;
        }
        match packet(&mut frame.to_vec(), begins) {
            Ok((sequence, code)) => {
                let sequence = u64::from(sequence);
                if let Some(missing) = sequence.checked_sub(next + damaged).filter(|missing| *missing > 0) {
                    problems.push(format!("byte {begins}: {} missing before packet {sequence}", are(missing)));
                } else if sequence < next {
                    problems.push(format!("byte {begins}: packet {sequence} is out of order"));
                }
                (next, damaged) = (sequence + 1, 0);
                codes.push(code);
            }
            Err(error) => {
                problems.push(format!("byte {begins}: skipped a packet: {error}"));
                damaged += 1;
                skipped += 1;
            }
        }
    }
    Contents { codes, skipped, problems }
}

/// `1 packet is`, `2 packets are`
fn are(count: u64) -> String {
    if count == 1 { "1 packet is".to_owned() } else { format!("{count} packets are") }
}

/// The code in one frame, and its sequence number.
fn packet(frame: &mut [u8], at: usize) -> Result<(u32, Code), Error> {
    let response = Response::read(frame::read(frame)?)?;
    let Ok(Reply::Code { identity, code }) = response.result else { return Err(Error::Malformed) };
    Ok((response.sequence, Code { at, identity, packed: code.to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u32) -> Vec<u8> {
        let result = Ok(Reply::Code { identity: 7, code: &[sequence as u8, 0, 9] });
        let response: Response<'_> = Response { sequence, result };
        frame::write(&response, &mut [0; 64]).unwrap().to_vec()
    }

    /// The first bytes of the codes read from a file of these packets, and the problems.
    fn outcome(frames: &[Vec<u8>]) -> (Vec<u8>, Vec<String>) {
        let Contents { codes, skipped, problems } = read(&frames.concat());
        assert_eq!(skipped, problems.iter().filter(|problem| problem.contains("skipped")).count());
        (codes.iter().map(|code| code.packed[0]).collect(), problems)
    }

    #[test]
    fn whole_packets_are_read() {
        assert_eq!(outcome(&[frame(1), frame(2), frame(3)]), (vec![1, 2, 3], vec![]));
    }

    #[test]
    fn a_damaged_packet_is_skipped_and_its_offset_reported() {
        let (one, mut two) = (frame(1), frame(2));
        two[4] ^= 0x40;
        let (codes, problems) = outcome(&[one.clone(), two, frame(3)]);
        assert_eq!(codes, [1, 3]);
        assert_eq!(problems, [format!("byte {}: skipped a packet: {}", one.len(), Error::Crc)]);
    }

    #[test]
    fn lost_and_repeated_packets_are_reported() {
        let (codes, problems) = outcome(&[frame(3), frame(4), frame(9), frame(4)]);
        assert_eq!(codes, [3, 4, 9, 4]);
        assert_eq!(problems.len(), 3);
        assert!(problems[0].ends_with("2 packets are missing before packet 3"), "{}", problems[0]);
        assert!(problems[1].ends_with("4 packets are missing before packet 9"), "{}", problems[1]);
        assert!(problems[2].ends_with("packet 4 is out of order"), "{}", problems[2]);
    }

    #[test]
    fn the_largest_sequence_number_is_valid() {
        let (last, mut damaged) = (frame(u32::MAX), frame(2));
        damaged[4] ^= 0x40;
        for (after, said) in [(3, "packet 3 is out of order"), (u32::MAX, "packet 4294967295 is out of order")] {
            let (codes, problems) = outcome(&[last.clone(), damaged.clone(), damaged.clone(), frame(after)]);
            assert_eq!(codes, [255, after as u8]);
            assert_eq!(problems.len(), 4, "{problems:?}");
            assert!(problems[0].ends_with("4294967294 packets are missing before packet 4294967295"), "{problems:?}");
            assert!(problems[3].ends_with(said), "{problems:?}");
        }
        let (codes, problems) = outcome(&[damaged, last]);
        assert_eq!((codes, problems.len()), (vec![255], 2));
        assert!(problems[1].ends_with("4294967293 packets are missing before packet 4294967295"), "{problems:?}");
    }

    #[test]
    fn a_truncated_file_loses_its_last_packet() {
        let two = frame(2);
        let (codes, problems) = outcome(&[frame(1), two[..two.len() - 3].to_vec()]);
        assert_eq!((codes.as_slice(), problems.len()), (&[1][..], 1));
    }

    #[test]
    fn other_messages_are_not_packets() {
        let error: Response<'_> = Response { sequence: 1, result: Err(Error::Crc) };
        let frame = frame::write(&error, &mut [0; 64]).unwrap().to_vec();
        let (codes, problems) = outcome(&[frame]);
        assert!(codes.is_empty() && problems[0].ends_with(&Error::Malformed.to_string()));
    }
}
