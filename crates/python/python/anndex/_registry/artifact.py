"""Artifacts: files and directories in storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anndex import _anndex as native
from anndex._arguments import AnyPath
from anndex._checks import flag, shown
from anndex._registry.data import Data, run_argument
from anndex._registry.field import Field
from anndex._registry.in_memory import (
    TemporaryFile,
    is_anndata,
    is_data_frame,
    write_anndata,
    write_data_frame,
)
from anndex._registry.load import known_suffix, load_artifact, open_artifact
from anndex._registry.paths import is_url, location
from anndex._registry.query_set import QuerySet
from anndex._registry.user import Storage, storage_argument
from anndex.errors import AnndexError, InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

    from anndex._accessor import AnnDataAccessor
    from anndex._registry.collection import Collection
    from anndex._registry.run import Run

__all__ = ["Artifact", "artifact_of"]


class Artifact(Data):
    """An immutable dataset in storage: a file or a directory.

    A file in a storage is registered where it is, and so is what is at a URL; any other is copied
    into the default storage, or the one given.

    Parameters
    ----------
    data : path-like, DataFrame or AnnData
        A local file or directory, a URL such as ``"s3://bucket/donor1.h5ad"`` or
        ``"s3://bucket/images/"``, or an object in memory, which is stored as ``.parquet`` or
        ``.h5ad``.
    key : str, optional
        A path-like name, such as ``"scrna/donor1.h5ad"``. A file in a storage has its own path as
        key.
    description : str, optional
        A description.
    version : str, optional
        The version, at most 30 characters.
    is_new_version_of : Artifact, optional
        An old version.
    run : Run or bool, optional
        The run that creates it. Default: the current one, if there is one; False for none.
    storage : Storage or path-like, optional
        The storage that it is copied into, which may be at a URL such as ``"s3://bucket/cells"``.
        Default: the one of the instance.
    name, meta : str, Artifact or DataFrame, optional
        With one of these it is a collection that is made, of this one artifact: see `Collection`.

    Raises
    ------
    anndex.errors.AnndexError
        `ValueError` or `TypeError` if an argument does not fit. Everything else is found out by
        ``save()``.

    Examples
    --------
    >>> import anndex as ln
    >>> artifact = ln.Artifact("donor1.h5ad", description="donor 1").save()

    A directory with any number of files, as one artifact that a collection describes:

    >>> collection = ln.Artifact("s3://my-bucket/my-images/", name="My collection", meta=df)
    >>> collection.save()
    """

    __slots__ = ("_data", "_storage")
    _kind = "artifact"
    _plural = "artifacts"

    key: Field[str | None] = Field("Path-like key.")
    suffix: Field[str] = Field('Suffix with its dot, such as ``".h5ad"``.')
    otype: Field[str | None] = Field('The type of object, such as ``"AnnData"``.')
    size: Field[int | None] = Field("Size in bytes.")
    hash_type: Field[str | None] = Field('How the hash was computed, such as ``"md5"``.')
    etag: Field[str | None] = Field("The storage's own tag of the content.")
    n_objects: Field[int | None] = Field("Number of files, for a directory.")
    n_observations: Field[int | None] = Field("Number of observations, where it is known.")
    storage_key: Field[str] = Field("Where it is, relative to the root of its storage.")

    if not TYPE_CHECKING:
        # A type checker takes whatever this gives for an artifact, which has the methods of both.
        def __new__(cls, *arguments: Any, name: Any = None, meta: Any = None, **others: Any) -> Any:
            if name is None and meta is None:
                return super().__new__(cls)
            from anndex._registry.collection import collection_of

            return collection_of(*arguments, name=name, meta=meta, **others)

    def __init__(
        self,
        data: AnyPath | pd.DataFrame | ad.AnnData,
        key: str | None = None,
        description: str | None = None,
        version: str | None = None,
        is_new_version_of: Artifact | None = None,
        run: Run | bool | None = None,
        *,
        storage: Storage | AnyPath | None = None,
        name: str | None = None,
        meta: Artifact | pd.DataFrame | None = None,
    ) -> None:
        del name, meta  # those are for __new__
        self._run = run_argument("run", run)
        self._storage = storage if storage is None else storage_argument(storage)
        values = {"key": key, "description": description, "visibility": 0}
        self._new_version(is_new_version_of, version, values)
        self._data: str | TemporaryFile
        if is_data_frame(data):
            self._data = write_data_frame(data, key)
        elif is_anndata(data):
            self._data = write_anndata(data, key)
        else:
            self._data = location(cast("AnyPath", data))
            return
        if key is None and description is None and is_new_version_of is None:
            raise InvalidInputError("an object in memory has no name; give a key or a description")

    @classmethod
    def from_df(
        cls,
        df: pd.DataFrame,
        key: str | None = None,
        description: str | None = None,
        version: str | None = None,
        is_new_version_of: Artifact | None = None,
        run: Run | bool | None = None,
        *,
        storage: Storage | AnyPath | None = None,
    ) -> Artifact:
        """Make an artifact of a data frame, stored as parquet.

        Parameters
        ----------
        df : DataFrame
            The data frame, as it is now.
        key, description, version, is_new_version_of, run, storage
            As for `Artifact`; the key ends with ``.parquet``. One of key and description is needed.
        """
        if not is_data_frame(df):
            raise InvalidTypeError(f"df must be a pandas.DataFrame, but is {shown(df)}")
        return cls(df, key, description, version, is_new_version_of, run, storage=storage)

    @classmethod
    def from_anndata(
        cls,
        adata: ad.AnnData,
        key: str | None = None,
        description: str | None = None,
        version: str | None = None,
        is_new_version_of: Artifact | None = None,
        run: Run | bool | None = None,
        *,
        storage: Storage | AnyPath | None = None,
    ) -> Artifact:
        """Make an artifact of an AnnData.

        Parameters
        ----------
        adata : AnnData
            The AnnData in memory, as it is now.
        key, description, version, is_new_version_of, run, storage
            As for `Artifact`; the key ends with ``.h5ad`` or ``.zarr``, which says how it is
            stored. One of key and description is needed.
        """
        if not is_anndata(adata):
            raise InvalidTypeError(f"adata must be an AnnData, but is {shown(adata)}")
        return cls(adata, key, description, version, is_new_version_of, run, storage=storage)

    def _insert(self) -> native.Record:
        record = self._instance.add_artifact(self._new_artifact())
        self._forget_data()
        return record

    def _new_artifact(self) -> native.NewArtifact:
        data = self._data
        return {
            "path": data.path if isinstance(data, TemporaryFile) else data,
            "key": self.key,
            "description": self.description,
            "version": self._given_version,
            "is_new_version_of": self._old_native(),
            "run": self._run,
            "storage": self._storage,
        }

    def _check_input(self, is_run_input: bool | Run | None) -> None:
        if run_argument("is_run_input", is_run_input) not in (None, False):
            # Only what has a record can be an input.
            self._saved()

    def _track_input(self, is_run_input: bool | Run | None) -> None:
        if self._native is not None:
            super()._track_input(is_run_input)

    def _content(self) -> str:
        """The path of the content, which may have to be brought here."""
        if self._native is not None:
            return str(self.cache(is_run_input=False))
        data = self._data
        path = data.path if isinstance(data, TemporaryFile) else data
        if is_url(path):
            raise InvalidInputError(
                "the artifact is at a URL and not saved; save it first, so that it can be brought "
                "here"
            )
        return path

    def _content_suffix(self) -> str:
        """The suffix of the content, in lower case."""
        return known_suffix(self._content()) if self._native is None else self.suffix.lower()

    def _forget_data(self) -> None:
        if isinstance(self._data, TemporaryFile):
            self._data.remove()

    @staticmethod
    def _save_together(
        artifacts: list[Artifact], instance: native.Instance
    ) -> list[AnndexError | None]:
        """Save new artifacts; gives the error of each that could not be saved."""
        saved = instance.add_artifacts([one._new_artifact() for one in artifacts])
        failures: list[AnndexError | None] = []
        for artifact, record in zip(artifacts, saved, strict=True):
            if isinstance(record, AnndexError):
                failures.append(record)
                continue
            failures.append(None)
            artifact._native = record
            artifact._changes = {}
            artifact._forget_data()
        return failures

    @property
    def storage(self) -> Storage | None:
        """The storage that holds it."""
        return self._referenced(Storage, "storage_id")

    @property
    def path(self) -> Path:
        """The local path; `cache` brings what is at a URL here."""
        return self._saved().path()

    @property
    def url(self) -> str | None:
        """The URL; None if it is in a local storage."""
        return self._saved().url()

    @property
    def collections(self) -> QuerySet[Collection]:
        """The collections that hold it."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "artifacts")

    @property
    def described_collection(self) -> Collection | None:
        """The collection whose meta artifact it is."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "artifact").one_or_none()

    def cache(self, is_run_input: bool | Run | None = None, *, progress: bool = True) -> Path:
        """Get a local path of the content; what is in a local storage stays there.

        What is at a URL is copied into the local cache, unless the copy is there and up to date.

        Parameters
        ----------
        is_run_input : bool or Run, optional
            Whether to track it as an input of the current run, which is done if there is one, or
            the run to track it for.
        progress : bool, default True
            Whether to show how far it is, where standard error is a terminal.
        """
        run = run_argument("is_run_input", is_run_input)
        return self._saved().cache(run, flag("progress", progress))[0]

    def load(self, is_run_input: bool | Run | None = None, **kwargs: Any) -> Any:
        """Load the artifact into memory: an AnnData, or the data frame of a table.

        One that is not saved is read where it is, and becomes the input of no run.

        Matrices are read on all cores, straight into the arrays that the AnnData then has. Tables
        are ``.parquet``, ``.csv``, ``.tsv``, ``.ipc`` and ``.feather``, and become what pandas
        makes of them.

        Parameters
        ----------
        is_run_input : bool or Run, optional
            Whether to track it as an input of the current run, which is done if there is one, or
            the run to track it for.

        Raises
        ------
        anndex.errors.AnndexError
            `ValueError` if the artifact has another suffix, `FileNotFoundError` if it is not in
            its storage any more, `NotImplementedError` if it has something that can't be read.
        """
        self._check_input(is_run_input)
        loaded = load_artifact(self, **kwargs)
        self._track_input(is_run_input)
        return loaded

    def open(self, is_run_input: bool | Run | None = None) -> AnnDataAccessor:
        """Open the artifact, an AnnData, to be read piece by piece.

        Parameters
        ----------
        is_run_input : bool or Run, optional
            Whether to track it as an input of the current run, which is done if there is one, or
            the run to track it for.

        Examples
        --------
        >>> backed = artifact.open()
        >>> backed[backed.obs["cell_type"] == "T cell"].to_memory()
        """
        self._check_input(is_run_input)
        opened = open_artifact(self)
        self._track_input(is_run_input)
        return opened

    def stage(self, is_run_input: bool | Run | None = None, *, progress: bool = True) -> Path:
        """Do the same as `cache`."""
        return self.cache(is_run_input, progress=progress)


def artifact_of(data: Any, description: str | None) -> Artifact:
    """An unsaved artifact of a path or of an object in memory."""
    if is_data_frame(data) or is_anndata(data):
        return Artifact(data, description=description)
    return Artifact(data)
