//! `firmware-sim monitor`

mod live;
mod rows;
mod stream;

use crate::args;
use crate::samples::ensure_unused;

pub fn run(args: &args::Monitor) -> anyhow::Result<String> {
    if args.data.are_recordings() {
        ensure_unused(
            "recordings are a stream as it is",
            &[("--shift", args.shift.is_some()), ("--rows", args.rows.is_some())],
        )?;
        return stream::run(args);
    }
    let path = args.data.read_folder()?;
    ensure_unused("only recordings have it: .csv, .tsv, .npy, .npz or .wav", &[("--out", args.out.is_some())])?;
    rows::run(args, &path)
}
