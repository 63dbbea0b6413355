//! Circles of source files that use each other: whoever wants to understand one of them has to read
//! all of them, so there may be no large ones.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{ItemMod, ItemUse};

use crate::sources::{Module, Sources, is_of_tests, names_of, shown};
use crate::workspace::Workspace;
use crate::{Result, step};

/// The crates that are looked at: the engine, the facade and the command.
const CRATES: [&str; 3] = ["mapped", "anndex", "cli"];

/// So many files may use each other in a circle.
const MOST: usize = 3;

/// Refuses larger circles, with what each of their files uses.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    step::heading("circles of files");
    let mut refused = Vec::new();
    for name in CRATES {
        let sources = workspace.root().join("crates").join(name).join("src");
        for circle in Uses::of(&Sources::read(&sources)?).circles() {
            refused.push(format!("crates/{name}: {circle}"));
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => Err(format!("circles of files:\n{}", refused.join("\n"))),
    }
}

/// Which modules each module of a crate uses.
#[derive(Debug)]
struct Uses(BTreeMap<Module, BTreeSet<Module>>);

impl Uses {
    fn of(sources: &Sources) -> Self {
        let uses = sources.files().map(|(module, file)| {
            let mut paths = Paths::default();
            paths.visit_file(file);
            let used = paths.0.iter();
            let used = used.filter_map(|path| sources.resolve(module, path));
            (module.clone(), used.filter(|used| used != module).collect())
        });
        Self(uses.collect())
    }

    /// Circles of more than [`MOST`] modules, in words.
    fn circles(&self) -> Vec<String> {
        let reached: BTreeMap<_, _> = self
            .0
            .keys()
            .map(|module| (module, self.reached(module)))
            .collect();
        let mut circles = BTreeSet::new();
        for (module, others) in &reached {
            let back = |other: &&Module| reached.get(other).is_some_and(|r| r.contains(*module));
            let circle: BTreeSet<Module> = others.iter().filter(back).cloned().collect();
            if circle.len() > MOST {
                circles.insert(circle);
            }
        }
        circles.iter().map(|circle| self.told(circle)).collect()
    }

    /// All that a module uses, directly or not.
    fn reached(&self, module: &Module) -> BTreeSet<Module> {
        let mut reached = BTreeSet::new();
        let mut next = vec![module];
        while let Some(module) = next.pop() {
            for used in self.0.get(module).into_iter().flatten() {
                if reached.insert(used.clone()) {
                    next.push(used);
                }
            }
        }
        reached
    }

    fn told(&self, circle: &BTreeSet<Module>) -> String {
        let lines = circle.iter().map(|module| {
            let used = self.0[module].iter().filter(|used| circle.contains(*used));
            let used: Vec<_> = used.map(|used| shown(used)).collect();
            format!("  {} uses {}", shown(module), used.join(", "))
        });
        let lines: Vec<_> = lines.collect();
        format!(
            "{} files use each other in a circle; {MOST} are the most\n{}",
            circle.len(),
            lines.join("\n")
        )
    }
}

/// The paths in a file, but for those of its unit tests. What stands in calls of macros is not seen.
#[derive(Debug, Default)]
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_of_tests(&item.attrs) {
            let named = names_of(&item.tree).into_iter();
            self.0.extend(named.map(|(_, path)| path));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names = path.segments.iter().map(|part| part.ident.to_string());
            self.0.push(names.collect());
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(module, text)| {
            let module = module.split("::").filter(|name| !name.is_empty());
            (module.map(str::to_owned).collect(), (*text).to_owned())
        });
        Uses::of(&Sources::parse(&files.collect()).unwrap()).circles()
    }

    #[test]
    fn a_large_circle_is_refused() {
        let small = [
            ("", "mod a; mod b; mod c; mod d; pub use a::A;"),
            ("a", "use crate::b::B; pub struct A;"),
            ("b", "use super::{c::{self, C}, d}; pub struct B;"),
            ("c", "fn c() { crate::A; }"),
            (
                "d",
                "use std::fs; #[cfg(test)] mod tests { use crate::a::A; }",
            ),
        ];
        assert_eq!(circles(&small), Vec::<String>::new());
        let mut large = small;
        // Through the name that the root exports.
        large[4].1 = "use crate::A as Other;";
        let found = circles(&large);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("4 files use each other in a circle"));
        assert!(found[0].contains("\n  b uses c, d\n"), "{}", found[0]);
    }

    #[test]
    fn children_and_parents_are_in_it() {
        let files = [
            ("", "mod a;"),
            ("a", "mod b; mod c; mod d; use b::B;"),
            ("a::b", "use super::c::C; pub struct B;"),
            ("a::c", "use self::super::d::D; pub struct C;"),
            ("a::d", "pub struct D(super::Missing);"),
        ];
        assert_eq!(circles(&files).len(), 1);
        let mut fewer = files;
        fewer[4].1 = "pub struct D;";
        assert_eq!(circles(&fewer), Vec::<String>::new());
    }
}
