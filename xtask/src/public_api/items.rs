//! The parts of items that users can name.

use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, Type, Visibility, parse_quote};

/// The attributes that users notice.
const SHOWN: [&str; 7] = [
    "cfg",
    "deprecated",
    "derive",
    "macro_export",
    "must_use",
    "non_exhaustive",
    "repr",
];

pub(super) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Leaves out what users can't name.
pub(super) fn only_public(fields: &mut Fields) {
    match fields {
        Fields::Named(fields) => {
            let public = fields.named.iter().filter(|field| is_public(&field.vis));
            fields.named = public.cloned().collect();
            fields.named.iter_mut().for_each(|f| retain(&mut f.attrs));
        }
        Fields::Unnamed(fields) => {
            // The place of a field is its name.
            for field in &mut fields.unnamed {
                retain(&mut field.attrs);
                if !is_public(&field.vis) {
                    field.ty = parse_quote!(_);
                }
            }
        }
        Fields::Unit => {}
    }
}

pub(super) fn retain(attributes: &mut Vec<Attribute>) {
    attributes.retain(|a| SHOWN.iter().any(|shown| a.path().is_ident(shown)));
}

/// The public methods and constants of a type, or the trait that it has.
pub(super) fn public_part(item: &ItemImpl) -> Option<ItemImpl> {
    let mut item = item.clone();
    retain(&mut item.attrs);
    let is_trait = item.trait_.is_some();
    item.items.retain_mut(|member| match member {
        ImplItem::Fn(function) => {
            retain(&mut function.attrs);
            function.block = parse_quote!({});
            !is_trait && is_public(&function.vis)
        }
        ImplItem::Const(constant) => {
            retain(&mut constant.attrs);
            !is_trait && is_public(&constant.vis)
        }
        ImplItem::Type(_) => is_trait,
        ImplItem::Macro(_) => !is_trait,
        _ => false,
    });
    (is_trait || !item.items.is_empty()).then_some(item)
}

pub(super) fn self_name(item: &ItemImpl) -> Option<String> {
    let mut own = &*item.self_ty;
    while let Type::Reference(reference) = own {
        own = &reference.elem;
    }
    match own {
        Type::Path(path) => path.path.segments.last().map(|part| part.ident.to_string()),
        _ => None,
    }
}

pub(super) fn name_of(item: &Item) -> Option<&syn::Ident> {
    Some(match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    })
}

pub(super) fn is_named(item: &Item, name: &str) -> bool {
    name_of(item).is_some_and(|own| own == name)
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        _ => &[],
    }
}

pub(super) fn attributes_of(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    Some(match item {
        Item::Const(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::Fn(item) => &mut item.attrs,
        Item::Macro(item) => &mut item.attrs,
        Item::Static(item) => &mut item.attrs,
        Item::Struct(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        Item::Type(item) => &mut item.attrs,
        _ => return None,
    })
}
