//! Whether what the database says is in storage, and nothing else; and putting right what a killed
//! process left half-done.
//!
//! A save puts content in storage first and its record in the database after that; a permanent
//! delete goes the other way. So what a killed process leaves is a copy, complete or not, that no
//! record owns, or a record that says itself that it is not complete. A repair completes or
//! removes these and nothing else. Content that is missing or changed can't be brought back from
//! here, and files of users are theirs.

mod content;
mod leftover;
mod remote;
mod report;
mod uploads;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream};
use rayon::prelude::*;

use self::content::Checked;
pub use self::report::{CheckReport, Finding, Problem};
use super::Instance;
use super::place;
use super::retry::blocking;
use crate::backend::{Filter, Query};
use crate::error::Result;
use crate::operation::carried;
use crate::record::{Artifact, Field, Id, Kind, RecordData, Storage};
use crate::storage::ObjectStorage;

/// How many artifacts are in memory at a time.
const PAGE: u64 = 10_000;

/// How many artifacts at URLs are looked at at the same time.
const REMOTE_AT_ONCE: usize = 32;

/// A check that is about to be made.
#[derive(Clone)]
#[must_use = "nothing is checked before run is called"]
pub struct CheckBuilder {
    db: Instance,
    deep: bool,
    repair: bool,
    progress: Arc<dyn Fn(u64) + Send + Sync>,
}

impl fmt::Debug for CheckBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckBuilder")
            .field("deep", &self.deep)
            .field("repair", &self.repair)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// Starts to check that all artifacts, whatever their visibility, are in storage as they were
    /// registered, and that no copies are left over in the default storage.
    pub fn check(&self) -> CheckBuilder {
        CheckBuilder {
            db: self.clone(),
            deep: false,
            repair: false,
            progress: Arc::new(|_| {}),
        }
    }
}

impl CheckBuilder {
    /// Reads all content and compares its hashes, where otherwise sizes are compared. Of a file
    /// over 50 MiB the hash covers the first and the last 50 MiB; what is between is read, so that
    /// damage to the disk shows, but has nothing to be compared with.
    pub fn deep(mut self, deep: bool) -> Self {
        self.deep = deep;
        self
    }

    /// Completes or removes what is half-done. Without this nothing is changed.
    pub fn repair(mut self, repair: bool) -> Self {
        self.repair = repair;
        self
    }

    /// Is told how many more artifacts were checked, from many threads.
    pub fn progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Checks, and repairs if that is asked for.
    ///
    /// # Errors
    /// `Backend` if the database fails; `PermissionDenied` or `Storage` if the instance's own
    /// directory can't be read. What is wrong with an artifact or a file is not an error but a
    /// [`Finding`].
    pub async fn run(self) -> Result<CheckReport> {
        let checked = self.run_checked().await;
        checked.map_err(|e| e.operation("check"))
    }

    async fn run_checked(self) -> Result<CheckReport> {
        let storages = self
            .db
            .select::<Storage>(&Query::new(Kind::Storage))
            .await?;
        let mut report = CheckReport::default();
        let (mut present, mut remote) = (HashMap::new(), HashMap::new());
        for storage in storages {
            if storage.type_ != place::LOCAL {
                // Those that this build can't open are unreachable.
                if let Ok(Some(objects)) = self.db.object_storage(&storage) {
                    remote.insert(storage.id.unwrap_or_default(), (storage, objects));
                }
                continue;
            }
            if !Path::new(&storage.root).is_dir() {
                report.findings.push(Finding::storage_gone(&storage));
                continue;
            }
            present.insert(storage.id.unwrap_or_default(), storage);
        }
        let present = Arc::new(present);
        let mut incomplete = Vec::new();
        let mut last: Id = 0;
        loop {
            let query = Query::new(Artifact::KIND)
                .filter(Filter::gt(Field::Id, last))
                .limit(PAGE);
            let page = self.db.select::<Artifact>(&query).await?;
            let Some(newest) = page.last().and_then(|artifact| artifact.id) else {
                break;
            };
            last = newest;
            let (at_urls, local) = page
                .into_iter()
                .partition(|artifact| remote.contains_key(&artifact.storage_id));
            let mut checked = self.check_local(local, &present).await?;
            checked.extend(self.check_remote(at_urls, &remote).await);
            let findings = self.count(checked, &mut report).await?;
            for (artifact, finding) in findings {
                match finding.problem {
                    Problem::Incomplete => incomplete.push((artifact, finding)),
                    _ => report.findings.push(finding),
                }
            }
        }
        leftover::check(&self.db, self.repair, incomplete, &mut report).await?;
        uploads::check(&self.db, self.repair, &mut report).await?;
        report
            .findings
            .sort_by(|a, b| (a.problem, &a.path).cmp(&(b.problem, &b.path)));
        Ok(report)
    }

    async fn check_local(
        &self,
        page: Vec<Artifact>,
        storages: &Arc<HashMap<Id, Storage>>,
    ) -> Result<Vec<(Artifact, Option<Checked>)>> {
        let (deep, progress, storages) = (self.deep, self.progress.clone(), storages.clone());
        blocking(move || {
            let check = |artifact: Artifact| {
                let storage = storages.get(&artifact.storage_id);
                let checked = storage.map(|storage| content::check(storage, &artifact, deep));
                progress(1);
                (artifact, checked)
            };
            let check = carried(|artifact| Ok(check(artifact)));
            page.into_par_iter().map(check).collect()
        })
        .await
    }

    async fn check_remote(
        &self,
        page: Vec<Artifact>,
        storages: &HashMap<Id, (Storage, Arc<dyn ObjectStorage>)>,
    ) -> Vec<(Artifact, Option<Checked>)> {
        let check = |artifact: Artifact| {
            let storage = storages.get(&artifact.storage_id);
            async move {
                let checked = match storage {
                    None => None,
                    Some((storage, objects)) => {
                        let objects = objects.as_ref();
                        Some(remote::check(storage, objects, &artifact, self.deep).await)
                    }
                };
                (self.progress)(1);
                (artifact, checked)
            }
            .boxed()
        };
        let checks = page.into_iter().map(check).collect::<Vec<_>>();
        let checked = stream::iter(checks).buffer_unordered(REMOTE_AT_ONCE);
        checked.collect().await
    }

    async fn count(
        &self,
        checked: Vec<(Artifact, Option<Checked>)>,
        report: &mut CheckReport,
    ) -> Result<Vec<(Artifact, Finding)>> {
        let mut findings = Vec::new();
        for (artifact, checked) in checked {
            match checked {
                None => report.unreachable += 1,
                Some(Checked::Good { is_compared }) => {
                    report.artifacts += 1;
                    report.without_hash += u64::from(!is_compared);
                }
                Some(Checked::Wrong(finding)) => {
                    report.artifacts += 1;
                    findings.push((artifact, finding));
                }
            }
        }
        self.still_so(findings).await
    }

    /// Without the artifacts that were deleted or changed while they were looked at.
    async fn still_so(
        &self,
        mut findings: Vec<(Artifact, Finding)>,
    ) -> Result<Vec<(Artifact, Finding)>> {
        if !findings.is_empty() {
            let ids = findings.iter().filter_map(|(artifact, _)| artifact.id);
            let query = Query::new(Artifact::KIND).filter(Filter::is_in(Field::Id, ids));
            let now = self.db.select::<Artifact>(&query).await?.into_iter();
            let now: HashMap<_, _> = now.map(|artifact| (artifact.id, artifact)).collect();
            findings.retain(|(then, _)| now.get(&then.id) == Some(then));
        }
        Ok(findings)
    }
}
