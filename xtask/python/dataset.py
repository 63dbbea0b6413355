"""The small annotated matrix that every version of anndata writes in turn.

Runs on Python 3.6 and later and uses only what anndata 0.5 knows, unless the
version given knows more. Seeded with NumPy's frozen legacy generator, so that
every NumPy makes the same numbers.
"""

import numpy as np
import pandas as pd
from scipy import sparse

N_OBS = 14
N_VARS = 9
N_RAW_VARS = 11


def parse_version(text):
    """Return the first two numbers of a version: (0, 12) for "0.12.19"."""
    return tuple(int(part) for part in text.split(".")[:2])


def counts(random, shape, density=0.35):
    """Return small non-negative whole numbers, most of them 0, as float32."""
    values = random.randint(1, 50, size=shape)
    return np.where(random.random_sample(shape) < density, values, 0).astype(np.float32)


def names(prefix, count):
    """Return `count` names that sort like their numbers."""
    return [f"{prefix}_{number:02d}" for number in range(count)]


def observations(random, count, version):
    """Return the frame of the observations, with every kind of column that `version` writes."""
    # 0.5 drops categories that are not ASCII.
    cell_types = np.array(["B cell", "CD4⁺ T" if version >= (0, 6) else "CD4 T", "monocyte", "NK"])
    frame = pd.DataFrame(index=names("cell", count))
    frame["cell_type"] = pd.Categorical(cell_types[random.randint(0, 4, count)])
    stages = ["late", "early", "middle"]
    frame["stage"] = pd.Categorical(
        [stages[i] for i in random.randint(0, 3, count)],
        categories=["early", "middle", "late"],
        ordered=True,
    )
    codes = random.randint(-1, 3, count)
    frame["donor"] = pd.Categorical.from_codes(codes, ["d1", "d2", "d3"])
    frame["n_genes"] = random.randint(0, 2000, count)
    frame["n_counts"] = random.random_sample(count).astype(np.float32) * 1000
    percent = random.random_sample(count)
    percent[::5] = np.nan
    frame["percent_mito"] = percent
    frame["is_doublet"] = random.randint(0, 2, count).astype(bool)
    frame["barcode"] = [f"AC{7919 * i % 9973:04d}GT" for i in range(count)]
    if version >= (0, 8):
        frame["n_nullable"] = pd.array(
            [None if i % 4 == 0 else i * 10 for i in range(count)], dtype="Int64"
        )
        frame["checked"] = pd.array(
            [None if i % 5 == 0 else i % 2 == 0 for i in range(count)], dtype="boolean"
        )
    if version >= (0, 12):
        frame["remark"] = pd.array(
            [None if i % 3 == 0 else f"remark {i}" for i in range(count)], dtype="string"
        )
    return frame


def variables(random, count):
    """Return the frame of the variables."""
    frame = pd.DataFrame(index=names("gene", count))
    frame["highly_variable"] = random.randint(0, 2, count).astype(bool)
    frame["mean"] = random.random_sample(count)
    return frame


def build(anndata, version, dense=False):
    """Return the matrix as an AnnData with all that `version` can write.

    `dense` stores X dense and the layer "counts" as CSR, instead of the other
    way round.
    """
    random = np.random.RandomState(20180501)
    raw_x = counts(random, (N_OBS, N_RAW_VARS))
    x = np.log1p(raw_x[:, :N_VARS])
    obs = observations(random, N_OBS, version)
    var = variables(random, N_RAW_VARS)
    embedding = random.standard_normal((N_OBS, 3))
    adata = anndata.AnnData(
        X=sparse.csr_matrix(raw_x),
        obs=obs,
        var=var,
        uns={"title": "small", "parameters": {"resolution": 0.5, "seed": 7}},
    )
    adata.obsm["X_pca"] = embedding
    adata.obsm["X_umap"] = embedding[:, :2].astype(np.float32)
    adata.raw = adata
    adata = adata[:, :N_VARS].copy()
    adata.X = x if dense else sparse.csr_matrix(x)
    if version >= (0, 6):
        spliced = raw_x[:, :N_VARS]
        adata.layers["counts"] = sparse.csr_matrix(spliced) if dense else spliced
    if version >= (0, 7):
        adata.layers["unspliced"] = sparse.csc_matrix(np.floor(spliced / 3))
        adata.obsm["neighbors"] = sparse.csr_matrix(counts(random, (N_OBS, 5)))
        adata.obsm["scores"] = pd.DataFrame(
            {
                "s_score": random.random_sample(N_OBS),
                "phase": pd.Categorical(["G1", "S"] * (N_OBS // 2)),
            },
            index=obs.index,
        )
    return adata
