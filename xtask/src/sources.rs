//! The sources of a crate as modules, and where the paths in them lead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::{Attribute, File, Item, Meta, UseTree, Visibility};

use crate::Result;

/// The path of a module in its crate; that of the root is empty.
pub(crate) type Module = Vec<String>;

/// A `use`, name by name: what each is called here, and its path. A glob has no name.
pub(crate) type Named = Vec<(String, Vec<String>)>;

/// The files of a crate, but for those of unit tests.
pub(crate) struct Sources {
    files: BTreeMap<Module, File>,
    modules: BTreeSet<Module>,
    /// What each module takes from elsewhere, by the name that it has there.
    uses: BTreeMap<Module, Vec<(String, Vec<String>)>>,
    /// The same, as far as others may use it.
    exports: BTreeMap<(Module, String), Module>,
}

/// Where a path leads in its crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A module.
    Module(Module),
    /// What has this name in a module.
    Item(Module, String),
}

impl Sources {
    /// Reads all files below the directory of `lib.rs` or `main.rs`.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let mut texts = BTreeMap::new();
        read(directory, &Module::new(), &mut texts)?;
        Self::parse(&texts).map_err(|e| format!("{}: {e}", directory.display()))
    }

    /// Takes the text of each module.
    pub(crate) fn parse(texts: &BTreeMap<Module, String>) -> Result<Self> {
        let mut sources = Self {
            files: BTreeMap::new(),
            modules: texts.keys().cloned().collect(),
            uses: BTreeMap::new(),
            exports: BTreeMap::new(),
        };
        let mut exported = Vec::new();
        for (module, text) in texts {
            let file = syn::parse_file(text).map_err(|e| format!("{}: {e}", shown(module)))?;
            let mut uses = Named::new();
            for item in &file.items {
                if let Item::Use(item) = item
                    && !is_of_tests(&item.attrs)
                {
                    let named = names_of(&item.tree);
                    if !matches!(item.vis, Visibility::Inherited) {
                        exported.extend(named.iter().map(|one| (module.clone(), one.clone())));
                    }
                    uses.extend(named);
                }
            }
            sources.uses.insert(module.clone(), uses);
            sources.files.insert(module.clone(), file);
        }
        let places = exported.into_iter().filter_map(|(module, (name, path))| {
            let place = sources.resolve(&module, &path)?;
            Some(((module, name), place))
        });
        sources.exports = places.collect();
        Ok(sources)
    }

    /// All modules with their files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Module, &File)> {
        self.files.iter()
    }

    /// What stands in a module.
    pub(crate) fn items(&self, module: &Module) -> &[Item] {
        self.files.get(module).map_or(&[], |file| &file.items)
    }

    /// The innermost module on a path that is used in a module; `None` if it leads to another
    /// crate.
    pub(crate) fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        self.walk(from, path).map(|(place, _)| place)
    }

    /// What is at the end of a path that is used in a module; `None` if that is in another crate.
    pub(crate) fn find(&self, from: &Module, path: &[String]) -> Option<Place> {
        self.find_within(from, path, 16)
    }

    fn find_within(&self, from: &Module, path: &[String], depth: usize) -> Option<Place> {
        let (start, mut rest) = self.begin(from, path)?;
        let mut place = start;
        while let Some((name, after)) = rest.split_first() {
            let child = below(&place, name);
            if self.modules.contains(&child) {
                place = child;
                rest = after;
                continue;
            }
            let used = self.uses.get(&place).into_iter().flatten();
            let used = used
                .filter(|(other, _)| other == name)
                .map(|(_, path)| path);
            let mut places = used.filter_map(|path| match depth {
                0 => None,
                _ => self.find_within(&place, path, depth - 1),
            });
            return match (places.next(), after.is_empty()) {
                (Some(Place::Module(module)), false) => self.find_within(
                    &module,
                    &[&["self".to_owned()], after].concat(),
                    depth.checked_sub(1)?,
                ),
                (Some(found), _) => Some(found),
                (None, true) => Some(Place::Item(place, name.clone())),
                (None, false) => None,
            };
        }
        Some(Place::Module(place))
    }

    /// The module that the first names of a path stand for, and the others.
    fn begin<'a>(&self, from: &Module, path: &'a [String]) -> Option<(Module, &'a [String])> {
        let mut place = from.clone();
        let mut rest = match path.first()?.as_str() {
            "crate" => {
                place.clear();
                &path[1..]
            }
            "self" => &path[1..],
            "super" => path,
            first if self.modules.contains(&below(from, first)) => path,
            _ => return None,
        };
        while rest.first().is_some_and(|name| name == "super") {
            place.pop();
            rest = &rest[1..];
        }
        Some((place, rest))
    }

    fn walk<'a>(&self, from: &Module, path: &'a [String]) -> Option<(Module, &'a [String])> {
        let (mut place, mut rest) = self.begin(from, path)?;
        while let Some((name, after)) = rest.split_first() {
            let child = below(&place, name);
            let exported = self.exports.get(&(place.clone(), name.clone()));
            match (self.modules.contains(&child), exported) {
                (true, _) => place = child,
                (false, Some(from)) => place.clone_from(from),
                (false, None) => break,
            }
            rest = after;
        }
        Some((place, rest))
    }
}

fn read(directory: &Path, module: &Module, texts: &mut BTreeMap<Module, String>) -> Result<()> {
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name == "tests" {
            continue;
        }
        let child = match &*name {
            "lib" | "main" if module.is_empty() => Module::new(),
            name => below(module, name),
        };
        if path.is_dir() {
            read(&path, &child, texts)?;
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            texts.insert(child, fs::read_to_string(&path).map_err(failed)?);
        }
    }
    Ok(())
}

/// The path of something in a module.
pub(crate) fn below(module: &[String], name: &str) -> Module {
    [module, &[name.to_owned()]].concat()
}

/// A module in words.
pub(crate) fn shown(module: &[String]) -> String {
    match module.is_empty() {
        true => "the root".to_owned(),
        false => module.join("::"),
    }
}

/// Whether something is there for unit tests only.
pub(crate) fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        _ => false,
    })
}

/// The names that a `use` gives.
pub(crate) fn names_of(tree: &UseTree) -> Named {
    let mut named = Named::new();
    expand(tree, &[], &mut named);
    named
}

fn expand(tree: &UseTree, before: &[String], named: &mut Named) {
    match tree {
        UseTree::Path(path) => expand(&path.tree, &below(before, &path.ident.to_string()), named),
        UseTree::Group(group) => {
            for tree in &group.items {
                expand(tree, before, named);
            }
        }
        UseTree::Name(name) if name.ident == "self" => {
            named.push((before.last().cloned().unwrap_or_default(), before.to_vec()));
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let path = below(before, &name);
            named.push((name, path));
        }
        UseTree::Rename(renamed) => {
            let path = below(before, &renamed.ident.to_string());
            named.push((renamed.rename.to_string(), path));
        }
        UseTree::Glob(_) => named.push((String::new(), before.to_vec())),
    }
}
