"""Transforms and runs, and the run that is going on."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from anndex import _anndex as native
from anndex._checks import shown, text
from anndex._registry.field import Field
from anndex._registry.instance import current
from anndex._registry.query_set import QuerySet
from anndex._registry.registry import TracksCreator
from anndex._registry.versioned import IsVersioned
from anndex.errors import InvalidInputError, InvalidTypeError, PathNotFoundError

if TYPE_CHECKING:
    from anndex._registry.artifact import Artifact
    from anndex._registry.collection import Collection

__all__ = ["Run", "Transform", "current_run", "finish", "track"]


class Transform(IsVersioned):
    """A piece of code: a script, notebook, pipeline or function.

    One with the same name, key, type, source code and version is that transform. Other code with
    the same key and version is an error; it can be a new version.

    Parameters
    ----------
    name : str
        The name.
    key : str, optional
        A path-like key, such as ``"preprocess.py"``.
    version : str, optional
        The version, at most 30 characters.
    type : str, default "script"
        ``"script"``, ``"notebook"``, ``"pipeline"``, ``"function"``, ...
    description : str, optional
        A description.
    source_code : str, optional
        The source code.
    reference, reference_type : str, optional
        A reference such as a URL or a commit, and its type, such as ``"url"``.
    is_new_version_of : Transform, optional
        An old version.
    """

    __slots__ = ()
    _kind = "transform"

    key: Field[str | None] = Field("Path-like key.")
    name: Field[str | None] = Field("Name or title.")
    description: Field[str | None] = Field("A description.")
    type: Field[str] = Field('``"script"``, ``"notebook"``, ``"pipeline"``, ``"function"``, ...')
    source_code: Field[str | None] = Field("The source code.")
    hash: Field[str | None] = Field("Hash of the source code.")
    reference: Field[str | None] = Field("A reference such as a URL or a commit.")
    reference_type: Field[str | None] = Field("Type of the reference.")
    visibility: Field[int] = Field("Visibility: 0 default, 1 hidden, 2 trash.")

    def __init__(
        self,
        name: str,
        key: str | None = None,
        version: str | None = None,
        type: str = "script",
        description: str | None = None,
        source_code: str | None = None,
        reference: str | None = None,
        reference_type: str | None = None,
        is_new_version_of: Transform | None = None,
    ) -> None:
        text("name", name)
        text("type", type)
        values: dict[str, Any] = {
            "name": name,
            "key": key,
            "type": type,
            "description": description,
            "source_code": source_code,
            "reference": reference,
            "reference_type": reference_type,
            "visibility": 0,
        }
        self._new_version(is_new_version_of, version, values)

    def _insert(self) -> native.Record:
        return self._instance.add_transform(
            {
                "name": self.name or "",
                "key": self.key,
                "type": self.type,
                "description": self.description,
                "source_code": self.source_code,
                "reference": self.reference,
                "reference_type": self.reference_type,
                "version": self._given_version,
                "is_new_version_of": self._old_native(),
            }
        )

    @property
    def runs(self) -> QuerySet[Run]:
        """The runs of the transform."""
        return self._related(Run, "transform")

    @property
    def parents(self) -> QuerySet[Transform]:
        """The transforms whose outputs it reads."""
        return self._related(Transform, "children")

    @property
    def children(self) -> QuerySet[Transform]:
        """The transforms that read its outputs."""
        return self._related(Transform, "parents")


class Run(TracksCreator):
    """One execution of a transform, which links inputs and outputs.

    Parameters
    ----------
    transform : Transform
        The transform that is run.
    name : str, optional
        A name.
    reference, reference_type : str, optional
        A reference such as a job id, and its type.

    See Also
    --------
    track : Starts a run and makes it the current one.
    """

    __slots__ = ("_transform",)
    _kind = "run"

    name: Field[str | None] = Field("Name or title.")
    started_at: Field[datetime | None] = Field("When it began.")
    finished_at: Field[datetime | None] = Field("When it ended; None as long as it goes on.")
    is_consecutive: Field[bool | None] = Field("Whether a notebook's cells were run in order.")
    reference: Field[str | None] = Field("A reference such as a URL or a job id.")
    reference_type: Field[str | None] = Field("Type of the reference.")
    visibility: Field[int] = Field("Visibility: 0 default, 1 hidden, 2 trash.")

    def __init__(
        self,
        transform: Transform,
        name: str | None = None,
        reference: str | None = None,
        reference_type: str | None = None,
    ) -> None:
        if not isinstance(transform, Transform):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(f"transform must be a Transform, but is {shown(transform)}")
        self._transform = transform
        super().__init__(
            name=name, reference=reference, reference_type=reference_type, visibility=0
        )

    def _insert(self) -> native.Record:
        return self._instance.add_run(
            {
                "transform": self._transform._saved(),
                "name": self.name,
                "reference": self.reference,
                "reference_type": self.reference_type,
            }
        )

    @property
    def transform(self) -> Transform:
        """The transform that is run."""
        if self._native is None:
            return self._transform
        found = self._referenced(Transform, "transform_id")
        assert found is not None, "a run has a transform"
        return found

    @property
    def input_artifacts(self) -> QuerySet[Artifact]:
        """The artifacts that the run reads."""
        from anndex._registry.artifact import Artifact

        return self._related(Artifact, "input_of")

    @property
    def input_collections(self) -> QuerySet[Collection]:
        """The collections that the run reads."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "input_of")

    @property
    def output_artifacts(self) -> QuerySet[Artifact]:
        """The artifacts that the run created."""
        from anndex._registry.artifact import Artifact

        return self._related(Artifact, "run")

    @property
    def output_collections(self) -> QuerySet[Collection]:
        """The collections that the run created."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "run")

    @property
    def updated_artifacts(self) -> QuerySet[Artifact]:
        """The artifacts that the run made or updated before another run did."""
        from anndex._registry.artifact import Artifact

        return self._related(Artifact, "previous_runs")

    @property
    def updated_collections(self) -> QuerySet[Collection]:
        """The collections that the run made or updated before another run did."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "previous_runs")


def track(transform: Transform | str | None = None) -> Run:
    """Start a run and make it the current one.

    From now on what is created has it as its run, and what is read becomes its input.

    Parameters
    ----------
    transform : Transform or str, optional
        What is run: a transform, which is saved if it was not, or the uid of one, or at least 4
        characters of it. Default: the
        script that is running; if its code changed, a new version of its transform.

    Returns
    -------
    Run
        The run, until `finish` or the next `track`.

    Raises
    ------
    anndex.errors.InvalidInputError
        If no script is running and no transform is given.
    """
    if transform is None:
        transform = _running_script()
    elif isinstance(transform, str):
        transform = Transform.get(transform)
    elif not isinstance(transform, Transform):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTypeError(f"transform must be a Transform or a uid, but is {shown(transform)}")
    if transform._native is None:  # pyright: ignore[reportPrivateUsage]
        transform.save()
    run = Run(transform).save()
    run._instance.set_current_run(run._saved())  # pyright: ignore[reportPrivateUsage]
    return run


def finish() -> None:
    """End the current run and note the time. Without one nothing happens."""
    current().finish()


def current_run() -> Run | None:
    """Get the current run, if there is one."""
    instance = current()
    found = instance.current_run()
    return None if found is None else Run._from_native(found, instance)  # pyright: ignore[reportPrivateUsage]


def _running_script() -> Transform:
    """The transform of the script that is running, in its present version."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if path is None:
        raise InvalidInputError(
            'no script is running; name what is run: track(Transform(name="...", type="notebook"))'
        )
    try:
        with open(path, encoding="utf-8") as file:
            source_code = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise PathNotFoundError(f"the running script can't be read: {error}") from error
    name = os.path.basename(path)
    known = Transform.filter(name=name, key=name, type="script").order_by("uid").last()
    if known is None or known.source_code == source_code:
        return known or Transform(name=name, key=name, source_code=source_code)
    return Transform(name=name, key=name, source_code=source_code, is_new_version_of=known)
