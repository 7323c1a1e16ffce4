//! A source file with its mutants in it, each behind a switch.

use crate::sites::{Edit, Found, Site, find};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One mutant.
pub struct Mutant {
    pub site: Site,
    /// Its file among the sources.
    pub file: usize,
    /// The compiler refuses it.
    pub refused: bool,
}

/// A source file of the copy.
pub struct Source {
    /// From the root of the tree.
    pub path: PathBuf,
    pub text: String,
    const_fns: Vec<(String, Range<usize>)>,
    /// Where each mutant stands in the file that was written: the bytes of the changed code, then those of all.
    written: Vec<(usize, Range<usize>, Range<usize>)>,
}

impl Source {
    /// Reads a file, and finds its mutants.
    pub fn read(root: &Path, path: PathBuf) -> Result<(Self, Vec<Site>)> {
        let text = fs::read_to_string(root.join(&path))?;
        let Found { sites, const_fns } = find(&text).with_context(|| path.display().to_string())?;
        Ok((Self { path, text, const_fns, written: Vec::new() }, sites))
    }

    /// The line of a mutant, without the spaces around it.
    pub fn line(&self, site: &Site) -> &str {
        self.text.lines().nth(site.line - 1).unwrap_or_default().trim()
    }

    /// Writes the file into the copy with those of its mutants that are wanted. The functions in `kept_const` stay
    /// `const`; the others lose it.
    pub fn write(&mut self, root: &Path, wanted: &[(usize, &Site)], kept_const: &BTreeSet<String>) -> Result<()> {
        let mut sites: Vec<(usize, &Site)> = wanted
            .iter()
            .filter(|(_, site)| site.const_fn.as_ref().is_none_or(|name| !kept_const.contains(name)))
            .copied()
            .collect();
        // An outer one comes before those inside it.
        sites.sort_by_key(|(_, site)| (site.range.start, std::cmp::Reverse(site.range.end)));
        let needed: BTreeSet<_> = sites.iter().filter_map(|(_, site)| site.const_fn.clone()).collect();
        let erased = self.const_fns.iter().filter(|(name, _)| needed.contains(name)).map(|(_, range)| range.clone());
        let mut writer = Writer { text: &self.text, erased: erased.collect(), out: String::new(), written: Vec::new() };
        writer.range(0..self.text.len(), &sites);
        let Writer { out, written, .. } = writer;
        self.written = written;
        let path = root.join(&self.path);
        if fs::read_to_string(&path)? != out {
            fs::write(path, out)?;
        }
        Ok(())
    }

    /// The mutants that an error of the compiler at these bytes is about: the innermost one whose changed code it lies in,
    /// otherwise the innermost one around it.
    pub fn culprits(&self, error: &Range<usize>) -> Vec<usize> {
        let inside = |range: &Range<usize>| range.start <= error.start && error.end <= range.end;
        let innermost = |all: bool| {
            let range = |(_, changed, whole): &(usize, Range<usize>, Range<usize>)| {
                if all { whole.clone() } else { changed.clone() }
            };
            let around = self.written.iter().filter(|mutant| inside(&range(mutant)));
            around.min_by_key(|mutant| range(mutant).len()).map(|(number, ..)| *number)
        };
        if let Some(number) = innermost(false).or_else(|| innermost(true)) {
            return vec![number];
        }
        // Those that the error contains.
        let within =
            |(_, _, whole): &&(usize, Range<usize>, Range<usize>)| error.start <= whole.start && whole.end <= error.end;
        self.written.iter().filter(within).map(|(number, ..)| *number).collect()
    }

    /// The deleted statement that is nearest to an error: without an assignment, a borrow may last too long elsewhere.
    pub fn nearest_deleted(&self, error: &Range<usize>) -> Option<usize> {
        let deleted = self.written.iter().filter(|(_, changed, _)| changed.is_empty());
        let distance = |whole: &Range<usize>| whole.start.abs_diff(error.start);
        deleted.min_by_key(|(_, _, whole)| distance(whole)).map(|(number, ..)| *number)
    }
}

struct Writer<'s> {
    text: &'s str,
    /// Bytes that are left out.
    erased: Vec<Range<usize>>,
    out: String,
    written: Vec<(usize, Range<usize>, Range<usize>)>,
}

impl Writer<'_> {
    fn plain(&mut self, range: Range<usize>) {
        let mut from = range.start;
        for erased in &self.erased {
            if range.start <= erased.start && erased.end <= range.end && from <= erased.start {
                self.out.push_str(&self.text[from..erased.start]);
                from = erased.end;
            }
        }
        self.out.push_str(&self.text[from..range.end]);
    }

    /// Writes a range with the sites in it, which are sorted.
    fn range(&mut self, range: Range<usize>, mut sites: &[(usize, &Site)]) {
        let mut from = range.start;
        while let Some((_, first)) = sites.first() {
            let place = first.range.clone();
            let same = sites.iter().take_while(|(_, site)| site.range == place).count();
            let inside = sites.iter().take_while(|(_, site)| site.range.end <= place.end.max(place.start)).count();
            self.plain(from..place.start);
            self.site(&sites[..same], &sites[same..inside]);
            (from, sites) = (place.end, &sites[inside..]);
        }
        self.plain(from..range.end);
    }

    /// Writes the mutants of one place, and those inside it.
    fn site(&mut self, same: &[(usize, &Site)], inside: &[(usize, &Site)]) {
        let start = self.out.len();
        let ((first, site), place) = (same[0], same[0].1.range.clone());
        match &site.edit {
            Edit::Delete => {
                self.out.push_str(&format!("if !::mutant_switch::at({first}) {{ "));
                if same.len() > 1 {
                    self.site(&same[1..], inside)
                } else {
                    self.range(place, inside)
                }
                self.out.push_str(" }");
                self.written.push((first, start..start, start..self.out.len()));
            }
            Edit::Return(_) => {
                for (number, site) in same {
                    let start = self.out.len();
                    if let Edit::Return(value) = &site.edit {
                        self.out.push_str(&format!(" if ::mutant_switch::at({number}) {{ return {value}; }}"));
                    }
                    self.written.push((*number, start..self.out.len(), start..self.out.len()));
                }
            }
            Edit::Replace(_) => {
                self.out.push('(');
                let mut changed = Vec::new();
                for (number, site) in same {
                    if let Edit::Replace(text) = &site.edit {
                        self.out.push_str(&format!("if ::mutant_switch::at({number}) {{ "));
                        let from = self.out.len();
                        self.out.push_str(text);
                        changed.push((*number, from..self.out.len()));
                        self.out.push_str(" } else ");
                    }
                }
                self.out.push_str("{ ");
                self.range(place, inside);
                self.out.push_str(" })");
                let whole = start..self.out.len();
                self.written.extend(changed.into_iter().map(|(number, changed)| (number, changed, whole.clone())));
            }
        }
    }
}
