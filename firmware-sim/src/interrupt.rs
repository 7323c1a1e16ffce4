//! Ctrl-C, the end of the terminal, and a request to terminate, while something is under way that is worth a word.

use anyhow::bail;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

#[cfg(unix)]
const SIGNALS: [i32; 4] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGQUIT];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on, the first such signal only has [`check`] return an error. A second one ends the process.
pub fn watch() -> io::Result<()> {
    for signal in SIGNALS {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&STOP))?;
        signal_hook::flag::register(signal, Arc::clone(&STOP))?;
    }
    Ok(())
}

/// The outcome of something, or what its end means if such a signal has ended it.
pub fn explain<T>(outcome: anyhow::Result<T>, what: impl FnOnce() -> String) -> anyhow::Result<T> {
    match outcome {
        Err(error) if STOP.load(Relaxed) => bail!("{error:#}: {}", what()),
        outcome => outcome,
    }
}

/// Returns an error if such a signal has come.
pub fn check() -> anyhow::Result<()> {
    if STOP.load(Relaxed) {
        bail!("stopped");
    }
    Ok(())
}
