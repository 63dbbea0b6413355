"""A prepared collection, read by anndata, by annbatch and by the package itself."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annbatch
import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

import anndex as ln

GENES = [[f"gene{i}" for i in range(60)], [f"gene{i}" for i in range(80, 10, -1)]]


def cells(number: int, n_obs: int, genes: list[str]) -> ad.AnnData:
    """Cells with every kind of column; the second file lacks some and has others."""
    rng = np.random.default_rng(number)
    counts = rng.poisson(0.3, (n_obs, len(genes))).astype("float32")
    kinds = ["B", "T"] if number == 0 else ["T", "NK"]
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(rng.choice(kinds, n_obs)),
            "donor": rng.choice(["x", "y"], n_obs),
            "age": pd.array(np.arange(n_obs), dtype="Int64"),
            "score": rng.random(n_obs),
            "doublet": rng.random(n_obs) < 0.5,
        },
        index=pd.Index([f"cell{number}-{i}" for i in range(n_obs)]),
    )
    obs.loc[obs.index[::7], "age"] = pd.NA
    if number == 1:
        obs = obs.drop(columns=["doublet"])
        obs["only_here"] = pd.array(["p", pd.NA] * (n_obs // 2), dtype="string")
    var = pd.DataFrame({"symbol": [name.upper() for name in genes]}, index=pd.Index(genes))
    data = ad.AnnData(X=sparse.csr_matrix(counts), obs=obs, var=var)
    data.layers["counts"] = counts.astype("int32")
    data.obsm["X_pca"] = rng.random((n_obs, 3)).astype("float32")
    return data


@pytest.fixture
def sources() -> list[ad.AnnData]:
    return [cells(0, 300, GENES[0]), cells(1, 260, GENES[1])]


@pytest.fixture
def collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: list[ad.AnnData]
) -> ln.Collection:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="./cells")
    sources[0].write_h5ad(tmp_path / "a.h5ad")
    sources[1].write_zarr(tmp_path / "b.zarr")
    artifacts = [ln.Artifact(tmp_path / name).save() for name in ("a.h5ad", "b.zarr")]
    return ln.Collection(artifacts, name="Cells").save()


def read(prepared: ln.Collection) -> list[ad.AnnData]:
    return [ad.io.read_zarr(artifact.path) for artifact in prepared.artifacts]


@pytest.mark.parametrize("join", ["inner", "outer"])
def test_anndata_reads_what_it_would_have_concatenated(
    collection: ln.Collection, sources: list[ad.AnnData], join: Any
) -> None:
    prepared = collection.prepare(
        "cells/fast.zarr",
        join=join,
        layers_keys=["X", "counts"],
        obsm_keys="X_pca",
        rows_per_file=200,
        seed=3,
    )
    parts = read(prepared)
    assert [part.n_obs for part in parts] == [200, 200, 160]
    expected = ad.concat(sources, join=join, fill_value=0, merge="same")
    found = ad.concat(parts, merge="same")
    assert list(found.obs_names) != list(expected.obs_names)
    assert set(found.var_names) == set(expected.var_names)
    found = found[expected.obs_names, expected.var_names]

    assert all(isinstance(part.X, sparse.csr_matrix) for part in parts)
    assert {part.X.dtype for part in parts} == {np.dtype("float32")}
    assert {part.layers["counts"].dtype for part in parts} == {np.dtype("int32")}
    for one, other in [(found.X, expected.X), (found.layers["counts"], expected.layers["counts"])]:
        np.testing.assert_array_equal(dense(one), dense(other))
    np.testing.assert_array_equal(found.obsm["X_pca"], expected.obsm["X_pca"])

    # All columns, where concat(join="inner") keeps those that both have.
    columns = ["cell_type", "donor", "age", "score", "doublet", "only_here"]
    outer = ad.concat(sources, join="outer").obs
    for part in parts:
        assert list(part.obs) == columns
        assert list(part.obs["cell_type"].cat.categories) == ["B", "NK", "T"]
        assert part.obs["age"].dtype == "Int64" and part.obs["doublet"].dtype == "boolean"
    for column in columns:
        one, other = found.obs[column], outer.loc[found.obs_names, column]
        missing = other.isna()
        assert (one.isna() == missing).all(), column
        assert list(one[~missing]) == list(other[~missing]), column
    if join == "inner":
        assert list(parts[0].var["symbol"]) == [name.upper() for name in parts[0].var_names]


def dense(matrix: Any) -> Any:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def epoch(loader: Any) -> tuple[Any, list[str]]:
    """All rows of an epoch of annbatch, and the column that numbers them."""
    rows, names = [], []
    for batch in loader:
        rows.append(dense(batch["X"]))
        names += list(batch["obs"]["name"])
    return np.concatenate(rows), names


@pytest.fixture
def named(collection: ln.Collection, tmp_path: Path, sources: list[ad.AnnData]) -> Any:
    """A prepared directory whose cells have their name in a column, and the truth."""
    for data, name in zip(sources, ("c.h5ad", "d.h5ad"), strict=True):
        data.obs["name"] = list(data.obs_names)
        data.write_h5ad(tmp_path / name)
    artifacts = [ln.Artifact(tmp_path / name).save() for name in ("c.h5ad", "d.h5ad")]
    collection = ln.Collection(artifacts, name="Named").save()
    prepared = collection.prepare(tmp_path / "named.zarr", rows_per_file=200, obs_keys="name")
    truth = ad.concat(sources)
    genes = list(read(prepared)[0].var_names)
    return tmp_path / "named.zarr", truth[:, genes]


def check(found: tuple[Any, list[str]], truth: ad.AnnData) -> None:
    rows, names = found
    assert sorted(names) == sorted(truth.obs_names)
    np.testing.assert_array_equal(rows, dense(truth[names].X))


@pytest.mark.parametrize("pipeline", ["zarrs.ZarrsCodecPipeline", None])
def test_the_directory_is_a_collection_of_annbatch(named: Any, pipeline: str | None) -> None:
    directory, truth = named
    settings = {} if pipeline is None else {"codec_pipeline.path": pipeline}
    with zarr.config.set(settings):
        opened = annbatch.DatasetCollection(directory, mode="r")
        assert not opened.is_empty
        assert len(list(opened)) == 3
        assert sorted(opened.obs()["name"]) == sorted(truth.obs_names)
        loader = annbatch.Loader(
            batch_size=64, chunk_size=16, preload_nchunks=8, shuffle=True, preload_to_gpu=False
        )
        check(epoch(loader.use_collection(opened)), truth)


def test_the_files_are_datasets_of_annbatch(named: Any) -> None:
    directory, truth = named

    def backed(path: Path) -> ad.AnnData:
        group = zarr.open_group(path, mode="r")
        obs = ad.io.read_elem(group["obs"])
        return ad.AnnData(X=ad.io.sparse_dataset(group["X"]), obs=obs)

    files = sorted(directory.glob("dataset_*.zarr"))
    loader = annbatch.Loader(
        batch_size=100, chunk_size=10, preload_nchunks=10, preload_to_gpu=False
    )
    check(epoch(loader.add_adatas([backed(path) for path in files])), truth)


def test_it_is_registered_with_its_lineage(collection: ln.Collection, tmp_path: Path) -> None:
    prepared = collection.prepare("cells/fast.zarr", name="Fast")
    assert isinstance(prepared, ln.Collection)
    assert prepared.name == "Fast"
    run = prepared.run
    assert run is not None and run.transform.name == "anndex prepare"
    assert list(run.input_collections) == [collection]
    assert [artifact.key for artifact in prepared.artifacts] == ["fast.zarr/dataset_0_of_1.zarr"]
    # The same again is the same.
    assert collection.prepare("cells/fast.zarr") == prepared
    assert ln.Run.filter().count() == 1 and ln.Collection.filter().count() == 2
    mapped = prepared.mapped(obs_keys="cell_type")
    assert mapped.n_obs == 560

    ln.track(ln.Transform("pipeline"))
    other = collection.prepare("cells/other.zarr", seed=1)
    assert other.run is not None and other.run.transform.name == "pipeline"


def test_other_parameters_need_another_directory(collection: ln.Collection) -> None:
    collection.prepare("cells/fast.zarr")
    with pytest.raises(ln.errors.AlreadyExistsError, match="another join, shuffle"):
        collection.prepare("cells/fast.zarr", seed=1, join="outer")
    with pytest.raises(ln.errors.InvalidInputError, match="shuffle must be"):
        collection.prepare("cells/x.zarr", shuffle="random")  # type: ignore[arg-type]
    with pytest.raises(ln.errors.InvalidInputError, match=r"raw.X"):
        collection.prepare("cells/x.zarr", layers_keys="raw.X")
    with pytest.raises(ln.errors.KeyNotFoundError, match="there are: cell_type"):
        collection.prepare("cells/x.zarr", obs_keys="none")
    assert not Path("cells/x.zarr").exists()


def test_what_is_left_out_is_said(collection: ln.Collection, tmp_path: Path) -> None:
    data = cells(2, 50, GENES[0])
    data.var["symbol"] = "other"
    data.write_h5ad(tmp_path / "other.h5ad")
    added = ln.Artifact(tmp_path / "other.h5ad").save()
    both = ln.Collection([*collection.artifacts, added], name="Both").save()
    with pytest.warns(UserWarning, match="left out: symbol"):
        both.prepare("cells/both.zarr")


def test_progress_is_told_and_stops_it(collection: ln.Collection) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    collection.prepare("cells/fast.zarr", progress=progress)
    assert told[-1] == (560, 560) and told == sorted(told)

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        collection.prepare("cells/stopped.zarr", progress=stop, rows_per_file=1)
    whole = collection.prepare("cells/stopped.zarr", rows_per_file=1)
    assert len(list(whole.artifacts)) == 560


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so would this test."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.alone
@pytest.mark.usefixtures("heard_interrupts")
def test_control_c_stops_it(collection: ln.Collection) -> None:
    def interrupt() -> None:
        while not any(Path("cells/slow.zarr").glob("dataset_*")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        collection.prepare("cells/slow.zarr", rows_per_file=1)
    thread.join()
    assert 0 < len(list(Path("cells/slow.zarr").glob("dataset_*"))) < 560
    assert len(list(collection.prepare("cells/slow.zarr", rows_per_file=1).artifacts)) == 560
