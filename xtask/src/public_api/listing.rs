//! Finding what is reached from the root of a crate, and printing it.

use std::collections::BTreeSet;

use syn::{File, Item, ItemUse, TraitItem, parse_quote};

use super::items::{
    attributes, attributes_of, is_named, is_public, name_of, only_public, public_part, retain,
    self_name,
};
use crate::sources::{Module, Place, Sources, below, is_of_tests, names_of};

/// The items of a crate, as they are found.
pub(super) struct Listing<'a> {
    sources: &'a Sources,
    /// The names of the types and traits that were listed.
    types: BTreeSet<String>,
    listed: BTreeSet<(String, Place)>,
    text: String,
}

impl<'a> Listing<'a> {
    /// Prints what users of a crate of this name can name.
    pub(super) fn of(name: &str, sources: &'a Sources) -> String {
        let mut listing = Self {
            sources,
            types: BTreeSet::new(),
            listed: BTreeSet::new(),
            text: String::new(),
        };
        listing.module(name, &Module::new());
        listing.implementations();
        listing.text
    }

    /// Lists a module that users reach by `name`, and then those in it.
    fn module(&mut self, name: &str, module: &Module) {
        if !self
            .listed
            .insert((name.to_owned(), Place::Module(module.clone())))
        {
            return;
        }
        let (mut items, mut modules) = (Vec::new(), Vec::new());
        self.gather(module, &mut items, &mut modules);
        // In whichever files they stand.
        items.sort_by_cached_key(|item| {
            let name = name_of(item).map(ToString::to_string);
            (name, print(vec![item.clone()]))
        });
        self.text.push_str(&format!("mod {name}\n\n"));
        self.push(items);
        for (child, module) in modules {
            self.module(&format!("{name}::{child}"), &module);
        }
    }

    /// The public items of a module, and the modules that it offers.
    fn gather(
        &mut self,
        module: &Module,
        items: &mut Vec<Item>,
        modules: &mut Vec<(String, Module)>,
    ) {
        let sources = self.sources;
        for item in sources.items(module) {
            match item {
                Item::Mod(item) if is_public(&item.vis) && !is_of_tests(&item.attrs) => {
                    let name = item.ident.to_string();
                    let child = below(module, &name);
                    modules.push((name, child));
                }
                Item::Use(item) if is_public(&item.vis) && !is_of_tests(&item.attrs) => {
                    self.exports(module, item, items, modules);
                }
                item => self.own(item, items),
            }
        }
    }

    /// What a module offers from elsewhere.
    fn exports(
        &mut self,
        module: &Module,
        item: &ItemUse,
        items: &mut Vec<Item>,
        modules: &mut Vec<(String, Module)>,
    ) {
        for (name, path) in names_of(&item.tree) {
            match self.sources.find(module, &path) {
                Some(Place::Module(found)) if name.is_empty() => {
                    self.gather(&found, items, modules);
                }
                Some(Place::Module(found)) => modules.push((name, found)),
                Some(Place::Item(found, own)) => {
                    let sources = self.sources;
                    let all = sources.items(&found);
                    let before = items.len();
                    for item in all.iter().filter(|item| is_named(item, &own)) {
                        self.own(item, items);
                    }
                    if items.len() == before {
                        self.declared(all, &own, items);
                    }
                    if own != name {
                        let (own, name) = (ident(&own), ident(&name));
                        items.push(parse_quote!(pub use #own as #name;));
                    }
                }
                None => {
                    let path = path.iter().map(|name| ident(name));
                    let path: syn::punctuated::Punctuated<syn::Ident, syn::Token![::]> =
                        path.collect();
                    items.push(match (name.is_empty(), path.last()) {
                        (true, _) => parse_quote!(pub use #path::*;),
                        (false, Some(last)) if *last != name => {
                            let name = ident(&name);
                            parse_quote!(pub use #path as #name;)
                        }
                        (false, _) => parse_quote!(pub use #path;),
                    });
                }
            }
        }
    }

    /// The calls of macros that declare something of this name.
    fn declared(&mut self, all: &[Item], name: &str, items: &mut Vec<Item>) {
        for item in all {
            if let Item::Macro(call) = item
                && call.ident.is_none()
                && call
                    .mac
                    .tokens
                    .to_string()
                    .split_whitespace()
                    .any(|word| word == name)
            {
                self.types.insert(name.to_owned());
                items.push(item.clone());
            }
        }
    }

    /// An item of a module itself, if it is public.
    fn own(&mut self, item: &Item, items: &mut Vec<Item>) {
        if is_of_tests(attributes(item)) {
            return;
        }
        let mut item = item.clone();
        let public = match &mut item {
            Item::Const(item) => is_public(&item.vis),
            Item::Static(item) => is_public(&item.vis),
            Item::Type(item) => is_public(&item.vis),
            Item::Fn(item) => {
                *item.block = parse_quote!({});
                is_public(&item.vis)
            }
            Item::Struct(item) => {
                self.types.insert(item.ident.to_string());
                only_public(&mut item.fields);
                is_public(&item.vis)
            }
            Item::Enum(item) => {
                self.types.insert(item.ident.to_string());
                for variant in &mut item.variants {
                    retain(&mut variant.attrs);
                    for field in &mut variant.fields {
                        retain(&mut field.attrs);
                    }
                }
                is_public(&item.vis)
            }
            Item::Trait(item) => {
                self.types.insert(item.ident.to_string());
                for member in &mut item.items {
                    if let TraitItem::Fn(function) = member {
                        retain(&mut function.attrs);
                        // A default body is part of the contract: it need not be written.
                        function.default = function.default.as_ref().map(|_| parse_quote!({}));
                    }
                    if let TraitItem::Type(item) = member {
                        retain(&mut item.attrs);
                    }
                }
                is_public(&item.vis)
            }
            Item::Macro(item) => item.attrs.iter().any(|a| a.path().is_ident("macro_export")),
            _ => false,
        };
        if public {
            if let Some(attributes) = attributes_of(&mut item) {
                retain(attributes);
            }
            items.push(item);
        }
    }

    /// The methods of the types that were listed, and the traits that they have.
    fn implementations(&mut self) {
        let mut found = Vec::new();
        for (_, file) in self.sources.files() {
            for item in &file.items {
                if let Item::Impl(item) = item
                    && !is_of_tests(&item.attrs)
                    && let Some(name) = self_name(item)
                    && self.types.contains(&name)
                    && let Some(item) = public_part(item)
                {
                    found.push((name, item));
                }
            }
        }
        found.sort_by_cached_key(|(name, item)| {
            (name.clone(), print(vec![Item::Impl(item.clone())]))
        });
        self.text.push_str("impl\n\n");
        let items = found.into_iter().map(|(_, item)| Item::Impl(item));
        self.push(items.collect());
    }

    fn push(&mut self, items: Vec<Item>) {
        self.text.push_str(&print(items));
        self.text.push('\n');
    }
}

fn print(items: Vec<Item>) -> String {
    prettyplease::unparse(&File {
        shebang: None,
        attrs: Vec::new(),
        items,
    })
}

fn ident(name: &str) -> syn::Ident {
    syn::Ident::new(name, proc_macro2::Span::call_site())
}
