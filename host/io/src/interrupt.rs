//! Signals during work that must not just end: Ctrl-C, the end of the terminal, a request to terminate.

use anyhow::bail;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::{fs, io};

#[cfg(unix)]
const SIGNALS: [i32; 4] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGQUIT];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// The number of the last such signal; 0 before the first.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// From now on, the first such signal only makes [`requested`] true, and the second one ends the process. Either way the exit
/// code is customary: 128 and the number of the signal, 130 after Ctrl-C. On Linux, a signal that was ignored before, under
/// `nohup` or in the background of a script, stays ignored.
pub fn watch() -> io::Result<()> {
    let ignored = ignored();
    for signal in SIGNALS.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&STOP))?;
        signal_hook::flag::register_usize(signal, Arc::clone(&SIGNAL), signal.unsigned_abs() as usize)?;
        signal_hook::flag::register(signal, Arc::clone(&STOP))?;
    }
    Ok(())
}

/// The ignored signals, a bit for each from the lowest; 0 on a system that does not list them.
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

/// The exit code of a program that such a signal has stopped.
pub fn exit_code() -> Option<u8> {
    requested().then(|| 128 + SIGNAL.load(Relaxed) as u8)
}

/// Such a signal has come.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

/// Returns an error if such a signal has come.
pub fn check() -> Result<(), Stopped> {
    if requested() { Err(Stopped) } else { Ok(()) }
}
