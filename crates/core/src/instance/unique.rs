//! Records by a unique field, and making those that are not there.

use super::select;
use crate::backend::{Backend, ChangeSet, Filter, Query};
use crate::error::Result;
use crate::record::{Field, RecordData};

/// The record whose unique field has a value; made from the template if there is none.
pub(super) async fn ensure<R: RecordData>(
    backend: &dyn Backend,
    field: Field,
    value: &str,
    template: R,
) -> Result<R> {
    match with_value(backend, field, value).await? {
        Some(record) => Ok(record),
        None => insert(backend, ChangeSet::new(), template).await,
    }
}

/// The record whose unique field has a value.
pub(super) async fn with_value<R: RecordData>(
    backend: &dyn Backend,
    field: Field,
    value: &str,
) -> Result<Option<R>> {
    let query = Query::new(R::KIND).filter(Filter::eq(field, value));
    Ok(select::<R>(backend, &query).await?.pop())
}

/// The record of the template, after these changes.
pub(super) async fn insert<R: RecordData>(
    backend: &dyn Backend,
    mut changes: ChangeSet,
    template: R,
) -> Result<R> {
    let new = changes.insert(template.clone());
    let id = backend.apply(&changes).await?.id(new)?;
    let mut record = template;
    record.set(Field::Id, id.into())?;
    Ok(record)
}
