"""What trainers make of the attributes of a loader: other data loaders with the same batches."""

from __future__ import annotations

import warnings
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from accelerate import Accelerator, skip_first_batches
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, Subset

from anndex import MappedCollection, WeightedSampler

N_OBS, N_VARS = 203, 12


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> MappedCollection:
    rng = np.random.default_rng(0)
    counts = rng.poisson(1, (N_OBS, N_VARS)).astype("float32")
    counts[:, 0] = np.arange(1, N_OBS + 1)
    adata = ad.AnnData(
        X=sp.csr_matrix(counts),
        obs=pd.DataFrame(
            {
                "label": pd.Categorical(rng.choice(["B", "T"], N_OBS)),
                "text": rng.choice(["x", "y"], N_OBS),
                "score": rng.random(N_OBS).astype("float32"),
            },
            index=[f"cell{i}" for i in range(N_OBS)],
        ),
        obsm={"X_pca": rng.random((N_OBS, 3))},
    )
    path = tmp_path_factory.mktemp("files") / "a.h5ad"
    adata.write_h5ad(path)
    return MappedCollection(
        [path], obs_keys=["label", "text", "score"], obsm_keys="X_pca", encode_labels=["label"]
    )


LOADERS: list[dict[str, Any]] = [
    {},
    {"shuffle": "exact", "seed": 4},
    {"shuffle": "block", "block_size": 8, "window_size": 64},
    {"shuffle": "exact", "sparse": True},
    {"shuffle": "exact", "drop_last": True, "to": "numpy"},
    {"shuffle": "exact", "sparse": True, "to": "numpy"},
    {"sampler": WeightedSampler(np.arange(N_OBS), num_samples=150)},
    {"sampler": np.arange(N_OBS)[::-2]},
    {"shuffle": "exact", "rank": 1, "world_size": 2},
]


def check_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(found) == list(expected)
    for key, value in expected.items():
        other = found[key]
        assert type(other) is type(value), key
        if isinstance(value, list):
            assert other == value, key
            continue
        assert other.dtype == value.dtype and other.shape == value.shape, key
        if isinstance(value, torch.Tensor) and value.layout == torch.sparse_csr:
            other, value = other.to_dense(), value.to_dense()
        if sp.issparse(value):
            other, value = other.toarray(), value.toarray()
        np.testing.assert_array_equal(other, value, err_msg=key)


@pytest.mark.parametrize("options", LOADERS, ids=str)
@pytest.mark.parametrize("skipped", [0, 2])
def test_accelerate_skips_batches(
    mapped: MappedCollection, options: dict[str, Any], skipped: int
) -> None:
    reference, loader = mapped.loader(32, **options), mapped.loader(32, **options)
    epochs = [list(reference) for _ in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepared = Accelerator(cpu=True).prepare(loader)
        assert prepared is loader
        rest = skip_first_batches(loader, skipped)
    assert isinstance(rest, DataLoader)
    for found, expected in zip(rest, epochs[0][skipped:], strict=True):
        check_same(found, expected)
    # That was the first epoch, whichever way it was read.
    for found, expected in zip(loader, epochs[1], strict=True):
        check_same(found, expected)
    loader.set_epoch(2)
    for found, expected in zip(skip_first_batches(loader, 1), epochs[2][1:], strict=True):
        check_same(found, expected)


def test_workers_have_the_batches_of_the_loader(mapped: MappedCollection) -> None:
    loader = mapped.loader(32, "exact")
    expected = list(mapped.loader(32, "exact"))
    for context in ("fork", "spawn"):
        loader.set_epoch(0)
        workers = DataLoader(
            loader.dataset,  # type: ignore[arg-type]
            batch_sampler=loader.batch_sampler,  # type: ignore[arg-type]
            collate_fn=loader.collate_fn,
            num_workers=2,
            multiprocessing_context=context,
        )
        for found, batch in zip(workers, expected, strict=True):
            check_same(found, batch)


def test_attributes_are_those_of_a_data_loader(mapped: MappedCollection) -> None:
    loader = mapped.loader(32, "exact", drop_last=True)
    theirs = DataLoader(mapped, batch_size=32, shuffle=True, drop_last=True)
    for name in (
        "batch_size",
        "drop_last",
        "num_workers",
        "pin_memory",
        "timeout",
        "worker_init_fn",
        "multiprocessing_context",
        "generator",
        "prefetch_factor",
        "persistent_workers",
        "pin_memory_device",
        "dataset",
    ):
        assert getattr(loader, name) == getattr(theirs, name), name
    assert len(loader.batch_sampler) == len(theirs.batch_sampler) == len(loader)  # type: ignore[arg-type]
    assert len(loader.sampler) == 32 * len(loader)
    assert loader.batch_sampler.batch_size == 32 and loader.batch_sampler.drop_last
    assert sorted(loader.sampler) != list(loader.sampler)
    with pytest.raises(AttributeError, match="sampler"):
        loader.sampler = SequentialSampler(mapped)  # type: ignore


def test_an_order_is_sequential_if_each_epoch_has_it(mapped: MappedCollection) -> None:
    fixed = [{}, {"sampler": [3, 1, 2]}, {"sampler": SequentialSampler(range(9))}]
    drawn = [
        {"shuffle": "exact"},
        {"shuffle": "block"},
        {"sampler": RandomSampler(range(9))},
        {"sampler": WeightedSampler(np.ones(N_OBS))},
    ]
    for options in fixed:
        sampler = mapped.loader(2, **options).sampler  # type: ignore[arg-type]
        assert isinstance(sampler, SequentialSampler)
        assert list(sampler) == list(sampler) and len(sampler) == len(list(sampler))
    for options in drawn:
        sampler = mapped.loader(2, **options).sampler  # type: ignore[arg-type]
        assert not isinstance(sampler, SequentialSampler)
        assert list(sampler) != list(sampler)


def test_samples_are_collated_one_by_one(mapped: MappedCollection) -> None:
    loader = mapped.loader(20)
    samples = [mapped[i] for i in range(20)]
    check_same(loader.collate_fn(samples), next(iter(loader)))
    part: Any = Subset(mapped, range(40))  # type: ignore[arg-type]
    batches = BatchSampler(SequentialSampler(part), 20, drop_last=False)
    for found in DataLoader(part, batch_sampler=batches, collate_fn=loader.collate_fn):
        assert len(found["X"]) == 20
