//! Which server the buckets of S3 are on, and who asks it. Credentials are for one server: the one
//! that the user configured them for. URLs come from others, too: in records, in messages.

use anndex_remote_requests::Environment;
use anndex_store::Result;
use object_store::aws::AmazonS3ConfigKey as Key;
use reqwest::Url;

use crate::profile::Profiles;

pub(crate) type Settings = Vec<(Key, String)>;

/// How a server is asked.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) settings: Settings,
    /// Whether it is asked without credentials because only a URL names it.
    pub(crate) is_nobody: bool,
}

/// The settings of a client for the server that a URL names, or for the usual one. Credentials of
/// the environment or the profile are among them if that is the server that these name, or if the
/// URL names none; else those of the AWS profile that names it, if it holds a key; else none, and it
/// is asked as nobody.
///
/// # Errors
/// As [`Profiles::read`] and [`Profiles::current`].
pub(crate) fn access(named: Option<&str>, environment: &Environment) -> Result<Access> {
    let profiles = Profiles::read(environment)?;
    let Some(named) = named else {
        return Ok(Access {
            settings: configured(&profiles, environment)?,
            is_nobody: false,
        });
    };
    let mut is_nobody = false;
    // What is wrong with the credentials is of no interest to a server that does not get them.
    let own = configured(&profiles, environment);
    let endpoint = own.as_ref().ok().and_then(|own| endpoint(own));
    let is_own = endpoint.is_some_and(|own| is_same_origin(own, named));
    let mut settings = match is_own {
        true => own?,
        false => {
            let mut settings = of_client(environment);
            match profiles.of_server(|server| is_same_origin(server, named))? {
                Some(of_profile) if has_key(&of_profile) => settings.extend(of_profile),
                // Without a key, those of the machine would be taken.
                keyless => {
                    settings.extend(keyless.unwrap_or_default());
                    is_nobody = true;
                    settings.push((Key::SkipSignature, "true".to_owned()));
                }
            }
            settings
        }
    };
    settings.retain(|(key, _)| !matches!(key, Key::Endpoint | Key::S3Endpoint));
    settings.push((Key::S3Endpoint, named.to_owned()));
    Ok(Access {
        settings,
        is_nobody,
    })
}

/// What the profile and, before it, the environment say.
fn configured(profiles: &Profiles, environment: &Environment) -> Result<Settings> {
    let mut settings = profiles.current(environment)?;
    settings.extend(variables(environment));
    Ok(settings)
}

/// The variables that are meant for clients of S3; others are meant for other programs.
fn variables(environment: &Environment) -> impl Iterator<Item = (Key, String)> {
    let variables = environment.with_prefix("AWS_");
    let set = variables.filter(|(_, value)| !value.is_empty());
    set.filter_map(|(name, value)| Some((name.parse().ok()?, value.to_owned())))
}

/// What says how to ask, and not who does.
fn of_client(environment: &Environment) -> Settings {
    let is_known = |key: &Key| {
        matches!(
            key,
            Key::Region | Key::DefaultRegion | Key::VirtualHostedStyleRequest | Key::Client(_)
        )
    };
    variables(environment)
        .filter(|(key, _)| is_known(key))
        .collect()
}

fn has_key(settings: &Settings) -> bool {
    settings.iter().any(|(key, _)| *key == Key::AccessKeyId)
}

/// The server that settings name, the last one first.
fn endpoint(settings: &Settings) -> Option<&str> {
    [Key::S3Endpoint, Key::Endpoint].iter().find_map(|wanted| {
        let named = settings.iter().rev().find(|(key, _)| key == wanted);
        named.map(|(_, value)| value.as_str())
    })
}

fn is_same_origin(a: &str, b: &str) -> bool {
    let origin = |text| Url::parse(text).ok().map(|url| url.origin());
    origin(a).is_some_and(|a| a.is_tuple() && Some(a) == origin(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
[profile keyless]
region = eu-central-1
endpoint_url = https://keyless.example.org
[profile lab]
endpoint_url = https://lab.example.org
aws_access_key_id = LAB
aws_secret_access_key = SECRET
";

    #[test]
    fn a_server_without_a_key_is_asked_as_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let aws = directory.path().join(".aws");
        std::fs::create_dir_all(&aws).unwrap();
        std::fs::write(aws.join("config"), CONFIG).unwrap();
        let home = directory.path().to_string_lossy().into_owned();
        let environment: Environment = [("HOME".to_owned(), home)].into_iter().collect();
        for (server, is_nobody) in [
            ("https://keyless.example.org", true),
            ("https://other.example.org", true),
            ("https://lab.example.org", false),
        ] {
            let access = access(Some(server), &environment).unwrap();
            let mut settings = access.settings.iter();
            let is_unsigned = settings.any(|(key, _)| *key == Key::SkipSignature);
            assert_eq!((access.is_nobody, is_unsigned), (is_nobody, is_nobody));
        }
    }
}
