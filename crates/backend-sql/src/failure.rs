//! The two ways a statement can fail: the database says no, or the model does.

use anndex_core::{Error, ErrorKind};
use sea_orm::{DbErr, SqlErr};

/// Why an operation failed, before a driver has put the database's errors into words.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database.
    Database(DbErr),
    /// The model: a conflict, or stored data that does not fit it.
    Model(Error),
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Model(error)
    }
}

impl Failure {
    /// The error that callers see. Broken constraints mean the same in every database; the rest
    /// is for the driver to explain.
    pub(crate) fn into_error(self, explain: impl FnOnce(DbErr) -> Error) -> Error {
        let database = match self {
            Self::Model(error) => return error,
            Self::Database(error) => error,
        };
        let message = match database.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                "a record with the same unique value is there already"
            }
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                "a record that is referred to is not there, or one to be deleted is referred to"
            }
            _ => return explain(database),
        };
        Error::new(ErrorKind::Conflict, message).source_error(database)
    }
}
