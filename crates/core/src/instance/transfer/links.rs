//! Links between records that are copied, as far as the other instance lacks them.

use std::collections::BTreeSet;

use super::merge::Merge;
use crate::backend::{LinkQuery, Target};
use crate::error::Result;
use crate::record::{Id, Link, LinkKind};

impl Merge<'_> {
    /// Adds the links that are missing, but for those of records that are not copied. What a
    /// collection holds, and which runs made a record, is said when it is inserted and not added
    /// to later.
    ///
    /// # Errors
    /// `Backend` if the database fails.
    pub(super) async fn links(&mut self, links: &[Link]) -> Result<()> {
        for kind in LinkKind::ALL {
            self.links_of(kind, links.iter().filter(|link| link.kind == kind))
                .await?;
        }
        Ok(())
    }

    async fn links_of(&mut self, kind: LinkKind, links: impl Iterator<Item = &Link>) -> Result<()> {
        let mut ends = Vec::new();
        let mut sources = BTreeSet::new();
        for link in links {
            let source = self.target(kind.source(), link.source);
            let target = self.target(kind.target(), link.target);
            let (Some(source), Some(target)) = (source, target) else {
                continue;
            };
            if let Target::Existing(id) = source {
                if kind.is_ordered() {
                    continue;
                }
                sources.insert(id);
            }
            ends.push((link, source, target));
        }
        let mut there = Vec::new();
        if !sources.is_empty() {
            let query = LinkQuery {
                kind,
                sources: Some(sources.into_iter().collect()),
                targets: None,
            };
            there = self.backend.links(&query).await?;
        }
        let linked: BTreeSet<(Id, Id)> = there.iter().map(|l| (l.source, l.target)).collect();
        let filled: BTreeSet<(Id, &str)> = there
            .iter()
            .filter_map(|link| Some((link.source, link.slot.as_deref()?)))
            .collect();
        for (link, source, target) in ends {
            let present = match (source, target, link.slot.as_deref()) {
                (Target::Existing(source), _, Some(slot)) => filled.contains(&(source, slot)),
                (Target::Existing(source), Target::Existing(target), None) => {
                    linked.contains(&(source, target))
                }
                _ => false,
            };
            if present {
                continue;
            }
            match (link.position, &link.slot) {
                (Some(position), _) => self.changes.link_at(kind, source, target, position),
                (None, Some(slot)) => self.changes.link_in(kind, source, target, slot),
                (None, None) => self.changes.link(kind, source, target),
            }
        }
        Ok(())
    }
}
