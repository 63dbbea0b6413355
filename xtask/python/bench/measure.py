"""What is the same for every loader: warm files, time, memory, and a check of what was read.

A runner is started with one JSON object as its argument and prints one as its last line. It gives
`measure` a function that opens its data, and for each epoch an iterator over what training code
would get: the matrix of a batch, or of a single cell.
"""

import collections
import json
import platform
import resource
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

from fingerprint import fingerprints


def paths(spec):
    """Return the files that are read: one per file of the data, annbatch's own is one for all.

    If there are to be more or fewer `paths`, they come again and again in this order.
    """
    data = Path(spec["data"])
    if spec["format"] == "annbatch":
        return [data / "annbatch.zarr"]
    found = sorted((data / spec["format"]).iterdir())
    return [found[number % len(found)] for number in range(spec.get("paths", len(found)))]


def measure(spec, packages, open_loader):
    """Open the loader, iterate over it, and print what was seen.

    `open_loader` returns a function that starts an epoch. Whole epochs are timed until
    `seconds` have gone by; one that lasts longer than `at_most` is left there, but not before
    all cells that were read ahead in one go have been given out. The batch that comes too late
    does not count, and neither does the time that it took.
    """
    warm(set(paths(spec)))
    allow_files(len(paths(spec)))
    baseline = memory("VmRSS")
    opened = time.perf_counter()
    epoch = open_loader()
    opening = time.perf_counter() - opened
    opened_rss = memory("VmRSS")
    for _ in range(spec.get("epochs_before", 0)):
        for _ in epoch():
            pass
    cells, n_bytes, epochs, whole = 0, 0, 0, True
    window = spec["rows_ahead"] or 1
    started = time.perf_counter()
    elapsed = 0.0
    while whole and elapsed < spec["seconds"]:
        for matrix in epoch():
            now = time.perf_counter() - started
            if now > spec["at_most"] and cells > 0 and cells % window == 0:
                whole = False
                break
            cells += n_cells(matrix)
            n_bytes += size(matrix)
            elapsed = now
        else:
            elapsed = time.perf_counter() - started
        epochs += whole
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    result = {
        "cells": cells,
        "seconds": elapsed,
        "bytes": n_bytes,
        # 0 if the time was up before the end of the first.
        "epochs": epochs,
        "opening_seconds": opening,
        "baseline_rss": baseline,
        "opened_rss": opened_rss,
        "peak_rss": memory("VmHWM"),
        # Other children are what libraries start while they are imported.
        "worker_peak_rss": workers if spec["workers"] else 0,
        "versions": {"python": platform.python_version()}
        | {package: metadata.version(package) for package in packages},
        "check": check(spec, epoch) if spec["check_seconds"] else None,
    }
    print(json.dumps(result))


def warm(found):
    """Read all bytes, so that every loader finds the files in the page cache."""
    buffer = bytearray(1 << 22)
    for path in found:
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file():
                with open(file, "rb", buffering=0) as opened:
                    while opened.readinto(buffer):
                        pass


def allow_files(count):
    """Let this process have so many files open, which by default may be 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Besides those of the interpreter.
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            sys.exit(
                f"this system allows {hard} open files, but {wanted} are needed; see ulimit -n"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def memory(field):
    """Return a value of this process's memory in bytes: `VmRSS` now, `VmHWM` at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    sys.exit(f"this system does not say {field}")


def n_cells(matrix):
    """Return the number of cells in a batch; a vector is one cell."""
    return matrix.shape[0] if len(matrix.shape) > 1 else 1


def size(matrix):
    """Return the bytes of the values, and of the indices of a sparse matrix."""
    if type(matrix) is np.ndarray:
        return matrix.nbytes
    arrays = csr_arrays(matrix)
    return matrix.nbytes if arrays is None else sum(array.nbytes for array in arrays)


def csr_arrays(matrix):
    """Return data, indices and indptr of a CSR matrix of SciPy or torch; None if it is dense."""
    if hasattr(matrix, "indptr"):
        return matrix.data, matrix.indices, matrix.indptr
    if str(getattr(matrix, "layout", "")) == "torch.sparse_csr":
        return matrix.values(), matrix.col_indices(), matrix.crow_indices()
    return None


def check(spec, epoch):
    """Compare the cells of another epoch with those that were written; exits if one differs."""
    expected = np.load(Path(spec["data"]) / f"expected-{spec['join']}.npz")
    left = collections.Counter(expected["fingerprints"].tolist())
    cells, complete = 0, True
    started = time.perf_counter()
    for matrix in epoch():
        for fingerprint in fingerprints(as_rows(matrix), expected["weights"]).tolist():
            if left[fingerprint] == 0:
                sys.exit(f"cell {cells} of the epoch is none of those left: {fingerprint}")
            left[fingerprint] -= 1
            cells += 1
        if time.perf_counter() - started > spec["check_seconds"]:
            complete = False
            break
    if complete and left.total() > 0:
        sys.exit(f"the epoch lacked {left.total()} cells")
    return {"cells": cells, "complete": complete}


def as_rows(matrix):
    """Return a matrix of NumPy or SciPy."""
    from scipy import sparse

    arrays = csr_arrays(matrix)
    if arrays is not None:
        return sparse.csr_matrix(tuple(np.asarray(array) for array in arrays), matrix.shape)
    return np.atleast_2d(np.asarray(matrix))


def specification():
    """Return what to measure, as the command line says."""
    return json.loads(sys.argv[1])
