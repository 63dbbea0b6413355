//! Change sets as statements, inside a transaction that the caller begins and ends.

use std::collections::HashMap;

use anndex_core::backend::{
    Applied, Change, ChangeSet, Expect, NewRecord, Precondition, Query, Target,
};
use anndex_core::record::{Field, FieldInfo, Id, Kind, LinkKind, Record, Value};
use anndex_core::{Error, ErrorKind, Result};
use sea_orm::sea_query::{self, Expr, ExprTrait, OnConflict, SimpleExpr};
use sea_orm::{ConnectionTrait, SqlErr};

use crate::failure::{Failure, Outcome, conflict};
use crate::{row, select};

/// More rows in one statement gain nothing and cost memory, because statements are kept prepared.
/// With this many, no table comes near the 32,766 values that some databases allow.
const MAX_ROWS: usize = 256;

/// Makes the changes of a checked set in their order.
pub(crate) async fn apply<C: ConnectionTrait>(db: &C, changes: &ChangeSet) -> Outcome<Applied> {
    for precondition in &changes.preconditions {
        check(db, precondition).await?;
    }
    let mut applied = Applied::default();
    let mut rest = changes.changes.as_slice();
    while let Some(first) = rest.first() {
        let (batch, after) = rest.split_at(batch_length(first, rest, applied.inserted.len()));
        rest = after;
        match first {
            Change::Insert { record, .. } => {
                let ids = insert(db, record.kind(), batch, &applied).await?;
                applied.inserted.extend(ids);
            }
            Change::Link { kind, .. } => link(db, *kind, batch, &applied).await?,
            Change::Update { kind, record, set } => {
                update(db, *kind, resolve(*record, &applied)?, set).await?;
            }
            Change::Delete { kind, id } => delete(db, *kind, *id).await?,
            Change::Unlink {
                kind,
                source,
                target,
            } => unlink(db, *kind, *source, *target).await?,
        }
    }
    Ok(applied)
}

/// How many of the next changes one statement can make.
fn batch_length(first: &Change, changes: &[Change], inserted: usize) -> usize {
    let others = changes.iter().take(MAX_ROWS).skip(1);
    1 + others
        .take_while(|next| go_together(first, next, inserted))
        .count()
}

/// Whether the changes fill the same table, and the second does not need the id of the first.
fn go_together(first: &Change, next: &Change, inserted: usize) -> bool {
    match (first, next) {
        (Change::Insert { record: first, .. }, Change::Insert { record, references }) => {
            first.kind() == record.kind() && references.iter().all(|(_, new)| new.0 < inserted)
        }
        (Change::Link { kind: first, .. }, Change::Link { kind, .. }) => first == kind,
        _ => false,
    }
}

async fn check<C: ConnectionTrait>(db: &C, precondition: &Precondition) -> Outcome<()> {
    let kind = precondition.kind;
    let query = Query::new(kind)
        .filter(precondition.filter.clone())
        .limit(1);
    let select = select::records(db.get_database_backend(), &query)?;
    let found = db.query_one(&select).await?.is_some();
    match (precondition.expect, found) {
        (Expect::Some, true) | (Expect::None, false) => Ok(()),
        _ => Err(conflict(format!(
            "another writer changed {} in the meantime; try again",
            kind.with_article()
        ))
        .into()),
    }
}

async fn insert<C: ConnectionTrait>(
    db: &C,
    kind: Kind,
    batch: &[Change],
    applied: &Applied,
) -> Outcome<Vec<Id>> {
    let fields: Vec<_> = kind
        .fields()
        .iter()
        .filter(|info| info.field != Field::Id)
        .collect();
    let mut statement = sea_query::Query::insert();
    statement
        .into_table(kind.as_str())
        .columns(fields.iter().map(|info| info.field.name()))
        .returning(sea_query::Query::returning().columns([Field::Id.name(), Field::Uid.name()]));
    let mut uids = Vec::with_capacity(batch.len());
    for change in batch {
        if let Change::Insert { record, references } = change {
            let values = values(&fields, record, references, applied)?;
            statement.values(values).map_err(unexpected)?;
            uids.push(record.uid());
        }
    }
    // Databases don't promise the order of returned rows.
    let mut ids = HashMap::with_capacity(batch.len());
    for row in db.query_all(&statement).await? {
        ids.insert(
            row.try_get_by_index::<String>(1)?,
            row.try_get_by_index::<Id>(0)?,
        );
    }
    uids.into_iter()
        .map(|uid| {
            ids.get(uid).copied().ok_or_else(|| {
                Error::new(ErrorKind::Backend, "the database gave a new record no id")
                    .with("uid", uid)
                    .into()
            })
        })
        .collect()
}

fn values(
    fields: &[&'static FieldInfo],
    record: &Record,
    references: &[(Field, NewRecord)],
    applied: &Applied,
) -> Result<Vec<SimpleExpr>> {
    fields
        .iter()
        .map(|info| {
            let new = references
                .iter()
                .rev()
                .find(|(field, _)| *field == info.field);
            let value = match new {
                Some((_, new)) => Value::Integer(applied.id(*new)?),
                None => record.get(info.field).unwrap_or(Value::Null),
            };
            Ok(row::parameter(info.value_type, &value).into())
        })
        .collect()
}

async fn update<C: ConnectionTrait>(
    db: &C,
    kind: Kind,
    id: Id,
    set: &[(Field, Value)],
) -> Outcome<()> {
    // A record takes the values first, because it knows more than their types.
    let mut record = Record::empty(kind);
    for (field, value) in set {
        record.set(*field, value.clone())?;
    }
    let mut statement = sea_query::Query::update();
    statement
        .table(kind.as_str())
        .and_where(Expr::col(Field::Id.name()).eq(id));
    let changed = |info: &&FieldInfo| set.iter().any(|(field, _)| *field == info.field);
    for info in kind.fields().iter().filter(changed) {
        let value = record.get(info.field).unwrap_or(Value::Null);
        statement.value(info.field.name(), row::parameter(info.value_type, &value));
    }
    if set.is_empty() {
        statement.value(Field::Id.name(), id);
    }
    match db.execute(&statement).await?.rows_affected() {
        0 => Err(missing(kind, id, "changed").into()),
        _ => Ok(()),
    }
}

async fn delete<C: ConnectionTrait>(db: &C, kind: Kind, id: Id) -> Outcome<()> {
    // Links go by the foreign keys of their tables, or protect the record by them.
    let statement = sea_query::Query::delete()
        .from_table(kind.as_str())
        .and_where(Expr::col(Field::Id.name()).eq(id))
        .take();
    match db.execute(&statement).await {
        Ok(done) if done.rows_affected() == 0 => Err(missing(kind, id, "deleted").into()),
        Ok(_) => Ok(()),
        Err(error) => Err(match error.sql_err() {
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => conflict(format!(
                "the {kind} can't be deleted: another record refers or is linked to it"
            ))
            .with("id", id)
            .source_error(error)
            .into(),
            _ => Failure::Database(error),
        }),
    }
}

async fn link<C: ConnectionTrait>(
    db: &C,
    kind: LinkKind,
    batch: &[Change],
    applied: &Applied,
) -> Outcome<()> {
    let mut columns = vec!["source_id", "target_id"];
    if kind.is_ordered() {
        columns.push("position");
    }
    if kind.has_slot() {
        columns.push("slot");
    }
    let mut statement = sea_query::Query::insert();
    statement
        .into_table(kind.as_str())
        .columns(columns)
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    for change in batch {
        if let Change::Link {
            source,
            target,
            position,
            slot,
            ..
        } = change
        {
            let mut values: Vec<SimpleExpr> = vec![
                resolve(*source, applied)?.into(),
                resolve(*target, applied)?.into(),
            ];
            values.extend(position.map(SimpleExpr::from));
            values.extend(slot.as_deref().map(SimpleExpr::from));
            statement.values(values).map_err(unexpected)?;
        }
    }
    db.execute(&statement).await?;
    Ok(())
}

async fn unlink<C: ConnectionTrait>(db: &C, kind: LinkKind, source: Id, target: Id) -> Outcome<()> {
    let statement = sea_query::Query::delete()
        .from_table(kind.as_str())
        .and_where(Expr::col("source_id").eq(source))
        .and_where(Expr::col("target_id").eq(target))
        .take();
    db.execute(&statement).await?;
    Ok(())
}

fn resolve(target: Target, applied: &Applied) -> Result<Id> {
    match target {
        Target::Existing(id) => Ok(id),
        Target::New(new) => applied.id(new),
    }
}

fn missing(kind: Kind, id: Id, what: &str) -> Error {
    conflict(format!("the {kind} to be {what} is gone")).with("id", id)
}

fn unexpected(error: sea_query::error::Error) -> Error {
    Error::new(ErrorKind::Backend, "a statement does not fit its table").source_error(error)
}
