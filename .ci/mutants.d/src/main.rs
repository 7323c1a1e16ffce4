//! Mutation testing without a rebuild for each mutant.
//!
//! Copies the tree and writes every mutant into the copy's sources, each behind a switch: `if at(7) { a - b } else { a +
//! b }`. The test programs are built once. Each test then runs once without a mutant, to record which mutants it reaches.
//! Finally, each mutant is switched on, and the tests that reach it run, quickest first, until one fails.
//!
//! Not mutated: constants, each `const fn` whose value a constant needs, code behind a `cfg`, macros whose arguments are
//! not expressions, and changes that do not compile. Documentation tests do not run.

mod equivalent;
mod judge;
mod programs;
mod report;
mod sites;
mod source;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use equivalent::Equivalent;
use judge::{Outcome, control, judge};
use report::{describe, missed, report, without_number};
use source::{Mutant, Source};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Duration;

/// The packages, their sources, and how the files begin.
const PACKAGES: [(&str, &str, &[&str]); 4] = [
    ("core", "core", &["core/src/"]),
    ("device", "firmware-sim/device", &["firmware-sim/device/src/"]),
    ("host", "host/io", &["host/io/src/idx/"]),
    ("host", "host", &["host/src/data/", "host/src/export/", "host/src/train/"]),
];
/// The kernels in assembly, never compiled here; and the plain products of the tests.
const NOT_HERE: [&str; 4] =
    ["core/src/quant/dsp.rs", "core/src/quant/helium.rs", "core/src/quant/pairs.rs", "host/src/train/plain.rs"];

/// Changes the sources in small ways, one at a time, and counts the changes that a test notices.
#[derive(Parser)]
struct Arguments {
    /// Only files whose path contains one of these.
    files: Vec<String>,
    /// Only a random sample of this many mutants.
    #[arg(long)]
    sample: Option<usize>,
    /// The seed of the sample.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leaves out tests that take longer than this alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    slowest: f64,
    /// For each mutant, the quickest tests that take this long together.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    budget: f64,
    /// Leaves out the tests of this package.
    #[arg(long, value_name = "PACKAGE")]
    exclude: Vec<String>,
    /// Fails if fewer per cent are noticed.
    #[arg(long, value_name = "PER CENT", default_value_t = 0.0)]
    least: f64,
    /// Only those that the last run did not notice, by its report.
    #[arg(long)]
    again: bool,
    /// Lists the mutants without building anything.
    #[arg(long)]
    list: bool,
    /// The folder for the copy and its build.
    #[arg(long, default_value = "target/mutants")]
    folder: PathBuf,
}

/// The copy.
pub struct Tree {
    pub root: PathBuf,
    pub target: PathBuf,
}

impl Tree {
    /// The folder for temporary files.
    pub fn temporary(&self) -> PathBuf {
        self.root.join("temporary")
    }

    /// Copies the files of the repository in this folder that git does not ignore.
    fn copy(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = fs::canonicalize(folder)?;
        let tree = Self { root: folder.join("tree"), target: folder.join("build") };
        if tree.root.exists() {
            fs::remove_dir_all(&tree.root)?;
        }
        let output =
            Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output()?;
        ensure!(output.status.success(), "not in a git repository");
        for path in
            String::from_utf8(output.stdout)?.split_terminator('\0').map(Path::new).filter(|path| path.is_file())
        {
            let to = tree.root.join(path);
            fs::create_dir_all(to.parent().unwrap_or(&tree.root))?;
            fs::copy(path, to)?;
        }
        fs::create_dir_all(tree.temporary())?;
        let switch = tree.root.join("mutant-switch");
        fs::create_dir_all(switch.join("src"))?;
        fs::write(switch.join("src/lib.rs"), include_str!("switch.rs"))?;
        fs::write(
            switch.join("Cargo.toml"),
            "[package]\nname = \"mutant-switch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n",
        )?;
        for (_, package, _) in PACKAGES {
            let manifest = tree.root.join(package).join("Cargo.toml");
            let text = fs::read_to_string(&manifest)?;
            let line = format!("[dependencies]\nmutant-switch = {{ path = {:?} }}\n", switch);
            ensure!(text.contains("[dependencies]\n"), "{} has no dependencies", manifest.display());
            fs::write(&manifest, text.replacen("[dependencies]\n", &line, 1))?;
        }
        Ok(tree)
    }
}

fn main() -> ExitCode {
    match work(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> Result<bool> {
    let equivalent = Equivalent::read(Path::new(".ci/mutants.d/equivalent.txt"))?;
    let (mut sources, mut mutants) = (Vec::new(), Vec::new());
    for path in paths(&arguments.files)? {
        let (source, sites) = Source::read(Path::new("."), path)?;
        let kept = sites.into_iter().filter(|site| !equivalent.contains(&source, site));
        mutants.extend(kept.map(|site| Mutant { site, file: sources.len(), refused: false }));
        sources.push(source);
    }
    if arguments.files.is_empty() {
        equivalent.check_all_used()?;
    }
    if arguments.again {
        let missed = missed(&arguments.folder)?;
        mutants.retain(|mutant| missed.contains(&without_number(&describe(mutant, &sources))));
    }
    if let Some(count) = arguments.sample {
        // Some do not compile: those behind them take their places in the end.
        shuffle(&mut mutants, arguments.seed);
        mutants.truncate(count + count / 3 + 3);
    }
    if arguments.list {
        for mutant in &mutants {
            println!("{}", describe(mutant, &sources));
        }
        return Ok(true);
    }
    let tree = Tree::copy(&arguments.folder)?;
    let programs = programs::build(&tree, &mut sources, &mut mutants, &arguments.exclude)?;
    let compiled = mutants.iter().enumerate().filter(|(_, mutant)| !mutant.refused).map(|(index, _)| index + 1);
    let wanted: Vec<usize> = compiled.take(arguments.sample.unwrap_or(usize::MAX)).collect();
    ensure!(!wanted.is_empty(), "no mutant compiles");
    let mut tests = programs::record(&tree, &programs, Duration::from_secs_f64(arguments.slowest))?;
    tests.sort_by_key(|test| test.time);
    for name in control(&tree, &programs, &tests)? {
        eprintln!("left out, it fails beside others without a mutant: {name}");
        tests.retain(|test| test.name != name);
    }
    let total: Duration = tests.iter().map(|test| test.time).sum();
    eprintln!("{} mutants, {} tests of {} s in all", wanted.len(), tests.len(), total.as_secs());
    let times = tests.iter().map(|test| format!("{:8.2} {}\n", test.time.as_secs_f64(), test.name));
    fs::write(arguments.folder.join("tests.txt"), times.collect::<String>())?;

    let outcomes = Mutex::new(BTreeMap::new());
    programs::each(wanted.len(), |index| {
        let number = wanted[index];
        let outcome = judge(&tree, &programs, &tests, number, Duration::from_secs_f64(arguments.budget))?;
        let mut outcomes = outcomes.lock().expect("nothing panics");
        outcomes.insert(number, outcome);
        if matches!(outcome, Outcome::NotNoticed | Outcome::NotReached) {
            eprintln!("{}", describe(&mutants[number - 1], &sources));
        }
        if outcomes.len() % 50 == 0 {
            eprintln!("{} of {}", outcomes.len(), wanted.len());
        }
        Ok(())
    })?;
    report(&outcomes.into_inner()?, &mutants, &sources, &arguments.folder, arguments.least)
}

/// The source files, in order.
fn paths(filter: &[String]) -> Result<Vec<PathBuf>> {
    let output = Command::new("git").args(["ls-files", "*.rs"]).output()?;
    ensure!(output.status.success(), "not in a git repository");
    let list = String::from_utf8(output.stdout)?;
    let is_wanted = |path: &&str| {
        PACKAGES.iter().any(|(.., begins)| begins.iter().any(|begin| path.starts_with(begin)))
            && !NOT_HERE.contains(path)
            && !path.ends_with("tests.rs")
            && !path.contains("/tests/")
            && (filter.is_empty() || filter.iter().any(|part| path.contains(part)))
            && Path::new(path).is_file()
    };
    let paths: Vec<PathBuf> = list.lines().filter(is_wanted).map(PathBuf::from).collect();
    if paths.is_empty() {
        bail!("no source file has {} in its path", filter.join(" or "));
    }
    Ok(paths)
}

/// Fisher and Yates, with SplitMix64.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        items.swap(last, ((mixed ^ mixed >> 31) % (last as u64 + 1)) as usize);
    }
}
