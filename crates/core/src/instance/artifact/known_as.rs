//! By which name the record of known content goes, and whether that is the one that was asked for.

use super::ArtifactBuilder;
use super::content::Content;
use super::save::Location;
use crate::record::Artifact;
use crate::registry::Registry;
use crate::shown;

impl ArtifactBuilder {
    /// Whether a record is at this place, or people know it by the name that a new one would have.
    pub(super) fn is_called(
        &self,
        known: &Artifact,
        content: &Content,
        location: &Location,
    ) -> bool {
        let here = (location.storage.id, location.in_place.as_ref());
        if here == (Some(known.storage_id), Some(&known.storage_key)) {
            return true;
        }
        let key = self.key.as_ref().or(location.in_place.as_ref());
        match (key, &self.description) {
            // It takes its name from the old version.
            (None, _) if self.is_new_version_of.is_some() => true,
            (Some(key), _) => known.key.as_ref() == Some(key),
            (None, Some(_)) if known.key.is_none() => known.description == self.description,
            (None, _) => known.key.as_ref() == Some(&content.file_name),
        }
    }

    /// Whether the record is in another storage than in the one given.
    pub(super) fn is_elsewhere(&self, known: &Artifact) -> bool {
        let wanted = self.storage.as_ref();
        wanted.is_some_and(|wanted| wanted.id() != known.storage_id)
    }

    /// What to say of content that is known under another name, where nothing new is registered.
    pub(super) fn known_as(&self, known: &Artifact) -> String {
        let path = self.path.display().to_string();
        let place = shown::place(&path);
        let name = match (&self.key, &self.description) {
            (Some(key), _) => format!("{key:?}"),
            (None, Some(description)) => format!("{place:?} ({description:?})"),
            (None, None) => format!("{place:?}"),
        };
        format!(
            "{name} has the content of {}, which is given back; nothing is registered or copied a \
             second time",
            known.label()
        )
    }
}
