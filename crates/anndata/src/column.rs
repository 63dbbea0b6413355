//! Annotation columns: in memory, and in their store.

use std::sync::Arc;

use half::f16;

use super::categorical::Categorical;
use super::label::{Label, python_float};
use super::mask::Mask;
use super::{child_path, encoding_type, locate, needed, required_array};
use anndex_store::error::{Error, Result};
use anndex_store::{
    Array, DataType, NodeKind, NumericArray, Span, Store, Strings, read_all, read_all_strings,
};

/// A list of values of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers or booleans, in one dimension.
    Numeric(NumericArray),
    /// Text.
    Strings(Strings),
}

impl Values {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Numeric(values) => values.len(),
            Self::Strings(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `row`; missing for NaN and past the end.
    pub fn label(&self, row: usize) -> Label {
        match self {
            Self::Strings(values) => values.get(row).map_or(Label::Missing, Label::from),
            Self::Numeric(values) => match values.data_type() {
                DataType::Bool => values
                    .bytes()
                    .get(row)
                    .map_or(Label::Missing, |&byte| Label::Bool(byte != 0)),
                DataType::UInt64 => values
                    .as_slice::<u64>()
                    .and_then(|values| values.get(row))
                    .map_or(Label::Missing, |&value| Label::from(value)),
                data_type if data_type.is_float() => {
                    values.get_f64(row).map_or(Label::Missing, Label::from)
                }
                _ => values.get_i64(row).map_or(Label::Missing, Label::Int),
            },
        }
    }

    /// The value at `row` as NumPy's `astype(str)` writes it; `nan` for NaN and past the end.
    pub fn text(&self, row: usize) -> String {
        if let Self::Numeric(values) = self {
            // The shortest form depends on the precision: float32 0.1 is "0.1", not
            // "0.10000000149011612".
            if let Some(value) = values.as_slice::<f32>().and_then(|values| values.get(row)) {
                return python_float(&format!("{value:?}"));
            }
            if let Some(value) = values.as_slice::<f16>().and_then(|values| values.get(row)) {
                return python_float(&format!("{:?}", shortest_half(*value)));
            }
        }
        self.label(row).to_string()
    }

    /// Reads rows of a stored array of numbers or text.
    pub(super) fn read(array: &dyn Array, spans: &[Span]) -> Result<Self> {
        match array.info().data_type {
            DataType::String => array.read_strings(spans).map(Self::Strings),
            _ => NumericArray::read(array, spans).map(Self::Numeric),
        }
    }

    pub(super) fn read_all(array: &dyn Array) -> Result<Self> {
        match array.info().data_type {
            DataType::String => read_all_strings(array).map(Self::Strings),
            _ => read_all(array).map(Self::Numeric),
        }
    }
}

/// The float64 with the fewest digits that rounds to this float16.
fn shortest_half(value: f16) -> f64 {
    let exact = value.to_f64();
    (0..5)
        .filter_map(|digits| format!("{exact:.digits$e}").parse().ok())
        .find(|&rounded| f16::from_f64(rounded) == value)
        .unwrap_or(exact)
}

/// A column in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Values, with a mask where some may be missing (pandas' nullable types).
    Values {
        /// One value per row; arbitrary where masked.
        values: Values,
        /// `true` where the value is missing; `None` if the column has no mask.
        missing: Option<Mask>,
    },
    /// Codes into categories.
    Categorical(Categorical),
}

impl Column {
    /// A column of text without missing values.
    pub fn strings<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Self {
        let values = Values::Strings(values.into_iter().collect());
        Self::Values {
            values,
            missing: None,
        }
    }

    /// A column of numbers or booleans without a mask.
    ///
    /// # Errors
    /// `InvalidInput` if `values` has not one dimension.
    pub fn numeric(values: NumericArray) -> Result<Self> {
        if values.shape().len() != 1 {
            return Err(Error::invalid_input("a column has one dimension"));
        }
        Ok(Self::Values {
            values: Values::Numeric(values),
            missing: None,
        })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Values { values, .. } => values.len(),
            Self::Categorical(categorical) => categorical.codes().len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `row`; missing past the end.
    pub fn label(&self, row: usize) -> Label {
        match self {
            Self::Values {
                missing: Some(missing),
                ..
            } if missing.get(row).copied().unwrap_or(true) => Label::Missing,
            Self::Values { values, .. } => values.label(row),
            Self::Categorical(categorical) => categorical.label(row),
        }
    }

    /// All values as text, numbers as Python writes them.
    pub fn into_text(self) -> Strings {
        match self {
            Self::Values {
                values: Values::Strings(texts),
                missing: None,
            } => texts,
            Self::Values {
                values,
                missing: None,
            } => (0..values.len()).map(|row| values.text(row)).collect(),
            column => column.labels().map(|label| label.to_string()).collect(),
        }
    }

    /// All values in order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = Label> {
        (0..self.len()).map(|row| self.label(row))
    }
}

/// A column that stays in its store.
#[derive(Debug, Clone)]
pub struct BackedColumn {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Plain(Arc<dyn Array>),
    Nullable {
        values: Arc<dyn Array>,
        mask: Arc<dyn Array>,
        is_nan: bool,
    },
    Categorical {
        codes: Arc<dyn Array>,
        categories: Box<BackedColumn>,
        ordered: bool,
    },
}

impl BackedColumn {
    /// A column of codes, whose categories stand elsewhere (anndata before 0.8).
    pub(super) fn categorical(
        codes: Arc<dyn Array>,
        categories: BackedColumn,
        ordered: bool,
    ) -> Self {
        Self {
            kind: Kind::Categorical {
                codes,
                categories: Box::new(categories),
                ordered,
            },
        }
    }

    /// A column of numbers or text.
    pub(super) fn plain(array: Arc<dyn Array>) -> Self {
        Self {
            kind: Kind::Plain(array),
        }
    }

    /// Opens the column at `path`, whose encoding says what it is.
    pub(super) fn open(store: &Arc<dyn Store>, path: &str) -> Result<Self> {
        if store.node(path)? != Some(NodeKind::Group) {
            return Ok(Self::plain(required_array(store, path)?));
        }
        let attributes = store.attributes(path)?;
        let array = |name: &str| required_array(store, &child_path(path, name));
        let kind = match encoding_type(&attributes)? {
            "categorical" => Kind::Categorical {
                codes: array("codes")?,
                categories: Box::new(Self::open(store, &child_path(path, "categories"))?),
                ordered: needed(&attributes, "ordered")?
                    .and_then(|v| v.as_bool())
                    .unwrap_or(false),
            },
            "nullable-integer" | "nullable-boolean" | "nullable-string-array" => Kind::Nullable {
                values: array("values")?,
                mask: array("mask")?,
                is_nan: needed(&attributes, "na-value")?.and_then(|v| v.as_str()) == Some("NaN"),
            },
            other => {
                return Err(locate(store, path)(Error::unsupported(format!(
                    "a column encoded as `{other}` can't be read"
                ))));
            }
        };
        Ok(Self { kind })
    }

    /// The encoding in anndata's words.
    pub fn encoding(&self) -> &'static str {
        match &self.kind {
            Kind::Plain(array) if array.info().data_type == DataType::String => "string-array",
            Kind::Plain(_) => "array",
            Kind::Nullable { values, .. } => match &values.info().data_type {
                DataType::Bool => "nullable-boolean",
                DataType::String => "nullable-string-array",
                _ => "nullable-integer",
            },
            Kind::Categorical { .. } => "categorical",
        }
    }

    /// The type of the values; of the categories, if it is categorical.
    pub fn data_type(&self) -> &DataType {
        match &self.kind {
            Kind::Plain(array) | Kind::Nullable { values: array, .. } => &array.info().data_type,
            Kind::Categorical { categories, .. } => categories.data_type(),
        }
    }

    /// The stored arrays with their names: `codes` and those of the categories, `values` and
    /// `mask`, or one without a name.
    pub fn arrays(&self) -> impl Iterator<Item = (&'static str, &Arc<dyn Array>)> {
        let (first, second) = match &self.kind {
            Kind::Plain(array) => (("", array), None),
            Kind::Nullable { values, mask, .. } => (("values", values), Some(("mask", mask))),
            Kind::Categorical {
                codes, categories, ..
            } => (
                ("codes", codes),
                categories.values_array().map(|array| ("categories", array)),
            ),
        };
        std::iter::once(first).chain(second)
    }

    fn values_array(&self) -> Option<&Arc<dyn Array>> {
        match &self.kind {
            Kind::Plain(array) | Kind::Nullable { values: array, .. } => Some(array),
            Kind::Categorical { .. } => None,
        }
    }

    /// The number of rows.
    pub fn len(&self) -> u64 {
        match &self.kind {
            Kind::Plain(array)
            | Kind::Nullable { values: array, .. }
            | Kind::Categorical { codes: array, .. } => array.info().rows(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the rows of `spans` (sorted, not overlapping), or all rows if there are none given.
    ///
    /// # Errors
    /// `InvalidInput` if a span is out of range; `Corrupt`, `Unsupported` or `Storage` if the
    /// column can't be decoded.
    pub fn read(&self, spans: Option<&[Span]>) -> Result<Column> {
        let read = |array: &dyn Array| match spans {
            Some(spans) => Values::read(array, spans),
            None => Values::read_all(array),
        };
        match &self.kind {
            Kind::Plain(array) => Ok(Column::Values {
                values: read(&**array)?,
                missing: None,
            }),
            Kind::Nullable {
                values,
                mask,
                is_nan,
            } => {
                let values = read(&**values)?;
                let missing = match read(&**mask)? {
                    Values::Numeric(mask) if mask.len() == values.len() => {
                        let mask = mask.cast(&DataType::Bool)?;
                        let missing = mask.bytes().iter().map(|&byte| byte != 0).collect();
                        if *is_nan {
                            Mask::nan(missing)
                        } else {
                            Mask::from(missing)
                        }
                    }
                    _ => return Err(Error::corrupt("the mask does not fit the values")),
                };
                Ok(Column::Values {
                    values,
                    missing: Some(missing),
                })
            }
            Kind::Categorical {
                codes,
                categories,
                ordered,
            } => {
                let Values::Numeric(codes) = read(&**codes)? else {
                    return Err(Error::corrupt("category codes must be integers"));
                };
                let categories = match categories.read(None)? {
                    Column::Values { values, missing }
                        if !missing.iter().any(|mask| mask.contains(&true)) =>
                    {
                        values
                    }
                    _ => return Err(Error::corrupt("a category must have a value")),
                };
                Categorical::from_stored(codes, categories, *ordered).map(Column::Categorical)
            }
        }
    }
}
