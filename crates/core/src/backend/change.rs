//! Change sets: everything that one operation of the domain writes, as data.

mod check;

use super::Filter;
use crate::error::Result;
use crate::record::{Field, Id, Kind, LinkKind, Record, Value};

/// A record that an earlier insert of the same change set makes: the how manieth insert, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecord(pub usize);

/// A record that a change points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One that is in the backend.
    Existing(Id),
    /// One that this change set inserts before.
    New(NewRecord),
}

impl From<Id> for Target {
    fn from(id: Id) -> Self {
        Self::Existing(id)
    }
}

impl From<NewRecord> for Target {
    fn from(new: NewRecord) -> Self {
        Self::New(new)
    }
}

/// Whether a precondition wants a record or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// At least one record matches.
    Some,
    /// No record matches.
    None,
}

/// What must hold, when the transaction begins, for a change set to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Precondition {
    /// Whether a record or none must match.
    pub expect: Expect,
    /// The kind of records that the condition is on.
    pub kind: Kind,
    /// The condition.
    pub filter: Filter,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new record, whose id the backend assigns.
    Insert {
        /// The record; its id is `None`.
        record: Box<Record>,
        /// Reference fields that take the ids of records inserted before by the same set. What
        /// the record holds in them is not looked at.
        references: Vec<(Field, NewRecord)>,
    },
    /// New values for some fields of a record.
    Update {
        /// The kind.
        kind: Kind,
        /// The record.
        record: Target,
        /// The fields with their new values; never `id` or `uid`.
        set: Vec<(Field, Value)>,
    },
    /// The end of a record, and of those of its links that do not protect it.
    Delete {
        /// The kind.
        kind: Kind,
        /// The record.
        id: Id,
    },
    /// A link. One that is there already (same records, and same slot where there are slots) stays
    /// as it is.
    Link {
        /// The relation.
        kind: LinkKind,
        /// The source.
        source: Target,
        /// The target.
        target: Target,
        /// The position, exactly where the relation is ordered.
        position: Option<i64>,
        /// The slot, exactly where the relation has slots.
        slot: Option<String>,
    },
    /// The end of all links between two records. None being there is no error.
    Unlink {
        /// The relation.
        kind: LinkKind,
        /// The source.
        source: Id,
        /// The target.
        target: Id,
    },
}

/// What [`apply`](super::Backend::apply) did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// The ids of the inserted records, in the order of the inserts.
    pub inserted: Vec<Id>,
}

impl Applied {
    /// The id that a new record got.
    ///
    /// # Errors
    /// `InvalidInput` if the change set had no such insert.
    pub fn id(&self, new: NewRecord) -> Result<Id> {
        self.inserted
            .get(new.0)
            .copied()
            .ok_or_else(|| check::no_such_insert(new))
    }
}

/// Changes that are made together or not at all, if their preconditions hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChangeSet {
    /// What must hold before.
    pub preconditions: Vec<Precondition>,
    /// The changes, in the order in which they are made.
    pub changes: Vec<Change>,
    inserts: usize,
}

impl ChangeSet {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Demands that a record of `kind` matches.
    pub fn require(&mut self, kind: Kind, filter: Filter) {
        self.preconditions.push(Precondition {
            expect: Expect::Some,
            kind,
            filter,
        });
    }

    /// Demands that no record of `kind` matches.
    pub fn require_none(&mut self, kind: Kind, filter: Filter) {
        self.preconditions.push(Precondition {
            expect: Expect::None,
            kind,
            filter,
        });
    }

    /// Inserts a record.
    pub fn insert(&mut self, record: impl Into<Record>) -> NewRecord {
        self.insert_with(record, Vec::new())
    }

    /// Inserts a record that refers to others inserted before.
    pub fn insert_with(
        &mut self,
        record: impl Into<Record>,
        references: Vec<(Field, NewRecord)>,
    ) -> NewRecord {
        self.changes.push(Change::Insert {
            record: Box::new(record.into()),
            references,
        });
        let new = NewRecord(self.inserts);
        self.inserts += 1;
        new
    }

    /// Sets fields of a record.
    pub fn update(&mut self, kind: Kind, record: impl Into<Target>, set: Vec<(Field, Value)>) {
        self.changes.push(Change::Update {
            kind,
            record: record.into(),
            set,
        });
    }

    /// Deletes a record.
    pub fn delete(&mut self, kind: Kind, id: Id) {
        self.changes.push(Change::Delete { kind, id });
    }

    /// Links two records, without position and slot.
    pub fn link(&mut self, kind: LinkKind, source: impl Into<Target>, target: impl Into<Target>) {
        self.push_link(kind, source.into(), target.into(), None, None);
    }

    /// Links two records at a position.
    pub fn link_at(
        &mut self,
        kind: LinkKind,
        source: impl Into<Target>,
        target: impl Into<Target>,
        position: i64,
    ) {
        self.push_link(kind, source.into(), target.into(), Some(position), None);
    }

    /// Links two records in a slot.
    pub fn link_in(
        &mut self,
        kind: LinkKind,
        source: impl Into<Target>,
        target: impl Into<Target>,
        slot: impl Into<String>,
    ) {
        self.push_link(kind, source.into(), target.into(), None, Some(slot.into()));
    }

    /// Ends the links between two records.
    pub fn unlink(&mut self, kind: LinkKind, source: Id, target: Id) {
        self.changes.push(Change::Unlink {
            kind,
            source,
            target,
        });
    }

    fn push_link(
        &mut self,
        kind: LinkKind,
        source: Target,
        target: Target,
        position: Option<i64>,
        slot: Option<String>,
    ) {
        self.changes.push(Change::Link {
            kind,
            source,
            target,
            position,
            slot,
        });
    }

    /// Checks that every change fits the model; every backend calls this first.
    ///
    /// # Errors
    /// `InvalidInput` if a field, value, position, slot or precondition does not fit its kind, or
    /// if a change points to an insert that does not come before it.
    pub fn check(&self) -> Result<()> {
        for precondition in &self.preconditions {
            precondition.filter.check(precondition.kind)?;
        }
        check::changes(&self.changes)
    }
}
