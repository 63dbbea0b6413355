"""What artifacts and collections have in common: labels, features and lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from anndex import _anndex as native
from anndex._arguments import AnyPath
from anndex._checks import flag, number, shown
from anndex._registry.feature_set import FeatureManager, FeatureSet
from anndex._registry.field import Field
from anndex._registry.lineage import LineageGraph
from anndex._registry.paths import location
from anndex._registry.query_set import QuerySet
from anndex._registry.registry import TracksRun
from anndex._registry.ulabel import LabelSet
from anndex._registry.versioned import IsVersioned
from anndex.errors import InvalidTypeError

if TYPE_CHECKING:
    from typing_extensions import Self

    from anndex._registry.run import Run, Transform

__all__ = ["Data", "run_argument"]


class Data(IsVersioned, TracksRun):
    """A dataset: an artifact or a collection."""

    __slots__ = ("_run",)

    _plural: ClassVar[str]

    description: Field[str | None] = Field("A description.")
    hash: Field[str | None] = Field("Hash of the content.")
    visibility: Field[int] = Field("Visibility of the record: 0 default, 1 hidden, 2 trash.")

    @property
    def transform(self) -> Transform | None:
        """Transform whose run created the dataset."""
        run = self.run
        return None if run is None else run.transform

    @property
    def ulabels(self) -> LabelSet:
        """Labels of the dataset, with ``add()`` and ``remove()``."""
        return LabelSet(self, self._plural)

    @property
    def feature_sets(self) -> QuerySet[FeatureSet]:
        """The feature sets measured in the dataset."""
        return self._related(FeatureSet, self._plural)

    @property
    def features(self) -> FeatureManager:
        """The feature sets by slot."""
        return FeatureManager(self)

    @property
    def input_of(self) -> QuerySet[Run]:
        """Runs that use this dataset as an input."""
        from anndex._registry.run import Run

        return self._related(Run, f"input_{self._plural}")

    @property
    def previous_runs(self) -> QuerySet[Run]:
        """Sequence of runs that created or updated the record, before its present one."""
        from anndex._registry.run import Run

        return self._related(Run, f"updated_{self._plural}", position="previous_runs")

    def describe(self, return_str: bool = False) -> str | None:
        """Print a page about the dataset: fields, place, versions, runs, labels and features.

        Parameters
        ----------
        return_str : bool
            Get the page instead.
        """
        is_returned = flag("return_str", return_str)
        page = self._saved().describe()
        if is_returned:
            return page
        print(page, end="")
        return None

    def view_lineage(self, with_children: bool = True, *, limit: int = 200) -> LineageGraph:
        """Get the runs that made the dataset and what they read, and what was made of it.

        Parameters
        ----------
        with_children : bool
            Whether what was made of it is shown, too.
        limit : int
            At most so many datasets and runs, those nearest to the dataset; at most 2,000. What is
            left out is said.

        Returns
        -------
        A graph that notebooks show as a picture, ``print()`` as text, and ``save()`` writes as
        ``.svg`` or ``.dot``. It needs no Graphviz.
        """
        graph = self._saved().view_lineage(
            flag("with_children", with_children), number("limit", limit)
        )
        return LineageGraph(graph)

    def save(self, using: AnyPath | None = None) -> Self:
        """Save the dataset, with what it is made of, to database and storage.

        If the same content is registered already and not in the trash, this becomes that record,
        with the description and run given here. It keeps its key or name, of which a warning tells
        if it is another one.

        Parameters
        ----------
        using : path-like, optional
            The directory of another instance, into which the record is then copied by its uid,
            with its artifacts, runs and their inputs, transforms, users, labels and feature sets.
            Files stay where they are. What the other instance has already is not changed, so that
            doing it again changes nothing.

        Returns
        -------
        The record itself, which is that of its own instance.

        Raises
        ------
        anndex.errors.AnndexError
            `ValueError` if the record is in the trash of one of the instances, `FileExistsError`
            if the content is registered in another version than the one given, or the other
            instance has something else in its place, `FileNotFoundError` if there is
            no other instance, and as for a record that is saved here only.
        """
        other = None if using is None else location(using)
        super().save()
        if other is not None:
            self._saved().save_using(other)
        return self

    def _track_input(self, is_run_input: bool | Run | None) -> None:
        self._saved().track_input(run_argument("is_run_input", is_run_input))


def run_argument(name: str, run: bool | Run | None) -> bool | native.Record | None:
    """A run as the native module takes it: one, or whether it is the current one."""
    from anndex._registry.run import Run

    if isinstance(run, Run):
        return run._saved()  # pyright: ignore[reportPrivateUsage]
    if run is None or isinstance(run, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        return run
    raise InvalidTypeError(f"{name} must be a Run, a bool or None, but is {shown(run)}")
