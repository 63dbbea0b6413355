//! Text that is too long, NUL characters, keys that would leave their storage, and paths that are
//! none.

use anndex_core::ErrorKind::{AlreadyExists, InvalidInput, NotFound};
use anndex_core::instance::{Handle, Instance};
use anndex_core::record::{Feature, Field, Value, ValueType};
use anndex_core::registry::Registry;
use anndex_tests::registry::DatabaseKind;

use crate::World;

const KEYS: [&str; 15] = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../a.csv",
    "a/../../b.csv",
    "a/..",
    "a//b.csv",
    "./a.csv",
    "a/",
    "\\\\server\\share",
    "..\\a.csv",
    "C:\\a.csv",
    "a\0.csv",
    "a\n.csv",
];

fn long() -> String {
    "x".repeat(10_000)
}

on_each_database!();

async fn check(kind: DatabaseKind) {
    let world = World::new(kind).await;
    let db = &world.db;
    let a = db.artifact(world.file("a.csv", "a")).save().await.unwrap();
    let transform = db.transform("t").save().await.unwrap();
    let run = db.run_of(&transform).name("r").save().await.unwrap();
    let label = db.ulabel("l").save().await.unwrap();
    let collection = db.collection([&a]).name("c").save().await.unwrap();
    let feature = Feature {
        name: "f".to_owned(),
        dtype: None,
    };
    a.set_features("var", vec![feature.clone()]).await.unwrap();
    let features = a.feature_sets().await.unwrap().remove("var").unwrap();

    keys(&world).await;
    for key in KEYS {
        let mut changed = a.clone();
        changed.key = Some(key.to_owned());
        world.refuses(InvalidInput, key, changed.save()).await;
        let mut changed = transform.clone();
        changed.key = Some(key.to_owned());
        world.refuses(InvalidInput, key, changed.save()).await;
        let save = db.transform("new").key(key).save();
        world.refuses(InvalidInput, key, save).await;
    }
    new_records(&world, &a, &transform).await;
    fields(&world, &a).await;
    fields(&world, &collection).await;
    fields(&world, &transform).await;
    fields(&world, &run).await;
    fields(&world, &label).await;
    fields(&world, &features).await;
    fields(&world, &db.users().one().await.unwrap()).await;
    fields(&world, &db.storages().one().await.unwrap()).await;
    for slot in ["a\0b", &long()] {
        let set = a.set_features(slot, vec![feature.clone()]);
        world.refuses(InvalidInput, "a slot", set).await;
    }
    paths(&world).await;
    // All of them are still of use.
    let b = db.artifact(world.file("b.csv", "b")).save().await.unwrap();
    db.collection([&a, &b]).name("both").save().await.unwrap();
    db.close().await.unwrap();
}

/// No key leads out of the storage, and none is made of what a file is not.
async fn keys(world: &World) {
    let db = &world.db;
    let outside = world.file("outside.csv", "outside");
    for key in KEYS.into_iter().chain([long().as_str()]) {
        let save = db.artifact(&outside).key(key).save();
        let error = world.refuses(InvalidInput, key, save).await;
        assert!(error.message().contains("key"), "{error}");
        let many = async {
            let one = vec![db.artifact(&outside).key(key)];
            db.save_artifacts(one).await.pop().unwrap()
        };
        world.refuses(InvalidInput, key, many).await;
    }
    // What a storage has already stays where it is.
    let inside = world.place.storage().join("inside.csv");
    std::fs::write(&inside, "inside").unwrap();
    let save = db.artifact(&inside).key("other.csv").save();
    world.refuses(InvalidInput, "another key", save).await;
    let own = world.place.storage().join(".anndex/own.csv");
    std::fs::write(&own, "own").unwrap();
    let save = db.artifact(&own).save();
    world.refuses(InvalidInput, "the own directory", save).await;
    let save = db.artifact(world.place.storage()).save();
    world.refuses(InvalidInput, "the whole storage", save).await;
    std::fs::remove_file(&own).unwrap();
    let saved = db.artifact(&inside).save().await.unwrap();
    let save = async {
        std::fs::write(&inside, "changed").unwrap();
        let saved = db.artifact(&inside).save().await;
        // As it was, so that the check that follows is content.
        std::fs::write(&inside, "inside").unwrap();
        saved
    };
    world.refuses(AlreadyExists, "a changed file", save).await;
    #[cfg(unix)]
    {
        let link = world.place.storage().join("link.csv");
        std::os::unix::fs::symlink(&inside, &link).unwrap();
        let through = db.artifact(&link).save().await.unwrap();
        assert_eq!(through.uid, saved.uid, "a link is what it leads to");
        std::fs::remove_file(&link).unwrap();
        links(world).await;
    }
}

/// What links in a directory lead to is a part of it, or an error.
#[cfg(unix)]
async fn links(world: &World) {
    use std::os::unix::fs::symlink;

    let db = &world.db;
    let outside = world.file("outside-of-images.csv", "outside");
    let images = world.files.join("images");
    std::fs::create_dir_all(images.join("deep")).unwrap();
    std::fs::write(images.join("deep/a.tif"), "a").unwrap();
    let link = images.join("deep/link.tif");
    for (to, words) in [
        (outside, "leads out"),
        (world.files.clone(), "leads out"),
        (images.join("deep"), "leads to a directory"),
        (images.join("missing"), "leads to nothing"),
    ] {
        symlink(to, &link).unwrap();
        let error = world
            .refuses(InvalidInput, words, db.artifact(&images).save())
            .await;
        assert!(error.message().contains(words), "{error}");
        std::fs::remove_file(&link).unwrap();
    }
    symlink("a.tif", &link).unwrap();
    let saved = db.artifact(&images).save().await.unwrap();
    assert_eq!(saved.n_objects, Some(2));
    let copy = saved.path().await.unwrap().join("deep/link.tif");
    assert!(copy.symlink_metadata().unwrap().is_file());
}

async fn new_records(
    world: &World,
    a: &Handle<anndex_core::record::Artifact>,
    transform: &Handle<anndex_core::record::Transform>,
) {
    let db = &world.db;
    let file = world.file("new.csv", "new");
    for bad in [long().as_str(), "a\0b"] {
        let nul = bad.contains('\0');
        let artifact = || db.artifact(&file);
        let collection = || db.collection([a]).name("new");
        let transform_of = |name: &str| db.transform(name);
        world
            .refuses(InvalidInput, "artifact", artifact().version(bad).save())
            .await;
        for builder in [
            db.collection([a]).name(bad),
            collection().version(bad),
            collection().reference(bad),
            collection().reference_type(bad),
        ] {
            world
                .refuses(InvalidInput, "collection", builder.save())
                .await;
        }
        for builder in [
            transform_of(bad),
            transform_of("new").key(bad),
            transform_of("new").type_(bad),
            transform_of("new").version(bad),
            transform_of("new").reference(bad),
            transform_of("new").reference_type(bad),
        ] {
            world
                .refuses(InvalidInput, "transform", builder.save())
                .await;
        }
        for builder in [
            db.run_of(transform).name(bad),
            db.run_of(transform).reference(bad),
            db.run_of(transform).reference_type(bad),
        ] {
            world.refuses(InvalidInput, "run", builder.save()).await;
        }
        for builder in [
            db.ulabel(bad),
            db.ulabel("new").reference(bad),
            db.ulabel("new").reference_type(bad),
        ] {
            world.refuses(InvalidInput, "label", builder.save()).await;
        }
        if nul {
            let save = artifact().description(bad).save();
            world.refuses(InvalidInput, "artifact", save).await;
            let save = collection().description(bad).save();
            world.refuses(InvalidInput, "collection", save).await;
            for builder in [
                transform_of("new").description(bad),
                transform_of("new").source_code(bad),
            ] {
                world
                    .refuses(InvalidInput, "transform", builder.save())
                    .await;
            }
            let save = db.ulabel("new").description(bad).save();
            world.refuses(InvalidInput, "label", save).await;
        }
    }
    for nameless in ["", " "] {
        let save = db.collection([a]).name(nameless).save();
        world.refuses(InvalidInput, "no name", save).await;
        let save = db.ulabel(nameless).save();
        world.refuses(InvalidInput, "no name", save).await;
        let mut renamed = db.collections().one().await.unwrap();
        renamed.name = nameless.to_owned();
        world.refuses(InvalidInput, "no name", renamed.save()).await;
        let mut renamed = db.ulabels().get_by_name("l").await.unwrap();
        renamed.name = nameless.to_owned();
        world.refuses(InvalidInput, "no name", renamed.save()).await;
    }
    // Where any length is allowed it is kept.
    let described = db.ulabel("described").description(long());
    let described = described.save().await.unwrap();
    assert_eq!(described.description.as_ref(), Some(&long()));
}

/// Sets each text field of a record to what it can't be.
async fn fields<R: Registry>(world: &World, record: &Handle<R>) {
    for info in R::FIELDS {
        if info.value_type != ValueType::Text {
            continue;
        }
        let bad = [
            Some("a\0b".to_owned()),
            info.field.max_chars().map(|_| long()),
        ];
        for text in bad.into_iter().flatten() {
            let mut changed = record.clone();
            changed.set(info.field, Value::Text(text)).unwrap();
            let what = format!("{}.{}", R::KIND, info.field);
            world.refuses(InvalidInput, &what, changed.save()).await;
        }
    }
    if R::KIND.field(Field::Version).is_none() && R::KIND.has_visibility() {
        let mut changed = record.clone();
        changed.set(Field::Uid, "other".into()).unwrap();
        world.refuses(InvalidInput, "a uid", changed.save()).await;
    }
}

/// Paths that lead nowhere, or that no system takes.
async fn paths(world: &World) {
    let db: &Instance = &world.db;
    for (path, kind) in [
        ("missing.csv".to_owned(), NotFound),
        ("a\0b.csv".to_owned(), InvalidInput),
        (long(), InvalidInput),
        (String::new(), NotFound),
    ] {
        let shown: String = path.chars().take(12).collect();
        if !path.is_empty() {
            let file = world.files.join(&path);
            world.refuses(kind, &shown, db.artifact(file).save()).await;
        }
        let storage = db.add_storage(world.files.join(&path).join("missing"));
        world.refuses(kind, &shown, storage).await;
    }
    let file = world.file("file.csv", "file");
    world
        .refuses(InvalidInput, "a file", db.add_storage(file))
        .await;
}
