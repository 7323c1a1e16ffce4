//! A blob with a right length and a right CRC is refused if it holds bytes besides its header and its layers.

use autoencoder_core::blob::Blob;
use autoencoder_core::crc::checksum;
use autoencoder_core::quant::QuantParams;
use autoencoder_core::{Error, Network};
use autoencoder_io::blob_file::{BlobFile, f32_blob};
use tests::net::Net;

/// The place of the length, and the length of the CRC at the end.
const LENGTH: std::ops::Range<usize> = 5..9;
const TRAILER: usize = 4;

/// Replaces some bytes before the CRC, then sets length and CRC to match.
fn with(blob: &[u8], at: usize, replaced: usize, bytes: &[u8]) -> BlobFile {
    let body = &blob[..blob.len() - TRAILER];
    let mut changed = [&body[..at], bytes, &body[at + replaced..]].concat();
    let length = (changed.len() + TRAILER) as u32;
    changed[LENGTH].copy_from_slice(&length.to_le_bytes());
    changed.extend(checksum(&changed).to_le_bytes());
    BlobFile::new("blob".as_ref(), &changed)
}

fn open(file: &BlobFile) -> Option<Error> {
    Network::open(file.bytes()).err()
}

#[test]
fn bytes_after_the_last_layer_are_refused() {
    let blob = Net::new("4-4-4i", 1).blob();
    assert_eq!(open(&with(&blob, blob.len() - TRAILER, 0, &[])), None);
    for more in [1, 2, 15, 16, 64] {
        for byte in [0, 1, 0xff] {
            let file = with(&blob, blob.len() - TRAILER, 0, &vec![byte; more]);
            assert_eq!(open(&file), Some(Error::Malformed), "{more} bytes of {byte}");
        }
    }
    // The last array is one byte shorter or longer than its length.
    assert_eq!(open(&with(&blob, blob.len() - TRAILER - 1, 1, &[])), Some(Error::Malformed));

    let float = f32_blob(&"3-2-3".parse().unwrap(), 1, 8, &[0.5; 3 * 2 + 2 + 2 * 3 + 3], &[]).unwrap();
    let read = |file: &BlobFile| host::FloatNetwork::from_blob(&Blob::open(file.bytes()).unwrap()).err();
    assert_eq!(read(&with(&float, float.len() - TRAILER, 0, &[])), None);
    assert_eq!(read(&with(&float, float.len() - TRAILER, 0, &[0; 4])), Some(Error::Malformed));
}

/// The padding before each array moves it to a multiple of 16 and has at most 15 bytes. More could hide other data.
#[test]
fn padding_is_shorter_than_an_alignment() {
    let blob = Net::new("4-4-4i", 1).blob();
    // Each layer begins with its outputs' scale; the first such scale is that of the inputs, in the header.
    let scale = QuantParams::UNIT.scale.to_le_bytes();
    let scales = blob.windows(4).enumerate().filter(|(_, bytes)| *bytes == scale).map(|(at, _)| at);
    let layers: Vec<usize> = scales.skip(1).collect();
    assert_eq!(layers.len(), 2);
    for layer in layers {
        // Scale and zero point, padding, channels, padding, weights. Each of the last four has its length before it.
        let first = layer + 5;
        let channels = first + 1 + usize::from(blob[first]);
        let second = channels + 1 + usize::from(blob[channels]);
        assert_eq!(
            (blob[channels], blob[second + 1 + usize::from(blob[second])]),
            (4 * 8, 16),
            "four channels, one tile"
        );
        for at in [first, second] {
            let padding = usize::from(blob[at]);
            assert!(padding < 16);
            // The arrays stay at multiples of 16.
            for longer in [padding + 16, padding + 32] {
                let bytes = [vec![longer as u8], vec![0; longer]].concat();
                assert_eq!(
                    open(&with(&blob, at, 1 + padding, &bytes)),
                    Some(Error::Malformed),
                    "{longer} bytes at {at}"
                );
            }
        }
    }
}
