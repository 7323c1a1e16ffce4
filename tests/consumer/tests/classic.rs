//! The packaged crates run the network that the repository ships.

use autoencoder_core::{Error as WeightsError, Resource};
use autoencoder_device::flash::Nor;
use autoencoder_device::{Buffers, Command, Error, Info, Reply, Request, Response, frame};
use consumer::{Memory, learn, needs, reconstruct, serve};

const BYTES: &[u8] = include_bytes!("../../../models/classic.int8.blob");

#[repr(align(16))]
struct Flash([u8; BYTES.len()]);
static FLASH: Flash = Flash(*include_bytes!("../../../models/classic.int8.blob"));

/// A row like an image: a bright square.
fn row() -> [u8; 784] {
    std::array::from_fn(|i| if (8..20).contains(&(i % 28)) && (8..20).contains(&(i / 28)) { 200 } else { 0 })
}

#[test]
fn a_row_is_encoded_decoded_and_scored() {
    let (row, mut reconstruction) = (row(), [0; 784]);
    let score = reconstruct(&FLASH.0, &row, &mut reconstruction).unwrap();
    let squares = row.iter().zip(&reconstruction).map(|(x, y)| u32::from(x.abs_diff(*y)).pow(2));
    assert_eq!(score, squares.sum());
    assert!(reconstruction[14 * 28 + 14] > 100, "{reconstruction:?}");
}

#[test]
fn memory_that_is_too_small_to_learn_is_an_error_with_both_numbers() {
    let rows = [row()];
    let result = learn(&FLASH.0, &mut Memory::new(), Nor::<_>::new([0xff; 8192]), rows.iter().map(|row| &row[..]));
    let needed = needs(&FLASH.0).unwrap();
    assert_eq!(needed, [256 + 128 + 256 + 784, 256 + 128]);
    let (resource, needed, available) = (Resource::Activations, 1424, 1024);
    assert_eq!(result.unwrap_err(), Error::Weights(WeightsError::Capacity { resource, needed, available }));
}

#[test]
fn the_application_answers_a_frame() {
    let (mut activations, mut receive, mut transmit) = ([0; 2048], [0; 1024], [0; 1024]);
    let buffers = Buffers { activations: &mut activations, receive: &mut receive, transmit: &mut transmit };
    let mut app = serve(&FLASH.0, buffers);
    let mut buffer = [0; 64];
    let request = frame::write(&Request { sequence: 7, command: Command::Info }, &mut buffer).unwrap();
    let mut answers: Vec<Vec<u8>> = request.iter().filter_map(|byte| app.push(*byte).map(<[u8]>::to_vec)).collect();
    let [answer] = &mut answers[..] else { panic!("{answers:?}") };
    let response: Response<'_> = Response::read(frame::read(answer).unwrap()).unwrap();
    let Ok(Reply::Info(Info { inputs, code, .. })) = response.result else { panic!("{response:?}") };
    assert_eq!((response.sequence, inputs, code), (7, 784, 128));
}
