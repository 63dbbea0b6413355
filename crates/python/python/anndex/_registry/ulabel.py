"""Labels, with which datasets are annotated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from anndex import _anndex as native
from anndex._checks import flag, items, shown, text
from anndex._registry.condition import Q
from anndex._registry.field import Field
from anndex._registry.query_set import QuerySet
from anndex._registry.registry import TracksRun
from anndex.errors import InvalidTypeError

if TYPE_CHECKING:
    from anndex._registry.artifact import Artifact
    from anndex._registry.collection import Collection
    from anndex._registry.data import Data

__all__ = ["LabelSet", "ULabel"]


class ULabel(TracksRun):
    """A label for artifacts and collections. One whose name is known is that label.

    Parameters
    ----------
    name : str
        The name.
    description : str, optional
        A description.
    reference, reference_type : str, optional
        A reference such as a URL or an external id, and its type, such as ``"url"``.
    is_type : bool, default False
        Whether it is a type of labels rather than a label.
    parents : list of ULabel, optional
        Labels that are more general.
    """

    __slots__ = ("_parents",)
    _kind = "ulabel"

    name: Field[str] = Field("Name.")
    description: Field[str | None] = Field("A description.")
    reference: Field[str | None] = Field("A reference such as a URL or an external id.")
    reference_type: Field[str | None] = Field("Type of the reference.")
    is_type: Field[bool] = Field("Whether it is a type of labels rather than a label.")
    visibility: Field[int] = Field("Visibility: 0 default, 1 hidden, 2 trash.")

    def __init__(
        self,
        name: str,
        description: str | None = None,
        reference: str | None = None,
        reference_type: str | None = None,
        is_type: bool = False,
        parents: Iterable[ULabel] = (),
    ) -> None:
        text("name", name)
        flag("is_type", is_type)
        self._parents: list[ULabel] = items("parents", parents, ULabel, "ULabels")
        super().__init__(
            name=name,
            description=description,
            reference=reference,
            reference_type=reference_type,
            is_type=is_type,
            visibility=0,
        )

    def _insert(self) -> native.Record:
        return self._instance.add_ulabel(
            {
                "name": self.name,
                "description": self.description,
                "reference": self.reference,
                "reference_type": self.reference_type,
                "is_type": self.is_type,
                "parents": [one._saved() for one in self._parents],
            }
        )

    @property
    def parents(self) -> QuerySet[ULabel]:
        """Labels that are more general."""
        return self._related(ULabel, "children")

    @property
    def children(self) -> QuerySet[ULabel]:
        """Labels that are more special."""
        return self._related(ULabel, "parents")

    @property
    def artifacts(self) -> QuerySet[Artifact]:
        """The artifacts that have this label."""
        from anndex._registry.artifact import Artifact

        return self._related(Artifact, "ulabels")

    @property
    def collections(self) -> QuerySet[Collection]:
        """The collections that have this label."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "ulabels")


class LabelSet(QuerySet[ULabel]):
    """The labels of a dataset, which can be added and taken away."""

    __slots__ = ("_data",)

    def __init__(self, data: Data, relation: str) -> None:
        super().__init__(
            ULabel,
            data._instance,  # pyright: ignore[reportPrivateUsage]
            q=Q(**{relation: data}),
            shown="everything",
        )
        self._data = data

    def add(self, *ulabels: ULabel) -> None:
        """Add labels; those that are there already stay."""
        self._change(ulabels, add=True)

    def remove(self, *ulabels: ULabel) -> None:
        """Take labels away; those that are not there do not matter."""
        self._change(ulabels, add=False)

    def _change(self, ulabels: tuple[ULabel, ...], *, add: bool) -> None:
        for one in ulabels:
            if not isinstance(one, ULabel):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidTypeError(f"a label is a ULabel, but this is {shown(one)}")
        records = [one._saved() for one in ulabels]  # pyright: ignore[reportPrivateUsage]
        self._data._saved().change_ulabels(records, add)  # pyright: ignore[reportPrivateUsage]
        self._found = None
