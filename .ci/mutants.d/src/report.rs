//! The report: what was not noticed, and the rates.

use crate::PACKAGES;
use crate::judge::Outcome;
use crate::source::{Mutant, Source};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The title of a part of the report.
const TIMED_OUT: &str = "timed out, which counts as noticed";
/// The last report, in the folder of the copy.
const FILE: &str = "report.txt";

/// What the last report says that no test noticed.
pub fn missed(folder: &Path) -> Result<BTreeSet<String>> {
    let path = folder.join(FILE);
    let report = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let missed = report.split(TIMED_OUT).next().unwrap_or_default();
    let lines: Vec<&str> = missed.lines().collect();
    let entries = lines.windows(2).filter(|pair| pair[1].starts_with("    "));
    Ok(entries.map(|pair| without_number(&pair.join("\n"))).collect())
}

/// The description without the number of the line, which changes.
pub fn without_number(description: &str) -> String {
    let (path, rest) = description.split_once(':').unwrap_or_default();
    format!("{path}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// A mutant's place and change, and its line below.
pub fn describe(mutant: &Mutant, sources: &[Source]) -> String {
    let source = &sources[mutant.file];
    let (path, site) = (source.path.display(), &mutant.site);
    format!("{path}:{}: {}\n    {}", site.line, site.what, source.line(site))
}

/// Prints and keeps the outcomes. Returns whether enough were noticed.
pub fn report(
    outcomes: &BTreeMap<usize, Outcome>,
    mutants: &[Mutant],
    sources: &[Source],
    folder: &Path,
    least: f64,
) -> Result<bool> {
    let mut text = String::new();
    for (title, outcome) in [
        ("not reached by a test", Outcome::NotReached),
        ("not noticed", Outcome::NotNoticed),
        (TIMED_OUT, Outcome::TimedOut),
    ] {
        let of_this = outcomes.iter().filter(|(_, found)| **found == outcome).map(|(number, _)| &mutants[number - 1]);
        let mut list: Vec<_> = of_this.collect();
        list.sort_by_key(|mutant| (mutant.file, mutant.site.line));
        if !list.is_empty() {
            writeln!(text, "\n{title}:")?;
        }
        for mutant in list {
            writeln!(text, "{}", describe(mutant, sources))?;
        }
    }
    writeln!(
        text,
        "\n{:8}{:>8}{:>13}{:>13}{:>11}{:>11}{:>8}",
        "", "mutants", "not reached", "not noticed", "timed out", "noticed", "rate"
    )?;
    let mut enough = true;
    for package in ["core", "device", "host", "all"] {
        let is_of = |number: &usize| {
            let path = &sources[mutants[number - 1].file].path;
            let of = |(name, folder, _): &(&str, &str, &[&str])| *name == package && path.starts_with(folder);
            package == "all" || PACKAGES.iter().any(of)
        };
        let of: Vec<Outcome> =
            outcomes.iter().filter(|(number, _)| is_of(number)).map(|(_, outcome)| *outcome).collect();
        if of.is_empty() {
            continue;
        }
        let count = |wanted: Outcome| of.iter().filter(|outcome| **outcome == wanted).count();
        let noticed = count(Outcome::Noticed) + count(Outcome::TimedOut);
        let rate = 100.0 * noticed as f64 / of.len() as f64;
        writeln!(
            text,
            "{package:8}{:>8}{:>13}{:>13}{:>11}{noticed:>11}{rate:>7.1}%",
            of.len(),
            count(Outcome::NotReached),
            count(Outcome::NotNoticed),
            count(Outcome::TimedOut),
        )?;
        enough &= package != "all" || rate >= least;
    }
    print!("{text}");
    let path = folder.join(FILE);
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    if !enough {
        eprintln!("error: fewer than {} % were noticed", least);
    }
    Ok(enough)
}
