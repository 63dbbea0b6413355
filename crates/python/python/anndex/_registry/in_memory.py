"""Objects in memory as files that can be registered."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from anndex._checks import explained, shown
from anndex.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

__all__ = ["TemporaryFile", "is_anndata", "is_data_frame", "write_anndata", "write_data_frame"]


class TemporaryFile:
    """A file or directory in a directory of its own, which goes away with this object."""

    __slots__ = ("__weakref__", "_remove", "path")

    def __init__(self, name: str) -> None:
        directory = tempfile.mkdtemp(prefix="anndex-")
        self._remove = weakref.finalize(self, _remove, directory, os.getpid())
        self.path = os.path.join(directory, name)

    def remove(self) -> None:
        """Remove it now."""
        self._remove()


def _remove(directory: str, process: int) -> None:
    # A process that was forked has what belongs to its parent.
    if os.getpid() == process:
        shutil.rmtree(directory, ignore_errors=True)


def is_data_frame(data: object) -> TypeGuard[pd.DataFrame]:
    """Whether this is a pandas data frame."""
    return _is_instance(data, "pandas", "DataFrame")


def is_anndata(data: object) -> TypeGuard[ad.AnnData]:
    """Whether this is an AnnData."""
    return _is_instance(data, "anndata", "AnnData")


def write_data_frame(df: Any, key: str | None) -> TemporaryFile:
    """A parquet file of a data frame; equal frames give equal files."""
    if not is_data_frame(df):
        raise InvalidTypeError(f"df must be a pandas.DataFrame, but is {shown(df)}")
    _check_suffix(key, ".parquet")
    file = TemporaryFile("dataframe.parquet")
    with explained("the data frame can't be stored as parquet, for which pandas needs pyarrow"):
        df.to_parquet(file.path)
    return file


def write_anndata(adata: Any, key: str | None) -> TemporaryFile:
    """An ``.h5ad`` file of an AnnData, or a ``.zarr`` directory if the key says so."""
    if not is_anndata(adata):
        raise InvalidTypeError(f"adata must be an AnnData, but is {shown(adata)}")
    if adata.isbacked:
        raise InvalidInputError(
            f"the AnnData is backed by a file; register that file (path: {adata.filename})"
        )
    suffix = _check_suffix(key, ".h5ad", ".zarr")
    file = TemporaryFile(f"anndata{suffix}")
    write: Any = cast("Any", adata).write_zarr if suffix == ".zarr" else adata.write_h5ad
    with explained("the AnnData can't be stored"):
        write(file.path)
    return file


def _check_suffix(key: str | None, *suffixes: str) -> str:
    """The suffix that the key has, or the first one for no key."""
    if key is None:
        return suffixes[0]
    for suffix in suffixes:
        if key.endswith(suffix):
            return suffix
    raise InvalidInputError(f"the key must end with {' or '.join(suffixes)}, but is {key!r}")


def _is_instance(data: object, module: str, name: str) -> bool:
    # Who has such an object has imported its package.
    found = sys.modules.get(module)
    return found is not None and isinstance(data, getattr(found, name, ()))
