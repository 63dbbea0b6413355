//! Answers over HTTP/1.1.

use super::Request;

pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// With the code that the Hub has for what is wrong.
    pub(super) fn refusal(status: u16, code: &str) -> Self {
        let answer = Self::new(status, r#"{"error": "refused"}"#);
        match code {
            "" => answer,
            code => answer.with("X-Error-Code", code),
        }
    }

    pub(super) fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, "elsewhere").with("Location", location)
    }

    /// A file, or the part of it that is asked for.
    pub(super) fn file(content: Vec<u8>, request: &Request) -> Self {
        let range = request.header("range").and_then(|range| {
            let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
            let end = end.parse::<usize>().map_or(content.len(), |last| last + 1);
            Some((start.parse::<usize>().ok()?, end.min(content.len())))
        });
        match range {
            None => Self::new(200, content),
            Some((start, end)) if start < end => {
                let place = format!("bytes {start}-{}/{}", end - 1, content.len());
                Self::new(206, &content[start..end]).with("Content-Range", place)
            }
            Some(_) => Self::refusal(416, ""),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As it is sent; the answer to a look has no body.
    pub(super) fn bytes(&self, is_look: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = head.into_bytes();
        if !is_look {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}
