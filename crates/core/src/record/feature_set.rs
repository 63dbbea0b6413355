//! Feature sets: which variables or columns a dataset measures.

use serde::{Deserialize, Serialize};

use super::declare::declare_record;
use super::{FieldType, Id, Value, ValueType};
use crate::error::{Error, Result};

/// One feature: a variable or a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Feature {
    /// The name.
    pub name: String,
    /// The data type of its values, as lamindb writes it: `"float"`, `"int"`, `"str"`, `"cat"`.
    pub dtype: Option<String>,
}

declare_record! {
    /// A set of features. The uid has 20 characters. Sets of equal content are one record.
    FeatureSet {
        /// Name or title.
        name: Option<String> = Name,
        /// Number of features.
        n: i64 = N,
        /// Data type that all features share, if they do.
        dtype: Option<String> = Dtype,
        /// The registry that features are measured against, such as `"Feature"`.
        registry: String = Registry,
        /// Hash of the members, 22 characters of base64url.
        hash: String = Hash unique,
        /// The features, sorted by name.
        members: Vec<Feature> = Members,
        /// The run that created it.
        run_id: Option<Id> = Run -> Run,
        /// The user who created the record.
        created_by_id: Option<Id> = CreatedBy -> User,
    }
}

impl FieldType for Vec<Feature> {
    const TYPE: ValueType = ValueType::Json;

    fn to_value(&self) -> Value {
        let feature = |f: &Feature| serde_json::json!({"name": f.name, "dtype": f.dtype});
        Value::Json(self.iter().map(feature).collect())
    }

    fn from_value(value: Value) -> Result<Self> {
        let Value::Json(json) = value else {
            return Err(Error::invalid_input("features are a JSON array"));
        };
        serde_json::from_value(json).map_err(|source| {
            Error::invalid_input("features are a JSON array of {name, dtype}").source_error(source)
        })
    }
}
