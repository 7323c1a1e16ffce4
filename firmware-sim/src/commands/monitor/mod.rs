//! `firmware-sim monitor`

mod live;
mod rows;
mod stream;

use crate::args;
use crate::samples::ensure_unused;
use autoencoder_io::data_options::Data;

pub fn run(args: &args::Monitor) -> anyhow::Result<String> {
    if args.data.are_recordings() {
        ensure_unused(
            "recordings are a stream as it is",
            &[("--shift", args.shift.is_some()), ("--rows", args.rows.is_some())],
        )?;
    }
    match args.data.read()? {
        Data::Recordings(recordings) => stream::run(args, recordings),
        Data::Folder(path) => {
            ensure_unused("only recordings have it: .csv, .tsv, .npy, .npz or .wav", &[("--out", args.out.is_some())])?;
            rows::run(args, &path)
        }
    }
}
