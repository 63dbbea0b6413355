"""Lineage as a graph that can be looked at, in notebooks and out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from anndex._registry.paths import local_path

if TYPE_CHECKING:
    from anndex import _anndex as native
    from anndex._arguments import AnyPath

__all__ = ["LineageGraph", "LineageNode"]


class LineageNode(NamedTuple):
    """A dataset or a run in a graph of lineage."""

    kind: str
    """``"artifact"``, ``"collection"`` or ``"run"``."""
    uid: str
    """The uid of the record."""
    title: str | None
    """Key or name; for a run, that of its transform."""
    detail: str | None
    """The version of a dataset; the type of a run's transform and when the run began."""
    in_trash: bool
    """Whether it is in the trash."""
    more_before: int
    """How many inputs of a run, or runs that made a dataset, were left out."""
    more_after: int
    """How many outputs of a run, or runs that read a dataset, were left out."""


class LineageGraph:
    """What a dataset was made of, and what was made of it: got from ``view_lineage()``.

    Notebooks show a picture, ``print()`` a tree of text.
    """

    __slots__ = ("_native",)

    def __init__(self, graph: native.Lineage) -> None:
        self._native = graph

    @property
    def nodes(self) -> list[LineageNode]:
        """Datasets and runs, the dataset that was asked for first."""
        return [LineageNode(*node) for node in self._native.nodes()]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """From inputs to runs and from runs to outputs, by index into the nodes."""
        return self._native.edges()

    def to_text(self) -> str:
        """Get the graph as a tree of lines."""
        return self._native.text()

    def to_dot(self) -> str:
        """Get the graph in Graphviz's language."""
        return self._native.dot()

    def to_svg(self) -> str:
        """Get the graph as a picture."""
        return self._native.svg()

    def save(self, path: AnyPath) -> None:
        """Write the graph to a file, as its suffix says: ``.svg``, ``.dot``, ``.gv`` or ``.txt``.

        Parameters
        ----------
        path : path-like
            The file, which is replaced if it is there.

        Raises
        ------
        anndex.errors.AnndexError
            `NotImplementedError` for another suffix, `OSError` if the file can't be written.
        """
        self._native.save(local_path(path))

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __repr__(self) -> str:
        return self.to_text().rstrip("\n")
