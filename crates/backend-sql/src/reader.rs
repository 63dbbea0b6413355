//! Reading the tables of another program, as values of the model, whatever types its database
//! gives to columns.

use std::collections::BTreeSet;
use std::fmt::Debug;

use anndex_core::record::{Id, Value, ValueType};
use anndex_core::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, QueryResult, Statement, TransactionOptions, TransactionTrait,
};

use crate::dialect;

/// Where a database is that is only read.
pub trait Origin: Debug + Send + Sync + 'static {
    /// Puts an error of the database into words, and says where it is.
    fn error(&self, error: DbErr) -> Error;
}

/// A database of another program, as it was when it was opened. Nothing in it is changed.
#[derive(Debug)]
pub struct Reader {
    transaction: DatabaseTransaction,
    connection: DatabaseConnection,
    // Dropped last: the database may be a copy that goes with it.
    origin: Box<dyn Origin>,
}

/// Rows of one table.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The table.
    pub table: &'a str,
    /// The columns, and the types of their values.
    pub columns: &'a [(&'a str, ValueType)],
    /// The column of integers that rows are ordered by, then by `id`.
    pub key: &'a str,
    /// Only rows whose key is larger; `None` for all.
    pub after: Option<Id>,
    /// Only rows whose key is in this list, which may be long; `None` for all.
    pub among: Option<&'a [Id]>,
    /// At most this many.
    pub limit: Option<u64>,
}

impl Reader {
    /// Begins to read: all that is read is as it is now.
    ///
    /// # Errors
    /// What [`Origin::error`] makes of a failing database.
    pub async fn new(connection: DatabaseConnection, origin: Box<dyn Origin>) -> Result<Self> {
        let options = match connection.get_database_backend() {
            DbBackend::Postgres => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
            _ => TransactionOptions::default(),
        };
        match connection.begin_with_options(options).await {
            Ok(transaction) => Ok(Self {
                transaction,
                connection,
                origin,
            }),
            Err(error) => Err(origin.error(error)),
        }
    }

    /// The names of a table's columns; none if there is no such table.
    ///
    /// # Errors
    /// What [`Origin::error`] makes of a failing database.
    pub async fn columns(&self, table: &str) -> Result<BTreeSet<String>> {
        let db = self.transaction.get_database_backend();
        let sql = match db {
            DbBackend::Postgres => {
                "SELECT column_name::text FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = $1"
            }
            _ => "SELECT name FROM pragma_table_info(?)",
        };
        let statement = Statement::from_sql_and_values(db, sql, [table.into()]);
        let rows = self.transaction.query_all_raw(statement).await;
        let names = rows.and_then(|rows| {
            let name = |row: &QueryResult| row.try_get_by_index::<String>(0);
            rows.iter().map(name).collect()
        });
        names.map_err(|error| self.origin.error(error))
    }

    /// The rows, each with the values of the columns in their order.
    ///
    /// # Errors
    /// `Corrupt` if a value is of another type; what [`Origin::error`] makes of a failing database.
    pub async fn rows(&self, rows: &Rows<'_>) -> Result<Vec<Vec<Value>>> {
        let select = select(self.transaction.get_database_backend(), rows);
        let found = self.transaction.query_all(&select).await;
        let read = found.and_then(|found| found.iter().map(|row| values(rows, row)).collect());
        read.map_err(|error| self.origin.error(error).with("table", rows.table))
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// What [`Origin::error`] makes of a failing database.
    pub async fn close(self) -> Result<()> {
        let ended = self.transaction.rollback().await;
        let closed = self.connection.close().await;
        ended.and(closed).map_err(|error| self.origin.error(error))
    }
}

fn select(db: DbBackend, rows: &Rows<'_>) -> SelectStatement {
    let mut select = Query::select();
    for (column, value_type) in rows.columns {
        let value = Expr::col((*column).to_owned());
        select.expr(match value_type {
            // Databases have integers of many sizes, and names for text.
            ValueType::Integer => value.cast_as("bigint"),
            ValueType::Text | ValueType::Json => value.cast_as("text"),
            ValueType::Boolean | ValueType::Time => value,
        });
    }
    select.from(rows.table.to_owned());
    if let Some(after) = rows.after {
        select.and_where(Expr::col(rows.key.to_owned()).gt(after));
    }
    if let Some(ids) = rows.among {
        let ids: Vec<_> = ids.iter().copied().map(Value::Integer).collect();
        let list = dialect::list(db, ValueType::Integer, &ids);
        select.and_where(Expr::col(rows.key.to_owned()).in_subquery(list));
    }
    select
        .order_by(rows.key.to_owned(), Order::Asc)
        .order_by("id", Order::Asc);
    if let Some(limit) = rows.limit {
        select.limit(limit);
    }
    select
}

fn values(rows: &Rows<'_>, row: &QueryResult) -> Result<Vec<Value>, DbErr> {
    let columns = rows.columns.iter().enumerate();
    columns
        .map(|(index, (_, value_type))| {
            Ok(match value_type {
                ValueType::Boolean => row.try_get_by_index::<Option<bool>>(index)?.into(),
                ValueType::Integer => row.try_get_by_index::<Option<i64>>(index)?.into(),
                ValueType::Text | ValueType::Json => {
                    row.try_get_by_index::<Option<String>>(index)?.into()
                }
                ValueType::Time => row.try_get_by_index::<Option<DateTime<Utc>>>(index)?.into(),
            })
        })
        .collect()
}
