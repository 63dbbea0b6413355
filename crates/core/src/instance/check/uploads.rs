//! What uploads that were interrupted left in buckets, as far as their journals know it.

use super::{CheckReport, Finding, Problem};
use crate::backend::{Filter, Query};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::instance::artifact::upload;
use crate::instance::retry::blocking;
use crate::record::{Field, Kind, Storage};
use crate::storage::Journal;

/// Uploads that go on at the moment, in whatever process, are passed over.
pub(super) async fn check(db: &Instance, repair: bool, report: &mut CheckReport) -> Result<()> {
    let directory = db.uploads();
    for journal in blocking(move || Journal::interrupted(&directory)).await? {
        let plan = journal.plan();
        let here = Filter::eq(Field::Root, plan.storage.as_str());
        let here = Query::new(Kind::Storage).filter(here);
        let Some(storage) = db.select::<Storage>(&here).await?.pop() else {
            continue;
        };
        // Its process was killed after the record was there.
        if upload::is_owned(db, &storage, &plan.storage_key).await? {
            if repair {
                journal.remove()?;
            }
            continue;
        }
        if db.own_copies(&storage, &plan.storage_key).is_none() {
            // It came along with a copy of this registry, and may be going on, or done, elsewhere.
            continue;
        }
        let message =
            "an upload that was interrupted; saving the same content again goes on with it";
        let mut finding = Finding::of_file(Problem::Partial, &storage, &plan.storage_key, message);
        match repair {
            true => finding.settle(undo(db, &storage, &journal).await),
            false => finding.message.push_str(", repair removes it"),
        }
        report.findings.push(finding);
    }
    Ok(())
}

async fn undo(db: &Instance, storage: &Storage, journal: &Journal) -> Result<String> {
    let objects = db.object_storage(storage)?;
    let objects = objects.ok_or_else(|| Error::not_found("the storage is gone"))?;
    upload::undo(objects.as_ref(), journal.plan(), Some(journal)).await?;
    Ok("removed".to_owned())
}
