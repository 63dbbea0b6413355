//! What is left out of a whole that is read, because nothing compiled in can read it.
//!
//! Who asks for everything gets all the rest, and is told once what is missing. What is damaged is
//! an error all the same, and so is what is asked for by its name.

use anndex_store::error::{ErrorKind, Result};

/// A warning names so many parts.
const NAMED: usize = 5;

/// The parts that were left out while something was read.
#[derive(Debug, Default)]
pub struct LeftOut(Vec<Part>);

#[derive(Debug)]
struct Part {
    location: String,
    path: String,
    reason: String,
}

impl LeftOut {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was read of the element at `path` in the store at `location`; `None`, and a note, if it
    /// is something that can't be read.
    ///
    /// # Errors
    /// The error of `read`, unless it is `Unsupported`.
    pub fn unless_unsupported<T>(
        &mut self,
        location: &str,
        path: &str,
        read: Result<T>,
    ) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.0.push(Part {
                    location: location.to_owned(),
                    path: path.to_owned(),
                    reason: error.message().to_owned(),
                });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds what was left out elsewhere.
    pub fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// Says in one warning what was left out and why, if anything was.
    pub fn warn(self) {
        if let Some(message) = self.message() {
            tracing::warn!("{message}");
        }
    }

    fn message(&self) -> Option<String> {
        let first = self.0.first()?;
        let is_one_store = self.0.iter().all(|part| part.location == first.location);
        let parts = self.0.iter().take(NAMED).map(|part| match is_one_store {
            true => format!("`{}` ({})", part.path, part.reason),
            false => format!("`{}` of {} ({})", part.path, part.location, part.reason),
        });
        let mut message = parts.collect::<Vec<_>>().join(", ");
        if self.0.len() > NAMED {
            message.push_str(&format!(" and {} more", self.0.len() - NAMED));
        }
        let place = match is_one_store {
            true => format!(" of {}", first.location),
            false => String::new(),
        };
        Some(format!("left out what can't be read{place}: {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anndex_store::error::Error;

    fn left_out(parts: &[(&str, &str)]) -> LeftOut {
        let mut left_out = LeftOut::new();
        for (location, path) in parts {
            let read: Result<()> = Err(Error::unsupported("woven"));
            let kept = left_out.unless_unsupported(location, path, read);
            assert!(kept.is_ok_and(|kept| kept.is_none()));
        }
        left_out
    }

    #[test]
    fn a_warning_names_what_is_missing_and_why() {
        assert_eq!(left_out(&[]).message(), None);
        let one = left_out(&[("a.h5ad", "uns/x"), ("a.h5ad", "obsm/y")]);
        assert_eq!(
            one.message().as_deref(),
            Some("left out what can't be read of a.h5ad: `uns/x` (woven), `obsm/y` (woven)")
        );
        let parts = [("a.h5ad", "uns/x"), ("b.h5ad", "uns/x")].repeat(3);
        let message = left_out(&parts).message().unwrap_or_default();
        assert!(message.contains("`uns/x` of b.h5ad (woven)"), "{message}");
        assert!(message.ends_with(" and 1 more"), "{message}");
    }

    #[test]
    fn damage_is_an_error() {
        let read: Result<()> = Err(Error::corrupt("cut off"));
        let mut left_out = LeftOut::new();
        assert!(
            left_out
                .unless_unsupported("a.h5ad", "uns/x", read)
                .is_err()
        );
        assert!(left_out.is_empty());
    }
}
