//! Joining variables: which column of a store becomes which column of a sample.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::anndata::BackedAnnData;
use crate::error::{Error, Result};
use crate::store::Strings;

/// How the variables of different stores become those of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// The variables that all stores have, in the order of the first.
    Inner,
    /// The variables that any store has, sorted; values that a store lacks are 0.
    Outer,
}

/// Stands in a [`VarMap`] for a variable that is not among the joined ones.
pub(super) const ABSENT: u32 = u32::MAX;

/// Where each variable of a store stands among the joined ones.
#[derive(Debug)]
pub(super) struct VarMap {
    /// The joined position of each of the store's variables, or [`ABSENT`].
    pub(super) to_joint: Vec<u32>,
    /// The number of joined variables.
    pub(super) width: usize,
    /// Whether every variable of the store is among the joined ones.
    keeps_all: bool,
    /// Whether variables that are kept stand in the same order.
    keeps_order: bool,
}

impl VarMap {
    fn new(to_joint: Vec<u32>, width: usize) -> Self {
        let kept = || to_joint.iter().filter(|&&joint| joint != ABSENT);
        Self {
            keeps_all: to_joint.iter().all(|&joint| joint != ABSENT),
            keeps_order: kept().is_sorted(),
            to_joint,
            width,
        }
    }

    /// The joined position of a variable of the store; `None` if it has none.
    pub(super) fn joint(&self, column: u32) -> Option<u32> {
        let joint = self.to_joint.get(column as usize).copied();
        joint.filter(|&joint| joint != ABSENT)
    }

    pub(super) fn keeps_all(&self) -> bool {
        self.keeps_all
    }

    pub(super) fn keeps_order(&self) -> bool {
        self.keeps_order
    }
}

/// The join of all stores' variables. Stores with the same variables share one list and one map,
/// since collections have many files of few panels.
#[derive(Debug)]
pub(super) struct VarJoin {
    join: Option<Join>,
    joint: Option<Arc<Strings>>,
    lists: Option<Vec<Arc<Strings>>>,
    maps: Vec<Arc<VarMap>>,
}

impl VarJoin {
    pub(super) fn new(stores: &[BackedAnnData], join: Option<Join>) -> Result<Self> {
        let Some(join) = join else {
            return Ok(Self {
                join: None,
                joint: None,
                lists: None,
                maps: Vec::new(),
            });
        };
        let panels = Panels::read(stores)?;
        let Some(first) = panels.distinct.first() else {
            return Err(Error::invalid_input("there are no variables to join"));
        };
        if panels.distinct.len() == 1 {
            return Ok(Self {
                join: None,
                joint: Some(first.clone()),
                lists: Some(panels.of_stores(&panels.distinct)),
                maps: Vec::new(),
            });
        }
        panels.check_unique(stores)?;
        let joint = match join {
            Join::Inner => inner(&panels.distinct),
            Join::Outer => outer(&panels.distinct),
        };
        if join == Join::Inner && joint.is_empty() {
            return Err(Error::invalid_input(
                "the stores share no variables; use an outer join, or none",
            ));
        }
        let maps = maps(&panels.distinct, &joint)?;
        Ok(Self {
            join: Some(join),
            joint: Some(Arc::new(joint)),
            lists: Some(panels.of_stores(&panels.distinct)),
            maps: panels.of_stores(&maps),
        })
    }

    pub(super) fn join(&self) -> Option<Join> {
        self.join
    }

    pub(super) fn joint(&self) -> Option<&Strings> {
        self.joint.as_deref()
    }

    pub(super) fn lists(&self) -> Option<&[Arc<Strings>]> {
        self.lists.as_deref()
    }

    /// The map of a store; `None` if its variables are taken as stored.
    pub(super) fn map(&self, store: usize) -> Option<Arc<VarMap>> {
        self.maps.get(store).cloned()
    }

    pub(super) fn indices(&self) -> Option<Vec<Vec<u32>>> {
        let join = self.join?;
        let indices = self.maps.iter().map(|map| match join {
            Join::Outer => map.to_joint.clone(),
            Join::Inner => {
                let mut positions = vec![0; map.width];
                for (column, &joint) in map.to_joint.iter().enumerate() {
                    if joint != ABSENT {
                        positions[joint as usize] = column as u32;
                    }
                }
                positions
            }
        });
        Some(indices.collect())
    }
}

/// The lists of variables of all stores.
struct Panels {
    /// Each list once, in the order of the first stores that have them.
    distinct: Vec<Arc<Strings>>,
    /// Which of them each store has.
    numbers: Vec<usize>,
}

impl Panels {
    /// Reads the lists of all stores. At no time are there more copies of one than threads: those
    /// of ten thousand files would take gigabytes.
    fn read(stores: &[BackedAnnData]) -> Result<Self> {
        let kept: Mutex<HashSet<Arc<Strings>>> = Mutex::default();
        let lists: Result<Vec<Arc<Strings>>> = stores
            .par_iter()
            .map(|data| {
                let names = Arc::new(data.var().index()?);
                data.store().release();
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(kept.get(&names).cloned().unwrap_or_else(|| {
                    kept.insert(names.clone());
                    names
                }))
            })
            .collect();
        let mut distinct = Vec::new();
        let mut known = HashMap::new();
        let numbers = lists?.into_iter().map(|names| {
            *known.entry(Arc::as_ptr(&names)).or_insert_with(|| {
                distinct.push(names);
                distinct.len() - 1
            })
        });
        let numbers = numbers.collect();
        Ok(Self { distinct, numbers })
    }

    /// What belongs to each list, for each store.
    fn of_stores<T: Clone>(&self, of_lists: &[T]) -> Vec<T> {
        let numbers = self.numbers.iter();
        numbers.map(|&number| of_lists[number].clone()).collect()
    }

    fn check_unique(&self, stores: &[BackedAnnData]) -> Result<()> {
        for (number, names) in self.distinct.iter().enumerate() {
            let mut seen = HashSet::with_capacity(names.len());
            let Some(name) = names.iter().find(|name| !seen.insert(*name)) else {
                continue;
            };
            let error = Error::invalid_input(format!(
                "the variable `{name}` occurs more than once, so variables can't be joined; make \
                 the names unique, or use no join"
            ));
            let first = self.numbers.iter().position(|&other| other == number);
            return Err(match first.and_then(|first| stores.get(first)) {
                Some(data) => error
                    .with("path", data.store().location())
                    .with("node", format!("/{}", data.var().path())),
                None => error,
            });
        }
        Ok(())
    }
}

/// `pandas.Index.intersection`, one after the other: the order of the first list.
fn inner(lists: &[Arc<Strings>]) -> Strings {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in lists.iter().flat_map(|names| names.iter()) {
        *counts.entry(name).or_default() += 1;
    }
    let first = lists.iter().take(1).flat_map(|names| names.iter());
    first
        .filter(|name| counts.get(name) == Some(&lists.len()))
        .collect()
}

/// `pandas.Index.union` of distinct lists, one after the other: sorted by code points, but for a
/// union with an empty list, which keeps the order.
fn outer(lists: &[Arc<Strings>]) -> Strings {
    let mut filled = lists.iter().filter(|names| !names.is_empty());
    match (filled.next(), filled.next()) {
        (None, _) => Strings::new(),
        (Some(only), None) => (**only).clone(),
        _ => {
            let all: HashSet<&str> = lists.iter().flat_map(|names| names.iter()).collect();
            let mut names: Vec<&str> = all.into_iter().collect();
            names.sort_unstable();
            names.into_iter().collect()
        }
    }
}

/// The map of each list.
fn maps(lists: &[Arc<Strings>], joint: &Strings) -> Result<Vec<Arc<VarMap>>> {
    if u32::try_from(joint.len()).is_err() {
        return Err(Error::unsupported("more than 2^32 - 1 joined variables"));
    }
    let positions: HashMap<&str, u32> = joint
        .iter()
        .enumerate()
        .map(|(position, name)| (name, position as u32))
        .collect();
    let position = |name| positions.get(name).copied().unwrap_or(ABSENT);
    let maps = lists.iter().map(|names| {
        let to_joint = names.iter().map(position).collect();
        Arc::new(VarMap::new(to_joint, joint.len()))
    });
    Ok(maps.collect())
}
