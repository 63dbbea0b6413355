//! What the Hub answers, which is not trusted: facts about a file, its bytes, pages of a list.

use std::ops::Range;

use anndex_store::storage::ObjectInfo;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, LINK};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use super::client::followed;
use super::failure::Failure;
use super::locations::Location;

/// Pages have a thousand files.
const LARGEST_PAGE_BYTES: usize = 64 << 20;

/// What tells contents of a file apart: the tag is its hash in Git, or its SHA-256 if it is large.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) tag: String,
    pub(super) size: u64,
}

impl Facts {
    pub(super) fn is_of(&self, object: &ObjectInfo) -> bool {
        let is_tagged = object.etag.as_ref().is_none_or(|tag| *tag == self.tag);
        self.size == object.size && is_tagged
    }
}

/// The last answer to a request, and what those before it said.
pub(super) struct Answer {
    response: Response,
    /// Of a file whose content is on another server.
    linked: Option<Facts>,
    is_hub: bool,
    is_authorized: bool,
}

impl Answer {
    /// `linked` is what an earlier answer said, which sent to this one.
    pub(super) fn new(
        response: Response,
        linked: Option<Facts>,
        is_hub: bool,
        is_authorized: bool,
    ) -> Self {
        let mut answer = Self {
            response,
            linked,
            is_hub,
            is_authorized,
        };
        let tag = answer.header("x-linked-etag").map(plain);
        let size = answer.header("x-linked-size").and_then(|s| s.parse().ok());
        if answer.linked.is_none()
            && let Some((tag, size)) = tag.zip(size)
        {
            answer.linked = Some(Facts { tag, size });
        }
        answer
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn is_linked(&self) -> bool {
        self.linked.is_some()
    }

    pub(super) fn into_linked(self) -> Option<Facts> {
        self.linked
    }

    fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The tag that the server which answered last gives.
    pub(super) fn own_tag(&self) -> Option<String> {
        self.header(ETAG).map(plain)
    }

    /// The first byte of a part, and the size of the whole, as the server says.
    fn part(&self) -> Option<(u64, u64)> {
        let (range, size) = self
            .header(CONTENT_RANGE)?
            .strip_prefix("bytes ")?
            .split_once('/')?;
        Some((range.split_once('-')?.0.parse().ok()?, size.parse().ok()?))
    }

    /// The size of the whole file, as the server which answered last says.
    pub(super) fn size(&self) -> Option<u64> {
        match self.status() {
            StatusCode::PARTIAL_CONTENT => Some(self.part()?.1),
            _ => self.header(CONTENT_LENGTH)?.parse().ok(),
        }
    }

    /// What is said of the file.
    ///
    /// # Errors
    /// If that is not enough to tell whether it changed.
    pub(super) fn facts(&self) -> Result<Facts, Failure> {
        if let Some(linked) = &self.linked {
            return Ok(linked.clone());
        }
        let facts = self.own_tag().zip(self.size());
        let facts = facts.map(|(tag, size)| Facts { tag, size });
        facts.ok_or_else(|| Failure::unlike_a_hub("there is no tag or no size"))
    }

    /// Whether the repository is there, and the file or directory is not.
    pub(super) fn is_missing_entry(&self) -> bool {
        self.status() == StatusCode::NOT_FOUND && self.code() == Some("EntryNotFound")
    }

    fn code(&self) -> Option<&str> {
        self.header("x-error-code")
    }

    /// This answer, if it has one of these statuses, or says all of a file that is elsewhere.
    ///
    /// # Errors
    /// What any other status means.
    pub(super) fn refused_unless(self, fine: &[StatusCode]) -> Result<Self, Failure> {
        let status = self.status();
        let is_fine = fine.contains(&status) || status.is_redirection() && self.is_linked();
        match is_fine {
            true => Ok(self),
            false => Err(Failure::refused(status, self.code(), self.is_authorized)),
        }
    }

    /// Where the content is, if that is another server to which the Hub sent.
    pub(super) fn elsewhere(&self) -> Option<Location> {
        let is_part = self.status() == StatusCode::PARTIAL_CONTENT;
        let is_elsewhere = is_part && self.is_linked() && !self.is_hub;
        is_elsewhere.then(|| Location::new(self.response.url().clone(), self.own_tag()))
    }

    /// The bytes of a range of a file of this size.
    ///
    /// # Errors
    /// If these are others, or not all of them; the latter may pass.
    pub(super) async fn bytes(self, range: &Range<u64>, size: u64) -> Result<Bytes, Failure> {
        let is_wanted = match self.status() {
            StatusCode::PARTIAL_CONTENT => self.part() == Some((range.start, size)),
            _ if *range == (0..size) => true,
            _ => return Err(Failure::without_ranges()),
        };
        let length = usize::try_from(range.end - range.start);
        let Some(length) = length.ok().filter(|_| is_wanted) else {
            return Err(Failure::unlike_a_hub("this is another part of the file"));
        };
        let bytes = self.body(length).await?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(Failure::broken_off()),
        }
    }

    /// The body, if it has no more than so many bytes.
    async fn body(mut self, most: usize) -> Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        loop {
            let chunk = self.response.chunk().await;
            match chunk.map_err(|e| Failure::of_request(&e))? {
                None => return Ok(body.freeze()),
                Some(chunk) if chunk.len() > most - body.len() => {
                    return Err(Failure::unlike_a_hub(
                        "it is longer than what was asked for",
                    ));
                }
                Some(chunk) => body.extend_from_slice(&chunk),
            }
        }
    }
}

/// A tag without its quotes. It is that of a content, whatever the server takes it for.
fn plain(tag: &str) -> String {
    anndex_remote_requests::unquoted(tag.trim_start_matches("W/").to_owned())
}

/// Where the next page of a list is.
///
/// # Errors
/// If the server names no place that can be asked.
pub(super) fn next_page(answer: &Answer) -> Result<Option<Url>, Failure> {
    let links = answer.header(LINK).unwrap_or_default();
    let next = links.split(',').find_map(|link| {
        let (target, kind) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = kind.split(';').any(|kind| kind.trim() == "rel=\"next\"");
        is_next.then_some(target)
    });
    next.map(|next| followed(answer.response.url(), next))
        .transpose()
}

/// A file or directory, as lists have it.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    oid: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

/// The files in a page of a list, with their paths in the repository as keys.
///
/// # Errors
/// If it can't be read or understood.
pub(super) async fn page(answer: Answer) -> Result<Vec<ObjectInfo>, Failure> {
    let body = answer.body(LARGEST_PAGE_BYTES).await?;
    let entries: Vec<Entry> = serde_json::from_slice(&body)
        .map_err(|_| Failure::unlike_a_hub("this is not a list of files"))?;
    let files = entries.into_iter().filter(|entry| entry.kind == "file");
    let infos = files.map(|entry| {
        let (tag, size) = match entry.lfs {
            Some(large) => (large.oid, large.size),
            None => (entry.oid, entry.size),
        };
        ObjectInfo {
            key: entry.path,
            size,
            etag: Some(tag),
            modified: None,
        }
    });
    Ok(infos.collect())
}
