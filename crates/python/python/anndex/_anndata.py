"""AnnData in memory: what the native module has read, as anndata's own objects.

Matrices take over the memory that they were read into. What pandas and anndata have rules of their
own for, the types of columns of several tables, is left to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from anndex import _anndex as native
from anndex._checks import explained
from anndex._warning import warn
from anndex.errors import CorruptError, MissingPackageError

if TYPE_CHECKING:
    import anndata as ad

__all__ = ["concat_anndata", "frame", "mapping", "package", "read_anndata", "value"]


def read_anndata(path: str) -> ad.AnnData:
    """Read a whole file.

    Raises
    ------
    anndex.errors.AnndexError
        As the native module; `ImportError` if anndata is not installed.
    """
    read = native.read_anndata(path)
    with _made_of(path):
        return _adata(read)


def concat_anndata(
    paths: Sequence[str],
    join: Literal["inner", "outer"],
    label: str,
    keys: Sequence[str],
    **kwargs: Any,
) -> ad.AnnData:
    """Concatenate files as ``anndata.concat`` does, whose other parameters are those of it.

    Raises
    ------
    anndex.errors.AnndexError
        As the native module; `ImportError` if anndata is not installed.
    """
    anndata = package()
    arguments: Any = {"join": join, "label": label, "keys": list(keys), **kwargs}
    if not set(kwargs) <= {"index_unique"}:
        # What is merged, filled or paired in another way is not concatenated while it is read.
        parts = [read_anndata(path) for path in paths]
        with explained(_NOT_JOINED):
            return cast("ad.AnnData", anndata.concat(parts, **arguments))
    joined, own = native.concat_anndata(list(paths), join)
    tables: list[Any] = []
    for path, part in zip(paths, own, strict=True):
        with _made_of(path):
            table = anndata.AnnData(obs=frame(part["obs"]), obsm=mapping(part["obsm"]))
        tables.append(table)
    with explained(_NOT_JOINED):
        annotated: Any = anndata.concat(tables, **arguments)
        joined["obs"] = annotated.obs
        return _adata(joined, dict(annotated.obsm))


_NOT_JOINED = "the AnnData can't be concatenated with these parameters of anndata.concat"


def _made_of(path: str) -> AbstractContextManager[None]:
    """Says that anndata refuses what is in a file."""
    message = "the file was read, but anndata can't have what is in it; write it anew"
    return explained(message, CorruptError, path)


def package() -> Any:
    """Import anndata."""
    try:
        import anndata
    except ImportError as error:
        raise MissingPackageError(
            f"what is loaded becomes an AnnData; pip install anndata ({error})"
        ) from None
    return anndata


def _adata(read: dict[str, Any], tables: dict[str, Any] | None = None) -> ad.AnnData:
    raw = read["raw"]
    if raw is not None:
        raw = {
            "X": value(raw["X"]),
            "var": frame(raw["var"]),
            "varm": mapping(raw["varm"]),
        }
    obs = read["obs"]
    adata: Any = package().AnnData(
        X=value(read["X"]),
        obs=frame(obs) if isinstance(obs, tuple) else obs,
        var=frame(read["var"]),
        layers=mapping(read["layers"]),
        obsm={**mapping(read["obsm"]), **(tables or {})},
        varm=mapping(read["varm"]),
        obsp=mapping(read["obsp"]),
        varp=mapping(read["varp"]),
        uns=mapping(read["uns"]),
        raw=raw,
    )
    return cast("ad.AnnData", adata)


def mapping(values: dict[str, Any]) -> dict[str, Any]:
    """Values by name, without those whose package is missing: a warning names them."""
    made: dict[str, Any] = {}
    for name, one in values.items():
        try:
            made[name] = value(one)
        except MissingPackageError as error:
            warn(f"left out {name!r}: {error}")
    return made


def value(given: Any) -> Any:
    """One of the values that the native module describes by tuples."""
    if isinstance(given, dict):
        return mapping(cast("dict[str, Any]", given))
    if isinstance(given, np.ndarray):
        array = cast("Any", given)
        return array if array.ndim else array.item()
    return _described(cast("Any", given)) if isinstance(given, tuple) else given


def _described(parts: tuple[Any, ...]) -> Any:
    """What a tuple stands for, by its first item."""
    kind = parts[0]
    if kind == "frame":
        return frame(parts)
    if kind in ("csr", "csc"):
        return _sparse(*parts)
    if kind == "texts":
        _, texts, shape = parts
        array: Any = np.empty(len(texts), dtype=object)
        array[:] = texts
        return array.reshape(shape)
    if kind == "records":
        return _records(*parts[1:])
    if kind == "awkward":
        return _awkward(*parts[1:])
    return _column(parts)


def _sparse(kind: str, data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> Any:
    sp: Any = import_module("scipy.sparse")
    if data.dtype == np.float16:
        # SciPy has none.
        data = data.astype(np.float32)
    made = sp.csr_matrix if kind == "csr" else sp.csc_matrix
    return made((data, indices, indptr), shape=shape)


def _records(fields: list[tuple[str, Any]], shape: list[int]) -> Any:
    arrays = {name: _field(values, shape) for name, values in fields}
    parts = [arrays.get("r"), arrays.get("i")]
    if len(arrays) == 2 and all(part is not None and part.dtype in ("f4", "f8") for part in parts):
        # As HDF5 has complex numbers.
        numbers: Any = np.empty(shape, dtype=np.result_type(*parts, np.complex64))
        numbers.real, numbers.imag = arrays["r"], arrays["i"]
        return numbers if numbers.ndim else numbers.item()
    types = [(name, array.dtype, array.shape[len(shape) :]) for name, array in arrays.items()]
    records = np.empty(shape, dtype=types)
    for name, array in arrays.items():
        records[name] = array
    return records[()]


def _field(values: Any, shape: list[int]) -> Any:
    if not isinstance(values, list):
        return values
    texts = cast("list[str]", values)
    array: Any = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape if len(texts) == np.prod(shape, dtype=int) else (*shape, -1))


def _awkward(form: str, length: int, buffers: list[tuple[str, Any]]) -> Any:
    try:
        ak: Any = import_module("awkward")
    except ImportError:
        raise MissingPackageError(
            "an awkward array needs the package for them; pip install awkward"
        ) from None
    try:
        return ak.from_buffers(form, length, dict(buffers))
    except Exception as error:
        # The package has no error of its own for what is damaged.
        raise CorruptError(f"an awkward array can't be put together: {error}") from error


def frame(given: Any) -> Any:
    """A data frame that the native module describes."""
    import pandas as pd

    _, index, name, columns = given
    labels: Any = index
    if isinstance(index, list):
        labels = pd.Index(cast("list[str]", index), dtype="str")
    return pd.DataFrame(
        {column: _column(values) for column, values in columns},
        index=pd.Index(labels, name=name),
        columns=pd.Index([column for column, _ in columns], dtype="str"),
        copy=False,
    )


def _column(column: Any) -> Any:
    """A column, or an array of pandas's in ``uns``."""
    import pandas as pd

    if isinstance(column, np.ndarray):
        return cast("Any", column)
    if isinstance(column, list):
        return pd.Series(cast("list[str]", column), dtype="str").array
    if column[0] == "categorical":
        _, codes, categories, ordered = column
        known: Any = pd.Index(_column(categories))
        dtype = pd.CategoricalDtype(known, ordered=ordered)
        return pd.Categorical.from_codes(codes, dtype=dtype)
    _, values, mask, is_nan = column
    if isinstance(values, list):
        pairs: Any = zip(cast("list[str]", values), mask, strict=True)
        texts: list[str | None] = [None if missing else text for text, missing in pairs]
        # With NaN it is what pandas 3 makes of any text, and an older one of objects.
        return pd.Series(texts, dtype="str" if is_nan else "string").array
    if values.dtype == np.bool_:
        return pd.arrays.BooleanArray(values, mask)
    return pd.arrays.IntegerArray(values, mask)
