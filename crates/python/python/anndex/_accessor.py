"""A look at an AnnData that stays in its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from anndex import _anndex as native
from anndex._anndata import frame, mapping, package, read_anndata, value
from anndex._checks import explained, shown
from anndex._registry.paths import location
from anndex._warning import warn
from anndex.errors import (
    InvalidIndexError,
    InvalidTypeError,
    KeyNotFoundError,
    UnsupportedError,
)

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

__all__ = ["AnnDataAccessor", "AnnDataAccessorSubset", "BackedMatrix", "BackedRaw"]


class BackedMatrix:
    """A matrix in a file: rows are read when they are indexed.

    ``matrix[rows]`` and ``matrix[rows, columns]`` take integers, slices, lists, arrays of integers
    and masks, and give NumPy arrays or SciPy's sparse matrices, of two dimensions.
    """

    __slots__ = ("_key", "_native", "dtype", "format", "shape")

    def __init__(self, backed: native.Backed, key: str, found: tuple[str, str, list[int]]) -> None:
        self._native = backed
        self._key = key
        encoding, dtype, shape = found
        self.format = encoding
        """How it is stored: ``"array"``, ``"csr_matrix"``, ``"csc_matrix"`` or ``"dataframe"``."""
        self.dtype = dtype
        """The type of the values, in NumPy's words."""
        self.shape = tuple(shape)
        """Extent along each axis."""

    def __repr__(self) -> str:
        size = " × ".join(str(extent) for extent in self.shape)
        return f"{type(self).__name__}: {self.format} of {self.dtype}, {size}"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        rows, columns = _pair(index)
        chosen = positions(rows, self.shape[0])
        loaded = self._rows(chosen)
        if isinstance(columns, slice) and columns == slice(None):
            return loaded
        return loaded[:, positions(columns, self.shape[1])]

    def _rows(self, chosen: NDArray[np.int64]) -> Any:
        rising, places = np.unique(chosen, return_inverse=True)
        loaded = value(self._native.rows(self._key, rising.tolist()))
        if self.format == "dataframe":
            return loaded.iloc[chosen]
        return loaded if len(rising) == len(chosen) and _rises(chosen) else loaded[places]

    def to_memory(self) -> Any:
        """Read all of it."""
        return value(self._native.rows(self._key, None))


class _Matrices(Mapping[str, BackedMatrix]):
    """The matrices of ``layers``, ``obsm`` and other mappings."""

    __slots__ = ("_names", "_native", "_prefix")

    def __init__(self, backed: native.Backed, prefix: str) -> None:
        self._native = backed
        self._prefix = prefix
        self._names = backed.keys(prefix)

    def __getitem__(self, name: str) -> BackedMatrix:
        matrix = None
        if isinstance(name, str) and name in self._names:  # pyright: ignore[reportUnnecessaryIsInstance]
            matrix = _matrix(self._native, f"{self._prefix}/{name}")
        if matrix is None:
            raise KeyNotFoundError(
                f"there is no {shown(name)} in {self._prefix}; there are: {', '.join(self._names)}"
            )
        return matrix

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"{self._prefix}: {', '.join(self._names)}"


class BackedRaw:
    """What is kept under ``raw`` in a file: more variables than the rest of it has."""

    __slots__ = ("_native", "_var")

    def __init__(self, backed: native.Backed, var: tuple[Any, ...]) -> None:
        self._native = backed
        self._var = frame(var)

    @property
    def X(self) -> BackedMatrix | None:
        """The matrix of observations × the variables of `var`."""
        return _matrix(self._native, "raw.X")

    @property
    def var(self) -> pd.DataFrame:
        """The annotations of these variables."""
        return cast("pd.DataFrame", self._var)

    @property
    def varm(self) -> Mapping[str, BackedMatrix]:
        """Matrices and tables of these variables × anything."""
        return _Matrices(self._native, "raw.varm")

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {len(self.var)} variables"


class AnnDataAccessor:
    """An AnnData that stays in its file, and is read piece by piece.

    Indexing it like an AnnData, by positions, masks or names, gives an `AnnDataAccessorSubset`,
    whose ``to_memory()`` reads no more rows than it has.

    Examples
    --------
    >>> backed = artifact.open()
    >>> backed.X[:10]
    >>> t_cells = backed[backed.obs["cell_type"] == "T cell"].to_memory()
    """

    __slots__ = ("_native", "_obs", "_var", "filename")

    def __init__(self, path: str) -> None:
        path = location(path)
        self._native = native.Backed(path)
        self.filename = path
        """The file."""
        self._obs: Any = None
        self._var: Any = None

    @property
    def shape(self) -> tuple[int, int]:
        """The number of observations and of variables."""
        return self._native.shape()

    @property
    def n_obs(self) -> int:
        """The number of observations."""
        return self.shape[0]

    @property
    def n_vars(self) -> int:
        """The number of variables."""
        return self.shape[1]

    def __len__(self) -> int:
        return self.n_obs

    @property
    def obs(self) -> pd.DataFrame:
        """The annotations of the observations, read on first use."""
        if self._obs is None:
            self._obs = frame(self._native.frame("obs"))
        return cast("pd.DataFrame", self._obs)

    @property
    def var(self) -> pd.DataFrame:
        """The annotations of the variables, read on first use."""
        if self._var is None:
            self._var = frame(self._native.frame("var"))
        return cast("pd.DataFrame", self._var)

    @property
    def obs_names(self) -> pd.Index[Any]:
        """The names of the observations."""
        return self.obs.index

    @property
    def var_names(self) -> pd.Index[Any]:
        """The names of the variables."""
        return self.var.index

    @property
    def X(self) -> BackedMatrix | None:
        """The matrix of observations × variables."""
        return _matrix(self._native, "X")

    @property
    def layers(self) -> Mapping[str, BackedMatrix]:
        """More matrices of observations × variables."""
        return _Matrices(self._native, "layers")

    @property
    def obsm(self) -> Mapping[str, BackedMatrix]:
        """Matrices and tables of observations × anything."""
        return _Matrices(self._native, "obsm")

    @property
    def varm(self) -> Mapping[str, BackedMatrix]:
        """Matrices and tables of variables × anything."""
        return _Matrices(self._native, "varm")

    @property
    def obsp(self) -> Mapping[str, BackedMatrix]:
        """Matrices of observations × observations."""
        return _Matrices(self._native, "obsp")

    @property
    def varp(self) -> Mapping[str, BackedMatrix]:
        """Matrices of variables × variables."""
        return _Matrices(self._native, "varp")

    @property
    def raw(self) -> BackedRaw | None:
        """What is kept under ``raw``, if anything."""
        var = self._native.raw_var()
        return None if var is None else BackedRaw(self._native, var)

    @property
    def uns(self) -> dict[str, Any]:
        """Whatever else is kept in the file, read each time."""
        return mapping(self._native.uns())

    def __getitem__(self, index: Any) -> AnnDataAccessorSubset:
        obs, var = _pair(index)
        return AnnDataAccessorSubset(
            self,
            positions(obs, self.n_obs, lambda: self.obs_names),
            None if _is_all(var) else positions(var, self.n_vars, lambda: self.var_names),
        )

    def to_memory(self) -> ad.AnnData:
        """Read all of it, as ``load()`` does."""
        return read_anndata(self.filename)

    def __repr__(self) -> str:
        lines = [f"AnnDataAccessor object with n_obs × n_vars = {self.n_obs} × {self.n_vars}"]
        lines.append(f"  constructed for the AnnData file {self.filename}")
        for name, keys in (
            ("obs", list(self.obs.columns)),
            ("var", list(self.var.columns)),
            ("layers", list(self.layers)),
            ("obsm", list(self.obsm)),
            ("varm", list(self.varm)),
            ("obsp", list(self.obsp)),
            ("varp", list(self.varp)),
        ):
            if keys:
                lines.append(f"    {name}: {keys}")
        return "\n".join(lines)


class AnnDataAccessorSubset:
    """Some observations and variables of an AnnData in a file."""

    __slots__ = ("_accessor", "_obs", "_var")

    def __init__(
        self, accessor: AnnDataAccessor, obs: NDArray[np.int64], var: NDArray[np.int64] | None
    ) -> None:
        self._accessor = accessor
        self._obs = obs
        self._var = var

    @property
    def shape(self) -> tuple[int, int]:
        """The number of observations and of variables."""
        return len(self._obs), self._accessor.n_vars if self._var is None else len(self._var)

    @property
    def obs(self) -> pd.DataFrame:
        """The annotations of the observations."""
        return self._accessor.obs.iloc[self._obs]

    @property
    def var(self) -> pd.DataFrame:
        """The annotations of the variables."""
        var = self._accessor.var
        return var if self._var is None else var.iloc[self._var]

    def to_memory(self) -> ad.AnnData:
        """Read them, as ``adata[obs, var].copy()`` has them, with no more rows than these."""
        accessor = self._accessor
        rows, columns = self._obs, slice(None) if self._var is None else self._var
        # anndata's own rules decide what becomes of categories that do not occur any more, and of
        # their colours in uns.
        tables: Any = package().AnnData(obs=accessor.obs, var=accessor.var, uns=accessor.uns)
        tables = tables[rows, columns].copy()
        x, raw = accessor.X, accessor.raw
        raw_x = None if raw is None else raw.X
        left_out: list[str] = []
        adata: Any = package().AnnData(
            X=None if x is None else x[rows, columns],
            obs=tables.obs,
            var=tables.var,
            layers=_parts(accessor.layers, (rows, columns), left_out),
            obsm=_parts(accessor.obsm, rows, left_out),
            varm=_parts(accessor.varm, columns, left_out),
            obsp=_parts(accessor.obsp, (rows, rows), left_out),
            varp=_parts(accessor.varp, (columns, columns), left_out),
            uns=tables.uns,
            raw=None
            if raw is None or raw_x is None
            else {
                "X": raw_x[rows],
                "var": raw.var,
                "varm": _parts(raw.varm, slice(None), left_out),
            },
        )
        if left_out:
            warn(f"parts that can't be read row by row are left out: {'; '.join(left_out)}")
        return cast("ad.AnnData", adata)

    def __repr__(self) -> str:
        n_obs, n_vars = self.shape
        return f"AnnDataAccessorSubset object with n_obs × n_vars = {n_obs} × {n_vars}"


def _parts(matrices: Mapping[str, BackedMatrix], index: Any, left_out: list[str]) -> dict[str, Any]:
    """A part of each matrix; what can't be read is noted."""
    parts: dict[str, Any] = {}
    for name in matrices:
        try:
            parts[name] = matrices[name][index]
        except UnsupportedError as error:
            left_out.append(f"{name} ({error})")
    return parts


def _matrix(backed: native.Backed, key: str) -> BackedMatrix | None:
    found = backed.matrix(key)
    return None if found is None else BackedMatrix(backed, key, found)


def _pair(index: Any) -> tuple[Any, Any]:
    """An index along each axis, all of the second unless it is given."""
    if not isinstance(index, tuple):
        return index, slice(None)
    if len(cast("Any", index)) != 2:
        raise InvalidIndexError("an AnnData has two axes: give one index, or two")
    return cast("tuple[Any, Any]", index)


def _is_all(index: Any) -> bool:
    return isinstance(index, slice) and index == slice(None)


def _rises(chosen: NDArray[np.int64]) -> bool:
    return bool(np.all(chosen[1:] > chosen[:-1]))


def positions(index: Any, length: int, names: Any = None) -> NDArray[np.int64]:
    """The positions that an index means: a position, a slice, a mask, names, or many positions."""
    if isinstance(index, slice):
        with explained("a slice is of positions", InvalidIndexError):
            return np.arange(length, dtype=np.int64)[index]
    if isinstance(index, str) or not hasattr(index, "__len__"):
        index = [index]
    with explained("an index has one dimension", InvalidIndexError):
        array: NDArray[Any] = np.asarray(index)
    if array.ndim != 1:
        raise InvalidIndexError(f"an index has one dimension, but this has {array.ndim}")
    if array.dtype == np.bool_:
        if len(array) != length:
            raise InvalidIndexError(f"a mask needs {length} values, but has {len(array)}")
        return np.flatnonzero(array)
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.dtype.kind in "iu":
        wrong = array[(array < -length) | (array >= length)]
        chosen = array.astype(np.int64)
        if wrong.size:
            raise InvalidIndexError(f"{shown(int(wrong[0]))} is out of range: there are {length}")
        return np.where(chosen < 0, chosen + length, chosen)
    if names is None:
        raise InvalidTypeError(f"an index is positions, a slice or a mask, but not {shown(index)}")
    with explained("these names can't be looked up; index by positions"):
        found = np.asarray(names().get_indexer(array), dtype=np.int64)
    if (found < 0).any():
        raise KeyNotFoundError(f"there is no {shown(array[int(np.argmin(found))])}")
    return found
