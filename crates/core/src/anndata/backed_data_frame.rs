//! Annotations in their store: groups of columns, and the compound datasets that came before.

use std::sync::Arc;

use super::column::{BackedColumn, Column, Values};
use super::data_frame::DataFrame;
use super::{child_path, locate};
use crate::error::{Error, Result};
use crate::store::{Array, Attribute, Attributes, DataType, NodeKind, Store, Strings};

/// Where anndata 0.7 put the categories of all columns of a frame.
const LEGACY_CATEGORIES: &str = "__categories";

/// A table that stays in its store.
#[derive(Debug, Clone)]
pub struct BackedDataFrame {
    store: Arc<dyn Store>,
    path: String,
    layout: Layout,
    index_name: String,
    columns: Vec<String>,
    len: u64,
}

#[derive(Debug, Clone)]
enum Layout {
    /// A group with one child per column (anndata 0.7 and later).
    Group,
    /// One compound dataset with a field per column (before 0.7).
    Struct(Arc<dyn Array>),
}

impl BackedDataFrame {
    /// Opens the table at `path`; `None` if nothing stands there. Reads metadata only.
    ///
    /// # Errors
    /// `Corrupt` if the index is missing or the columns' lengths differ from it; `Unsupported`
    /// if it is no table.
    pub fn open(store: &Arc<dyn Store>, path: &str) -> Result<Option<Self>> {
        let located = locate(store, path);
        match store.node(path).map_err(&located)? {
            None => Ok(None),
            Some(NodeKind::Group) => Self::open_group(store, path).map_err(located).map(Some),
            Some(NodeKind::Array) => Self::open_struct(store, path).map_err(located).map(Some),
        }
    }

    fn open_group(store: &Arc<dyn Store>, path: &str) -> Result<Self> {
        let attributes = store.attributes(path)?;
        let children = store.children(path)?;
        let has = |name: &str| children.iter().any(|(child, _)| child == name);
        let named = attributes.get("_index").and_then(|value| value.as_str());
        let index_name = named
            .or_else(|| ["_index", "index"].into_iter().find(|name| has(name)))
            .filter(|name| has(name))
            .ok_or_else(|| Error::corrupt("the table has no index"))?
            .to_owned();
        let columns = match attributes.get("column-order") {
            Some(order) => column_order(order)?,
            None => children
                .into_iter()
                .map(|(name, _)| name)
                .filter(|name| *name != index_name && name != LEGACY_CATEGORIES)
                .collect(),
        };
        let len = BackedColumn::open(store, &child_path(path, &index_name))?.len();
        Ok(Self {
            store: store.clone(),
            path: path.to_owned(),
            layout: Layout::Group,
            index_name,
            columns,
            len,
        })
    }

    fn open_struct(store: &Arc<dyn Store>, path: &str) -> Result<Self> {
        let array = store.array(path)?;
        let DataType::Struct(fields) = &array.info().data_type else {
            return Err(Error::unsupported(format!(
                "a table is a group or a compound dataset, but this is an array of {}",
                array.info().data_type
            )));
        };
        let mut columns: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        let index = ["index", "_index"]
            .into_iter()
            .find_map(|name| columns.iter().position(|column| column == name))
            .ok_or_else(|| Error::corrupt("the table has no index"))?;
        let index_name = columns.remove(index);
        let len = array.info().rows();
        Ok(Self {
            store: store.clone(),
            path: path.to_owned(),
            layout: Layout::Struct(array),
            index_name,
            columns,
            len,
        })
    }

    /// The store that holds it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The path inside the store.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The number of rows.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The columns' names in order, without the index.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The name under which the index is stored.
    pub fn index_name(&self) -> &str {
        &self.index_name
    }

    /// Reads the index as text; numbers are written as Python writes them.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Storage` if it can't be decoded.
    pub fn index(&self) -> Result<Strings> {
        self.read_column(&self.index_name).map(Column::into_text)
    }

    /// Opens a column, or the index by its stored name.
    ///
    /// # Errors
    /// `NotFound` with the names there are; `Corrupt` or `Unsupported` if its encoding can't be
    /// understood.
    pub fn column(&self, name: &str) -> Result<BackedColumn> {
        let known = name == self.index_name || self.columns.iter().any(|column| column == name);
        if !known {
            return Err(Error::not_found(format!(
                "there is no such column; there are: {}",
                self.columns.join(", ")
            ))
            .with("column", name)
            .with("path", self.store.location())
            .with("node", format!("/{}", self.path)));
        }
        let path = child_path(&self.path, name);
        let column = match &self.layout {
            Layout::Group => self.group_column(&path, name),
            Layout::Struct(array) => self.struct_column(array, name),
        };
        let column = column.map_err(locate(&self.store, &path))?;
        if column.len() != self.len {
            return Err(locate(&self.store, &path)(Error::corrupt(format!(
                "the column has {} rows, but the index {}",
                column.len(),
                self.len
            ))));
        }
        Ok(column)
    }

    fn group_column(&self, path: &str, name: &str) -> Result<BackedColumn> {
        if self.store.node(path)? != Some(NodeKind::Array) {
            return BackedColumn::open(&self.store, path);
        }
        let codes = self.store.array(path)?;
        // anndata 0.7: codes here, and the attribute `categories` refers to the labels, by an
        // object reference in HDF5 and by a path from the frame in Zarr.
        let categories = match self.store.attributes(path)?.get("categories") {
            Some(Attribute::Reference(target)) => Some(target.clone()),
            Some(Attribute::String(target)) => Some(match target.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None => child_path(&self.path, target),
            }),
            _ => {
                let beside = format!("{}/{LEGACY_CATEGORIES}/{name}", self.path);
                self.store.node(&beside)?.map(|_| beside)
            }
        };
        let Some(target) = categories else {
            return Ok(BackedColumn::plain(codes));
        };
        let ordered = self
            .store
            .attributes(&target)?
            .get("ordered")
            .and_then(|value| value.as_bool())
            .unwrap_or(false);
        let categories = BackedColumn::open(&self.store, &target)?;
        Ok(BackedColumn::categorical(codes, categories, ordered))
    }

    fn struct_column(&self, array: &Arc<dyn Array>, name: &str) -> Result<BackedColumn> {
        let field = array.field(name)?;
        // Before 0.7: codes in the field, and the labels in `uns/<column>_categories`.
        let target = format!("uns/{name}_categories");
        if field.info().data_type.is_integer() && self.store.node(&target)?.is_some() {
            let categories = BackedColumn::open(&self.store, &target)?;
            return Ok(BackedColumn::categorical(field, categories, false));
        }
        Ok(BackedColumn::plain(field))
    }

    /// Reads a whole column, or the index by its stored name.
    ///
    /// # Errors
    /// As [`BackedDataFrame::column`]; `Corrupt`, `Unsupported` or `Storage` if it can't be
    /// decoded.
    pub fn read_column(&self, name: &str) -> Result<Column> {
        let path = child_path(&self.path, name);
        self.column(name)?
            .read(None)
            .map_err(locate(&self.store, &path))
    }

    /// Reads the whole table.
    ///
    /// # Errors
    /// As [`BackedDataFrame::read_column`].
    pub fn read(&self) -> Result<DataFrame> {
        let index = match self.read_column(&self.index_name)? {
            Column::Values {
                values: Values::Numeric(numbers),
                missing: None,
            } => DataFrame::with_numeric_index(numbers)?,
            column => DataFrame::new(column.into_text()),
        };
        let index = match self.name_of_index() {
            None => index,
            Some(name) => index.with_index_name(name),
        };
        self.columns.iter().try_fold(index, |frame, name| {
            frame.with_column(name.as_str(), self.read_column(name)?)
        })
    }

    /// The name that its index has in memory, if it has one.
    pub(super) fn name_of_index(&self) -> Option<&str> {
        match (&self.layout, self.index_name.as_str()) {
            // What writers call an index that has no name.
            (Layout::Struct(_), _) | (Layout::Group, "_index") => None,
            (Layout::Group, name) => Some(name),
        }
    }

    /// Whether a column is stored in the way from before 0.7, so that its categories are in `uns`.
    pub(super) fn has_legacy_categories(&self, name: &str) -> bool {
        matches!(self.layout, Layout::Struct(_)) && self.columns.iter().any(|one| one == name)
    }
}

fn column_order(order: &Attribute) -> Result<Vec<String>> {
    let names = match order {
        Attribute::Null => Some(Vec::new()),
        // A single name may come as a scalar.
        Attribute::String(name) => Some(vec![name.clone()]),
        Attribute::List(names) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    names.ok_or_else(|| Error::corrupt("`column-order` is no list of names"))
}

/// The attributes of a data frame group, encoding version 0.2.0.
pub(super) fn frame_attributes<'a>(
    index: &str,
    columns: impl Iterator<Item = &'a str>,
) -> Attributes {
    Attributes::from([
        ("encoding-type".to_owned(), "dataframe".into()),
        ("encoding-version".to_owned(), "0.2.0".into()),
        ("_index".to_owned(), index.into()),
        (
            "column-order".to_owned(),
            columns.collect::<Vec<_>>().into(),
        ),
    ])
}
