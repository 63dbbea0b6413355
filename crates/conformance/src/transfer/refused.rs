//! What can't be copied, which must leave the other instance as it was.

use super::outline::outline;
use super::{Pair, artifact, collection, done};
use anndex_core::error::{ErrorKind, Result};
use anndex_core::instance::{Handle, Instance};
use anndex_core::record::Collection;

async fn refused(copied: &Handle<Collection>, there: &Instance, kind: ErrorKind, part: &str) {
    let before = outline(there).await;
    let result: Result<_> = copied.save_using(there).await;
    match result {
        Ok(copied) => panic!("{} was copied", copied.uid),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error:#}");
            assert!(error.message().contains(part), "{error:#}");
            assert!(error.context("uid").is_some(), "{error:#}");
        }
    }
    assert_eq!(outline(there).await, before, "something was changed");
}

pub(super) async fn trash((here, there): Pair) {
    let a = artifact(&here, "a").await;
    let mut c = collection(&here, &[&a]).await;
    done(c.delete(None).await);
    refused(&c, &there, ErrorKind::InvalidInput, "trash").await;
    done(c.restore().await);
    let mut copied = done(c.save_using(&there).await);
    done(copied.delete(None).await);
    refused(&c, &there, ErrorKind::InvalidInput, "other instance").await;
    done(copied.restore().await);
    // An artifact in the trash stays there in the copy.
    let b = artifact(&here, "b").await;
    let d = collection(&here, &[&a, &b]).await;
    done(b.clone().delete(None).await);
    let copied = done(d.save_using(&there).await);
    let visible = done(there.artifacts().count().await);
    let all = done(copied.artifacts().await);
    assert_eq!((visible, all.len()), (1, 2), "in the trash there, too");
    done(d.clone().delete(None).await);
    done(d.clone().delete(Some(true)).await);
    refused(&d, &there, ErrorKind::NotFound, "deleted").await;
}

pub(super) async fn versions_of_both((here, there): Pair) {
    let a = artifact(&here, "a").await;
    let b = artifact(&here, "b").await;
    let first = collection(&here, &[&a]).await;
    let copied = done(first.save_using(&there).await);
    let more = artifact(&there, "c").await;
    let in_there = there.collection([&more]).is_new_version_of(&copied);
    let in_there = done(in_there.save().await);
    let second = here.collection([&b]).is_new_version_of(&first);
    let second = done(second.save().await);
    assert_eq!(in_there.uid, second.uid, "each made the next version");
    refused(&second, &there, ErrorKind::AlreadyExists, "other content").await;
    let third = here.collection([&a, &b]).is_new_version_of(&second);
    let mut third = done(third.save().await);
    third.version = Some("2024".to_owned());
    done(third.save().await);
    let mut renamed = in_there;
    renamed.version = Some("2024".to_owned());
    done(renamed.save().await);
    refused(&third, &there, ErrorKind::AlreadyExists, "version").await;
}

pub(super) async fn taken_meta_artifacts((here, there): Pair) {
    let a = artifact(&here, "a").await;
    let meta = artifact(&here, "meta").await;
    let copied_a = done(a.save_using(&there).await);
    let copied_meta = done(meta.save_using(&there).await);
    let with_meta = here.collection([&a]).name("c").meta(&meta);
    let with_meta = done(with_meta.save().await);
    let in_there = there.collection([&copied_a]).name("d").meta(&copied_meta);
    done(in_there.save().await);
    refused(&with_meta, &there, ErrorKind::AlreadyExists, "meta").await;
}
