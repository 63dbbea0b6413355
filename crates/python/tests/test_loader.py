"""The native loader from Python: orders, formats, resuming, processes, and what goes wrong."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch.utils.data import WeightedRandomSampler

from anndex import Loader, MappedCollection, WeightedSampler, errors

N_OBS, N_VARS = 301, 40


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    found = []
    for number, n_obs in enumerate((150, 151)):
        counts = sparse.random(n_obs, N_VARS, 0.3, "csr", "float32", rng)
        counts.data = rng.integers(1, 400, counts.nnz).astype("float32")
        adata = ad.AnnData(
            X=counts,
            obs=pd.DataFrame(
                {"cell_type": pd.Categorical(rng.choice(["B", "T"], n_obs, p=[0.1, 0.9]))},
                index=[f"cell{number}-{i}" for i in range(n_obs)],
            ),
            var=pd.DataFrame(index=[f"gene{i + 5 * number}" for i in range(N_VARS)]),
        )
        if number:
            adata.write_zarr(directory / "b.zarr")
            found.append(directory / "b.zarr")
        else:
            adata.write_h5ad(directory / "a.h5ad", compression="gzip")
            found.append(directory / "a.h5ad")
    return found


@pytest.fixture
def mapped(paths: list[Path]) -> MappedCollection:
    return MappedCollection(paths, obs_keys="cell_type", join="outer")


def rows(batches: Any) -> np.ndarray[Any, Any]:
    return np.concatenate([np.asarray(batch["X"]) for batch in batches])


def sorted_rows(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values[np.lexsort(values.T)]


def test_without_a_shuffle_batches_are_in_order(mapped: MappedCollection) -> None:
    batches = list(mapped.loader(64, to="numpy"))
    assert [len(batch["X"]) for batch in batches] == [64, 64, 64, 64, 45]
    whole = mapped[:]
    for key in ("X", "cell_type", "_store_idx"):
        found = np.concatenate([batch[key] for batch in batches])
        np.testing.assert_array_equal(found, whole[key])
        assert found.dtype == whole[key].dtype


def test_exact_order_over_more_than_fits_says_what_it_costs(mapped: MappedCollection) -> None:
    with pytest.warns(UserWarning, match="each chunk is decoded about") as warned:
        list(mapped.loader(16, "exact", memory="8KB", to="numpy"))
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(mapped.loader(16, "exact", to="numpy"))


@pytest.mark.parametrize("shuffle", ["exact", "block", True])
@pytest.mark.parametrize("memory", ["1KiB", "20KB", "1GiB"])
def test_shuffled_epochs_have_every_observation_once(
    mapped: MappedCollection, shuffle: Any, memory: str
) -> None:
    loader = mapped.loader(
        50, shuffle, seed=3, memory=memory, to="numpy", block_size=8, window_size=64
    )
    assert len(loader) == 7
    first, second = rows(loader), rows(loader)
    whole = mapped[:]["X"]
    assert not np.array_equal(first, whole)
    assert not np.array_equal(first, second), "each epoch has an order of its own"
    for epoch in (first, second):
        np.testing.assert_array_equal(sorted_rows(epoch), sorted_rows(whole))
    again = mapped.loader(50, shuffle, seed=3, to="numpy", block_size=8, window_size=64, threads=1)
    np.testing.assert_array_equal(rows(again), first)


def test_tensors_and_sparse_matrices_hold_the_same(mapped: MappedCollection) -> None:
    dense = list(mapped.loader(64, "exact", to="numpy"))
    tensors = list(mapped.loader(64, "exact"))
    csr = list(mapped.loader(64, "exact", sparse=True))
    scipy_csr = list(mapped.loader(64, "exact", sparse=True, to="numpy"))
    for expected, *others in zip(dense, tensors, csr, scipy_csr, strict=True):
        x = expected["X"]
        assert x.dtype == np.float32
        assert others[0]["X"].dtype == torch.float32
        assert others[1]["X"].layout == torch.sparse_csr
        torch._validate_sparse_csr_tensor_args(  # type: ignore[attr-defined]
            others[1]["X"].crow_indices(),
            others[1]["X"].col_indices(),
            others[1]["X"].values(),
            others[1]["X"].shape,
        )
        others[2]["X"].check_format(full_check=True)
        np.testing.assert_array_equal(others[0]["X"].numpy(), x)
        np.testing.assert_array_equal(others[1]["X"].to_dense().numpy(), x)
        np.testing.assert_array_equal(others[2]["X"].toarray(), x)
        np.testing.assert_array_equal(others[0]["cell_type"].numpy(), expected["cell_type"])


def test_batches_are_not_overwritten_by_later_ones(mapped: MappedCollection) -> None:
    kept = list(mapped.loader(16, "exact"))
    copies = [batch["X"].clone() for batch in mapped.loader(16, "exact")]
    assert all(torch.equal(batch["X"], copy) for batch, copy in zip(kept, copies, strict=True))


def test_ranks_share_an_epoch(mapped: MappedCollection) -> None:
    parts = [
        rows(mapped.loader(16, "exact", to="numpy", rank=rank, world_size=3)) for rank in range(3)
    ]
    assert [len(part) for part in parts] == [100, 100, 101]
    whole = mapped[:]["X"]
    np.testing.assert_array_equal(sorted_rows(np.concatenate(parts)), sorted_rows(whole))
    even = [
        mapped.loader(16, "exact", to="numpy", rank=rank, world_size=3, drop_last=True)
        for rank in range(3)
    ]
    assert [len(loader) for loader in even] == [6, 6, 6]


def test_the_process_group_of_torch_gives_the_rank(paths: list[Path], tmp_path: Path) -> None:
    script = """
import sys
import torch.distributed as distributed
from anndex import MappedCollection
from torch.nn.parallel import DistributedDataParallel

rank, store, *paths = sys.argv[1:]
distributed.init_process_group(
    "gloo", init_method=f"file://{store}", rank=int(rank), world_size=2
)
import torch

mapped = MappedCollection(paths, obs_keys="cell_type", join="outer")
model = DistributedDataParallel(torch.nn.Linear(mapped.n_vars, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
total = torch.zeros(2, dtype=torch.float64)
for batch in mapped.loader(16, "exact", drop_last=False):
    loss = torch.nn.functional.cross_entropy(model(batch["X"]), batch["cell_type"])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total += torch.tensor([len(batch["X"]), batch["X"].double().sum()])
distributed.all_reduce(total)
print(*total.tolist())
"""
    command = [sys.executable, "-c", script]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store"), *map(str, paths)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    found = {process.communicate(timeout=300)[0].strip() for process in processes}
    whole = MappedCollection(paths, join="outer")[:]["X"]
    assert found == {f"{float(N_OBS)} {whole.sum(dtype=np.float64)}"}


def test_resuming_in_the_middle_of_an_epoch(mapped: MappedCollection) -> None:
    one = mapped.loader(32, "exact", seed=5, to="numpy")
    first = [batch["X"] for batch in one]
    epoch = iter(one)
    second = [next(epoch)["X"] for _ in range(3)]
    state = one.state_dict()
    assert state["epoch"] == 1
    assert state["batch"] == 3
    second += [batch["X"] for batch in epoch]
    for other in (mapped.loader(32, "exact", seed=5, to="numpy"), pickle.loads(pickle.dumps(one))):
        other.load_state_dict(state)
        rest = [batch["X"] for batch in other]
        np.testing.assert_array_equal(np.concatenate(rest), np.concatenate(second[3:]))
        other.set_epoch(0)
        np.testing.assert_array_equal(rows(other), np.concatenate(first))
    with pytest.raises(errors.InvalidInputError, match="seed"):
        mapped.loader(32, "exact", seed=6, to="numpy").load_state_dict(state)
    with pytest.raises(errors.InvalidInputError):
        one.load_state_dict({"epoch": 1})  # type: ignore[typeddict-item]


def test_an_epoch_that_is_left_is_followed_by_the_next(mapped: MappedCollection) -> None:
    loader = mapped.loader(32, "exact", to="numpy")
    for _ in loader:
        break
    assert next(iter(loader))["X"].shape == (32, mapped.n_vars)
    assert loader.state_dict()["epoch"] == 1


def test_samplers(mapped: MappedCollection) -> None:
    whole = mapped[:]["X"]
    np.testing.assert_array_equal(
        rows(mapped.loader(8, sampler=[5, -1, 5], to="numpy")), whole[[5, -1, 5]]
    )
    weights = mapped.get_label_weights("cell_type")
    for sampler in (
        WeightedSampler(weights, num_samples=2000),
        WeightedRandomSampler(weights.tolist(), 2000),
    ):
        loader = mapped.loader(100, sampler=sampler, to="numpy")
        labels = np.concatenate([batch["cell_type"] for batch in loader])
        assert len(labels) == 2000
        # Five standard deviations of a fair coin.
        assert abs(labels.mean() - 0.5) < 0.056
    without = WeightedSampler(weights, num_samples=N_OBS, replacement=False)
    found = rows(mapped.loader(100, sampler=without, to="numpy"))
    np.testing.assert_array_equal(sorted_rows(found), sorted_rows(whole))
    # One of which nothing is known but its indices, and which gives others each time.
    shuffled = torch.utils.data.RandomSampler(range(N_OBS))
    loader = mapped.loader(100, sampler=shuffled, to="numpy")
    first, second = rows(loader), rows(loader)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(sorted_rows(second), sorted_rows(whole))
    with pytest.raises(errors.UnsupportedError):
        loader.state_dict()


def test_a_forked_process_is_told_to_make_its_own(mapped: MappedCollection) -> None:
    loader = mapped.loader(32, "exact", to="numpy")
    epoch = iter(loader)
    next(epoch)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            next(iter(loader))
        except errors.InvalidInputError:
            # One of its own works, also while the parent's is half-way.
            status = 0 if len(rows(mapped.loader(32, "exact", to="numpy"))) == N_OBS else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sum(1 for _ in epoch) == len(loader) - 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "at least one"),
        ({"batch_size": -1}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"shuffle": "blocks"}, "shuffle"),
        ({"rank": 0}, "both"),
        ({"rank": 2, "world_size": 2}, "rank"),
        ({"memory": "2 gigs"}, "memory"),
        ({"to": "jax"}, "to must be"),
        ({"sampler": [N_OBS]}, "out of range"),
        ({"sampler": [-N_OBS - 1]}, "out of range"),
        ({"sampler": [0.5]}, "integers"),
        ({"sampler": [0], "shuffle": True}, "sampler"),
        ({"sampler": WeightedSampler([1.0])}, "weights"),
        ({"shuffle": "block", "block_size": 0}, "blocks"),
        ({"to": "numpy", "pin_memory": True}, "pinned"),
    ],
)
def test_wrong_arguments(mapped: MappedCollection, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=words):
        mapped.loader(**arguments)


def test_other_kinds_of_failure(mapped: MappedCollection, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidTypeError):
        mapped.loader(sampler=3)
    with mapped:
        pass
    with pytest.raises(errors.InvalidInputError, match="closed"):
        mapped.loader()
    path = tmp_path / "cells.h5ad"
    ad.AnnData(np.ones((200, 3000), "float32")).write_h5ad(path, compression="gzip")
    opened = MappedCollection([path])
    with path.open("r+b") as file:
        file.truncate(3000)
    loader: Loader = opened.loader(16, "exact", to="numpy")
    with pytest.raises(errors.AnndexError, match=r"cells.h5ad"):
        list(loader)
