//! `firmware-sim learn`

mod rows;
mod run;
mod stream;

use crate::args;
use crate::samples::ensure_unused;

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
        return stream::run(args);
    }
    let path = args.data.read_folder()?;
    ensure_unused(
        "only for recordings: .csv, .tsv, .npy, .npz or .wav",
        &[("--first", args.first.is_some()), ("--passes", args.passes.is_some()), ("--foreign", args.foreign)],
    )?;
    rows::run(args, &path)
}
