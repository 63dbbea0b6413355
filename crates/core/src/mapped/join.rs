//! Joining variables: which column of a store becomes which column of a sample.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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
        let lists: Result<Vec<_>> = stores.par_iter().map(|data| data.var().index()).collect();
        let lists = share(lists?);
        let Some(first) = lists.first().cloned() else {
            return Err(Error::invalid_input("there are no variables to join"));
        };
        if lists.iter().all(|names| **names == *first) {
            return Ok(Self {
                join: None,
                joint: Some(first),
                lists: Some(lists),
                maps: Vec::new(),
            });
        }
        check_unique(stores, &lists)?;
        let joint = match join {
            Join::Inner => inner(&lists),
            Join::Outer => outer(&lists),
        };
        if join == Join::Inner && joint.is_empty() {
            return Err(Error::invalid_input(
                "the stores share no variables; use an outer join, or none",
            ));
        }
        let maps = maps(&lists, &joint)?;
        Ok(Self {
            join: Some(join),
            joint: Some(Arc::new(joint)),
            lists: Some(lists),
            maps,
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

/// Keeps equal lists once.
fn share(lists: Vec<Strings>) -> Vec<Arc<Strings>> {
    let mut kept: HashMap<Strings, Arc<Strings>> = HashMap::new();
    lists
        .into_iter()
        .map(|names| {
            kept.entry(names)
                .or_insert_with_key(|names| Arc::new(names.clone()))
                .clone()
        })
        .collect()
}

fn check_unique(stores: &[BackedAnnData], lists: &[Arc<Strings>]) -> Result<()> {
    let mut checked: Vec<&Arc<Strings>> = Vec::new();
    for (data, names) in stores.iter().zip(lists) {
        if checked.iter().any(|other| Arc::ptr_eq(other, names)) {
            continue;
        }
        let mut seen = HashSet::with_capacity(names.len());
        if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::invalid_input(format!(
                "the variable `{name}` occurs more than once, so variables can't be joined; make \
                 the names unique, or use no join"
            ))
            .with("path", data.store().location())
            .with("node", format!("/{}", data.var().path())));
        }
        checked.push(names);
    }
    Ok(())
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

/// `pandas.Index.union`, one after the other: sorted by code points, but for a union with an
/// empty or an equal list, which keeps the order.
fn outer(lists: &[Arc<Strings>]) -> Strings {
    lists.iter().skip(1).fold(
        lists.first().map(|s| (**s).clone()).unwrap_or_default(),
        |a, b| {
            if b.is_empty() || a == **b {
                return a;
            }
            if a.is_empty() {
                return (**b).clone();
            }
            let mut names: Vec<&str> = a.iter().chain(b.iter()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().collect()
        },
    )
}

fn maps(lists: &[Arc<Strings>], joint: &Strings) -> Result<Vec<Arc<VarMap>>> {
    if u32::try_from(joint.len()).is_err() {
        return Err(Error::unsupported("more than 2^32 - 1 joined variables"));
    }
    let positions: HashMap<&str, u32> = joint
        .iter()
        .enumerate()
        .map(|(position, name)| (name, position as u32))
        .collect();
    let mut built: Vec<(&Arc<Strings>, Arc<VarMap>)> = Vec::new();
    Ok(lists
        .iter()
        .map(|names| {
            if let Some((_, map)) = built.iter().find(|(other, _)| Arc::ptr_eq(other, names)) {
                return map.clone();
            }
            let position = |name| positions.get(name).copied().unwrap_or(ABSENT);
            let to_joint = names.iter().map(position).collect();
            let map = Arc::new(VarMap::new(to_joint, joint.len()));
            built.push((names, map.clone()));
            map
        })
        .collect())
}
