"""Measure loading a collection into memory: by this project, or by anndata and pandas.

Takes one JSON object: the `paths`, the `join`, and by whom they are loaded. Prints one with the
seconds, the memory before and at the peak, and what was loaded in a few numbers.
"""

import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow.pandas_compat  # counted among the imports, not the loading
import pyarrow.parquet  # noqa: F401
import scipy.sparse as sp

from anndex._anndata import concat_anndata
from anndex._table import concat_tables
from measure import memory, warm


def load(spec):
    """Return the function that loads."""
    paths, join, table = spec["paths"], spec["join"], spec["table"]
    keys = [f"artifact{number}" for number in range(len(paths))]
    arguments = {"join": join, "label": "artifact_uid", "keys": keys}
    if spec["by"] == "anndex":
        if table:
            return lambda: concat_tables(paths, join)
        return lambda: concat_anndata(paths, **arguments)
    if table:
        read = pd.read_parquet if paths[0].endswith(".parquet") else pd.read_csv
        return lambda: pd.concat([read(path) for path in paths], join=join)
    read = ad.read_zarr if paths[0].endswith(".zarr") else ad.read_h5ad
    return lambda: ad.concat([read(path) for path in paths], **arguments)


def summary(loaded):
    """Return a few numbers that differ where the loaded objects do."""
    if isinstance(loaded, pd.DataFrame):
        numbers = loaded.select_dtypes("number")
        return {
            "shape": list(loaded.shape),
            "dtypes": [str(dtype) for dtype in loaded.dtypes],
            "sum": float(np.nansum(numbers.to_numpy("float64"))),
        }
    values = loaded.X.data if sp.issparse(loaded.X) else loaded.X
    return {
        "shape": list(loaded.shape),
        "dtypes": [str(values.dtype)] + [str(dtype) for dtype in loaded.obs.dtypes],
        "sum": float(np.nansum(values, dtype="float64")),
    }


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    warm(Path(path) for path in spec["paths"])
    work = load(spec)
    baseline = memory("VmRSS")
    started = time.perf_counter()
    loaded = work()
    seconds = time.perf_counter() - started
    packages = ["anndata", "anndex", "pandas", "pyarrow", "numpy", "scipy", "h5py", "zarr"]
    report = {
        "seconds": seconds,
        "baseline_rss": baseline,
        "peak_rss": memory("VmHWM"),
        "loaded": summary(loaded),
        "versions": {"python": platform.python_version()}
        | {package: metadata.version(package) for package in packages},
    }
    print(json.dumps(report))
