"""What goes wrong while reading: an exception that says where, and the process goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
from torch.utils.data import DataLoader

from anndex import MappedCollection, errors

N_OBS, N_VARS = 60, 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cells.h5ad"
    values = np.random.default_rng(0).random((N_OBS, N_VARS)).astype("float32")
    ad.AnnData(values).write_h5ad(path)
    # One chunk per 10 observations.
    with h5py.File(path, "r+") as file:
        del file["X"]
        x = file.create_dataset("X", data=values, chunks=(10, N_VARS), compression="gzip")
        x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    return path


def damage_chunk(path: Path, row: int) -> None:
    """Overwrite what is stored of the chunk that begins at this row."""
    with h5py.File(path) as file:
        chunk = file["X"].id.get_chunk_info_by_coord((row, 0))
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_corrupt_chunk_in_the_middle_of_a_run(path: Path, method: str) -> None:
    # Chunks that are kept would not show what happens to the file.
    with MappedCollection([path], chunk_cache=0) as mapped:
        expected = mapped[:]["X"]
        damage_chunk(path, 30)
        loader = DataLoader(mapped, 10, num_workers=2, multiprocessing_context=method)
        seen = []
        with pytest.raises(errors.CorruptError, match=r"cells.h5ad"):
            for batch in loader:
                seen.append(batch["X"].numpy())
        np.testing.assert_array_equal(np.concatenate(seen), expected[:30])
        # This process and new workers go on with what is whole.
        np.testing.assert_array_equal(mapped[40:]["X"], expected[40:])
        whole = [*range(30), *range(40, N_OBS)]
        loader = DataLoader(
            mapped, 10, sampler=whole, num_workers=2, multiprocessing_context=method
        )
        found = np.concatenate([batch["X"].numpy() for batch in loader])
        np.testing.assert_array_equal(found, expected[whole])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_file_deleted_before_workers_start(path: Path, method: str) -> None:
    """A fork has the file open; a spawned process has to find it."""
    with MappedCollection([path]) as mapped:
        expected = mapped[:]["X"]
        path.unlink()
        loader = DataLoader(mapped, 10, num_workers=2, multiprocessing_context=method)
        if method == "fork":
            found = np.concatenate([batch["X"].numpy() for batch in loader])
            np.testing.assert_array_equal(found, expected)
        else:
            with pytest.raises(FileNotFoundError, match=r"cells.h5ad") as caught:
                list(loader)
            assert isinstance(caught.value, errors.AnndexError)
        np.testing.assert_array_equal(mapped[0]["X"], expected[0])


def test_a_closed_collection_in_a_data_loader(path: Path) -> None:
    mapped = MappedCollection([path])
    mapped.close()
    with pytest.raises(ValueError, match=r"closed.*cells.h5ad"):
        list(DataLoader(mapped, 10))
    with pytest.raises(ValueError, match=r"closed.*cells.h5ad"):
        list(DataLoader(mapped, 10, num_workers=2, multiprocessing_context="fork"))
    with pytest.raises(ValueError, match="closed"):
        list(DataLoader(mapped, 10, num_workers=2, multiprocessing_context="spawn"))


def run(script: str) -> None:
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_a_panic_is_reported_as_a_bug(path: Path) -> None:
    """The crate that makes arrays panics where NumPy's own module can't be imported."""
    run(f"""
import sys, anndex
mapped = anndex.MappedCollection([{str(path)!r}], join=None)
hidden = [name for name in sys.modules if name.startswith("numpy") and "multiarray" in name]
kept = {{name: sys.modules.pop(name) for name in hidden}}
sys.modules.update(dict.fromkeys(hidden))
try:
    mapped[0]
except anndex.errors.BugError as error:
    assert isinstance(error, RuntimeError)
    assert "this is a bug in anndex, please report it" in str(error)
    assert "NumPy" in str(error), error
else:
    raise AssertionError("the module that was hidden was not needed")
sys.modules.update(kept)
assert mapped[0]["X"].shape == ({N_VARS},)
""")


def test_threads_that_do_not_start_are_an_error(path: Path) -> None:
    run(f"""
import os, resource
os.environ["RAYON_NUM_THREADS"] = "16"
import anndex
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
# Room for what is read, but not for the stacks of threads.
resource.setrlimit(resource.RLIMIT_AS, (used + 1_500_000, hard))
try:
    anndex.MappedCollection([{str(path)!r}])
except anndex.errors.StorageError as error:
    assert "threads" in str(error), error
else:
    raise AssertionError("there was room for threads")
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
with anndex.MappedCollection([{str(path)!r}]) as mapped:
    assert mapped[:]["X"].shape == ({N_OBS}, {N_VARS})
    assert mapped.check_vars_sorted() in (True, False)
""")


def test_more_files_than_descriptors_are_read_in_forked_processes(tmp_path: Path) -> None:
    n_files = 100
    for number in range(n_files):
        values = np.full((1, 2), number, dtype="float32")
        ad.AnnData(values).write_h5ad(tmp_path / f"{number:03}.h5ad")
    run(f"""
import os, resource
from pathlib import Path
import anndex
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
mapped = anndex.MappedCollection(sorted(Path({str(tmp_path)!r}).glob("*.h5ad")))

def read(step):
    for position in range(2 * {n_files}):
        number = position * step % {n_files}
        assert mapped[number]["X"].tolist() == [number, number], number

read(7)
children = []
for step in (11, 13):
    child = os.fork()
    if child == 0:
        try:
            read(step)
            os._exit(0)
        finally:
            os._exit(1)
    children.append(child)
read(17)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
assert len(os.listdir("/proc/self/fd")) < 64
""")
