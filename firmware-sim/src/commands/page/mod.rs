//! `firmware-sim page`

mod figures;
mod folder;
mod module;
mod server;

use crate::args;
use crate::terminal::note;
use server::Server;
use std::io::{Write, stdout};

/// Puts the folder of the page together and serves it until the process is stopped.
pub fn run(args: &args::Page) -> anyhow::Result<String> {
    // Refuses before the build, which takes a minute.
    folder::check(&args.out)?;
    let server = Server::bind(args.port)?;
    let files = folder::files()?;
    folder::write(&args.out, &files)?;
    note(&format!("{}: {} files", args.out.display(), files.len()));
    let _ = writeln!(stdout(), "http://{}/", server.address); // standard output may be closed
    server.serve(&files)
}
