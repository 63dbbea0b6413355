"""What is exported is read by others: anndata, scanpy's usual functions, h5py without plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from test_load import read, same

import anndex as ln

# Reads whatever is in a file, as a program does that knows nothing but HDF5.
READ_ALL = """
import sys, h5py
with h5py.File(sys.argv[1]) as file:
    datasets = []
    file.visititems(lambda name, node: datasets.append(node) if hasattr(node, "shape") else None)
    for dataset in datasets:
        dataset[()]
        dict(dataset.attrs)
assert "hdf5plugin" not in sys.modules
print(len(datasets))
"""


@pytest.fixture(scope="session")
def command() -> Callable[..., None]:
    """Runs the ``anndex`` command of this build."""
    program = os.environ.get("ANNDEX_TEST_COMMAND")
    if program is None:
        assert "CI" not in os.environ, "ANNDEX_TEST_COMMAND must name the `anndex` command"
        pytest.skip("ANNDEX_TEST_COMMAND names no `anndex` command")

    def run(*arguments: str | Path) -> None:
        # The instance is the directory that the tests make one in.
        within = [program, "--db", "storage", *map(str, arguments)]
        subprocess.run(within, check=True, stdout=subprocess.DEVNULL)

    return run


def cells(number: int) -> ad.AnnData:
    """Cells with all that has an encoding."""
    rng = np.random.default_rng(number)
    n_obs, genes = 120, [f"gene{i + 3 * number}" for i in range(40)]
    counts = rng.poisson(0.6, (n_obs, len(genes))).astype("float32")
    obs = pd.DataFrame(
        {
            "label": pd.Categorical(rng.choice(["B", "T", f"only{number}"], n_obs)),
            "ordered": pd.Categorical(
                rng.choice(["low", "high"], n_obs), categories=["low", "high"], ordered=True
            ),
            "text": rng.choice(["v", "x"], n_obs),
            "integer": pd.array(rng.integers(0, 9, n_obs), dtype="Int64"),
            "truth": pd.array(rng.random(n_obs) < 0.5, dtype="boolean"),
            "score": rng.random(n_obs),
        },
        index=pd.Index([f"cellä{number}-{i}" for i in range(n_obs)]),
    )
    obs.loc[obs.index[::7], ["integer", "truth"]] = pd.NA
    obs.loc[obs.index[::5], "label"] = np.nan
    adata = ad.AnnData(X=sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=pd.Index(genes)))
    adata.layers["dense"] = counts.astype("int32")
    adata.layers["sparse"] = sp.csr_matrix(counts.astype("int64"))
    adata.obsm["X_pca"] = rng.random((n_obs, 3)).astype("float32")
    adata.obsm["sparse"] = sp.csr_matrix(counts[:, :5])
    adata.obsm["table"] = pd.DataFrame({"q": rng.random(n_obs)}, index=obs.index)
    adata.uns["left out"] = {"by": "concat"}
    return adata


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ln.Collection:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="./storage")
    cells(0).write_h5ad(tmp_path / "a.h5ad")
    cells(1).write_zarr(tmp_path / "b.zarr")
    artifacts = [ln.Artifact(tmp_path / name).save() for name in ("a.h5ad", "b.zarr")]
    return ln.Collection(artifacts, name="C").save()


def by_anndata(collection: ln.Collection, path: Path, join: Any) -> ad.AnnData:
    """What anndata concatenates, writes and reads."""
    artifacts = list(collection.artifacts)
    whole = ad.concat(
        [read(artifact.path) for artifact in artifacts],
        join=join,
        label="artifact_uid",
        keys=[artifact.uid for artifact in artifacts],
    )
    whole.write_zarr(path) if path.suffix == ".zarr" else whole.write_h5ad(path)
    return read(path)


def analysed(adata: ad.AnnData) -> ad.AnnData:
    """A copy after scanpy's usual functions, which use SciPy's in many ways."""
    adata = adata.copy()
    sc.pp.filter_cells(adata, min_counts=1)
    sc.pp.filter_genes(adata, min_cells=1)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=20)
    sc.pp.pca(adata, n_comps=4)
    sc.pp.neighbors(adata, n_neighbors=5)
    adata = ad.concat([adata, adata[::2]], merge="same", uns_merge="same", index_unique="-")
    matrix: Any = adata.X
    matrix.sort_indices()
    matrix.sum_duplicates()
    adata.obs["sum"] = np.asarray((matrix @ matrix.T).sum(axis=1)).ravel()
    adata.var["sum"] = np.asarray(sp.vstack([matrix, matrix]).tocsc().sum(axis=0)).ravel()
    return adata


def test_a_collection_in_one_file(
    collection: ln.Collection, command: Callable[..., None], tmp_path: Path
) -> None:
    for suffix in ("h5ad", "zarr"):
        for join in ("inner", "outer"):
            out = tmp_path / f"{join}.{suffix}"
            command("collection", "load", "C", "--join", join, "--out", out)
            ours = read(out)
            theirs = by_anndata(collection, tmp_path / f"theirs-{join}.{suffix}", join)
            same(ours, theirs, out.name)
            same(analysed(ours), analysed(theirs), out.name)


def test_h5py_needs_no_plugin(
    collection: ln.Collection, command: Callable[..., None], tmp_path: Path
) -> None:
    out = tmp_path / "all.h5ad"
    command("collection", "load", "C", "--out", out)
    environment = {key: value for key, value in os.environ.items() if key != "HDF5_PLUGIN_PATH"}
    reading = [sys.executable, "-c", READ_ALL, str(out)]
    done = subprocess.run(reading, check=True, env=environment, stdout=subprocess.PIPE)
    assert int(done.stdout) > 20

    # What needs one is written only for those who ask for it.
    asked = tmp_path / "zstd.h5ad"
    command("collection", "load", "C", "--out", asked, "--compression", "zstd")
    with_plugin = f"import hdf5plugin\n{READ_ALL.replace('assert', 'assert not')}"
    for code, succeeds in ((READ_ALL, False), (with_plugin, True)):
        reading = [sys.executable, "-c", code, str(asked)]
        done = subprocess.run(reading, env=environment, capture_output=True)
        assert (done.returncode == 0) == succeeds, done.stderr


def test_a_prepared_collection(collection: ln.Collection, tmp_path: Path) -> None:
    prepared = collection.prepare(
        tmp_path / "fast.zarr",
        shuffle=False,
        layers_keys=["X", "sparse"],
        obsm_keys="X_pca",
        rows_per_file=100,
    )
    ours = ad.concat([read(artifact.path) for artifact in prepared.artifacts], merge="same")
    theirs = by_anndata(collection, tmp_path / "theirs.h5ad", "inner")[ours.obs_names].copy()
    for one, other in ((ours.X, theirs.X), (ours.layers["sparse"], theirs.layers["sparse"])):
        same(one, other)
    same(analysed(ours).X, analysed(theirs).X)
    for artifact in prepared.artifacts:
        analysed(read(artifact.path))


def test_float16_is_prepared_as_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="./storage")
    values = np.random.default_rng(0).poisson(0.6, (60, 20)).astype("float16")
    adata = ad.AnnData(X=values, obsm={"X_pca": values[:, :3]})
    adata.write_h5ad(tmp_path / "half.h5ad")
    artifact = ln.Artifact(tmp_path / "half.h5ad").save()
    collection = ln.Collection([artifact], name="half").save()
    with pytest.warns(UserWarning, match="`X` is float16"):
        prepared = collection.prepare(tmp_path / "fast.zarr", shuffle=False, obsm_keys="X_pca")
    found = read(prepared.artifacts[0].path)
    assert found.X.dtype == "float32" and found.obsm["X_pca"].dtype == "float16"
    np.testing.assert_array_equal(found.X.toarray(), values)
    analysed(found)
    with pytest.raises(ln.errors.InvalidInputError, match="choose float32"):
        collection.prepare(tmp_path / "other.zarr", dtype="float16")
