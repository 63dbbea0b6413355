"""Collections: ordered, versioned lists of artifacts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast

from numpy.typing import DTypeLike

from anndex import _anndex as native
from anndex._arguments import AnyPath, Keys
from anndex._checks import flag, shown, text
from anndex._mapped import MappedCollection
from anndex._mapped_options import MappedOptions
from anndex._registry.artifact import Artifact, artifact_of
from anndex._registry.data import run_argument
from anndex._registry.field import Field
from anndex._registry.in_memory import is_anndata, is_data_frame
from anndex._registry.load import load_artifacts
from anndex._registry.preparable import Preparable
from anndex._registry.query_set import QuerySet
from anndex._warning import warn
from anndex.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd
    from typing_extensions import Self

    from anndex._registry.run import Run

__all__ = ["Collection", "collection_of"]


class Collection(Preparable):
    """An ordered, versioned list of artifacts.

    Parameters
    ----------
    artifacts : list of Artifact, path-like, DataFrame or AnnData
        Saved artifacts in their order; or a path or an object in memory, of which an artifact is
        made when the collection is saved.
    name : str, optional
        A name. It is needed for a list of artifacts, except for a new version; else it is the
        description or the name of the file.
    version : str, optional
        The version, at most 30 characters.
    description : str, optional
        A description.
    meta : Artifact or DataFrame, optional
        An artifact that describes the collection, and no other one.
    reference, reference_type : str, optional
        For instance an external ID or a URL, and its type, such as ``"url"``.
    run : Run or bool, optional
        The run that creates it. Default: the current one, if there is one; False for none.
    is_new_version_of : Collection, optional
        An old version, from which it takes name, description, reference and labels where none are
        given.

    Raises
    ------
    anndex.errors.AnndexError
        `ValueError` or `TypeError` if an argument does not fit.

    See Also
    --------
    Artifact

    Examples
    --------
    >>> import anndex as ln
    >>> collection = ln.Collection([artifact1, artifact2], name="My collection").save()
    >>> mapped = collection.mapped(obs_keys=["cell_type", "batch"])
    """

    __slots__ = ("_artifacts", "_meta")
    _kind = "collection"
    _plural = "collections"

    name: Field[str] = Field("Name or title of the collection.")
    reference: Field[str | None] = Field("A reference like URL or external ID.")
    reference_type: Field[str | None] = Field("Type of reference.")

    def __init__(
        self,
        artifacts: Sequence[Artifact] | Artifact | AnyPath | pd.DataFrame | ad.AnnData,
        name: str | None = None,
        version: str | None = None,
        description: str | None = None,
        meta: Artifact | pd.DataFrame | None = None,
        reference: str | None = None,
        reference_type: str | None = None,
        run: Run | bool | None = None,
        is_new_version_of: Collection | None = None,
    ) -> None:
        self._run = run_argument("run", run)
        text("name", name, optional=True)
        text("description", description, optional=True)
        self._check_old(is_new_version_of)
        if isinstance(artifacts, Artifact):
            artifacts = [artifacts]
        if name is None and is_new_version_of is not None:
            name = is_new_version_of.name
        self._artifacts: list[Artifact]
        if _is_path(artifacts) or is_data_frame(artifacts) or is_anndata(artifacts):
            name = name or description
            if name is None and _is_path(artifacts):
                name = os.path.basename(os.path.abspath(os.fsdecode(artifacts)))
            self._artifacts = [artifact_of(artifacts, description or name)]
        else:
            self._artifacts = _saved_artifacts(artifacts)
        if meta is None or isinstance(meta, Artifact):
            self._meta = meta
        else:
            self._meta = artifact_of(meta, f"meta data of {name}")
        values = {
            "name": name,
            "description": description,
            "reference": reference,
            "reference_type": reference_type,
            "visibility": 0,
        }
        self._new_version(is_new_version_of, version, values)

    def _insert(self) -> native.Record:
        meta = None if self._meta is None else _saved_with(self._meta)
        return self._instance.add_collection(
            {
                "artifacts": [_saved_with(one) for one in self._artifacts],
                "name": self.name,
                "description": self.description,
                "version": self._given_version,
                "reference": self.reference,
                "reference_type": self.reference_type,
                "meta": meta,
                "is_new_version_of": self._old_native(),
                "run": self._run,
            }
        )

    @property
    def artifacts(self) -> QuerySet[Artifact]:
        """The artifacts in their order."""
        return self._related(Artifact, "collections", position="artifacts")

    @property
    def unordered_artifacts(self) -> QuerySet[Artifact]:
        """The artifacts in no particular order."""
        return self._related(Artifact, "collections")

    @property
    def artifact(self) -> Artifact | None:
        """The meta artifact."""
        if self._native is None:
            return self._meta
        return self._referenced(Artifact, "artifact_id")

    def cache(self, is_run_input: bool | Run | None = None, *, progress: bool = True) -> list[Path]:
        """Get local paths of the artifacts, in their order; local ones stay where they are.

        What is at URLs is copied into the local cache; only what is missing or outdated is moved.

        Parameters
        ----------
        is_run_input : bool or Run, optional
            Whether to track the collection as an input of the current run, which is done if there
            is one, or the run to track it for.
        progress : bool, default True
            Whether to show how far it is, where standard error is a terminal.
        """
        run = run_argument("is_run_input", is_run_input)
        return self._saved().cache(run, flag("progress", progress))

    def stage(self, is_run_input: bool | Run | None = None, *, progress: bool = True) -> list[Path]:
        """Do the same as `cache`."""
        return self.cache(is_run_input, progress=progress)

    def mapped(
        self,
        layers_keys: Keys = None,
        obs_keys: Keys = None,
        obsm_keys: Keys = None,
        obs_filter: Mapping[str, Any] | None = None,
        join: Literal["inner", "outer"] | None = "inner",
        encode_labels: bool | list[str] = True,
        unknown_label: Any | dict[str, Any] | None = None,
        cache_categories: bool = True,
        parallel: bool = False,
        dtype: DTypeLike | None = None,
        stream: bool = False,
        is_run_input: bool | Run | None = None,
        *,
        label_keys: Keys = None,
        cache_dir: AnyPath | None = None,
        chunk_cache: int | str = "128MiB",
        stream_gap: int | str = "64KiB",
        stream_requests: int = 64,
        names: Sequence[str] | None = None,
    ) -> MappedCollection:
        """Map the artifacts, which must be AnnData, as one dataset that is indexed by observation.

        Parameters
        ----------
        layers_keys, obs_keys, obsm_keys, obs_filter, join, encode_labels, unknown_label
            As for `MappedCollection`.
        cache_categories, parallel, dtype
            As for `MappedCollection`.
        stream : bool, default False
            Read artifacts at URLs in place, unless they are in the local cache, instead of bringing
            them there first. Those in local storages are always read in place.
        is_run_input : bool or Run, optional
            Whether to track the collection as an input of the current run, which is done if there
            is one, or the run to track it for.
        label_keys : str or list of str, optional
            The name that `obs_keys` had; deprecated.
        cache_dir : path-like, optional
            As for `MappedCollection`. Default: the cache of the instance.
        chunk_cache, stream_gap, stream_requests
            As for `MappedCollection`.
        names : list of str, optional
            What the artifacts are called in warnings. Default: their keys, or their uids.

        Returns
        -------
        MappedCollection
            A map-style dataset for PyTorch.

        Examples
        --------
        >>> mapped = collection.mapped(obs_keys=["cell_type", "batch"])
        >>> loader = DataLoader(mapped, batch_size=128, shuffle=True)
        """
        if label_keys is not None:
            if obs_keys is not None:
                raise InvalidInputError("label_keys is the old name of obs_keys; give only one")
            warn("label_keys is deprecated, use obs_keys", DeprecationWarning)
            obs_keys = label_keys
        options = MappedOptions(
            layers_keys=layers_keys,
            obs_keys=obs_keys,
            obsm_keys=obsm_keys,
            obs_filter=obs_filter,
            join=join,
            encode_labels=encode_labels,
            unknown_label=unknown_label,
            cache_categories=cache_categories,
            parallel=parallel,
            dtype=dtype,
            cache_dir=cache_dir,
            chunk_cache=chunk_cache,
            stream_gap=stream_gap,
            stream_requests=stream_requests,
            names=names,
        )
        mapped = MappedCollection._of_record(  # pyright: ignore[reportPrivateUsage]
            self._saved(), options, flag("stream", stream)
        )
        try:
            self._track_input(is_run_input)
        except BaseException:
            mapped.close()
            raise
        return mapped

    def load(
        self,
        join: Literal["inner", "outer"] = "outer",
        is_run_input: bool | Run | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load the collection into memory: one concatenated AnnData, or one data frame.

        The result is that of ``anndata.concat(artifacts, join=join, label="artifact_uid",
        keys=uids)``, whose matrices are read straight into their place, on all cores; of tables it
        is that of ``pandas.concat(artifacts, join=join)``.

        Parameters
        ----------
        join : "inner" or "outer"
            Whether it has the variables, columns and keys that all artifacts have, or all that any
            has.
        is_run_input : bool or Run, optional
            Whether to track the collection as an input of the current run, which is done if there
            is one, or the run to track it for.
        **kwargs
            Further parameters of ``anndata.concat``, such as ``index_unique`` or ``merge``, or of
            ``pandas.concat``. With others than ``index_unique`` all artifacts are in memory at
            once, beside the result.

        Raises
        ------
        anndex.errors.AnndexError
            `ValueError` if the artifacts are of different kinds or can't be concatenated,
            `FileNotFoundError` if one is not in its storage any more, `NotImplementedError` if one
            has something that can't be read.
        """
        paths = [str(path) for path in self.cache(is_run_input=False)]
        loaded = load_artifacts(list(self.artifacts), paths, join, **kwargs)
        self._track_input(is_run_input)
        return loaded

    def save(self, using: AnyPath | None = None) -> Self:
        """Save the collection and underlying artifacts to database and storage.

        If the same content in the same order is registered already and not in the trash, this
        becomes that record, with the description, reference and run given here. It keeps its name,
        of which a warning tells if it is another one, as it does of an unrelated collection of the
        same name.

        Parameters
        ----------
        using : path-like, optional
            The directory of another instance, into which the collection is then copied; see
            `Artifact.save`.

        Returns
        -------
        The record itself.

        Examples
        --------
        >>> collection = ln.Collection("./myfile.csv", name="myfile")
        >>> collection.save()
        """
        return super().save(using)


def _is_path(data: object) -> TypeGuard[AnyPath]:
    return isinstance(data, (str, bytes, os.PathLike))


def _saved_artifacts(artifacts: Any) -> list[Artifact]:
    """A list of saved artifacts."""
    if not isinstance(artifacts, Iterable):
        raise InvalidTypeError(
            f"artifacts must be a list of artifacts, a path, a DataFrame or an AnnData, but is "
            f"{shown(artifacts)}"
        )
    try:
        listed = list(cast("Any", artifacts))
    except TypeError:
        raise InvalidTypeError(f"artifacts must be a list, but is {shown(artifacts)}") from None
    for position, one in enumerate(listed):
        if not isinstance(one, Artifact):
            raise InvalidTypeError(f"a collection holds artifacts, but this is {shown(one)}")
        if one._native is None:  # pyright: ignore[reportPrivateUsage]
            raise InvalidInputError(
                f"artifact {position} is not saved; save artifacts before making a collection"
            )
    return listed


def _saved_with(artifact: Artifact) -> native.Record:
    """The record of an artifact, which is saved with the collection if it was not before."""
    if artifact._native is None:  # pyright: ignore[reportPrivateUsage]
        artifact.save()
    return artifact._saved()  # pyright: ignore[reportPrivateUsage]


def collection_of(
    data: AnyPath | pd.DataFrame | ad.AnnData,
    key: str | None = None,
    description: str | None = None,
    version: str | None = None,
    is_new_version_of: Collection | None = None,
    run: Run | bool | None = None,
    *,
    name: str | None = None,
    meta: Artifact | pd.DataFrame | None = None,
    storage: Any = None,
) -> Collection:
    """The collection of one artifact, from what the artifact is made of."""
    if key is not None or storage is not None:
        raise InvalidInputError(
            "with a name or meta this makes a collection, which has no key and no storage; make "
            "the artifact first, and then anndex.Collection([artifact], name=..., meta=...)"
        )
    if is_new_version_of is not None and not isinstance(is_new_version_of, Collection):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTypeError(
            "with a name or meta this makes a collection, so is_new_version_of must be one"
        )
    return Collection(
        data,
        name=name,
        version=version,
        description=description,
        meta=meta,
        run=run,
        is_new_version_of=is_new_version_of,
    )
