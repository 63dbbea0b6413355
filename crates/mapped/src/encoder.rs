//! Labels as integers, the same ones in every store.

use std::collections::HashMap;

use anndex_anndata::{Column, Label};
use anndex_store::error::{Error, Result};

/// The code of an unknown label.
pub(super) const UNKNOWN_CODE: i32 = -1;

/// Integers for the labels of one obs key: the sorted distinct labels of all stores, from 0. The
/// unknown label, if there is one, is -1 and not counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoder {
    entries: Vec<(Label, i64)>,
    codes: HashMap<Label, i32>,
}

impl Encoder {
    /// # Errors
    /// `InvalidInput` if text and numbers are mixed; `Unsupported` if there are too many labels.
    pub(super) fn new(mut labels: Vec<Label>, unknown: Option<&Label>) -> Result<Self> {
        Label::sort(&mut labels)?;
        if i32::try_from(labels.len()).is_err() {
            return Err(Error::unsupported("more than 2^31 - 1 distinct labels"));
        }
        let mut entries = Vec::with_capacity(labels.len());
        if let Some(position) = labels.iter().position(|label| Some(label) == unknown) {
            entries.push((labels.remove(position), i64::from(UNKNOWN_CODE)));
        }
        entries.extend(labels.into_iter().zip(0..));
        let codes = entries
            .iter()
            .map(|(label, code)| (label.clone(), *code as i32))
            .collect();
        Ok(Self { entries, codes })
    }

    /// The labels with their codes: the unknown one first, then from 0.
    pub fn entries(&self) -> &[(Label, i64)] {
        &self.entries
    }

    /// The code of a label; `None` if no store has it.
    pub fn encode(&self, label: &Label) -> Option<i64> {
        self.codes.get(label).map(|&code| code.into())
    }

    /// The label of a code; `None` if there is none.
    pub fn decode(&self, code: i64) -> Option<&Label> {
        self.entries
            .iter()
            .find(|(_, other)| *other == code)
            .map(|(label, _)| label)
    }

    /// The number of classes: the labels without the unknown one.
    pub fn n_classes(&self) -> usize {
        self.entries.iter().filter(|(_, code)| *code >= 0).count()
    }

    /// The codes of a whole column, `missing` for missing values.
    pub(super) fn encode_column(&self, column: &Column, missing: i32) -> Vec<i32> {
        let code = |label: &Label| self.codes.get(label).copied().unwrap_or(missing);
        match column {
            Column::Categorical(categorical) => {
                let categories = categorical.categories();
                let codes: Vec<i32> = (0..categories.len())
                    .map(|row| code(&categories.label(row)))
                    .collect();
                let lookup = |&code: &i32| {
                    usize::try_from(code)
                        .ok()
                        .and_then(|code| codes.get(code))
                        .copied()
                };
                categorical
                    .codes()
                    .iter()
                    .map(|code| lookup(code).unwrap_or(missing))
                    .collect()
            }
            Column::Values { .. } => column.labels().map(|label| code(&label)).collect(),
        }
    }
}
