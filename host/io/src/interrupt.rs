//! Ctrl-C, the end of the terminal and a request to terminate, during work that has to end in good order.

use anyhow::bail;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::{fs, io};

#[cfg(unix)]
const SIGNALS: [i32; 4] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGQUIT];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on, the first such signal only makes [`requested`] true. A second one ends the process. On Linux, a signal that
/// was ignored, by `nohup` or in the background of a script, stays ignored.
pub fn watch() -> io::Result<()> {
    let ignored = ignored();
    for signal in SIGNALS.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&STOP))?;
        signal_hook::flag::register(signal, Arc::clone(&STOP))?;
    }
    Ok(())
}

/// The signals that are ignored, a bit each from the lowest; none where the system does not say.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Adds an explanation to an error that such a signal caused.
pub fn explain<T>(outcome: anyhow::Result<T>, what: impl FnOnce() -> String) -> anyhow::Result<T> {
    match outcome {
        Err(error) if requested() => bail!("{error:#}: {}", what()),
        outcome => outcome,
    }
}

/// Whether such a signal has come.
pub fn requested() -> bool {
    STOP.load(Relaxed)
}

/// Returns an error if such a signal has come.
pub fn check() -> anyhow::Result<()> {
    if requested() {
        bail!("stopped");
    }
    Ok(())
}
