"""Sets of features: which variables and columns datasets measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from anndex import _anndex as native
from anndex._checks import explained, shown, text
from anndex._registry.field import Field
from anndex._registry.query_set import QuerySet
from anndex._registry.registry import TracksRun
from anndex.errors import InvalidInputError, InvalidTypeError, KeyNotFoundError, UnsupportedError

if TYPE_CHECKING:
    from anndex._registry.artifact import Artifact
    from anndex._registry.collection import Collection
    from anndex._registry.data import Data

__all__ = ["FeatureManager", "FeatureSet"]


class FeatureSet(TracksRun):
    """A set of features: the variables or columns that a dataset measures.

    It is saved together with what it describes:
    ``artifact.features.add_feature_set(feature_set, slot="var")``. Sets of equal content are one
    record.

    Parameters
    ----------
    features : list of str, or dict of str to str
        The names, or the names with their dtypes, such as ``"float"``.
    """

    __slots__ = ()
    _kind = "feature_set"

    name: Field[str | None] = Field("Name or title.")
    n: Field[int] = Field("Number of features.")
    dtype: Field[str | None] = Field("The dtype that all features share, if they do.")
    registry: Field[str] = Field("The registry that features are measured against.")
    hash: Field[str | None] = Field("Hash of the members.")
    members: Field[list[dict[str, str | None]]] = Field(
        "The features, sorted by name, each with its `name` and `dtype`."
    )

    def __init__(self, features: Iterable[str] | Mapping[str, str | None]) -> None:
        given = cast("Any", features)
        if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
            raise InvalidTypeError(f"features must be a list of names, but is {shown(features)}")
        with explained("features must be a list of names"):
            items: list[tuple[Any, Any]] = (
                list(cast("Mapping[Any, Any]", features).items())
                if isinstance(features, Mapping)
                else [(name, None) for name in features]
            )
        for name, dtype in items:
            text("the name of a feature", name)
            text(f"the dtype of {name}", dtype, optional=True)
        members: list[dict[str, str | None]] = [
            {"name": name, "dtype": dtype}
            for name, dtype in sorted(items, key=lambda item: item[0])
        ]
        if not members:
            raise InvalidInputError("a feature set needs features")
        super().__init__(members=members, n=len(members), registry="Feature")

    def _insert(self) -> native.Record:
        raise UnsupportedError(
            "a feature set is saved with what it describes: "
            'artifact.features.add_feature_set(feature_set, slot="var")'
        )

    @property
    def artifacts(self) -> QuerySet[Artifact]:
        """The artifacts that have these features."""
        from anndex._registry.artifact import Artifact

        return self._related(Artifact, "feature_sets")

    @property
    def collections(self) -> QuerySet[Collection]:
        """The collections that have these features."""
        from anndex._registry.collection import Collection

        return self._related(Collection, "feature_sets")


class FeatureManager(Mapping[str, FeatureSet]):
    """The feature sets of a dataset by slot, such as ``"var"`` and ``"obs"``."""

    __slots__ = ("_data",)

    def __init__(self, data: Data) -> None:
        self._data = data

    def add_feature_set(self, feature_set: FeatureSet, slot: str) -> None:
        """Say which features a slot has, instead of those it had before."""
        if not isinstance(feature_set, FeatureSet):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(
                f"a feature set is a FeatureSet, but this is {shown(feature_set)}"
            )
        text("slot", slot)
        members = [(one["name"] or "", one["dtype"]) for one in feature_set.members]
        record = self._data._saved()  # pyright: ignore[reportPrivateUsage]
        record.set_features(slot, members)
        if feature_set._native is None:  # pyright: ignore[reportPrivateUsage]
            saved = dict(record.feature_slots())[slot]
            feature_set._native = saved  # pyright: ignore[reportPrivateUsage]
            feature_set._changes = {}  # pyright: ignore[reportPrivateUsage]

    def compute(self) -> dict[str, FeatureSet]:
        """Read the features from the files, all of which must be AnnData, and keep them.

        The slot ``"obs"`` gets the columns of obs with their dtypes, ``"var"`` the index of var
        with the dtype of X; for a collection, the union over its artifacts.

        Returns
        -------
        The feature sets by slot.
        """
        self._data._saved().compute_features()  # pyright: ignore[reportPrivateUsage]
        return self.slots()

    def slots(self) -> dict[str, FeatureSet]:
        """Get the feature sets by slot."""
        record = self._data._saved()  # pyright: ignore[reportPrivateUsage]
        instance = self._data._instance  # pyright: ignore[reportPrivateUsage]
        return {
            slot: FeatureSet._from_native(one, instance)  # pyright: ignore[reportPrivateUsage]
            for slot, one in record.feature_slots()
        }

    def __getitem__(self, slot: str) -> FeatureSet:
        slots = self.slots()
        found = slots.get(slot) if isinstance(slot, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if found is None:
            there = f"there are: {', '.join(slots)}" if slots else "there are none"
            raise KeyNotFoundError(
                f"there is no slot {shown(slot)}; {there}; "
                "add_feature_set() or compute() makes them"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.slots())

    def __len__(self) -> int:
        return len(self.slots())

    def __repr__(self) -> str:
        if self._data._native is None:  # pyright: ignore[reportPrivateUsage]
            return "FeatureManager of what is not saved"
        slots = [f"{slot}: {one.n} features" for slot, one in self.slots().items()]
        return f"FeatureManager({', '.join(slots)})"
