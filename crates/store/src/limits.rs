//! How much may be taken for what comes from outside: files, servers and their metadata say of
//! themselves how large they are, and are not believed.
//!
//! What is stored bounds nearly everything: elements take bytes, and compressors only do so much.
//! The rest is bounded here: what a few bytes can claim to be, or what can be gone through again
//! and again. All of it is spent before memory or time is.

use std::time::Duration;

use crate::error::{Error, Result};

/// The limits of one read: of an array, of a metadata document, of nested groups, of a listing.
///
/// They are far above what real data have. One that is passed is an error of kind
/// [`Corrupt`](crate::ErrorKind::Corrupt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Decoded bytes that are read whatever little is stored of them. Default: 64 MiB.
    pub bytes: u64,
    /// Above that, how many decoded bytes a stored one may stand for: compressors do not shrink
    /// data by more (zstd on constants comes near). Default: 65,536.
    pub ratio: u64,
    /// Values in one metadata document, each of which takes many times its text. Default: 4
    /// million.
    pub elements: u64,
    /// Groups and arrays that are visited in nested groups, such as those of `uns`: links can make
    /// few of them look like endlessly many. Default: 20,000.
    pub nodes: u64,
    /// Entries of one group, and directories of a listing. Default: 100,000.
    pub entries: u64,
    /// Pages of a listing on a server, of 1,000 objects where it does not say. Default: 100,000.
    pub pages: u64,
    /// Time for a listing as a whole. Default: 15 minutes.
    pub time: Duration,
}

impl Limits {
    /// What is used unless something else is said.
    pub const DEFAULT: Self = Self {
        bytes: 64 << 20,
        ratio: 1 << 16,
        elements: 4_000_000,
        nodes: 20_000,
        entries: 100_000,
        pages: 100_000,
        time: Duration::from_secs(15 * 60),
    };

    /// Whether so many stored bytes can be so many decoded ones.
    pub fn is_plausible(&self, decoded: u64, stored: u64) -> bool {
        decoded <= self.bytes || decoded / self.ratio.max(1) <= stored
    }

    /// Refuses what can't come from the bytes that are stored of it.
    ///
    /// # Errors
    /// `Corrupt` if `decoded` bytes can't be in `stored` ones.
    pub fn check_decoded(&self, decoded: u64, stored: u64) -> Result<()> {
        match self.is_plausible(decoded, stored) {
            true => Ok(()),
            false => Err(Error::corrupt(format!(
                "it claims to have {decoded} bytes, which can't come from the {stored} bytes that \
                 are stored of it"
            ))),
        }
    }

    /// For text of which so many bytes are stored as they are: references to it can repeat, but
    /// no more than [`Limits::bytes`] are made of that.
    pub fn text(&self, stored: u64) -> Remaining {
        Remaining {
            left: self.bytes.saturating_add(stored),
            exceeded: "the texts are many times larger than what is stored of them",
        }
    }

    /// For the values of a metadata document.
    pub fn values(&self) -> Remaining {
        Remaining {
            left: self.elements,
            exceeded: "the metadata hold more values than can be read",
        }
    }

    /// For the groups and arrays in nested groups.
    pub fn walk(&self) -> Walk {
        Walk {
            nodes: Remaining {
                left: self.nodes,
                exceeded: "there are more groups and arrays in here than can be read; links in it \
                           may lead to the same ones again and again",
            },
            unstored: Remaining {
                left: self.bytes,
                exceeded: "the arrays in here claim to be many times larger than what is stored \
                           of them",
            },
            ratio: self.ratio,
        }
    }

    /// For the entries of one group.
    pub fn entries(&self) -> Remaining {
        Remaining {
            left: self.entries,
            exceeded: "a group has more entries than can be read; the same ones may be listed \
                       again and again",
        }
    }

    /// For the objects of a listing.
    pub fn listing(&self) -> Remaining {
        Remaining {
            left: self.pages.saturating_mul(1000),
            exceeded: "the list of files has no end",
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What is left of a limit.
#[derive(Debug, Clone)]
pub struct Remaining {
    left: u64,
    exceeded: &'static str,
}

impl Remaining {
    /// Takes `count` of it.
    ///
    /// # Errors
    /// `Corrupt` if there is not so much left.
    pub fn spend(&mut self, count: u64) -> Result<()> {
        self.left = self
            .left
            .checked_sub(count)
            .ok_or_else(|| Error::corrupt(self.exceeded))?;
        Ok(())
    }
}

/// What is left of the limits for nested groups.
#[derive(Debug, Clone)]
pub struct Walk {
    nodes: Remaining,
    unstored: Remaining,
    ratio: u64,
}

impl Walk {
    /// Visits a group or an array.
    ///
    /// # Errors
    /// `Corrupt` if there are too many.
    pub fn visit(&mut self) -> Result<()> {
        self.nodes.spend(1)
    }

    /// Takes memory for an array: each alone may be larger than what is stored of it, but not all
    /// of them. What is stored of it may not be known.
    ///
    /// # Errors
    /// `Corrupt` if all that were taken are too large together.
    pub fn decode(&mut self, decoded: u64, stored: Option<u64>) -> Result<()> {
        let possible = stored.map_or(decoded, |stored| stored.saturating_mul(self.ratio));
        self.unstored.spend(decoded.saturating_sub(possible))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_remains_ends() {
        let limits = Limits {
            bytes: 10,
            ..Limits::DEFAULT
        };
        let mut text = limits.text(5);
        text.spend(15).unwrap();
        assert_eq!(text.spend(1).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn arrays_without_bytes_share_one_limit() {
        let mut walk = Limits::DEFAULT.walk();
        for _ in 0..3 {
            walk.decode(20 << 20, Some(0)).unwrap();
            walk.decode(20 << 20, Some(1 << 10)).unwrap();
            walk.decode(20 << 20, None).unwrap();
        }
        assert_eq!(
            walk.decode(20 << 20, Some(0)).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }

    #[test]
    fn what_compressors_can_do_is_plausible() {
        let limits = Limits::DEFAULT;
        assert!(limits.is_plausible(64 << 20, 0));
        assert!(!limits.is_plausible((64 << 20) + (1 << 16), 0));
        assert!(limits.is_plausible(1 << 40, 1 << 24));
        assert!(!limits.is_plausible(u64::MAX, 1 << 40));
    }
}
