//! Writes the list of a crate's public items: `public-api-listing RUSTDOC.json LISTING.txt`. The listing is committed, so a change of the
//! interface is seen in a diff. `.ci/package` makes the first file.

use anyhow::Context;
use public_api::Builder;
use std::env::args;
use std::fmt::Write;
use std::fs;

fn main() -> anyhow::Result<()> {
    let mut files = args().skip(1);
    let (json, listing) = files.next().zip(files.next()).context("expected RUSTDOC.json LISTING.txt")?;
    let api = Builder::from_rustdoc_json(&json).omit_blanket_impls(true).omit_auto_trait_impls(true).build();
    let mut text = String::new();
    for item in api.with_context(|| json.clone())?.items() {
        writeln!(text, "{item}")?;
    }
    fs::write(&listing, text).context(listing)
}
