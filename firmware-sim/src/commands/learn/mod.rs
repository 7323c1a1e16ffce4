//! `firmware-sim learn`

mod rows;
mod stream;

use crate::args;
use crate::samples::ensure_unused;
use autoencoder_io::data_options::Data;

pub fn run(args: &args::Learn) -> anyhow::Result<String> {
    if args.data.are_recordings() {
        ensure_unused(
            "for rows of IDX files; recordings have --first",
            &[
                ("--shift", args.shift.is_some()),
                ("--rows", args.rows.is_some()),
                ("--test-rows", args.test_rows.is_some()),
            ],
        )?;
    }
    match args.data.read()? {
        Data::Recordings(recordings) => stream::run(args, recordings),
        Data::Folder(path) => {
            ensure_unused(
                "only for recordings: .csv, .tsv, .npy, .npz or .wav",
                &[("--first", args.first.is_some()), ("--passes", args.passes.is_some()), ("--foreign", args.foreign)],
            )?;
            rows::run(args, &path)
        }
    }
}
