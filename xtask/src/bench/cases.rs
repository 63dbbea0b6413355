//! What is measured against what, and how much faster it has to be.

use serde_json::{Value, json};

/// One way of reading the data, as its runner takes it. Equal ones are measured once per round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The runner: `anndex`, `lamindb`, `annbatch`, `scdataset` or `scipy`.
    pub(crate) loader: &'static str,
    /// The directory of the files: a format of anndata, or `annbatch`.
    pub(crate) format: &'static str,
    /// `loader` for the library's own, `dataloader` for torch's over a dataset, `sample` for one
    /// cell a call.
    pub(crate) through: &'static str,
    /// `exact` or `block`.
    pub(crate) order: &'static str,
    /// `dense-torch`, `dense-numpy`, `csr-torch` or `csr` (SciPy's or NumPy arrays).
    pub(crate) output: &'static str,
    /// How variables are joined: `none`, `inner` or `outer`.
    pub(crate) join: &'static str,
    /// Cells in a batch.
    pub(crate) batch_size: u32,
    /// Neighbouring cells that are read together when the order is `block`.
    pub(crate) block_size: u32,
    /// Cells that a peer reads ahead in one go.
    pub(crate) rows_ahead: u32,
    /// Worker processes of torch's DataLoader.
    pub(crate) workers: u32,
    /// The budget of our loader in MiB; `None` where there is nothing to set.
    pub(crate) budget: Option<u32>,
    /// Whether the loader is told so, and does not just have it by default.
    pub(crate) is_budget_given: bool,
    /// Epochs that go by before its time begins, so that what is kept is in memory, as it is with
    /// peers that have read everything before.
    pub(crate) epochs_before: u32,
}

impl Reading {
    /// The budget that our loader has if none is given, in MiB.
    const DEFAULT_BUDGET: u32 = 1024;

    /// Our loader as it is compared: exactly shuffled, dense, with its own budget.
    pub(super) const OURS: Self = Self {
        loader: "anndex",
        format: "h5ad",
        through: "loader",
        order: "exact",
        output: "dense-torch",
        join: "none",
        batch_size: 128,
        block_size: 256,
        rows_ahead: 0,
        workers: 0,
        budget: Some(Self::DEFAULT_BUDGET),
        is_budget_given: false,
        epochs_before: 0,
    };
    const LAMINDB: Self = Self {
        loader: "lamindb",
        through: "dataloader",
        budget: None,
        ..Self::OURS
    };
    const ANNBATCH: Self = Self {
        loader: "annbatch",
        format: "annbatch",
        order: "block",
        rows_ahead: 16_384,
        budget: None,
        ..Self::OURS
    };
    const SCDATASET: Self = Self {
        loader: "scdataset",
        order: "block",
        output: "dense-numpy",
        block_size: 1,
        rows_ahead: 64 * 128,
        budget: None,
        ..Self::OURS
    };
    const SCIPY: Self = Self {
        loader: "scipy",
        output: "dense-numpy",
        budget: None,
        ..Self::OURS
    };

    pub(super) const fn of(self, format: &'static str) -> Self {
        Self { format, ..self }
    }

    pub(super) const fn within(self, mebibytes: u32) -> Self {
        Self {
            budget: Some(mebibytes),
            is_budget_given: true,
            ..self
        }
    }

    const fn after_epochs(self, epochs_before: u32) -> Self {
        Self {
            epochs_before,
            ..self
        }
    }

    const fn through(self, through: &'static str) -> Self {
        // Neither a DataLoader nor a single cell reads ahead; what decoded chunks may take is set
        // by `within`.
        Self {
            through,
            budget: None,
            ..self
        }
    }

    pub(super) const fn into(self, output: &'static str) -> Self {
        Self { output, ..self }
    }

    const fn blocks(self, block_size: u32) -> Self {
        Self {
            order: "block",
            block_size,
            ..self
        }
    }

    const fn batches(self, batch_size: u32) -> Self {
        Self { batch_size, ..self }
    }

    /// Different genes, joined.
    const fn joined(self, join: &'static str) -> Self {
        Self {
            format: "h5ad-genes",
            join,
            ..self
        }
    }

    /// annbatch without blocks: every cell by itself.
    const fn cell_by_cell(self) -> Self {
        Self {
            order: "exact",
            block_size: 1,
            output: "dense-numpy",
            ..self
        }
    }

    /// What its runner is told, but for the times.
    pub(crate) fn specification(&self) -> Value {
        json!({
            "format": self.format,
            "through": self.through,
            "order": self.order,
            "output": self.output,
            "join": self.join,
            "batch_size": self.batch_size,
            "block_size": self.block_size,
            "rows_ahead": self.rows_ahead,
            "workers": self.workers,
            "memory": self.budget.filter(|_| self.is_budget_given).map(|budget| format!("{budget}MiB")),
            "epochs_before": self.epochs_before,
            "seed": 0,
        })
    }

    /// What it is called where it stands beside ours.
    pub(crate) fn label(&self) -> String {
        let how = match (self.loader, self.through) {
            ("anndex", "loader") => String::new(),
            ("anndex", _) => format!(" {}", self.through),
            ("lamindb", "sample") => " ds[i]".to_owned(),
            ("lamindb", _) => format!(" DataLoader, {} workers", self.workers),
            ("annbatch", _) => format!(" chunk_size {}, {}", self.block_size, self.output),
            ("scdataset", _) => format!(" block {}", self.block_size),
            ("scipy", _) if self.output == "csr" => " X[idx]".to_owned(),
            ("scipy", _) => " X[idx].toarray()".to_owned(),
            _ => String::new(),
        };
        let files = if self.loader == "scipy" {
            "memory"
        } else {
            self.format
        };
        format!("{}{how}, {files}", self.loader)
    }
}

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// In short enough to be part of `--quick`.
    pub(crate) quick: bool,
    pub(crate) ours: Reading,
    /// What ours is compared with, and at least how many times as fast it must be.
    pub(crate) peers: Vec<(Reading, Option<f64>)>,
}

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    const OURS: Reading = Reading::OURS;
    const LAMINDB: Reading = Reading::LAMINDB;
    const ANNBATCH: Reading = Reading::ANNBATCH;
    const SCDATASET: Reading = Reading::SCDATASET;
    const SCIPY: Reading = Reading::SCIPY;
    let two_workers = Reading {
        workers: 2,
        ..LAMINDB
    };
    let mut cases = Vec::new();
    let mut case = |name: &str, quick, ours, peers: &[(Reading, Option<f64>)]| {
        cases.push(Case {
            name: name.to_owned(),
            quick,
            ours,
            peers: peers.to_vec(),
        });
    };

    case(
        "h5ad/loader",
        true,
        OURS,
        &[
            (LAMINDB, Some(150.0)),
            (SCIPY, Some(1.0)),
            (SCDATASET, None),
        ],
    );
    case(
        "h5ad/1-GiB",
        true,
        OURS.within(1024),
        &[(LAMINDB, Some(150.0)), (SCIPY, Some(1.0))],
    );
    // Not quick: most of a second goes by until workers have started.
    case("h5ad/two-workers", false, OURS, &[(two_workers, None)]);
    case(
        "h5ad/dataloader",
        true,
        OURS.through("dataloader"),
        &[(LAMINDB, Some(40.0))],
    );
    case(
        "h5ad/csr",
        true,
        OURS.into("csr"),
        &[(SCIPY.into("csr"), Some(1.0))],
    );
    case(
        "h5ad/csr-kept",
        false,
        OURS.into("csr").within(1024).after_epochs(1),
        &[(SCIPY.into("csr"), Some(1.0))],
    );
    case(
        "h5ad/blocks",
        false,
        OURS.blocks(16),
        &[(SCDATASET.blocks(16), None)],
    );
    for (budget, lamindb, scdataset) in [(1024, 40.0, 15.0), (3072, 80.0, 25.0)] {
        case(
            &format!("gzip/{}-GiB", budget / 1024),
            budget == 1024,
            OURS.of("h5ad-gzip").within(budget),
            &[
                (LAMINDB.of("h5ad-gzip"), Some(lamindb)),
                (SCDATASET.of("h5ad-gzip"), Some(scdataset)),
            ],
        );
    }
    for (format, factor) in [("zarr-v3", 2.5), ("zarr-v3-sharded", 15.0)] {
        for (budget, more) in [(1024, 1.0), (3072, 2.0)] {
            case(
                &format!("{format}/{}-GiB", budget / 1024),
                format == "zarr-v3" && budget == 1024,
                OURS.of(format).within(budget),
                &[
                    (LAMINDB.of(format), Some(150.0 * more)),
                    (ANNBATCH.of(format).cell_by_cell(), Some(factor * more)),
                ],
            );
        }
    }
    case(
        "zarr-v2/loader",
        false,
        OURS.of("zarr-v2"),
        &[
            (LAMINDB.of("zarr-v2"), None),
            (ANNBATCH.of("zarr-v2").cell_by_cell(), None),
        ],
    );
    for join in ["inner", "outer"] {
        case(
            &format!("genes/{join}"),
            join == "outer",
            OURS.joined(join),
            &[(OURS, Some(0.7)), (LAMINDB.joined(join), None)],
        );
    }
    let annbatch = |output| {
        (
            OURS.of("annbatch").blocks(256).into(output),
            ANNBATCH.into(output),
        )
    };
    let (ours, peer) = annbatch("csr");
    case(
        "annbatch/csr-4096",
        true,
        ours.batches(4096),
        &[(peer.batches(4096), Some(2.5))],
    );
    for (output, target) in [
        ("dense-numpy", Some(2.5)),
        ("dense-torch", Some(5.0)),
        ("csr-torch", None),
    ] {
        let (ours, peer) = annbatch(output);
        case(
            &format!("annbatch/{output}"),
            output == "dense-torch",
            ours,
            &[(peer, target)],
        );
    }
    case(
        "annbatch/exact",
        false,
        OURS.of("annbatch"),
        &[(ANNBATCH.cell_by_cell(), None)],
    );
    for (name, format, target) in [
        ("h5ad/sample", "h5ad", 40.0),
        ("gzip/sample", "h5ad-gzip", 10.0),
    ] {
        case(
            name,
            true,
            OURS.of(format).through("sample"),
            &[(LAMINDB.of(format).through("sample"), Some(target))],
        );
    }
    case(
        "gzip/sample-kept",
        false,
        OURS.of("h5ad-gzip")
            .through("sample")
            .within(1024)
            .after_epochs(1),
        &[(LAMINDB.of("h5ad-gzip").through("sample"), Some(10.0))],
    );
    for format in FORMATS {
        for budget in BUDGETS {
            case(
                &format!("budget/{format}/{budget}-MiB"),
                format == "h5ad" && matches!(budget, 256 | 4096),
                OURS.of(format).within(budget).into("dense-numpy"),
                &[],
            );
        }
    }
    cases
}

/// What anndata writes, as directories of the data.
const FORMATS: [&str; 5] = ["h5ad", "h5ad-gzip", "zarr-v2", "zarr-v3", "zarr-v3-sharded"];

/// The budgets of the table of speed against budget, in MiB.
const BUDGETS: [u32; 5] = [256, 512, 1024, 2048, 4096];
