"""Users and storages: who works with an instance, and where its artifacts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anndex import _anndex as native
from anndex._arguments import AnyPath
from anndex._registry.field import Field
from anndex._registry.paths import location
from anndex._registry.query_set import QuerySet
from anndex._registry.registry import Registry, TracksCreator
from anndex.errors import UnsupportedError

if TYPE_CHECKING:
    from anndex._registry.artifact import Artifact
    from anndex._registry.collection import Collection
    from anndex._registry.run import Run, Transform
    from anndex._registry.ulabel import ULabel

__all__ = ["Storage", "User", "storage_argument"]


class User(Registry):
    """A person. `init` and `connect` make the record of the person who calls them."""

    __slots__ = ()
    _kind = "user"

    handle: Field[str] = Field("Unique handle, such as a login name.")
    name: Field[str | None] = Field("Full name.")

    def __init__(self) -> None:
        raise UnsupportedError("a user is made by anndex.connect(..., user=...), not by hand")

    @property
    def created_artifacts(self) -> QuerySet[Artifact]:
        """The artifacts that the user created."""
        from anndex._registry.artifact import Artifact

        return self._related(Artifact, "created_by")

    @property
    def created_collections(self) -> QuerySet[Collection]:
        """The collections that the user created."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "created_by")

    @property
    def created_transforms(self) -> QuerySet[Transform]:
        """The transforms that the user created."""
        from anndex._registry.run import Transform

        return self._related(Transform, "created_by")

    @property
    def created_runs(self) -> QuerySet[Run]:
        """The runs that the user created."""
        from anndex._registry.run import Run

        return self._related(Run, "created_by")

    @property
    def created_ulabels(self) -> QuerySet[ULabel]:
        """The labels that the user created."""
        from anndex._registry.ulabel import ULabel

        return self._related(ULabel, "created_by")


class Storage(TracksCreator):
    """A directory or bucket that holds artifacts, which are registered where they are.

    Parameters
    ----------
    root : path-like
        A directory that exists, or a URL such as ``"s3://bucket/cells"``.
    """

    __slots__ = ()
    _kind = "storage"

    root: Field[str] = Field("Absolute path, or URL.")
    type: Field[str] = Field('``"local"``, or the scheme of a URL.')
    region: Field[str | None] = Field("Region of a cloud storage.")
    description: Field[str | None] = Field("A description.")

    def __init__(self, root: AnyPath) -> None:
        super().__init__(root=location(root))

    def _insert(self) -> native.Record:
        return self._instance.add_storage(self.root)

    @property
    def artifacts(self) -> QuerySet[Artifact]:
        """The artifacts in it."""
        from anndex._registry.artifact import Artifact

        return self._related(Artifact, "storage")


def storage_argument(storage: Storage | AnyPath) -> native.Record | str:
    """A storage as the native module takes it: its record, or where it is."""
    if not isinstance(storage, Storage):
        return location(storage)
    record = storage._native  # pyright: ignore[reportPrivateUsage]
    return storage.root if record is None else record
