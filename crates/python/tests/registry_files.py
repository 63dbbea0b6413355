"""Small files and objects for the registry's tests."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd


def adata(seed: int = 0, n_obs: int = 6) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    return ad.AnnData(
        X=rng.random((n_obs, 4)).astype("float32"),
        obs=pd.DataFrame(
            {
                "cell_type": pd.Categorical(rng.choice(["B", "T"], n_obs)),
                "batch": pd.Categorical([f"batch{seed}"] * n_obs),
            },
            index=[f"cell{i}" for i in range(n_obs)],
        ),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(4)]),
    )


def h5ad(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    adata(seed).write_h5ad(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path
