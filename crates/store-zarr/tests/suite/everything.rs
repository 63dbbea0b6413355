//! Reading all that a store holds.

use anndex_store::Result;
use anndex_store::{Array, DataType, NodeKind, Store, read_all, read_all_strings};

/// Reads every array and attribute; `report` gets each path with its outcome.
pub(crate) fn read_everything(store: &dyn Store, report: &mut dyn FnMut(&str, Result<()>)) {
    let mut groups = vec![String::new()];
    while let Some(group) = groups.pop() {
        report(&group, store.attributes(&group).map(drop));
        let children = match store.children(&group) {
            Ok(children) => children,
            Err(error) => {
                report(&group, Err(error));
                continue;
            }
        };
        for (name, kind) in children {
            let path = if group.is_empty() {
                name
            } else {
                format!("{group}/{name}")
            };
            match kind {
                NodeKind::Group => groups.push(path),
                NodeKind::Unreadable => report(&path, store.node(&path).map(drop)),
                NodeKind::Array => {
                    let read = store.array(&path).and_then(|array| read_array(&*array));
                    report(&path, read);
                }
            }
        }
    }
}

fn read_array(array: &dyn Array) -> Result<()> {
    match &array.info().data_type {
        DataType::String => read_all_strings(array).map(drop),
        DataType::Struct(fields) => fields
            .iter()
            .try_for_each(|field| read_array(&*array.field(&field.name)?)),
        _ => read_all(array).map(drop),
    }
}
