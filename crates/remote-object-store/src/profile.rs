//! Profiles of the AWS command line: `~/.aws/credentials` and `~/.aws/config`, which
//! `object_store` does not read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anndex_remote_requests::Environment;
use anndex_store::{Error, ErrorKind, Result};
use object_store::aws::AmazonS3ConfigKey as Key;

/// What says that credentials come from elsewhere, so that no profile is asked.
const OTHER_SOURCES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
];

/// Ways to credentials that need another program or service.
const NOT_SUPPORTED: [&str; 5] = [
    "credential_process",
    "sso_session",
    "sso_start_url",
    "role_arn",
    "web_identity_token_file",
];

type Settings = BTreeMap<String, String>;

/// The settings of an endpoint.
const ENDPOINT: &str = "endpoint_url";

/// The files of profiles.
#[derive(Debug)]
pub(crate) struct Profiles {
    credentials: String,
    config: String,
}

impl Profiles {
    /// Reads the files, where there are any.
    ///
    /// # Errors
    /// As [`Error::io`] if a file is there and can't be read.
    pub(crate) fn read(environment: &Environment) -> Result<Self> {
        Ok(Self {
            credentials: file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
            config: file(environment, "AWS_CONFIG_FILE", "config")?,
        })
    }

    /// What the profile that the environment names (or `default`) says.
    ///
    /// # Errors
    /// `NotFound` if the environment names a profile that is not there; `Unsupported` if it leads to
    /// credentials in a way that only the AWS command line knows.
    pub(crate) fn current(&self, environment: &Environment) -> Result<Vec<(Key, String)>> {
        let named = environment
            .get("AWS_PROFILE")
            .or(environment.get("AWS_DEFAULT_PROFILE"));
        let profile = named.unwrap_or("default");
        let has_other_source = OTHER_SOURCES
            .iter()
            .any(|name| environment.get(name).is_some());
        match self.profile(profile) {
            Some(all) => of_profile(profile, all, !has_other_source),
            None => match named.filter(|_| !has_other_source) {
                Some(named) => Err(Error::not_found(format!(
                    "there is no AWS profile {named:?}; check AWS_PROFILE and ~/.aws/credentials"
                ))),
                None => Ok(Vec::new()),
            },
        }
    }

    /// What a profile says whose server is the wanted one, the first that there is; `None` if there is
    /// none.
    ///
    /// # Errors
    /// `Unsupported` as in [`Profiles::current`].
    pub(crate) fn of_server(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<Vec<(Key, String)>>> {
        let named = names(&self.config).chain(names(&self.credentials));
        for name in named {
            let Some(all) = self.profile(name) else {
                continue;
            };
            if all.get(ENDPOINT).is_some_and(|server| is_wanted(server)) {
                return of_profile(name, all, true).map(Some);
            }
        }
        Ok(None)
    }

    /// The settings of a profile in both files.
    fn profile(&self, name: &str) -> Option<Settings> {
        let in_config = match name {
            "default" => section(&self.config, "default")
                .or_else(|| section(&self.config, "profile default")),
            name => section(&self.config, &format!("profile {name}")),
        };
        let in_credentials = section(&self.credentials, name);
        if in_config.is_none() && in_credentials.is_none() {
            return None;
        }
        let mut all = in_config.unwrap_or_default();
        all.extend(in_credentials.unwrap_or_default());
        Some(all)
    }
}

/// What settings mean to a client, with or without who asks.
fn of_profile(name: &str, mut all: Settings, with_keys: bool) -> Result<Vec<(Key, String)>> {
    let mut known = vec![(Key::Region, "region"), (Key::Endpoint, ENDPOINT)];
    if with_keys {
        let has_keys = all.contains_key("aws_access_key_id");
        if let Some(way) = NOT_SUPPORTED.iter().find(|way| all.contains_key(**way))
            && !has_keys
        {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the AWS profile {name:?} gets its credentials by `{way}`, which this build \
                     can't; run `eval \"$(aws configure export-credentials --format env)\"` first"
                ),
            ));
        }
        known.push((Key::AccessKeyId, "aws_access_key_id"));
        known.push((Key::SecretAccessKey, "aws_secret_access_key"));
        known.push((Key::Token, "aws_session_token"));
    }
    let settings = known
        .into_iter()
        .filter_map(|(key, name)| Some((key, all.remove(name)?)));
    Ok(settings.collect())
}

/// The names of the profiles in a file.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let headings = text.lines().map(str::trim);
    let headings = headings.filter_map(|line| line.strip_prefix('[')?.split_once(']'));
    headings.map(|(name, _)| {
        let name = name.trim();
        name.strip_prefix("profile ").unwrap_or(name).trim()
    })
}

/// The text of a file whose place a variable or the home directory gives; empty if there is none.
fn file(environment: &Environment, variable: &str, name: &str) -> Result<String> {
    let home = environment.get("HOME").or(environment.get("USERPROFILE"));
    let usual = home.map(|home| PathBuf::from(home).join(".aws").join(name));
    let Some(path) = environment.get(variable).map(PathBuf::from).or(usual) else {
        return Ok(String::new());
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io(path.display(), error)),
    }
}

/// The settings of one section; `None` if there is no such section. Indented lines belong to a
/// setting with parts, none of which matter here.
fn section(text: &str, wanted: &str) -> Option<Settings> {
    let mut found = None;
    let mut is_inside = false;
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let words: Vec<&str> = name.0.split_whitespace().collect();
            is_inside = words.join(" ") == wanted;
            if is_inside {
                found.get_or_insert_with(Settings::new);
            }
        } else if is_inside
            && !is_indented
            && let Some((name, value)) = line.split_once('=')
            && let Some(settings) = &mut found
        {
            settings.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found.map(|mut settings| {
        settings.retain(|_, value| !value.is_empty());
        settings
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\
# the usual one
[default]
aws_access_key_id = DEFAULT
aws_secret_access_key=SECRET

[lab]
aws_access_key_id = LAB
aws_secret_access_key = SECRET
aws_session_token = TOKEN
";
    const CONFIG: &str = "\
[profile lab]
region = eu-central-1
s3 =
  region = ignored
endpoint_url = https://lab.example.org
[profile  sso]
sso_session = work
";

    fn settings_of(variables: &[(&str, &str)]) -> Result<Vec<(Key, String)>> {
        let directory = tempfile::tempdir().unwrap();
        let aws = directory.path().join(".aws");
        std::fs::create_dir_all(&aws).unwrap();
        std::fs::write(aws.join("credentials"), CREDENTIALS).unwrap();
        std::fs::write(aws.join("config"), CONFIG).unwrap();
        let home = directory.path().to_string_lossy().into_owned();
        let variables = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let environment = variables.chain([("HOME".to_owned(), home)]).collect();
        Profiles::read(&environment)?.current(&environment)
    }

    fn texts(settings: &[(Key, String)]) -> Vec<&str> {
        settings.iter().map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn a_profile_gives_keys_region_and_server() {
        assert_eq!(texts(&settings_of(&[]).unwrap()), ["DEFAULT", "SECRET"]);
        let lab = settings_of(&[("AWS_PROFILE", "lab")]).unwrap();
        let expected = [
            "eu-central-1",
            "https://lab.example.org",
            "LAB",
            "SECRET",
            "TOKEN",
        ];
        assert_eq!(texts(&lab), expected);
    }

    #[test]
    fn keys_of_the_environment_come_first() {
        let variables = [("AWS_PROFILE", "lab"), ("AWS_ACCESS_KEY_ID", "OWN")];
        let lab = settings_of(&variables).unwrap();
        assert_eq!(texts(&lab), ["eu-central-1", "https://lab.example.org"]);
    }

    #[test]
    fn what_can_not_be_used_is_said() {
        let error = settings_of(&[("AWS_PROFILE", "none")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = settings_of(&[("AWS_PROFILE", "sso")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("sso_session"));
    }
}
