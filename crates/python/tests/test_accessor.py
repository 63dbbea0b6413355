"""Parts of a file are what anndata gives of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from registry_files import text

import anndex as ln


def write(path: Path, matrix: Any) -> ad.AnnData:
    n_obs, n_vars = matrix.shape
    adata = ad.AnnData(
        X=matrix,
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical(["B", "T"] * (n_obs // 2))},
            index=[f"cell{i}" for i in range(n_obs)],
        ),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(n_vars)]),
        layers={"counts": sp.csr_matrix(np.arange(n_obs * n_vars).reshape(n_obs, n_vars) % 3)},
        obsm={"X_pca": np.arange(2 * n_obs, dtype="float32").reshape(n_obs, 2)},
        uns={"title": "cells"},
    )
    adata.obsm["table"] = pd.DataFrame({"q": range(n_obs)}, index=adata.obs_names)
    adata.varm["PCs"] = np.arange(3 * n_vars, dtype="float32").reshape(n_vars, 3)
    adata.varm["table"] = pd.DataFrame({"v": range(n_vars)}, index=adata.var_names)
    near = np.triu(np.arange(n_obs**2).reshape(n_obs, n_obs) % 4)
    adata.obsp["near"], adata.obsp["all"] = sp.csr_matrix(near), near.astype("float64")
    adata.varp["by"] = sp.csc_matrix(np.tri(n_vars))
    adata.uns["cell_type_colors"] = ["#000000", "#ff0000"]
    raw = ad.AnnData(
        X=sp.csr_matrix(np.eye(n_obs, n_vars + 2, dtype="float32")),
        obs=adata.obs[[]],
        var=pd.DataFrame({"n": range(n_vars + 2)}, index=[f"raw{i}" for i in range(n_vars + 2)]),
    )
    raw.varm["loadings"] = np.arange(n_vars + 2.0)[:, None]
    adata.raw = raw
    adata.write_zarr(path) if path.suffix == ".zarr" else adata.write_h5ad(path)
    return adata


def dense(matrix: Any) -> Any:
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def check_same(found: ad.AnnData, expected: ad.AnnData) -> None:
    """Every part, whatever sparse format it has."""
    np.testing.assert_array_equal(dense(found.X), dense(expected.X))
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    pd.testing.assert_frame_equal(found.var, expected.var)
    for name in ("layers", "obsm", "varm", "obsp", "varp"):
        parts, others = getattr(found, name), getattr(expected, name)
        assert parts.keys() == others.keys(), name
        for key, part in parts.items():
            if isinstance(part, pd.DataFrame):
                pd.testing.assert_frame_equal(part, others[key])
            else:
                np.testing.assert_array_equal(dense(part), dense(others[key]), err_msg=name)
    assert found.uns.keys() == expected.uns.keys()
    assert list(found.uns["cell_type_colors"]) == list(expected.uns["cell_type_colors"])
    assert found.raw is not None and expected.raw is not None
    np.testing.assert_array_equal(dense(found.raw.X), dense(expected.raw.X))
    pd.testing.assert_frame_equal(found.raw.var, expected.raw.var)
    np.testing.assert_array_equal(found.raw.varm["loadings"], expected.raw.varm["loadings"])


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_parts_are_those_of_the_whole(kind: Any, suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = (rng.random((10, 6)) * (rng.random((10, 6)) < 0.5)).astype("float32")
    path = tmp_path / f"a{suffix}"
    whole = write(path, kind(values))
    backed = ln.AnnDataAccessor(str(path))
    assert backed.shape == whole.shape and (backed.n_obs, backed.n_vars) == whole.shape
    assert backed.uns["title"] == "cells" and set(backed.obsm) == {"X_pca", "table"}
    assert set(backed.varm) == {"PCs", "table"} and set(backed.obsp) == {"near", "all"}
    assert backed.raw is not None and len(backed.raw.var) == 8 and set(backed.varp) == {"by"}
    pd.testing.assert_frame_equal(backed.obs, whole.obs)
    x = backed.X
    assert x is not None and x.shape == whole.shape and x.dtype == "float32"
    indices: list[Any] = [
        3,
        -1,
        slice(2, 7),
        slice(None, None, 3),
        [5, 1, 1],
        np.array([0, 9]),
        [],
        np.arange(10) % 2 == 0,
    ]
    for index in indices:
        expected = values[index].reshape(-1, 6)
        np.testing.assert_array_equal(dense(x[index]), expected)
        np.testing.assert_array_equal(dense(x[index, [4, 0]]), expected[:, [4, 0]])
    np.testing.assert_array_equal(dense(x.to_memory()), values)

    wanted: list[tuple[Any, Any]] = [
        (whole.obs["cell_type"] == "T", slice(None)),
        ([7, 2], ["gene3", "gene0"]),
        (["cell4", "cell1"], np.array([True, False] * 3)),
        (slice(None), slice(1, 4)),
        ([], []),
    ]
    for rows, columns in wanted:
        part = backed[rows, columns]
        loaded, expected = part.to_memory(), whole[rows, columns].copy()
        assert part.shape == loaded.shape == expected.shape
        check_same(loaded, expected)
    np.testing.assert_array_equal(dense(backed.to_memory().X), values)


def test_an_artifact_is_opened_and_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ln.init(storage="./storage")
    write(tmp_path / "a.h5ad", np.ones((4, 3), "float32"))
    artifact = ln.Artifact(tmp_path / "a.h5ad").save()
    run = ln.track(ln.Transform("look"))
    backed = artifact.open(is_run_input=False)
    assert artifact.input_of.count() == 0
    artifact.open()
    assert artifact.input_of.list() == [run]
    assert "4 × 3" in repr(backed) and "csr" not in repr(backed.X)
    with pytest.raises(IndexError, match="4 is out of range"):
        backed[4]
    with pytest.raises(IndexError, match="a mask needs 4"):
        backed[[True]]
    with pytest.raises(KeyError, match="nobody"):
        backed["nobody"]
    with pytest.raises(KeyError, match="counts"):
        backed.layers["no such"]
    table = ln.Artifact(text(tmp_path / "b.csv", "a\n1\n")).save()
    with pytest.raises(ln.errors.InvalidInputError, match=r"\.csv"):
        table.open()
