"""What goes beyond lamindb's class: batches, errors, threads, what importing needs."""

from __future__ import annotations

import dataclasses
import inspect
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import anndex
from anndex import MappedCollection, errors
from anndex._arguments import Options
from anndex._mapped_options import MappedOptions


def write(path: Path, n_obs: int = 6, n_vars: int = 4, **slots: Any) -> Path:
    rng = np.random.default_rng(n_obs)
    adata = ad.AnnData(
        X=slots.pop("X", rng.random((n_obs, n_vars)).astype("float32")),
        obs=pd.DataFrame(
            {
                "cell_type": pd.Categorical(rng.choice(["B", "T"], n_obs)),
                "donor": pd.Categorical(["x", None] * (n_obs // 2)),
                "text": np.array(["é"] * n_obs, dtype=object),
                "count": pd.array([1, None] * (n_obs // 2), dtype="Int64"),
            },
            index=[f"cell{i}" for i in range(n_obs)],
        ),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(n_vars)]),
        **slots,
    )
    adata.write_zarr(path) if path.suffix == ".zarr" else adata.write_h5ad(path)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / "a.h5ad"), write(tmp_path / "b.zarr", 8)]


KEYS = ["cell_type", "donor", "text", "count"]


@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(2, 12, 3),
        slice(None, None, -1),
        slice(5, 5),
        [3, 0, 0, -1],
        np.array([13, 2]),
        np.array([2], dtype="uint8"),
        [],
        np.arange(14) % 3 == 0,
    ],
    ids=str,
)
@pytest.mark.parametrize("encode", [True, False])
@pytest.mark.parametrize("cache", [True, False])
def test_a_batch_is_the_samples_stacked(
    paths: list[Path], index: Any, encode: bool, cache: bool
) -> None:
    with MappedCollection(
        paths, obs_keys=KEYS, encode_labels=encode, cache_categories=cache
    ) as mapped:
        batch = mapped[index]
        samples = [mapped[i] for i in np.arange(len(mapped))[index]]
        assert list(batch) == ["_store_idx", "X", *KEYS]
        for key, values in batch.items():
            assert values.shape[0] == len(samples)
            for value, sample in zip(values, samples, strict=True):
                np.testing.assert_array_equal(value, sample[key])
            if samples and values.dtype != object:
                stacked = np.stack([sample[key] for sample in samples])
                assert values.dtype == stacked.dtype, key


@pytest.fixture
def lacking(tmp_path: Path) -> list[Path]:
    """Seven files, six of which lack columns that the other has; they have 2, 4, ... cells."""
    for number in range(1, 7):
        path = write(tmp_path / f"{number}.h5ad", 2 * number)
        adata = ad.read_h5ad(path)
        adata.obs = adata.obs[[]]
        adata.write_h5ad(path)
    write(tmp_path / "7.zarr", 14)
    return [tmp_path / name for name in [*(f"{n}.h5ad" for n in range(1, 7)), "7.zarr"]]


@pytest.mark.parametrize("encode", [True, False])
@pytest.mark.parametrize("cache", [True, False])
def test_a_column_that_a_file_lacks_is_missing_everywhere_and_said(
    lacking: list[Path], encode: bool, cache: bool
) -> None:
    with pytest.warns(UserWarning, match="lack the column") as warned:
        mapped = MappedCollection(
            lacking, obs_keys=KEYS, encode_labels=encode, cache_categories=cache
        )
    assert len(warned) == len(KEYS) and warned[0].filename == __file__
    said = str(warned[0].message)
    assert "6 of 7 files" in said and "`cell_type`" in said and "42 of 56 observations" in said
    assert said.endswith(", ".join(map(str, lacking[:5])) + " and 1 more")
    with mapped:
        batch = mapped[:]
        for index in (0, 41, 42, 55):
            sample = mapped[index]
            assert list(sample) == ["_store_idx", "X", *KEYS]
            for key in KEYS:
                np.testing.assert_array_equal(batch[key][index], sample[key])
                assert index > 41 or sample[key] != sample[key]
    with pytest.warns(UserWarning) as warned:
        MappedCollection(lacking, obs_keys="cell_type", names=[f"file{n}" for n in range(7)])
    assert str(warned[0].message).endswith("file0, file1, file2, file3, file4 and 1 more")


def test_what_no_selected_observation_lacks_is_not_said(lacking: list[Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        only = {"cell_type": ["B", "T"]}
        with MappedCollection(lacking, obs_keys=KEYS, obs_filter=only) as mapped:
            assert mapped[:]["cell_type"].dtype == np.int64 and len(mapped) == 14


def test_integers_of_all_kinds_index(paths: list[Path]) -> None:
    with MappedCollection(paths) as mapped:
        for index in (np.int64(-1), np.uint8(13), np.array(13), True + 12):
            np.testing.assert_array_equal(mapped[index]["X"], mapped[13]["X"])
        assert sum(1 for _ in mapped) == len(list(mapped)) == len(mapped) == 14


def test_arrays_own_their_memory(paths: list[Path]) -> None:
    mapped = MappedCollection(paths)
    batch, sample = mapped[:], mapped[0]
    expected = sample["X"].copy()
    mapped.close()
    del mapped
    assert batch["X"].flags.writeable and sample["X"].flags.writeable
    np.testing.assert_array_equal(batch["X"][0], expected)


def test_csc_is_read_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dense = np.random.default_rng(0).poisson(0.5, (6, 4)).astype("float32")
    path = write(tmp_path / "csc.h5ad", X=sp.csc_matrix(dense))
    with pytest.warns(UserWarning, match="converted to rows once"):
        mapped = MappedCollection([path])
    np.testing.assert_array_equal(mapped[:]["X"], dense)
    if os.name == "posix":
        assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_each_option_is_everywhere(tmp_path: Path) -> None:
    options = {field.name: field.default for field in dataclasses.fields(MappedOptions)}
    besides = {"self", "path_list", "stream", "is_run_input", "label_keys"}
    for call in (MappedCollection.__init__, anndex.Collection.mapped):
        parameters = inspect.signature(call).parameters
        given = {name: p.default for name, p in parameters.items() if name not in besides}
        assert given == options, call
    # It is there for those who pass it, and has no effect.
    assert set(Options.__annotations__) == set(options) - {"parallel"}
    with pytest.raises(ValueError, match="chunk_cache must be bytes"):
        MappedCollection([tmp_path / "a.h5ad"], chunk_cache="much")


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"path_list": "a.h5ad"}, TypeError, "list of paths"),
    ({"path_list": 3}, TypeError, "list of paths"),
    ({"path_list": [3]}, TypeError, "list of paths"),
    ({"path_list": []}, ValueError, "no AnnData"),
    ({"path_list": ["no/such.h5ad"]}, FileNotFoundError, "such.h5ad"),
    ({"path_list": ["no/such.zarr"]}, FileNotFoundError, "such.zarr"),
    ({"layers_keys": 3}, TypeError, "layers_keys"),
    ({"layers_keys": ["X", 3]}, TypeError, "layers_keys"),
    ({"layers_keys": "nope"}, KeyError, "nope"),
    ({"obs_keys": "nope"}, KeyError, "cell_type"),
    ({"obsm_keys": "nope"}, KeyError, "nope"),
    ({"obs_keys": [b"x"]}, TypeError, "obs_keys"),
    ({"join": "left"}, ValueError, "left"),
    ({"join": 3}, ValueError, "join"),
    ({"dtype": "float99"}, TypeError, "float99"),
    ({"dtype": "complex64"}, NotImplementedError, "complex64"),
    ({"encode_labels": ["nope"]}, ValueError, "nope"),
    ({"obs_keys": "donor", "unknown_label": {"nope": "x"}}, ValueError, "nope"),
    ({"obs_keys": "donor", "unknown_label": object()}, TypeError, "label"),
    ({"obs_filter": 3}, TypeError, "obs_filter"),
    ({"obs_filter": {"nope": "x"}}, KeyError, "nope"),
    ({"obs_filter": {"donor": object()}}, TypeError, "label"),
]


@pytest.mark.parametrize(("arguments", "expected", "part"), BAD_ARGUMENTS)
def test_bad_arguments(
    paths: list[Path], arguments: dict[str, Any], expected: type[Exception], part: str
) -> None:
    with pytest.raises(expected, match=part) as caught:
        MappedCollection(**{"path_list": paths, **arguments})
    assert isinstance(caught.value, errors.AnndexError)


@pytest.mark.parametrize("index", [14, -15, [0, 14], [-15], 2**70, "a", 0.5, [0.5], None, [[1]]])
def test_no_observation_at_an_index(paths: list[Path], index: Any) -> None:
    with MappedCollection(paths) as mapped, pytest.raises(IndexError) as caught:
        mapped[index]
    assert isinstance(caught.value, errors.AnndexError)


def test_a_closed_collection(paths: list[Path]) -> None:
    with MappedCollection(paths, obs_keys="donor", obs_filter={"cell_type": "B"}) as mapped:
        expected = mapped.n_obs
    assert mapped.closed and len(mapped) == expected == len(mapped.indices)
    assert mapped.n_vars == 4 and list(mapped.var_joint) == [f"gene{i}" for i in range(4)]
    mapped.close()
    for read in (
        lambda: mapped[0],
        lambda: mapped[:],
        lambda: mapped.__getitems__([0]),
        lambda: mapped.get_merged_labels("donor"),
        lambda: mapped.get_label_weights("donor"),
    ):
        with pytest.raises(ValueError, match=r"closed.*a.h5ad"):
            read()


def test_a_directory_deleted_after_opening(paths: list[Path]) -> None:
    mapped = MappedCollection(paths)
    shutil.rmtree(paths[1])
    with pytest.raises(errors.AnndexError, match=r"b.zarr"):
        mapped[-1]
    assert mapped[0]["X"].shape == (4,)


def test_a_file_deleted_after_opening(paths: list[Path]) -> None:
    """What is open stays readable; opening again is an error."""
    mapped = MappedCollection(paths)
    expected = mapped[0]["X"]
    paths[0].unlink()
    np.testing.assert_array_equal(mapped[0]["X"], expected)
    with pytest.raises(FileNotFoundError, match=r"a.h5ad"):
        MappedCollection(paths)


def test_a_file_that_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "text.h5ad"
    path.write_text("not HDF5 at all")
    with pytest.raises(OSError, match=r"text.h5ad") as caught:
        MappedCollection([path])
    assert isinstance(caught.value, errors.CorruptError)


def test_files_are_known_by_their_kind_not_their_suffix(paths: list[Path]) -> None:
    renamed = paths[0].rename(paths[0].with_name("no-suffix"))
    with MappedCollection([renamed]) as mapped:
        assert mapped.shape == (6, 4)


def test_errors_are_the_builtin_ones_and_carry_context(paths: list[Path]) -> None:
    import pickle

    with pytest.raises(errors.KeyNotFoundError) as caught:
        MappedCollection(paths, obs_keys="nope")
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value) and "\\" not in str(error)
    assert error.context["key"] == "nope" and str(error.path).startswith(str(paths[0]))
    for name in errors.__all__:
        exception = getattr(errors, name)
        assert issubclass(exception, errors.AnndexError)
        # torch rebuilds exceptions of its workers from their text.
        assert str(exception("text")) == "text" and exception("text").context == {}


def test_unknown_kinds_of_errors_ask_for_a_report() -> None:
    error = errors._from_native("bug", None, "index out of bounds", {}, None)
    assert isinstance(error, RuntimeError) and "bug in anndex" in str(error)


@pytest.mark.alone
def test_two_threads_read_at_once(tmp_path: Path) -> None:
    """With the lock of the interpreter released, another thread runs meanwhile."""
    n_obs, n_vars = 400, 3000
    dense = np.random.default_rng(0).random((n_obs, n_vars)).astype("float32")
    path = tmp_path / "big.h5ad"
    ad.AnnData(dense).write_h5ad(path, compression="gzip")
    with MappedCollection([path]) as mapped:
        ticks, done = [], threading.Event()

        def tick() -> None:
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.0005)

        ticking = threading.Thread(target=tick)
        ticking.start()
        began = time.perf_counter()
        mapped[:]
        ended = time.perf_counter()
        done.set()
        ticking.join()
        # One call into the module, and the other thread was not kept waiting for its end.
        assert sum(began < at < ended for at in ticks) >= 3
        with ThreadPoolExecutor(4) as threads:
            rows = list(threads.map(lambda i: mapped[i]["X"], range(40)))
        np.testing.assert_array_equal(rows, dense[:40])


def test_importing_needs_numpy_alone(paths: list[Path]) -> None:
    script = f"""
import sys
for name in ("pandas", "torch", "scipy", "anndata", "typing_extensions"):
    sys.modules[name] = None
import anndex, numpy
mapped = anndex.MappedCollection({[str(path) for path in paths]!r}, obs_keys="text")
assert isinstance(mapped.var_joint, numpy.ndarray) and mapped.var_joint[0] == "gene0"
assert mapped[0]["X"].shape == (4,) and mapped.check_vars_non_aligned(["a"]) == [0, 1]
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_public_item_is_documented() -> None:
    assert "Parameters\n" in inspect.getdoc(MappedCollection)
    for name, item in inspect.getmembers(MappedCollection):
        if not name.startswith("_"):
            assert inspect.getdoc(item), name
    for name in anndex.__all__:
        assert name == "__version__" or inspect.getdoc(getattr(anndex, name)), name
