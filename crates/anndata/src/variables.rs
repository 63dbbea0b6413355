//! Joining variables: which column of an AnnData becomes which column of a joined matrix. Mapping
//! and concatenation do it alike.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::BackedDataFrame;
use anndex_store::Strings;
use anndex_store::error::{Error, Result};
use anndex_store::operation::carried;

/// How the variables of different stores become those of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// The variables that all stores have, in the order of the first.
    Inner,
    /// The variables that any store has, sorted.
    Outer,
}

/// Stands in a [`VarMap`] for a variable that is not among the joined ones.
pub const ABSENT: u32 = u32::MAX;

/// Where each variable of a store stands among the joined ones.
#[derive(Debug)]
pub struct VarMap {
    /// The joined position of each of the store's variables, or [`ABSENT`].
    pub to_joint: Vec<u32>,
    /// The number of joined variables.
    pub width: usize,
    /// Whether every variable of the store is among the joined ones.
    keeps_all: bool,
    /// Whether variables that are kept stand in the same order.
    keeps_order: bool,
}

impl VarMap {
    /// The map of a store to `width` joined variables.
    pub fn new(to_joint: Vec<u32>, width: usize) -> Self {
        let kept = || to_joint.iter().filter(|&&joint| joint != ABSENT);
        Self {
            keeps_all: to_joint.iter().all(|&joint| joint != ABSENT),
            keeps_order: kept().is_sorted(),
            to_joint,
            width,
        }
    }

    /// The joined position of a variable of the store; `None` if it has none.
    pub fn joint(&self, column: u32) -> Option<u32> {
        let joint = self.to_joint.get(column as usize).copied();
        joint.filter(|&joint| joint != ABSENT)
    }

    /// Whether every variable of the store is among the joined ones.
    pub fn keeps_all(&self) -> bool {
        self.keeps_all
    }

    /// Whether variables that are kept stand in the same order.
    pub fn keeps_order(&self) -> bool {
        self.keeps_order
    }
}

/// The lists of variables of all stores.
pub struct Panels {
    /// Each list once, in the order of the first stores that have them.
    distinct: Vec<Arc<Strings>>,
    /// Which of them each store has.
    numbers: Vec<usize>,
}

impl Panels {
    /// Reads the lists of all stores, of each by its `var`. At no time are there more copies of one
    /// than threads: those of ten thousand files would take gigabytes. With `releases`, the same is
    /// so for what is kept of the structure of their stores.
    pub fn read(frames: &[&BackedDataFrame], releases: bool) -> Result<Self> {
        let kept: Mutex<HashSet<Arc<Strings>>> = Mutex::default();
        let lists: Result<Vec<Arc<Strings>>> = frames
            .par_iter()
            .map(carried(|var: &&BackedDataFrame| {
                let names = Arc::new(var.index()?);
                if releases {
                    var.store().release();
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(kept.get(&names).cloned().unwrap_or_else(|| {
                    kept.insert(names.clone());
                    names
                }))
            }))
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

    /// Each list once, in the order of the first stores that have them.
    pub fn distinct(&self) -> &[Arc<Strings>] {
        &self.distinct
    }

    /// What belongs to each list, for each store.
    pub fn of_stores<T: Clone>(&self, of_lists: &[T]) -> Vec<T> {
        let numbers = self.numbers.iter();
        numbers.map(|&number| of_lists[number].clone()).collect()
    }

    /// Refuses a list in which a name occurs twice, naming the first of `frames` that has it.
    pub fn check_unique(&self, frames: &[&BackedDataFrame]) -> Result<()> {
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
            return Err(match first.and_then(|first| frames.get(first)) {
                Some(var) => error
                    .with("path", var.store().location())
                    .with("node", format!("/{}", var.path())),
                None => error,
            });
        }
        Ok(())
    }
}

/// The joined names of lists that differ.
pub fn joined(lists: &[Arc<Strings>], join: Join) -> Strings {
    match join {
        Join::Inner => inner(lists),
        Join::Outer => outer(lists),
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
pub fn maps(lists: &[Arc<Strings>], joint: &Strings) -> Result<Vec<Arc<VarMap>>> {
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
