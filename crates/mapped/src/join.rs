//! Joining the variables of a collection: what is read once, and shared by stores that have the
//! same ones.

use std::sync::Arc;

use anndex_anndata::{ABSENT, BackedAnnData, Join, Panels, VarMap, joined, maps};
use anndex_store::Strings;
use anndex_store::error::{Error, Result};

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
    /// Joins the variables of stores. With `releases`, each is released once its list was read.
    pub(super) fn new(
        stores: &[BackedAnnData],
        join: Option<Join>,
        releases: bool,
    ) -> Result<Self> {
        let Some(join) = join else {
            return Ok(Self {
                join: None,
                joint: None,
                lists: None,
                maps: Vec::new(),
            });
        };
        let frames: Vec<_> = stores.iter().map(BackedAnnData::var).collect();
        let panels = Panels::read(&frames, releases)?;
        let distinct = panels.distinct();
        let Some(first) = distinct.first() else {
            return Err(Error::invalid_input("there are no variables to join"));
        };
        if distinct.len() == 1 {
            return Ok(Self {
                join: None,
                joint: Some(first.clone()),
                lists: Some(panels.of_stores(distinct)),
                maps: Vec::new(),
            });
        }
        panels.check_unique(&frames)?;
        let joint = joined(distinct, join);
        if join == Join::Inner && joint.is_empty() {
            return Err(Error::invalid_input(
                "the stores share no variables; use an outer join, or none",
            ));
        }
        let maps = maps(distinct, &joint)?;
        Ok(Self {
            join: Some(join),
            joint: Some(Arc::new(joint)),
            lists: Some(panels.of_stores(distinct)),
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
