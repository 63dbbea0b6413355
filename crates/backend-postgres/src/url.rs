//! URLs of databases: read with care, shown without password.
//!
//! A URL that is not understood is never repeated, not even in part: what looks like a port or a
//! database may be half of a password that has a `/` in it.

use std::fmt;
use std::str::FromStr;

use anndex_core::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// What may stand after the `?`. The driver would log others with their values and go on.
const PARAMETERS: [&str; 17] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// For servers behind a pooler that can't keep prepared statements.
const STATEMENT_CACHE: &str = "statement-cache-capacity";

/// Where a database is and who asks: `postgres://user:password@host:port/database?sslmode=...`.
///
/// What it does not say is taken from the variables `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`,
/// `PGDATABASE`, `PGSSLMODE` and others, and from `~/.pgpass`, as by `psql`. `Display` and `Debug`
/// show user, host, port and database, nothing else.
#[derive(Clone)]
pub struct PostgresUrl(Box<PgConnectOptions>);

impl PostgresUrl {
    /// Whether a location is the URL of a PostgreSQL database.
    pub fn is_one(location: &str) -> bool {
        let scheme = location.split_once("://").map(|(scheme, _)| scheme);
        matches!(scheme, Some("postgres" | "postgresql"))
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.0
    }
}

impl FromStr for PostgresUrl {
    type Err = Error;

    /// # Errors
    /// `InvalidInput` if this is no such URL, or has a parameter that does not exist. The error
    /// does not repeat the URL.
    fn from_str(text: &str) -> Result<Self> {
        if !Self::is_one(text) {
            return Err(Error::invalid_input(
                "the URL of a PostgreSQL database begins with postgres:// or postgresql://",
            ));
        }
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if rest[authority..].contains('@') || rest.contains('#') {
            return Err(Error::invalid_input(
                "the URL of the database can't be read: a `/`, `?`, `#` or `@` in the user, the \
                 password or elsewhere is written as %2F, %3F, %23 or %40",
            ));
        }
        let url = Url::parse(text).map_err(|error| {
            Error::invalid_input(format!(
                "the URL of the database can't be read ({error}); it is written as \
                 postgres://user:password@host:port/database"
            ))
        })?;
        for (name, _) in url.query_pairs() {
            let known = PARAMETERS.contains(&&*name)
                || name == STATEMENT_CACHE
                || (name.starts_with("options[") && name.ends_with(']'));
            if !known {
                return Err(Error::invalid_input(format!(
                    "the URL of the database has a parameter that does not exist; there are {}",
                    PARAMETERS.join(", ")
                )));
            }
        }
        // Values may be secret, too, so the driver's error is not kept.
        let options = text.parse::<PgConnectOptions>().map_err(|_| {
            Error::invalid_input(
                "a parameter in the URL of the database has a value that it can't have, or one \
                 that is no UTF-8",
            )
        })?;
        Ok(Self(Box::new(options)))
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.0;
        write!(f, "postgres://{}@", options.get_username())?;
        match options.get_socket() {
            Some(socket) => write!(f, "{}", socket.display())?,
            None => write!(f, "{}", options.get_host())?,
        }
        // Without a name it is that of the user.
        let database = options.get_database().unwrap_or(options.get_username());
        write!(f, ":{}/{database}", options.get_port())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use anndex_core::ErrorKind;

    use super::*;

    #[test]
    fn what_is_shown_has_no_password() {
        let cases = [
            (
                "postgres://ada:secret@host/cells",
                "postgres://ada@host:5432/cells",
            ),
            (
                "postgresql://ada:s%2Fecret@[::1]:6000/cells?sslmode=require",
                "postgres://ada@[::1]:6000/cells",
            ),
            (
                "postgres://host:1/cells?user=ada&password=secret",
                "postgres://ada@host:1/cells",
            ),
            (
                "postgres:///?host=/run/postgresql&user=ada&password=secret",
                "postgres://ada@/run/postgresql:5432/ada",
            ),
        ];
        for (text, expected) in cases {
            let url: PostgresUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), expected);
            assert!(!format!("{url:?}{url:#?}").contains("ecret"), "{url:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_repeated() {
        let cases = [
            "postgres://ada:12/secret@host/cells",
            "postgres://ada:12?secret@host/cells",
            "postgres://ada:12#secret@host/cells",
            "postgres://ada:12#secret",
            "postgres://ada:secret",
            "postgres://ada:secret@host:port/cells",
            "postgres://ada@host/cells?pasword=secret",
            "postgres://ada@host/cells?secret",
            "postgres://ada@host/cells?sslmode=secret",
            "postgres://ada@host/cells?port=secret",
            "postgres://ada:secret%ff@host/cells",
            "mysql://ada:secret@host/cells",
            "secret",
        ];
        for text in cases {
            let error = text.parse::<PostgresUrl>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            let shown = format!("{error} {error:#} {error:?}");
            assert!(!shown.contains("secret"), "{shown}");
            assert!(!shown.contains("12"), "{shown}");
        }
    }
}
