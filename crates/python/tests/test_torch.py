"""Through PyTorch: plain data loaders, workers of every start method, samplers, failures."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler, Subset, WeightedRandomSampler

from anndex import MappedCollection, SampleBatch, errors

N_OBS = 90
WORKERS = [(0, None), (2, "fork"), (2, "spawn"), (2, "forkserver")]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    found = []
    for name in ("a.h5ad", "b.zarr"):
        adata = ad.AnnData(
            X=rng.random((N_OBS // 2, 7)).astype("float32"),
            obs=pd.DataFrame(
                {
                    "cell_type": pd.Categorical(rng.choice(["B", "T"], N_OBS // 2, p=[0.2, 0.8])),
                    "donor": pd.Categorical([None, *rng.choice(["x", "y"], N_OBS // 2 - 1)]),
                    "depth": rng.random(N_OBS // 2),
                },
                index=[f"cell{i}" for i in range(N_OBS // 2)],
            ),
            var=pd.DataFrame(index=[f"gene{i}" for i in range(7)]),
            obsm={"X_pca": rng.random((N_OBS // 2, 3))},
        )
        path = directory / name
        if path.suffix == ".zarr":
            adata.write_zarr(path)
        else:
            adata.write_h5ad(path)
        found.append(path)
    return found


def open_all(paths: list[Path]) -> MappedCollection:
    return MappedCollection(
        paths,
        obs_keys=["cell_type", "donor", "depth"],
        obsm_keys="X_pca",
        encode_labels=["cell_type"],
    )


@pytest.mark.parametrize(("num_workers", "method"), WORKERS)
def test_a_plain_data_loader(paths: list[Path], num_workers: int, method: str | None) -> None:
    with open_all(paths) as mapped:
        loader = DataLoader(
            mapped,
            batch_size=16,
            num_workers=num_workers,
            multiprocessing_context=method,
            persistent_workers=num_workers > 0,
        )
        for _ in range(2):
            seen = 0
            for batch in loader:
                n = len(batch["X"])
                expected = mapped[np.arange(seen, seen + n)]
                assert list(batch) == [
                    "_store_idx",
                    "X",
                    "obsm_X_pca",
                    "cell_type",
                    "donor",
                    "depth",
                ]
                for key in ("_store_idx", "X", "obsm_X_pca", "cell_type", "depth"):
                    assert isinstance(batch[key], torch.Tensor)
                    np.testing.assert_array_equal(batch[key].numpy(), expected[key])
                assert [str(v) for v in batch["donor"]] == [str(v) for v in expected["donor"]]
                seen += n
            assert seen == N_OBS


def test_torch_takes_the_arrays_of_a_batch_as_they_are(paths: list[Path]) -> None:
    with open_all(paths) as mapped:
        samples = mapped.__getitems__([5, 3, 80])
        collated = torch.utils.data.default_collate(samples)
        assert collated["X"].data_ptr() == samples.arrays["X"].__array_interface__["data"][0]


def test_collating_is_as_with_plain_dicts(paths: list[Path]) -> None:
    collate = torch.utils.data.default_collate
    with MappedCollection(paths, obs_keys="cell_type", obsm_keys="X_pca") as mapped:
        picked = [7, 80, 7, 0]
        once = collate(mapped.__getitems__(picked))
        singly = collate([mapped[i] for i in picked])
        plain = collate([dict(mapped[i]) for i in picked])
    for other in (singly, plain):
        assert type(other) is dict and list(once) == list(other)
        for key, value in other.items():
            assert once[key].dtype == value.dtype
            assert torch.equal(once[key], value)


def test_other_collate_functions_see_samples(paths: list[Path]) -> None:
    with open_all(paths) as mapped:
        [samples] = DataLoader(Subset(mapped, [4, 50]), batch_size=2, collate_fn=lambda x: x)
        assert isinstance(samples, SampleBatch) and len(samples) == 2
        for sample, index in zip(samples, (4, 50), strict=True):
            expected = mapped[index]
            assert type(sample) is type(expected) and list(sample) == list(expected)
            for key, value in expected.items():
                assert type(sample[key]) is type(value), key
                np.testing.assert_array_equal(sample[key], value)
        assert samples[-1]["_store_idx"] == 1 and len(samples[:1]) == 1


def test_samplers(paths: list[Path]) -> None:
    with open_all(paths) as mapped:
        weights = mapped.get_label_weights("cell_type")
        sampler = WeightedRandomSampler(weights, 400, generator=torch.Generator().manual_seed(0))
        drawn = torch.cat([b["cell_type"] for b in DataLoader(mapped, 50, sampler=sampler)])
        assert 0.35 < drawn.double().mean() < 0.65
        shares = [DistributedSampler(mapped, 2, rank, shuffle=False) for rank in (0, 1)]
        rows = [torch.cat([b["depth"] for b in DataLoader(mapped, 8, sampler=s)]) for s in shares]
        both = torch.stack(rows, 1).flatten()
        np.testing.assert_array_equal(both, mapped[:]["depth"])


def test_pickled(paths: list[Path]) -> None:
    with MappedCollection(
        paths, obs_keys="cell_type", obs_filter={"cell_type": ["T"]}, dtype="float64"
    ) as mapped:
        _ = mapped.indices
        copy = pickle.loads(pickle.dumps(mapped))
    assert mapped.closed and not copy.closed
    with copy:
        assert copy.n_obs == mapped.n_obs and copy.encoders == mapped.encoders
        np.testing.assert_array_equal(copy.indices, mapped.indices)
        assert copy[0]["X"].dtype == "float64"
    with pytest.raises(ValueError, match="can't be pickled"):
        pickle.dumps(mapped)


def test_worker_init_fn(paths: list[Path]) -> None:
    with open_all(paths) as mapped:
        loader = DataLoader(mapped, 10, num_workers=2, worker_init_fn=mapped.torch_worker_init_fn)
        assert sum(len(batch["X"]) for batch in loader) == N_OBS


@pytest.mark.parametrize(("num_workers", "method"), WORKERS)
def test_a_file_that_breaks_during_a_run(
    tmp_path: Path, num_workers: int, method: str | None, paths: list[Path]
) -> None:
    path = tmp_path / "cut.h5ad"
    path.write_bytes(paths[0].read_bytes())
    with MappedCollection([path, paths[1]]) as mapped:
        loader = DataLoader(mapped, 5, num_workers=num_workers, multiprocessing_context=method)
        if method in ("spawn", "forkserver"):
            # Workers open the file themselves, and find it broken then.
            path.write_bytes(path.read_bytes()[:300])
        else:
            with path.open("r+b") as file:
                file.truncate(300)
        with pytest.raises(errors.AnndexError, match=r"cut.h5ad"):
            for _ in loader:
                pass
        # The process and the other file are unharmed.
        assert mapped[-1]["X"].shape == (7,)


def test_rows_that_do_not_stack_are_named(tmp_path: Path) -> None:
    for name, n_vars in (("a.h5ad", 2), ("b.h5ad", 3)):
        ad.AnnData(
            X=np.ones((3, n_vars), "float32"),
            var=pd.DataFrame(index=[f"gene{i}" for i in range(n_vars)]),
        ).write_h5ad(tmp_path / name)
    with MappedCollection([tmp_path / "a.h5ad", tmp_path / "b.h5ad"], join=None) as mapped:
        with pytest.raises(ValueError, match=r"b.h5ad"):
            list(DataLoader(mapped, batch_size=6))
        [lengths] = DataLoader(mapped, batch_size=6, collate_fn=lambda s: [len(x["X"]) for x in s])
        assert lengths == [2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(
    "imports", ["import anndex, torch.utils.data", "import torch.utils.data, anndex"]
)
def test_the_order_of_imports_does_not_matter(paths: list[Path], imports: str) -> None:
    script = f"""
{imports}
mapped = anndex.MappedCollection({[str(path) for path in paths]!r})
[batch] = torch.utils.data.DataLoader(mapped, batch_size=len(mapped))
assert batch["X"].shape == ({N_OBS}, 7) and type(batch) is dict
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_fork_while_another_thread_reads(paths: list[Path]) -> None:
    """The child must not wait for a thread that exists in the parent only."""
    script = f"""
import os, threading, anndex
mapped = anndex.MappedCollection({[str(path) for path in paths]!r}, obs_keys="cell_type")
stop = False
def read():
    while not stop:
        mapped[:]
threads = [threading.Thread(target=read) for _ in range(2)]
for thread in threads: thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        mapped[3]; mapped[:]; mapped.get_merged_labels("donor"); mapped.check_vars_sorted()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop = True
for thread in threads: thread.join()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=120)
