"""Genes that are listed twice in a sparse row, or in any order: sums, as SciPy has them.

However a file is compressed, and whatever memory a loader has, the values are those of `toarray`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from torch.utils.data import DataLoader

from anndex import MappedCollection
from anndex._anndata import read_anndata

N_OBS, N_VARS = 24, 400
LAYOUTS: list[tuple[str, str | None]] = [(".h5ad", None), (".h5ad", "gzip"), (".zarr", None)]


def disordered(dtype: str, seed: int) -> Any:
    """Rows with counts beyond a byte; every third one is unsorted, every fourth has duplicates."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[Any, Any]] = []
    for row in range(N_OBS):
        columns = np.flatnonzero(rng.random(N_VARS) < 0.3)
        if row % 3 == 0:
            rng.shuffle(columns)
        if row % 4 == 0:
            columns = np.concatenate([columns, rng.choice(columns, 20), [5, 5, 5]])
        values = rng.integers(1, 9, columns.size)
        values[rng.random(columns.size) < 0.05] = 300
        rows.append((columns, values))
    indptr = np.cumsum([0, *(columns.size for columns, _ in rows)])
    columns = np.concatenate([columns for columns, _ in rows]).astype("int32")
    values = np.concatenate([values for _, values in rows]).astype(dtype)
    if dtype == "float32" and seed % 2:
        # Their sums depend on the order of adding.
        values += rng.random(values.size).astype(dtype)
    return sp.csr_matrix((values, columns, indptr), (N_OBS, N_VARS))


def write(path: Path, matrix: Any, compression: str | None, first: int = 0) -> Path:
    adata = ad.AnnData(
        X=matrix,
        obs=pd.DataFrame(index=[f"cell{i}" for i in range(N_OBS)]),
        var=pd.DataFrame(index=[f"gene{i + first:04}" for i in range(N_VARS)]),
    )
    if path.suffix == ".zarr":
        adata.write_zarr(path)
    else:
        adata.write_h5ad(path, compression=compression)
        assert not ad.io.read_h5ad(path).X.has_canonical_format
    return path


def every_way(mapped: MappedCollection) -> dict[str, Any]:
    """X of all observations, in every way to ask for it."""
    found: dict[str, Any] = {
        "samples": np.stack([mapped[i]["X"] for i in range(len(mapped))]),
        "batch": mapped[:]["X"],
        "rows twice": mapped[np.r_[: len(mapped), : len(mapped)]]["X"][len(mapped) :],
        "DataLoader": np.concatenate([b["X"].numpy() for b in DataLoader(mapped, batch_size=7)]),
    }
    for memory in (None, "1KiB", "40KB", "1GiB"):
        for sparse in (False, True):
            loader = mapped.loader(16, sparse=sparse, memory=memory, to="numpy")
            for epoch in range(2):
                parts = [batch["X"] for batch in loader]
                dense = [part.toarray() if sparse else part for part in parts]
                found[f"loader {memory} {sparse} {epoch}"] = np.concatenate(dense)
    tensors = [batch["X"].to_dense().numpy() for batch in mapped.loader(16, sparse=True)]
    found["sparse tensors"] = np.concatenate(tensors)
    return found


@pytest.mark.parametrize(("suffix", "compression"), LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8", "uint8", "bool"])
def test_values_of_one_gene_are_added(
    suffix: str, compression: str | None, dtype: str, tmp_path: Path
) -> None:
    for seed in range(2):
        matrix = disordered(dtype, seed)
        path = write(tmp_path / f"{seed}{suffix}", matrix, compression)
        expected = matrix.toarray()
        with MappedCollection([path]) as mapped:
            for way, found in every_way(mapped).items():
                np.testing.assert_array_equal(found, expected, err_msg=way)
                assert found.dtype == expected.dtype, way
        loaded = read_anndata(str(path)).X
        np.testing.assert_array_equal(loaded.toarray(), expected)


@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("dtype", [None, "float64"])
def test_genes_are_added_in_joins(join: Any, dtype: str | None, tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{first}{suffix}", disordered("float32", first), compression, first)
        for first, (suffix, compression) in zip((0, 3, 6), LAYOUTS, strict=True)
    ]
    matrices = [ad.io.read_zarr(p) if p.suffix == ".zarr" else ad.io.read_h5ad(p) for p in paths]
    for adata in matrices:
        adata.X = adata.X.astype(dtype or "float32")
        adata.X = adata.X.toarray()
    expected = ad.concat(matrices, join=join, fill_value=0)
    with MappedCollection(paths, join=join, dtype=dtype) as mapped:
        expected = expected[:, list(mapped.var_joint)].X  # type: ignore[arg-type]
        for way, found in every_way(mapped).items():
            np.testing.assert_array_equal(found, expected, err_msg=way)


def test_columns_are_added_where_a_matrix_is_stored_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    by_rows = disordered("float32", 1)
    csc = sp.csc_matrix((by_rows.data, by_rows.indices, by_rows.indptr), (N_VARS, N_OBS))
    path = tmp_path / "csc.h5ad"
    ad.AnnData(X=csc).write_h5ad(path)
    with (
        pytest.warns(UserWarning, match="converted to rows once"),
        MappedCollection([path]) as mapped,
    ):
        for way, found in every_way(mapped).items():
            np.testing.assert_array_equal(found, csc.toarray(), err_msg=way)
