"""Random collections of AnnData files: what a seed stands for in the oracle tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "int16", "float16", "bool"]
LABELS = ["B", "T", "NK", "mono", "Ω-cell", "unknown", "a b"]
LAYERS = ["X", "counts", "raw.X"]


@dataclass(frozen=True)
class File:
    """One AnnData file, and what is in it."""

    path: Path
    columns: frozenset[str]
    layers: frozenset[str]
    obsm: frozenset[str]


@dataclass(frozen=True)
class RandomCollection:
    """Files, and the arguments to map them with."""

    files: list[File]
    arguments: dict[str, Any]

    @property
    def paths(self) -> list[Path]:
        return [file.path for file in self.files]

    @property
    def columns(self) -> list[str]:
        return sorted(set().union(*(file.columns for file in self.files)))

    def lacks_a_key(self) -> bool:
        """Whether a key is asked for that no file has."""

        def listed(name: str) -> set[str]:
            keys = self.arguments.get(name) or []
            return {keys} if isinstance(keys, str) else set(keys)

        def among(kind: str) -> set[str]:
            return set().union(*(getattr(file, kind) for file in self.files))

        columns = listed("obs_keys") | set(self.arguments.get("obs_filter") or {})
        return bool(
            listed("layers_keys") - among("layers")
            or listed("obsm_keys") - among("obsm")
            or columns - among("columns")
        )


def write_files(directory: Path) -> dict[str, list[File]]:
    """Files with the same variables, with different ones, and with none in common."""
    rng = np.random.default_rng(0)
    pool = [f"gene{i}" for i in range(8)]
    same = [_write(rng, directory / f"same{i}", pool[:5]) for i in range(14)]
    different = []
    for i in range(14):
        names = list(rng.choice(pool, rng.integers(5, 8), replace=False))
        names = sorted(names) if i % 2 else names
        different.append(_write(rng, directory / f"different{i}", names))
    apart = [_write(rng, directory / "apart0", ["other0", "other1"])]
    return {"same": same, "different": different, "apart": apart}


def draw(seed: int, files: dict[str, list[File]]) -> RandomCollection:
    """The collection of a seed."""
    rng = np.random.default_rng(seed)

    def some(values: list[str], probability: float) -> list[str]:
        return [value for value in values if rng.random() < probability]

    kind = "same" if rng.random() < 0.4 else "different"
    chosen = [files[kind][i] for i in rng.integers(0, 14, rng.integers(1, 4))]
    if rng.random() < 0.05:
        chosen += files["apart"]
    columns = sorted(set().union(*(file.columns for file in chosen)))
    obs_keys = some(columns, 0.4)
    arguments: dict[str, Any] = {"join": [None, "inner", "outer"][rng.integers(0, 3)]}
    if rng.random() < 0.6:
        arguments["layers_keys"] = some(LAYERS, 0.5) or "X"
    if obs_keys:
        arguments["obs_keys"] = obs_keys if rng.random() < 0.9 else obs_keys[0]
    if rng.random() < 0.4:
        arguments["obsm_keys"] = "X_pca" if rng.random() < 0.5 else ["X_pca", "tensor"]
    if rng.random() < 0.4:
        arguments["dtype"] = str(rng.choice(["float32", "float64", "int64"]))
    if rng.random() < 0.15:
        arguments["cache_categories"] = False
    if rng.random() < 0.3:
        arguments["encode_labels"] = bool(rng.random() < 0.5) or some(obs_keys, 0.5)
    if rng.random() < 0.4 and obs_keys:
        arguments["unknown_label"] = "unknown" if rng.random() < 0.5 else {obs_keys[0]: "T"}
    if rng.random() < 0.3:
        arguments["obs_filter"] = {"cell_type": ["B", "T"] if rng.random() < 0.5 else "NK"}
        if rng.random() < 0.5 and all("donor" in file.columns for file in chosen):
            arguments["obs_filter"]["donor"] = ["B", "NK", np.nan]
    if rng.random() < 0.15:
        arguments["parallel"] = True
    if rng.random() < 0.1:
        wrong = [
            {"join": "left"},
            {"encode_labels": ["no such key"]},
            {"obs_keys": ["cell_type"], "unknown_label": {"no such key": "B"}},
            {"obs_filter": {}},
        ]
        arguments = wrong[rng.integers(0, len(wrong))]
    elif rng.random() < 0.05:
        chosen = [*chosen, File(Path("no/such.h5ad"), frozenset(), frozenset(), frozenset())]
    return RandomCollection(chosen, arguments)


def _write(rng: np.random.Generator, path: Path, names: list[str]) -> File:
    n_obs, n_vars = int(rng.integers(1, 7)), len(names)
    frame = _obs(rng, n_obs)
    dtype = str(rng.choice(DTYPES))
    adata = ad.AnnData(
        X=_matrix(rng, n_obs, n_vars, dtype), obs=frame, var=pd.DataFrame(index=names)
    )
    layers = {"X"}
    if rng.random() < 0.8:
        adata.layers["counts"] = _matrix(rng, n_obs, n_vars, "int32")
        layers.add("counts")
    if rng.random() < 0.8:
        adata.obsm["X_pca"] = rng.random((n_obs, 3)).astype("float32")
    if rng.random() < 0.6:
        adata.obsm["tensor"] = rng.random((n_obs, 2, 2))
    if rng.random() < 0.7:
        adata.raw = ad.AnnData(
            X=_matrix(rng, n_obs, 4, "float32"),
            obs=frame[[]],
            var=pd.DataFrame(index=[f"raw{i}" for i in range(4)]),
        )
        layers.add("raw.X")
    if rng.random() < 0.35:
        path = path.with_suffix(".zarr")
        adata.write_zarr(path)
    else:
        path = path.with_suffix(".h5ad")
        adata.write_h5ad(path, compression="gzip" if rng.random() < 0.3 else None)
    return File(path, frozenset(frame.columns), frozenset(layers), frozenset(adata.obsm.keys()))


def _matrix(rng: np.random.Generator, n_obs: int, n_vars: int, dtype: str) -> Any:
    values = rng.integers(0, 5, (n_obs, n_vars)) * (rng.random((n_obs, n_vars)) < 0.4)
    dense = values.astype(dtype)
    if rng.random() < 0.5:
        return dense
    # SciPy has no float16.
    return sp.csr_matrix(dense.astype("float32") if dtype == "float16" else dense)


def _obs(rng: np.random.Generator, n_obs: int) -> pd.DataFrame:
    def pick(values: list[Any], missing: bool = False) -> list[Any]:
        chosen = [values[i] for i in rng.integers(0, len(values), n_obs)]
        return [None if missing and rng.random() < 0.2 else value for value in chosen]

    used = list(rng.choice(LABELS, rng.integers(1, len(LABELS)), replace=False))
    frame = pd.DataFrame(
        {
            "cell_type": pd.Categorical(pick(used), categories=sorted(used)),
            "donor": pd.Categorical(pick(used, missing=True), categories=used),
            "ordered": pd.Categorical(pick(used), categories=used, ordered=True),
            "text": np.array(pick(used), dtype=object),
            "number": rng.integers(0, 4, n_obs) / 2,
            "single": (rng.integers(0, 4, n_obs) / 10).astype("float32"),
            "integer": rng.integers(-2, 3, n_obs),
            "flag": rng.random(n_obs) < 0.5,
            "nullable_int": pd.array(pick([1, 2, 3], missing=True), dtype="Int64"),
            "nullable_bool": pd.array(pick([True, False], missing=True), dtype="boolean"),
            "small": rng.integers(0, 3, n_obs).astype("int8"),
            "category_of_numbers": pd.Categorical(pick([10, 20, 30]), categories=[10, 20, 30]),
        },
        index=[f"cell{i}" for i in range(n_obs)],
    )
    return frame[[name for name in frame if name == "cell_type" or rng.random() < 0.85]]
