//! The environment variables that say who the user is and where services are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Environment variables. They hold secrets, so only their names are shown.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<String, String>>);

impl Environment {
    /// Those of the process, as they are now. What is not UTF-8 is left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os();
        variables
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// This one, with another value of a variable.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut variables = BTreeMap::clone(&self.0);
        variables.insert(name.to_owned(), value.to_owned());
        Self(Arc::new(variables))
    }

    /// The value of a variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The variables whose names begin with `prefix`, with their whole names in lower case, as
    /// libraries know them.
    pub fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (String, &str)> {
        let variables = self
            .0
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix));
        variables.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
