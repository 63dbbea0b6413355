//! How long the registry takes with many artifacts, as JSON; `cargo xtask bench registry` makes a
//! table of it. Takes the number of artifacts as its argument.

#![allow(clippy::unwrap_used, reason = "whatever fails ends the benchmark")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anndex::backend::Relation;
use anndex::record::LinkKind;
use anndex::{Field, Filter, Instance, Result, init};

/// Queries are repeated, and the median counts.
const REPEATS: usize = 15;
const PAGE: u64 = 100;

fn main() {
    let number = std::env::args().find_map(|argument| argument.parse().ok());
    let artifacts = number.unwrap_or(1_000);
    let directory = tempfile::tempdir().unwrap();
    let files = write_files(&directory.path().join("plates"), artifacts);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let times = runtime.block_on(measure(directory.path(), files)).unwrap();
    let times: serde_json::Map<_, _> = times
        .into_iter()
        .map(|(name, seconds)| (name.to_owned(), seconds.into()))
        .collect();
    let document = serde_json::json!({ "artifacts": artifacts, "seconds": times });
    println!("{document}");
}

/// Small files that all differ, a thousand in a folder.
fn write_files(root: &Path, count: usize) -> Vec<PathBuf> {
    fs::create_dir(root).unwrap();
    let mut files = Vec::with_capacity(count);
    for number in 0..count {
        let folder = root.join(format!("plate{:03}", number / 1_000));
        if number % 1_000 == 0 {
            fs::create_dir(&folder).unwrap();
        }
        let file = folder.join(format!("well{number:06}.txt"));
        fs::write(&file, format!("well {number}")).unwrap();
        files.push(file);
    }
    files
}

async fn measure(root: &Path, files: Vec<PathBuf>) -> Result<Vec<(&'static str, f64)>> {
    let db = init(root).await?;
    let mut times = Vec::new();
    let start = Instant::now();
    let builders: Vec<_> = files.iter().map(|file| db.artifact(file)).collect();
    let saved = db.save_artifacts(builders).await;
    times.push(("register", start.elapsed().as_secs_f64()));
    let artifacts = saved.into_iter().collect::<Result<Vec<_>>>()?;

    let start = Instant::now();
    let builders: Vec<_> = files.iter().map(|file| db.artifact(file)).collect();
    let again = db.save_artifacts(builders).await;
    times.push(("register_known", start.elapsed().as_secs_f64()));
    assert!(
        again
            .iter()
            .flatten()
            .map(|one| one.id())
            .eq(artifacts.iter().map(|one| one.id()))
    );

    let start = Instant::now();
    let directory = db.artifact(root.join("plates")).save().await?;
    times.push(("register_directory", start.elapsed().as_secs_f64()));
    assert_eq!(directory.n_objects, i64::try_from(files.len()).ok());

    let start = Instant::now();
    let collection = db.collection(&artifacts).name("plates").save().await?;
    times.push(("save_collection", start.elapsed().as_secs_f64()));

    let uid = collection.uid.clone();
    let start = Instant::now();
    let held = db.collections().get(&uid).await?.artifacts().await?;
    times.push(("get_collection", start.elapsed().as_secs_f64()));
    assert!(
        held.iter()
            .map(|one| one.id())
            .eq(artifacts.iter().map(|one| one.id()))
    );

    times.push(("list", list(&db).await?));
    times.push(("count", count(&db).await?));
    times.push(("filter_by_key", filter_by_key(&db).await?));
    times.push(("filter_by_text", filter_by_text(&db).await?));
    times.push((
        "filter_in_collection",
        filter_in_collection(&db, collection.id()).await?,
    ));
    times.push(("filter_collections", filter_collections(&db).await?));

    let start = Instant::now();
    let report = db.check().run().await?;
    times.push(("check", start.elapsed().as_secs_f64()));
    assert!(report.is_consistent());
    db.close().await?;
    Ok(times)
}

/// The median time of something that is done again and again.
macro_rules! median {
    ($work:expr) => {{
        let mut times = Vec::with_capacity(REPEATS);
        for _ in 0..REPEATS {
            let start = Instant::now();
            $work;
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_unstable_by(f64::total_cmp);
        Ok(times[REPEATS / 2])
    }};
}

async fn list(db: &Instance) -> Result<f64> {
    let newest = db.artifacts().order_by_descending(Field::Id).limit(PAGE);
    median!(assert!(!newest.all().await?.is_empty()))
}

async fn count(db: &Instance) -> Result<f64> {
    let all = db.artifacts();
    median!(assert!(all.count().await? > 0))
}

async fn filter_by_key(db: &Instance) -> Result<f64> {
    let set = db
        .artifacts()
        .filter(Filter::starts_with(Field::Key, "plates/plate000/well0000"));
    median!(assert_eq!(set.all().await?.len(), 100))
}

async fn filter_by_text(db: &Instance) -> Result<f64> {
    let set = db
        .artifacts()
        .filter(Filter::contains(Field::Key, "well000042"));
    median!(assert_eq!(set.all().await?.len(), 1))
}

async fn filter_in_collection(db: &Instance, collection: i64) -> Result<f64> {
    let held = Filter::eq(Field::Id, collection);
    let held = Filter::related(Relation::Sources(LinkKind::CollectionArtifact), held);
    let set = db.artifacts().filter(held).limit(PAGE);
    median!(assert_eq!(set.all().await?.len(), 100))
}

async fn filter_collections(db: &Instance) -> Result<f64> {
    let holds = Filter::starts_with(Field::Key, "plates/plate000/well0000");
    let holds = Filter::related(Relation::Targets(LinkKind::CollectionArtifact), holds);
    let set = db.collections().filter(holds);
    median!(assert_eq!(set.all().await?.len(), 1))
}
