//! URLs of databases: read with care, shown without password.
//!
//! A URL that is not understood is never repeated, not even in part: what looks like a port or a
//! database may be half of a password that has a `/` in it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anndex_core::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// What may stand after the `?`. The driver would log others with their values and go on.
const PARAMETERS: [&str; 18] = [
    "application_name",
    CONNECT_TIMEOUT,
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

/// Seconds to wait for the server, as in libpq. The driver does not know it.
const CONNECT_TIMEOUT: &str = "connect_timeout";

/// For servers behind a pooler that can't keep prepared statements.
const STATEMENT_CACHE: &str = "statement-cache-capacity";

/// Where a database is and who asks: `postgres://user:password@host:port/database?sslmode=...`.
///
/// What it does not say is taken from the variables `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`,
/// `PGDATABASE`, `PGSSLMODE` and others, and from `~/.pgpass`, as by `psql`. `connect_timeout=SECONDS`
/// bounds every wait for the server, instead of the options. `Display` and `Debug`
/// show user, host, port and database, nothing else.
#[derive(Clone)]
pub struct PostgresUrl {
    options: Box<PgConnectOptions>,
    connect_timeout: Option<Duration>,
}

impl PostgresUrl {
    /// Whether a location is the URL of a PostgreSQL database.
    pub fn is_one(location: &str) -> bool {
        let scheme = location.split_once("://").map(|(scheme, _)| scheme);
        matches!(scheme, Some("postgres" | "postgresql"))
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// How long to wait for the server, where the URL says so.
    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
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
        let unfit = || {
            Error::invalid_input(
                "a parameter in the URL of the database has a value that it can't have, or one \
                 that is not UTF-8",
            )
        };
        let (rest, connect_timeout) = without_timeout(url).ok_or_else(unfit)?;
        let text = rest.as_ref().map_or(text, Url::as_str);
        let options = text.parse::<PgConnectOptions>().map_err(|_| unfit())?;
        Ok(Self {
            options: Box::new(options),
            connect_timeout,
        })
    }
}

/// The URL without a timeout, if it has one, and that; `None` if it is no whole number of seconds
/// from 1 on.
fn without_timeout(mut url: Url) -> Option<(Option<Url>, Option<Duration>)> {
    let pairs = url.query_pairs().into_owned();
    let (given, others): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == CONNECT_TIMEOUT);
    let Some((_, seconds)) = given.last() else {
        return Some((None, None));
    };
    let seconds = seconds.parse::<u32>().ok().filter(|seconds| *seconds > 0)?;
    url.set_query(None);
    if !others.is_empty() {
        url.query_pairs_mut().extend_pairs(others);
    }
    Some((Some(url), Some(Duration::from_secs(seconds.into()))))
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
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
    fn a_timeout_is_taken_out_and_the_rest_stays() {
        let text = "postgres://ada:s%2Fecret@host/cells?sslmode=require&connect_timeout=3\
                    &options=-csearch_path%3Da%20b";
        let url: PostgresUrl = text.parse().unwrap();
        assert_eq!(url.connect_timeout(), Some(Duration::from_secs(3)));
        assert_eq!(url.to_string(), "postgres://ada@host:5432/cells");
        let options = url.options();
        assert_eq!(options.get_options(), Some("-csearch_path=a b"));
        let without: PostgresUrl = "postgres://host/cells".parse().unwrap();
        assert_eq!(without.connect_timeout(), None);
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
            "postgres://ada@host/cells?connect_timeout=secret",
            "postgres://ada@host/cells?connect_timeout=0&password=secret",
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
