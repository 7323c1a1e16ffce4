//! `host train`: from the options to a run, the run step by step, and what it leaves.

mod options;
mod progress;
mod session;
mod splits;
mod summary;

use crate::args;
use options::Setup;
use session::Session;
use std::io::{Write, stderr};

pub fn run(args: &args::Train) -> anyhow::Result<String> {
    let setup = Setup::new(args)?;
    let trainer = setup.trainer()?;
    let threads = args.threads.map_or(0, usize::from); // 0: as many as there are cores
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut session = Session::new(args, setup, trainer)?;
    if !args.json {
        let _ = stderr().write_all(session.describe_data().as_bytes()); // nobody may be listening
    }
    pool.install(|| {
        session.train()?;
        summary::finish(&session)
    })
}
