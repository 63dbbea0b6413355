//! Arrays of lists of any length and records of any depth, as the library Awkward Array has them:
//! a description of the tree of lists and records, and one flat buffer for each of its nodes.

use std::sync::Arc;

use super::write::{Writer, encoding_attributes, named_child};
use super::{child_path, needed, required_array};
use anndex_store::Walk;
use anndex_store::error::{Error, Result};
use anndex_store::{ArrayData, ArraySpec, Attributes, NumericArray, Store, read_all};

/// An awkward array in memory, as its library takes it (`ak.from_buffers`). Its tree is not looked
/// at here.
#[derive(Debug, Clone, PartialEq)]
pub struct Awkward {
    form: String,
    len: usize,
    buffers: Vec<(String, NumericArray)>,
}

impl Awkward {
    pub(super) fn read(
        store: &Arc<dyn Store>,
        path: &str,
        attributes: &Attributes,
        walk: &mut Walk,
    ) -> Result<Self> {
        let form = needed(attributes, "form")?.and_then(|form| form.as_str());
        let len = needed(attributes, "length")?.and_then(|length| length.as_u64());
        let len = len.and_then(|len| usize::try_from(len).ok());
        let (Some(form), Some(len)) = (form, len) else {
            return Err(Error::corrupt(
                "the awkward array has no valid `form` and `length`",
            ));
        };
        let mut buffers = Vec::new();
        for (name, _) in store.children(path)? {
            let array = required_array(store, &child_path(path, &name))?;
            walk.visit()?;
            walk.decode(array.info().memory_bytes(), array.info().stored_bytes)?;
            buffers.push((name, read_all(&*array)?));
        }
        Ok(Self {
            form: form.to_owned(),
            len,
            buffers,
        })
    }

    /// The description of the tree, in the library's JSON.
    pub fn form(&self) -> &str {
        &self.form
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values of the nodes, by the names that the description has for them.
    pub fn buffers(&self) -> &[(String, NumericArray)] {
        &self.buffers
    }

    /// The same, without a copy.
    pub fn into_buffers(self) -> Vec<(String, NumericArray)> {
        self.buffers
    }
}

impl Writer<'_> {
    pub(super) fn awkward(&mut self, path: &str, array: &Awkward) -> Result<()> {
        let more = [
            ("form", array.form.as_str().into()),
            ("length", (array.len as u64).into()),
        ];
        self.group(path, "awkward-array", "0.1.0", more)?;
        for (name, values) in &array.buffers {
            let shape: Vec<u64> = values.shape().iter().map(|&extent| extent as u64).collect();
            let spec = ArraySpec::new(values.data_type().clone(), shape);
            let place = named_child(path, name)?;
            let data = ArrayData::Bytes(values.bytes());
            let encoding = encoding_attributes("array", "0.2.0");
            self.writer.write_array(&place, &spec, data, &encoding)?;
        }
        Ok(())
    }
}
