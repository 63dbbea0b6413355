"""Measure SciPy with all data in memory: what a loader without files would reach."""

import anndata as ad
import numpy as np
from scipy import sparse

from measure import measure, paths, specification


def open_loader(spec):
    """Return a function that starts an epoch."""
    matrix = sparse.vstack([ad.read_h5ad(path).X for path in paths(spec)], format="csr")
    random = np.random.default_rng(spec["seed"])
    batch_size, dense = spec["batch_size"], spec["output"].startswith("dense")

    def epoch():
        order = random.permutation(matrix.shape[0])
        for start in range(0, order.size, batch_size):
            rows = matrix[order[start : start + batch_size]]
            yield rows.toarray() if dense else rows

    return epoch


if __name__ == "__main__":
    spec = specification()
    measure(spec, ["scipy", "anndata", "numpy"], lambda: open_loader(spec))
