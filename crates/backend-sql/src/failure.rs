//! The two ways a statement can fail: the database says no, or the model does.

use anndex_core::record::{Field, Kind};
use anndex_core::{Error, ErrorKind};
use sea_orm::{DbErr, SqlErr};

/// Why an operation failed, before a driver has put the database's errors into words.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database.
    Database(DbErr),
    /// The database, when it was to commit, so that it may have done so.
    Commit(DbErr),
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
            Self::Commit(error) => return Self::Database(error).into_error(explain).in_doubt(),
            Self::Database(error) => error,
        };
        match database.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(message)) => {
                taken(&message).source_error(database)
            }
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => conflict(
                "a record that is referred to is gone, or one that is to go is referred to",
            )
            .source_error(database),
            _ => explain(database),
        }
    }
}

/// Another writer got there first.
pub(crate) fn conflict(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Conflict, message)
}

/// The conflict about a unique value, from the message of a database that names the column as
/// `user.handle` or its constraint as `user_handle_key`.
fn taken(message: &str) -> Error {
    let unique = |kind: Kind| {
        let fields = kind.fields().iter().filter(|info| info.unique);
        fields.map(move |info| (kind, info.field))
    };
    let named = |(kind, field): &(Kind, Field)| {
        let names = [format!("{kind}.{field}"), format!("{kind}_{field}_key")];
        message
            .split(|c: char| c.is_whitespace() || c == '"' || c == ',')
            .any(|word| names.iter().any(|name| name == word))
    };
    match Kind::ALL.into_iter().flat_map(unique).find(named) {
        Some((kind, field)) => conflict(format!("another {kind} has the same {field}")),
        None => conflict("another record has the same value in a unique field"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_names_the_field_if_the_database_does() {
        let cases = [
            (
                "UNIQUE constraint failed: user.handle",
                "another user has the same handle",
            ),
            (
                "duplicate key value violates unique constraint \"feature_set_hash_key\"",
                "another feature_set has the same hash",
            ),
            ("no", "another record has the same value in a unique field"),
        ];
        for (message, expected) in cases {
            assert_eq!(taken(message).message(), expected);
        }
    }
}
