"""Loading artifacts and collections into memory: which suffix becomes what."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from anndex._accessor import AnnDataAccessor
from anndex._anndata import concat_anndata, read_anndata
from anndex._checks import choice
from anndex._table import concat_tables, read_table
from anndex.errors import InvalidInputError

if TYPE_CHECKING:
    from anndex._registry.artifact import Artifact

__all__ = ["known_suffix", "load_artifact", "load_artifacts", "open_artifact"]

ANNDATA = (".h5ad", ".h5", ".zarr", ".zarr.zip")
"""Suffixes of AnnData."""

TABLES = (".parquet", ".csv", ".tsv", ".ipc", ".feather")
"""Suffixes of tables."""


def known_suffix(path: str) -> str:
    """The suffix of a file that has no record yet, in lower case."""
    name = path.lower()
    known = [suffix for suffix in ANNDATA + TABLES if name.endswith(suffix)]
    return max(known, key=len) if known else os.path.splitext(name)[1]


def load_artifact(artifact: Artifact, **kwargs: Any) -> Any:
    """An artifact as an object in memory."""
    kind = _kind([artifact])
    if kwargs:
        raise InvalidInputError(
            f"an artifact is loaded as it is, without {', '.join(sorted(kwargs))}"
        )
    path = artifact._content()  # pyright: ignore[reportPrivateUsage]
    return read_anndata(path) if kind == "anndata" else read_table(path)


def open_artifact(artifact: Artifact) -> AnnDataAccessor:
    """An artifact that stays in its file."""
    if _kind([artifact]) != "anndata":
        suffix = artifact._content_suffix()  # pyright: ignore[reportPrivateUsage]
        raise InvalidInputError(
            f"only AnnData is opened, but this is a table ({suffix}); load() gives a data frame"
        )
    return AnnDataAccessor(artifact._content())  # pyright: ignore[reportPrivateUsage]


def load_artifacts(
    artifacts: Sequence[Artifact],
    paths: Sequence[str],
    join: Literal["inner", "outer"],
    **kwargs: Any,
) -> Any:
    """Artifacts as one object in memory."""
    choice("join", join, "inner", "outer")
    if "axis" in kwargs:
        raise InvalidInputError("axis can't be chosen: rows are put below each other")
    if _kind(artifacts) == "table":
        return concat_tables(paths, join, **kwargs)
    given = {"label", "keys"} & set(kwargs)
    if given:
        raise InvalidInputError(
            f"{', '.join(sorted(given))} can't be chosen: the uids of the artifacts are in the "
            "column artifact_uid"
        )
    uids = [artifact.uid for artifact in artifacts]
    return concat_anndata(paths, join, "artifact_uid", uids, **kwargs)


def _kind(artifacts: Sequence[Artifact]) -> Literal["anndata", "table"]:
    """What all artifacts become."""
    if not artifacts:
        raise InvalidInputError("the collection has no artifacts, so there is nothing to load")
    suffixes = sorted(
        {artifact._content_suffix() for artifact in artifacts}  # pyright: ignore[reportPrivateUsage]
    )
    if all(suffix in ANNDATA for suffix in suffixes):
        return "anndata"
    if all(suffix in TABLES for suffix in suffixes):
        return "table"
    raise InvalidInputError(
        f"a collection is loaded if all its files are AnnData ({', '.join(ANNDATA)}) or all are "
        f"tables ({', '.join(TABLES)}), but the suffixes are "
        f"{', '.join(suffix or 'none' for suffix in suffixes)}; read the files that cache() gives, "
        "or make a collection of one kind"
    )
