//! Which rows of which stores a list of observations needs.

use super::collection::MappedCollection;
use anndex_store::error::Result;

/// Observations in the order in which they were asked for, with the rows that they are.
#[derive(Debug)]
pub(super) struct Selection {
    /// One per store that is needed, in the order of stores.
    groups: Vec<Group>,
    /// One per observation.
    slots: Vec<Slot>,
}

/// The rows of one store.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) source: usize,
    /// Sorted and distinct.
    pub(super) rows: Vec<u64>,
}

/// Where an observation stands in a [`Selection`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) group: u32,
    /// The position in the group's rows.
    pub(super) row: u32,
}

impl Selection {
    /// Finds observations in any order, any of them more than once.
    ///
    /// # Errors
    /// As [`MappedCollection::locate`].
    pub(super) fn new(mapped: &MappedCollection, indices: &[u64]) -> Result<Self> {
        let mut located = Vec::with_capacity(indices.len());
        for (position, &index) in indices.iter().enumerate() {
            let (source, row) = mapped.locate(index)?;
            located.push((source as u32, row, position as u32));
        }
        located.sort_unstable();
        let mut groups: Vec<Group> = Vec::new();
        let mut slots = vec![Slot::default(); indices.len()];
        for (source, row, position) in located {
            if groups
                .last()
                .is_none_or(|group| group.source != source as usize)
            {
                groups.push(Group {
                    source: source as usize,
                    rows: Vec::new(),
                });
            }
            let number = groups.len() - 1;
            let rows = &mut groups[number].rows;
            if rows.last() != Some(&row) {
                rows.push(row);
            }
            slots[position as usize] = Slot {
                group: number as u32,
                row: (rows.len() - 1) as u32,
            };
        }
        Ok(Self { groups, slots })
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The number of bytes held.
    pub(super) fn bytes(&self) -> usize {
        let rows: usize = self
            .groups
            .iter()
            .map(|group| size_of_val(group.rows.as_slice()))
            .sum();
        rows + size_of_val(self.slots.as_slice())
    }
}
