"""Loading artifacts and collections into memory: which suffix becomes what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from anndex._anndata import concat_anndata, read_anndata
from anndex.errors import InvalidInputError

if TYPE_CHECKING:
    from anndex._registry.artifact import Artifact

__all__ = ["load_artifact", "load_artifacts"]

ANNDATA = (".h5ad", ".h5", ".zarr", ".zarr.zip")
"""Suffixes of AnnData."""


def load_artifact(artifact: Artifact, **kwargs: Any) -> Any:
    """An artifact as an object in memory."""
    _kind([artifact])
    if kwargs:
        raise InvalidInputError(
            f"an AnnData is loaded as it is, without {', '.join(sorted(kwargs))}"
        )
    return read_anndata(str(artifact.path))


def load_artifacts(
    artifacts: Sequence[Artifact],
    paths: Sequence[str],
    join: Literal["inner", "outer"],
    **kwargs: Any,
) -> Any:
    """Artifacts as one object in memory."""
    if join not in ("inner", "outer"):
        raise InvalidInputError(f"join must be 'inner' or 'outer', but is {join!r}")
    _kind(artifacts)
    given = {"label", "keys", "axis"} & set(kwargs)
    if given:
        raise InvalidInputError(
            f"{', '.join(sorted(given))} can't be chosen: observations are concatenated, and the "
            "uids of their artifacts are in the column artifact_uid"
        )
    uids = [artifact.uid for artifact in artifacts]
    return concat_anndata(paths, join, "artifact_uid", uids, **kwargs)


def _kind(artifacts: Sequence[Artifact]) -> Literal["anndata"]:
    """What all artifacts become."""
    if not artifacts:
        raise InvalidInputError("the collection has no artifacts, so there is nothing to load")
    suffixes = sorted({artifact.suffix.lower() for artifact in artifacts})
    if all(suffix in ANNDATA for suffix in suffixes):
        return "anndata"
    raise InvalidInputError(
        f"what is loaded must be of one kind: AnnData ({', '.join(ANNDATA)}); here the suffixes "
        f"are {', '.join(suffix or 'none' for suffix in suffixes)}. Read what cache() gives, or "
        "make a collection of one kind"
    )
