//! A database that fails while records are saved: no copy is left without a word, and none is
//! removed whose record may be there.

use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;

use super::*;
use crate::backend::{Applied, Capabilities};
use crate::record::{Link, Record};

/// What the database does from now on when it is to apply changes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(u8)]
enum Failing {
    Never,
    /// It refuses them.
    Refuses,
    /// It makes them, and the answer is lost.
    AnswerLost,
    /// They are lost, and so is the answer.
    AllLost,
    /// It refuses them, and answers nothing from then on.
    Down,
}

const MODES: [Failing; 5] = [
    Failing::Never,
    Failing::Refuses,
    Failing::AnswerLost,
    Failing::AllLost,
    Failing::Down,
];

#[derive(Debug)]
struct FailingBackend {
    inner: MemoryBackend,
    mode: AtomicU8,
    down: AtomicU8,
}

impl FailingBackend {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryBackend::new(),
            mode: AtomicU8::new(Failing::Never as u8),
            down: AtomicU8::new(0),
        })
    }

    fn fail(&self, mode: Failing) {
        self.mode.store(mode as u8, Ordering::SeqCst);
        self.down.store(0, Ordering::SeqCst);
    }

    fn answer(&self) -> Result<()> {
        match self.down.load(Ordering::SeqCst) {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Backend, "the server is down")),
        }
    }
}

#[async_trait]
impl Backend for FailingBackend {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn identity(&self) -> Result<String> {
        self.inner.identity().await
    }

    async fn select(&self, query: &Query) -> Result<Vec<Record>> {
        self.answer()?;
        self.inner.select(query).await
    }

    async fn count(&self, query: &Query) -> Result<u64> {
        self.answer()?;
        self.inner.count(query).await
    }

    async fn links(&self, query: &LinkQuery) -> Result<Vec<Link>> {
        self.answer()?;
        self.inner.links(query).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Applied> {
        let full = || Error::new(ErrorKind::Storage, "the disk is full");
        let broken = || Error::new(ErrorKind::Backend, "the connection broke").in_doubt();
        match MODES[usize::from(self.mode.load(Ordering::SeqCst))] {
            Failing::Never => self.inner.apply(changes).await,
            Failing::Refuses => Err(full()),
            Failing::AnswerLost => {
                self.inner.apply(changes).await?;
                Err(broken())
            }
            Failing::AllLost => Err(broken()),
            Failing::Down => {
                self.down.store(1, Ordering::SeqCst);
                Err(full())
            }
        }
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

/// Names of the copies in the default storage, without the marks beside them.
fn copies(fixture: &Fixture) -> Vec<String> {
    let copies = fixture.db.storage_root().join(".anndex/artifacts");
    let registries = fs::read_dir(copies).unwrap();
    let names = registries.flat_map(|registry| fs::read_dir(registry.unwrap().path()).unwrap());
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

async fn check(mode: Failing, many: bool) {
    let backend = FailingBackend::new();
    let fixture = Fixture::with_backend(backend.clone()).await;
    fixture.artifact("before").await;
    let paths = ["a.txt", "b.txt"].map(|name| fixture.file(name, name));
    backend.fail(mode);
    let saved = if many {
        let artifacts = paths.iter().map(|path| fixture.db.artifact(path));
        fixture
            .db
            .save_artifacts(artifacts.collect::<Vec<_>>())
            .await
    } else {
        let mut saved = Vec::new();
        for path in &paths {
            backend.fail(mode);
            saved.push(fixture.db.artifact(path).save().await);
        }
        saved
    };
    backend.fail(Failing::Never);
    let registered = fixture.db.artifacts().count().await.unwrap() - 1;
    let left = copies(&fixture).len() - 1;
    match mode {
        Failing::Never | Failing::AnswerLost => {
            for (saved, path) in saved.iter().zip(&paths) {
                let read = fs::read(saved.as_ref().unwrap().path().await.unwrap());
                assert_eq!(read.unwrap(), fs::read(path).unwrap(), "{mode:?}");
            }
            assert_eq!((registered, left), (2, 2), "{mode:?}");
        }
        Failing::Refuses => {
            for saved in saved {
                let error = failure(saved, ErrorKind::Storage);
                assert_eq!(error.context("copy"), None, "{error}");
            }
            assert_eq!((registered, left), (0, 0), "{mode:?}");
        }
        Failing::AllLost | Failing::Down => {
            for saved in saved {
                let error = saved.unwrap_err();
                let copy = PathBuf::from(error.context("copy").unwrap());
                assert!(copy.is_file(), "{error}");
                assert!(error.message().contains("the copy stays"), "{error}");
            }
            assert_eq!((registered, left), (0, 2), "{mode:?}");
            fixture.db.check().repair(true).run().await.unwrap();
            assert_eq!(copies(&fixture).len(), 1, "a repair removes them");
        }
    }
}

#[tokio::test]
async fn a_copy_goes_only_if_it_is_known_to_have_no_record() {
    for mode in MODES {
        check(mode, false).await;
        check(mode, true).await;
    }
}
