//! Annotations in their store: groups of columns, and the compound datasets that came before.

use std::sync::Arc;

use super::column::{BackedColumn, Column, Values};
use super::data_frame::DataFrame;
use super::left_out::LeftOut;
use super::{child_path, locate, needed};
use anndex_store::error::{Error, Result};
use anndex_store::{Array, Attribute, Attributes, DataType, NodeKind, Store, Strings, read_all};

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
            Some(_) => Self::open_struct(store, path).map_err(located).map(Some),
        }
    }

    fn open_group(store: &Arc<dyn Store>, path: &str) -> Result<Self> {
        let attributes = store.attributes(path)?;
        let children = store.children(path)?;
        let has = |name: &str| children.iter().any(|(child, _)| child == name);
        let named = needed(&attributes, "_index")?.and_then(|value| value.as_str());
        let index_name = named
            .or_else(|| ["_index", "index"].into_iter().find(|name| has(name)))
            .filter(|name| has(name))
            .ok_or_else(|| Error::corrupt("the table has no index"))?
            .to_owned();
        let columns = match needed(&attributes, "column-order")? {
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
        let mut names = fields.iter().map(|field| field.name.clone());
        // Whatever it is called, the index came first.
        let index_name = names
            .next()
            .ok_or_else(|| Error::corrupt("the table has no index"))?;
        let columns = names.collect();
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
        let attributes = self.store.attributes(path)?;
        let categories = match needed(&attributes, "categories")? {
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
        let attributes = self.store.attributes(&target)?;
        let ordered = needed(&attributes, "ordered")?
            .and_then(|value| value.as_bool())
            .unwrap_or(false);
        let categories = BackedColumn::open(&self.store, &target)?;
        Ok(BackedColumn::categorical(codes, categories, ordered))
    }

    fn struct_column(&self, array: &Arc<dyn Array>, name: &str) -> Result<BackedColumn> {
        let field = array.field(name)?;
        Ok(match self.legacy_categories(&field, name)? {
            Some(categories) => BackedColumn::categorical(field, categories, false),
            None => BackedColumn::plain(field),
        })
    }

    /// The labels of a column of obs or var from before 0.7, which stood in
    /// `uns/<column>_categories`. A column of the other one may have the same name and be numbers,
    /// so all codes must be below the number of labels, by which anndata tells them apart.
    fn legacy_categories(
        &self,
        codes: &Arc<dyn Array>,
        name: &str,
    ) -> Result<Option<BackedColumn>> {
        let target = format!("uns/{name}_categories");
        let may_have = matches!(self.path.as_str(), "obs" | "var")
            && name != self.index_name
            && codes.info().data_type.is_integer()
            && codes.info().shape.len() == 1;
        if !may_have || self.store.node(&target)?.is_none() {
            return Ok(None);
        }
        let categories = BackedColumn::open(&self.store, &target)?;
        let values = read_all(&**codes)?;
        let count = categories.len();
        let is_below = |row| {
            let code = values.get_i64(row).unwrap_or(i64::MAX);
            u64::try_from(code).map_or(true, |code| code < count)
        };
        Ok((0..values.len()).all(is_below).then_some(categories))
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

    /// Reads the whole table, but for columns that can't be read: a warning names them.
    ///
    /// # Errors
    /// As [`BackedDataFrame::read_column`], if the index can't be read or a column is damaged.
    pub fn read(&self) -> Result<DataFrame> {
        let mut left_out = LeftOut::new();
        let read = self.read_noting(&mut left_out)?;
        left_out.warn();
        Ok(read)
    }

    /// As [`BackedDataFrame::read`], with the columns noted in `left_out` instead of a warning.
    ///
    /// # Errors
    /// As [`BackedDataFrame::read`].
    pub fn read_noting(&self, left_out: &mut LeftOut) -> Result<DataFrame> {
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
            let path = child_path(&self.path, name);
            let column = self.read_column(name);
            match left_out.unless_unsupported(self.store.location(), &path, column)? {
                Some(column) => frame.with_column(name.as_str(), column),
                None => Ok(frame),
            }
        })
    }

    /// The name that its index has in memory, if it has one.
    pub(super) fn name_of_index(&self) -> Option<&str> {
        match (&self.layout, self.index_name.as_str()) {
            // What writers call an index that has no name.
            (Layout::Struct(_), "index") | (_, "_index") => None,
            (_, name) => Some(name),
        }
    }

    /// Whether the labels of a column are in `uns`, as before 0.7.
    ///
    /// # Errors
    /// As [`BackedDataFrame::column`].
    pub(super) fn has_legacy_categories(&self, name: &str) -> Result<bool> {
        let is_column = self.columns.iter().any(|column| column == name);
        match &self.layout {
            Layout::Struct(array) if is_column => {
                Ok(self.legacy_categories(&array.field(name)?, name)?.is_some())
            }
            _ => Ok(false),
        }
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
    names.ok_or_else(|| Error::corrupt("`column-order` is not a list of names"))
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
