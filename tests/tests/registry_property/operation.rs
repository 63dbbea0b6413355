//! What may happen in an instance. Records are named by numbers, any of which means some record.

use proptest::prelude::*;
use proptest::sample::select;

/// The kinds of records that most operations are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dataset {
    Artifact,
    Collection,
}

/// A file to register.
#[derive(Debug, Clone)]
pub(crate) struct NewArtifact {
    pub(crate) file: usize,
    pub(crate) description: Option<&'static str>,
    pub(crate) version: Option<&'static str>,
    pub(crate) old: Option<usize>,
}

/// Artifacts to collect.
#[derive(Debug, Clone)]
pub(crate) struct NewCollection {
    pub(crate) artifacts: Vec<usize>,
    pub(crate) name: Option<&'static str>,
    pub(crate) version: Option<&'static str>,
    pub(crate) old: Option<usize>,
    pub(crate) meta: Option<usize>,
}

/// One call of the user.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Artifact(NewArtifact),
    Collection(NewCollection),
    /// Sets a description, maybe a version, and saves.
    Save(Dataset, usize, &'static str, Option<&'static str>),
    Delete(Dataset, usize, Option<bool>),
    Restore(Dataset, usize),
    ULabel(&'static str, Option<usize>),
    DeleteULabel(usize, Option<bool>),
    Label(Dataset, usize, usize),
    Unlabel(Dataset, usize, usize),
    Features(Dataset, usize, &'static str, usize),
    Transform(&'static str, Option<usize>),
    Track(usize),
    Finish,
    DeleteRun(usize),
    Input(Dataset, usize, Option<bool>),
    Transfer(Dataset, usize),
    /// Records by a condition, in an order.
    Find(Dataset, &'static str),
}

const NAMES: [&str; 4] = ["a", "B", "ä", "b%"];
const FLAGS: [Option<bool>; 3] = [None, Some(true), Some(false)];

/// More than the files that there are, so that some of a collection's numbers mean the same.
const NUMBERS: usize = 12;

fn maybe<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.3, value)
}

fn artifact() -> impl Strategy<Value = NewArtifact> {
    let version = select(vec!["1", "2", "v"]);
    let description = select(NAMES.to_vec());
    let parts = (
        0..8_usize,
        maybe(description),
        maybe(version),
        maybe(0..NUMBERS),
    );
    parts.prop_map(|(file, description, version, old)| NewArtifact {
        file,
        description,
        version,
        old,
    })
}

fn collection() -> impl Strategy<Value = NewCollection> {
    let artifacts = proptest::collection::vec(0..NUMBERS, 0..4);
    let version = select(vec!["1", "2", "v"]);
    let parts = (
        artifacts,
        proptest::option::weighted(0.8, select(NAMES.to_vec())),
        maybe(version),
        maybe(0..NUMBERS),
        maybe(0..NUMBERS),
    );
    parts.prop_map(|(artifacts, name, version, old, meta)| NewCollection {
        artifacts,
        name,
        version,
        old,
        meta,
    })
}

pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    let dataset = || select(vec![Dataset::Artifact, Dataset::Collection]);
    let one = || 0..NUMBERS;
    let name = || select(NAMES.to_vec());
    let flag = || select(FLAGS.to_vec());
    prop_oneof![
        6 => artifact().prop_map(Operation::Artifact),
        6 => collection().prop_map(Operation::Collection),
        2 => (dataset(), one(), name(), maybe(select(vec!["1", "3", "w"])))
            .prop_map(|(d, n, text, version)| Operation::Save(d, n, text, version)),
        3 => (dataset(), one(), flag()).prop_map(|(d, n, p)| Operation::Delete(d, n, p)),
        2 => (dataset(), one()).prop_map(|(d, n)| Operation::Restore(d, n)),
        2 => (name(), maybe(one())).prop_map(|(n, parent)| Operation::ULabel(n, parent)),
        1 => (one(), flag()).prop_map(|(n, p)| Operation::DeleteULabel(n, p)),
        2 => (dataset(), one(), one()).prop_map(|(d, n, l)| Operation::Label(d, n, l)),
        1 => (dataset(), one(), one()).prop_map(|(d, n, l)| Operation::Unlabel(d, n, l)),
        1 => (dataset(), one(), select(vec!["var", "obs"]), 0..3_usize)
            .prop_map(|(d, n, slot, count)| Operation::Features(d, n, slot, count)),
        2 => (name(), maybe(one())).prop_map(|(n, old)| Operation::Transform(n, old)),
        2 => one().prop_map(Operation::Track),
        1 => Just(Operation::Finish),
        1 => one().prop_map(Operation::DeleteRun),
        2 => (dataset(), one(), flag()).prop_map(|(d, n, is)| Operation::Input(d, n, is)),
        2 => (dataset(), one()).prop_map(|(d, n)| Operation::Transfer(d, n)),
        2 => (dataset(), name()).prop_map(|(d, text)| Operation::Find(d, text)),
    ]
}
