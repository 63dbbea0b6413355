//! What users of the published crates can name: a listing per crate, read from the sources, so that
//! no change of it goes unnoticed.
//!
//! A listing has the items that can be reached from the root by public names, without what they do
//! and without private fields. What a macro declares is listed as the call of the macro. Of two types
//! of one name both get the methods and traits of either.

mod items;
mod listing;

use std::fs;
use std::path::{Path, PathBuf};

use listing::Listing;

use crate::sources::Sources;
use crate::workspace::Workspace;
use crate::{Result, step};

/// The listing in the directory of a crate.
const LISTING: &str = "public-api.txt";

/// Refuses sources that differ from their listing.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    step::heading("public API");
    let mut refused = Vec::new();
    for (directory, listing) in listings(workspace)? {
        let path = directory.join(LISTING);
        let known = fs::read_to_string(&path).unwrap_or_default();
        if let Some(change) = first_change(&known, &listing) {
            refused.push(format!("{}: {change}", path.display()));
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "the public API changed; see what changed, write CHANGELOG.md, and run \
             `cargo xtask public-api`:\n{}",
            refused.join("\n")
        )),
    }
}

/// Writes the listings anew.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    for (directory, listing) in listings(workspace)? {
        let path = directory.join(LISTING);
        fs::write(&path, listing).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

fn listings(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>> {
    let mut listings = Vec::new();
    for package in workspace.packages()? {
        let name = package
            .name
            .strip_prefix("anndex-")
            .unwrap_or(&package.name);
        let directory = workspace.root().join("crates").join(name);
        let sources = directory.join("src");
        if package.is_published && sources.join("lib.rs").is_file() {
            let listing = listing(&package.name.replace('-', "_"), &sources)?;
            listings.push((directory, listing));
        }
    }
    Ok(listings)
}

fn listing(name: &str, directory: &Path) -> Result<String> {
    Ok(Listing::of(name, &Sources::read(directory)?))
}

/// The first line that was added or is gone.
fn first_change(known: &str, listing: &str) -> Option<String> {
    let (mut before, mut now) = (known.lines(), listing.lines());
    loop {
        match (before.next(), now.next()) {
            (None, None) => return None,
            (before, now) if before == now => {}
            (_, Some(line)) => return Some(format!("now there is `{}`", line.trim())),
            (Some(line), None) => return Some(format!("`{}` is gone", line.trim())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(files: &[(&str, &str)]) -> String {
        let files = files.iter().map(|(module, text)| {
            let module = module.split("::").filter(|name| !name.is_empty());
            (module.map(str::to_owned).collect(), (*text).to_owned())
        });
        Listing::of("it", &Sources::parse(&files.collect()).unwrap())
    }

    const FILES: [(&str, &str); 3] = [
        (
            "",
            "mod a; pub mod b; pub use a::{A, f as g}; pub use other::Thing;",
        ),
        (
            "a",
            "/// Doc.\n#[derive(Debug)] pub struct A { pub x: u8, y: u8 }\n\
             impl A { pub fn new() -> Self { todo() } fn own(&self) {} }\n\
             impl Clone for A { fn clone(&self) -> Self { todo() } }\n\
             pub fn f(x: u8) -> u8 { x + 1 } pub struct Hidden; impl Hidden { pub fn no() {} }\n\
             #[cfg(test)] mod tests { pub fn t() {} }",
        ),
        (
            "b",
            "pub use crate::a::A; pub const C: u8 = 1; const D: u8 = 2;",
        ),
    ];

    #[test]
    fn what_users_can_name_is_listed() {
        let found = listing(&FILES);
        for line in [
            "pub struct A {",
            "pub x: u8,",
            "pub fn f(x: u8) -> u8 {}",
            "pub use f as g;",
            "pub use other::Thing;",
            "mod it::b",
            "pub const C: u8 = 1;",
            "pub fn new() -> Self {}",
            "impl Clone for A {}",
        ] {
            assert!(found.contains(line), "{line}\n{found}");
        }
        for absent in [
            "y: u8", "Hidden", "own", "Doc", "fn t()", "const D", "x + 1",
        ] {
            assert!(!found.contains(absent), "{absent}\n{found}");
        }
    }

    #[test]
    fn a_new_method_is_a_change() {
        let mut files = FILES;
        let more = files[1].1.replace("fn own(&self)", "pub fn own(&self)");
        files[1].1 = &more;
        let (before, now) = (listing(&FILES), listing(&files));
        assert_eq!(
            first_change(&before, &now).as_deref(),
            Some("now there is `pub fn own(&self) {}`")
        );
        assert!(first_change(&now, &before).is_some());
        assert_eq!(first_change(&now, &now), None);
        // What nobody reaches is free to change.
        files[1].1 = FILES[1].1;
        files[2].1 = "pub use crate::a::A; pub const C: u8 = 1; const D: u8 = 3;";
        assert_eq!(first_change(&before, &listing(&files)), None);
    }
}
