//! Builds the test programs of the copy once, and records which mutants each test reaches.

use crate::Tree;
use crate::source::{Mutant, Source};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// At most this much memory for a test, in KiB: a mutant may ask for all of it.
const MEMORY: u64 = 8 << 20;
/// At most this much in a file, in blocks of 512 bytes.
const FILE: u64 = 1 << 20;

/// A test program.
pub struct Program {
    pub path: PathBuf,
    /// The folder of its package, in which it runs.
    pub folder: PathBuf,
}

/// A test, and what is known of it.
pub struct Test {
    pub program: usize,
    pub name: String,
    pub time: Duration,
    /// The mutants that it reaches.
    pub reached: BTreeSet<usize>,
}

/// Builds the test programs, those of `excluded` packages left out. A mutant that does not compile is left out, and the
/// build goes on without it.
pub fn build(tree: &Tree, sources: &mut [Source], mutants: &mut [Mutant], excluded: &[String]) -> Result<Vec<Program>> {
    let mut kept_const = BTreeSet::new();
    loop {
        for (index, source) in sources.iter_mut().enumerate() {
            let of_file = mutants.iter().enumerate().filter(|(_, mutant)| mutant.file == index && !mutant.refused);
            let wanted: Vec<_> = of_file.map(|(number, mutant)| (number + 1, &mutant.site)).collect();
            source.write(&tree.root, &wanted, &kept_const)?;
        }
        let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--workspace", "--lib", "--bins", "--tests", "--keep-going", "--message-format=json"])
            .args(excluded.iter().map(|package| format!("--exclude={package}")))
            .current_dir(&tree.root)
            .env("CARGO_TARGET_DIR", &tree.target)
            .output() // what does not compile is expected, so nothing of it is shown unless no mutant is the cause
            .context("cargo")?;
        let messages: Vec<Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if output.status.success() {
            for mutant in mutants.iter_mut() {
                mutant.refused |= mutant.site.const_fn.as_ref().is_some_and(|name| kept_const.contains(name));
            }
            return Ok(messages.iter().filter_map(program).collect());
        }
        let mut solved = false;
        for message in messages.iter().filter(|message| message["message"]["level"] == "error") {
            let message = &message["message"];
            let said = message["message"].as_str().unwrap_or_default();
            if message["code"]["code"] == "E0015" || said.contains("in constant") {
                let name = said.split('`').nth(1).unwrap_or_default().rsplit("::").next().unwrap_or_default();
                solved |= kept_const.insert(name.to_string());
                continue;
            }
            for number in culprits(message, sources) {
                solved |= !std::mem::replace(&mut mutants[number - 1].refused, true);
            }
        }
        let refused = mutants.iter().filter(|mutant| mutant.refused).count();
        eprintln!("{refused} mutants do not compile, {} functions stay const", kept_const.len());
        if !solved {
            let errors = messages.iter().filter(|message| message["message"]["level"] == "error");
            for message in errors.filter_map(|message| message["message"]["rendered"].as_str()).take(5) {
                eprintln!("{message}");
            }
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            bail!("the copy does not build, and no mutant is the cause");
        }
    }
}

fn program(message: &Value) -> Option<Program> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_path_buf();
    Some(Program { path: message["executable"].as_str()?.into(), folder })
}

/// The mutants that an error is about: those at its main place, otherwise those at another one.
fn culprits(message: &Value, sources: &[Source]) -> Vec<usize> {
    let uninitialised = message["code"]["code"] == "E0381";
    let mut spans: Vec<&Value> = message["spans"].as_array().map(|spans| spans.iter().collect()).unwrap_or_default();
    spans.sort_by_key(|span| (span["is_primary"] == true) == uninitialised);
    let mut nearest = None;
    for mut span in spans {
        while span["expansion"]["span"].is_object() {
            span = &span["expansion"]["span"];
        }
        let number = |key: &str| span[key].as_u64().unwrap_or_default() as usize;
        let error: Range<usize> = number("byte_start")..number("byte_end");
        let file = span["file_name"].as_str().unwrap_or_default();
        if let Some(source) = sources.iter().find(|source| source.path == Path::new(file)) {
            let found = source.culprits(&error);
            if !found.is_empty() {
                return found;
            }
            nearest = nearest.or_else(|| source.nearest_deleted(&error));
        }
    }
    nearest.into_iter().collect()
}

/// How a run of tests ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Passed,
    Failed,
    TimedOut,
}

/// Runs some tests of a program in the copy, with this in the environment.
pub fn run(tree: &Tree, program: &Program, names: &[&str], limit: Duration, variable: (&str, &str)) -> Result<End> {
    let limits = format!("ulimit -v {MEMORY} -f {FILE} -c 0; exec \"$@\"");
    let status = Command::new("timeout")
        .args(["-s", "KILL", &limit.as_secs_f64().to_string(), "bash", "-c", &limits, "bash"])
        .arg(&program.path)
        .args(["--exact", "--test-threads=1"])
        .args(names)
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env("TMPDIR", tree.temporary())
        .env("PROPTEST_RNG_SEED", "1")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("RUST_BACKTRACE", "0")
        .env_remove("MUTANT")
        .env(variable.0, variable.1)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("timeout, of the coreutils")?;
    Ok(match status.code() {
        Some(0) => End::Passed,
        Some(124 | 137) | None => End::TimedOut,
        Some(_) => End::Failed,
    })
}

/// Runs each test alone, without a mutant active, and records the mutants that it reaches and its time. Left out are tests
/// that take longer than `limit` and those that fail without a mutant.
pub fn record(tree: &Tree, programs: &[Program], limit: Duration) -> Result<Vec<Test>> {
    let mut names = Vec::new();
    for (index, program) in programs.iter().enumerate() {
        let output = Command::new(&program.path).args(["--list", "--format", "terse"]).output()?;
        ensure!(output.status.success(), "{} does not list its tests", program.path.display());
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        names.extend(list.lines().filter_map(|line| line.strip_suffix(": test")).map(|name| (index, name.to_string())));
    }
    let tests = Mutex::new(Vec::new());
    each(names.len(), |index| {
        let (program, name) = &names[index];
        let file = tree.temporary().join(format!("reached-{index}"));
        fs::write(&file, [])?;
        let start = Instant::now();
        let variable = ("MUTANTS_REACHED", file.to_str().context("a path that is no text")?);
        let end = run(tree, &programs[*program], &[name], limit, variable)?;
        let time = start.elapsed();
        let bytes = fs::read(&file)?;
        fs::remove_file(&file)?;
        let reached = bytes.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number) as usize).collect();
        match end {
            End::Passed => {
                let test = Test { program: *program, name: name.clone(), time, reached };
                tests.lock().expect("no test panics").push(test);
            }
            End::Failed => eprintln!("left out, it fails without a mutant: {name}"),
            End::TimedOut => eprintln!("left out, it takes more than {} s: {name}", limit.as_secs()),
        }
        Ok(())
    })?;
    Ok(tests.into_inner().expect("no test panics"))
}

/// Does this for each number below `count`, on two threads.
pub fn each(count: usize, act: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Relaxed);
            if index >= count {
                return Ok(());
            }
            act(index)?;
        }
    };
    thread::scope(|scope| {
        let other = scope.spawn(work);
        work()?;
        other.join().expect("a thread that works does not panic")
    })
}
