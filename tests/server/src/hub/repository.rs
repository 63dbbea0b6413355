//! What the Hub says of repositories and the files in them.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::answer::Answer;
use super::{HUB_TOKEN, Request, Shared, decoded};

/// Larger files are on the other server.
const SMALL: usize = 2000;

/// Few, so that small directories have pages, too.
const PAGE: usize = 4;

const REVISIONS: [&str; 4] = ["main", "v1", "refs/convert/parquet", COMMIT];

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

const REPOSITORIES: [&str; 5] = [
    "datasets/lab/cells",
    "datasets/lab/private",
    "datasets/lab/gated",
    "models/lab/net",
    "spaces/lab/app",
];

/// The answer of the Hub; `None` if there is no such place.
pub(super) fn answer(shared: &Shared, request: &Request) -> Option<Answer> {
    let path = request.path.strip_prefix('/')?;
    if let Some(cached) = path.strip_prefix("api/resolve-cache/") {
        let (repository, rest) = repository(cached)?;
        let (_, path) = rest.split_once('/')?;
        return Some(allowed(request, &repository).unwrap_or_else(|| small(shared, request, path)));
    }
    let (repository, rest) = match path.strip_prefix("api/") {
        Some(path) => repository(path)?,
        None if path.starts_with("datasets/") || path.starts_with("spaces/") => repository(path)?,
        None => repository(&format!("models/{path}"))?,
    };
    if let Some(refused) = allowed(request, &repository) {
        return Some(refused);
    }
    let (what, rest) = rest.split_once('/').unwrap_or((&rest, ""));
    let (revision, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !["", "main"].contains(&revision) && !REVISIONS.contains(&&*decoded(revision)) {
        return Some(Answer::refusal(404, "RevisionNotFound"));
    }
    let path = decoded(path);
    match what {
        "" | "revision" => {
            let (_, id) = repository.split_once('/')?;
            let about = format!(
                r#"{{"id": "{id}", "sha": "{COMMIT}", "private": false, "tags": [], "siblings": []}}"#
            );
            Some(Answer::new(200, about))
        }
        "resolve" => resolve(shared, request, &repository, &path),
        "tree" => tree(shared, request, &path),
        "paths-info" => Some(paths_info(shared, request)),
        _ => None,
    }
}

/// The kind, owner and name of a repository, and what follows.
fn repository(path: &str) -> Option<(String, String)> {
    let mut parts = path.splitn(4, '/');
    let repository = format!("{}/{}/{}", parts.next()?, parts.next()?, parts.next()?);
    Some((repository, parts.next().unwrap_or_default().to_owned()))
}

/// Why a request is refused, if it is.
fn allowed(request: &Request, repository: &str) -> Option<Answer> {
    let given = request.header("authorization");
    let is_known = given == Some(&format!("Bearer {HUB_TOKEN}"));
    let is_there = REPOSITORIES.contains(&repository);
    match (given, repository) {
        (Some(_), _) if !is_known => {
            let message = "Invalid credentials in Authorization header";
            Some(Answer::refusal(401, "").with("X-Error-Message", message))
        }
        (None, "datasets/lab/gated") => Some(Answer::refusal(401, "GatedRepo")),
        (None, "datasets/lab/private") => Some(Answer::refusal(401, "RepoNotFound")),
        (None, _) if !is_there => Some(Answer::refusal(401, "RepoNotFound")),
        (Some(_), _) if !is_there => Some(Answer::refusal(404, "RepoNotFound")),
        _ => None,
    }
}

/// The content of a file, by its decoded path.
fn read(shared: &Shared, path: &str) -> Option<Vec<u8>> {
    let is_inside = !path.split('/').any(|part| matches!(part, "" | "." | ".."));
    fs::read(shared.directory.join(path).as_path())
        .ok()
        .filter(|_| is_inside)
}

fn tag(content: &[u8]) -> String {
    let hash = |index: usize| {
        let mut hasher = DefaultHasher::new();
        (index, content).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    let digits = if content.len() > SMALL { 64 } else { 40 };
    let all: String = (0..4).map(hash).collect();
    all[..digits].to_owned()
}

/// A file, or where its content is: on the other server, or in a cache of the Hub.
fn resolve(shared: &Shared, request: &Request, repository: &str, path: &str) -> Option<Answer> {
    let Some(content) = read(shared, path) else {
        return Some(Answer::refusal(404, "EntryNotFound"));
    };
    let raw = request.path.split("/resolve/").nth(1)?.split_once('/')?.1;
    let tag = tag(&content);
    if content.len() <= SMALL {
        if !repository.starts_with("datasets/") {
            return Some(small(shared, request, raw));
        }
        let cached = format!("/api/resolve-cache/{repository}/{COMMIT}/{raw}");
        let answer = Answer::redirect(307, &cached).with("X-Repo-Commit", COMMIT);
        return Some(answer.with("ETag", format!("\"{tag}\"")));
    }
    let elsewhere = format!(
        "http://127.0.0.1:{}/{tag}/{raw}?Signature=secret-signature",
        shared.contents
    );
    let answer = Answer::redirect(302, &elsewhere)
        .with("X-Repo-Commit", COMMIT)
        .with("X-Linked-Size", content.len().to_string());
    Some(answer.with("X-Linked-ETag", format!("\"{tag}\"")))
}

/// A small file, by its path as it was sent.
fn small(shared: &Shared, request: &Request, path: &str) -> Answer {
    let Some(content) = read(shared, &decoded(path)) else {
        return Answer::refusal(404, "EntryNotFound");
    };
    let tag = tag(&content);
    let answer = Answer::file(content, request).with("X-Repo-Commit", COMMIT);
    answer
        .with("ETag", format!("\"{tag}\""))
        .with("Accept-Ranges", "bytes")
}

/// The answer of the other server, which has contents by their tags and refuses what has a token.
pub(super) fn content(shared: &Shared, request: &Request) -> Option<Answer> {
    if request.header("authorization").is_some() {
        return Some(Answer::refusal(400, ""));
    }
    if request.parameters != "Signature=secret-signature" {
        return Some(Answer::refusal(403, ""));
    }
    let (wanted, path) = request.path.strip_prefix('/')?.split_once('/')?;
    let content = read(shared, &decoded(path)).filter(|content| tag(content) == wanted)?;
    let own = format!("\"elsewhere-{}\"", &wanted[..8]);
    Some(Answer::file(content, request).with("ETag", own))
}

/// A page of what is in a directory.
fn tree(shared: &Shared, request: &Request, path: &str) -> Option<Answer> {
    let directory = shared.directory.join(path);
    if !directory.is_dir() || path.split('/').any(|part| part == "..") {
        return Some(Answer::refusal(404, "EntryNotFound"));
    }
    let value = |wanted: &str| {
        let mut parameters = request.parameters.split('&');
        parameters.find_map(|p| p.strip_prefix(wanted)?.strip_prefix('='))
    };
    let is_recursive = value("recursive").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut found = Vec::new();
    walk(&directory, is_recursive, &mut found);
    found.sort();
    let start: usize = value("cursor").unwrap_or("0").parse().ok()?;
    let shown = found.iter().skip(start).take(PAGE);
    let entries: Vec<_> = shown.filter_map(|path| entry(shared, path)).collect();
    let answer = Answer::new(200, format!("[{}]", entries.join(", ")));
    if start + PAGE >= found.len() {
        return Some(answer);
    }
    let (host, place) = (request.header("host")?, &request.path);
    let next = format!(
        "<http://{host}{place}?recursive={is_recursive}&cursor={}>; rel=\"next\"",
        start + PAGE
    );
    Some(answer.with("Link", next))
}

fn walk(directory: &Path, is_recursive: bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        found.push(entry.path());
        if is_recursive && entry.path().is_dir() {
            walk(&entry.path(), is_recursive, found);
        }
    }
}

/// What lists say of a file or directory.
fn entry(shared: &Shared, path: &Path) -> Option<String> {
    let name = path.strip_prefix(&shared.directory).ok()?.to_str()?;
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    if path.is_dir() {
        return Some(format!(
            r#"{{"type": "directory", "oid": "{COMMIT}", "size": 0, "path": "{name}"}}"#
        ));
    }
    let content = fs::read(path).ok()?;
    let (size, tag) = (content.len(), tag(&content));
    let large = format!(r#", "lfs": {{"oid": "{tag}", "size": {size}, "pointerSize": 130}}"#);
    let (oid, large) = match size > SMALL {
        true => (COMMIT, large),
        false => (tag.as_str(), String::new()),
    };
    Some(format!(
        r#"{{"type": "file", "oid": "{oid}", "size": {size}, "path": "{name}"{large}}}"#
    ))
}

/// What lists say of the paths in a form.
fn paths_info(shared: &Shared, request: &Request) -> Answer {
    let form = request.body.replace('+', " ");
    let paths = form.split('&').filter_map(|p| p.strip_prefix("paths="));
    let known = paths.map(|path| shared.directory.join(decoded(path)));
    let entries = known.filter(|path| path.exists());
    let entries: Vec<_> = entries.filter_map(|path| entry(shared, &path)).collect();
    Answer::new(200, format!("[{}]", entries.join(", ")))
}
