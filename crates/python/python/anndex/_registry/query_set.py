"""Sets of records: filtered, ordered, counted, and read when they are looked at."""

from __future__ import annotations

import builtins
import copy
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar, cast, overload

import numpy as np

from anndex import _anndex as native
from anndex import _checks as checks
from anndex._registry.condition import Condition, Q
from anndex._registry.field import plain_value
from anndex._warning import warn
from anndex.errors import (
    InvalidIndexError,
    InvalidInputError,
    InvalidTypeError,
    MissingPackageError,
    RecordNotFoundError,
)

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

    from anndex._registry.registry import Registry

__all__ = ["Query", "QuerySet"]

R = TypeVar("R", bound="Registry")

# How many records an error or a repr names.
_LISTED = 10
# The largest position that is asked for.
_LAST = 2**63 - 1


def id_or_uid(idlike: Any) -> int | str:
    """Check what a record is got by."""
    if isinstance(idlike, np.integer):
        idlike = int(cast("Any", idlike))
    if isinstance(idlike, bool) or not isinstance(idlike, (int, str)):
        raise InvalidTypeError(f"an id is an integer or text, but this is {checks.shown(idlike)}")
    return (
        checks.text("an id", idlike)
        if isinstance(idlike, str)
        else cast("int", plain_value(idlike))
    )


class Query(TypedDict):
    """A query as the native module takes it."""

    condition: Condition
    order: list[tuple[str, bool]]
    position: tuple[str, native.Record] | None
    limit: int | None
    offset: int
    shown: Literal["default", "everything"]


class QuerySet(Generic[R]):
    """Records of one kind that satisfy conditions.

    Nothing is read before records are asked for: by ``len()``, an index, ``list()`` or ``df()`` all
    at once, and kept; by iterating page by page, each after the last record of the one before, and
    not kept, so that sets of any size can be gone through. A slice is a set, too. Hidden records
    and those in the trash are left out, unless the conditions say something about ``visibility``.
    """

    __slots__ = ("_found", "_native", "_q", "_query", "_type")

    def __init__(
        self,
        record_type: type[R],
        instance: native.Instance,
        *,
        q: Q | None = None,
        position: tuple[str, native.Record] | None = None,
        shown: Literal["default", "everything"] = "default",
    ) -> None:
        self._type = record_type
        self._native = instance
        self._q = q or Q()
        self._found: builtins.list[R] | None = None
        self._query: Query = {
            "condition": (),
            "order": [],
            "position": position,
            "limit": None,
            "offset": 0,
            "shown": shown,
        }

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Keep the records that satisfy these conditions, too.

        Parameters
        ----------
        *conditions : Q
            Conditions.
        **lookups
            Fields with the values that they must have, or Django-style lookups: ``__in``,
            ``__contains``, ``__startswith``, ``__endswith``, ``__gt``, ``__gte``, ``__lt``,
            ``__lte``, ``__range``, ``__isnull``; also across relations, such as
            ``ulabels__name="blood"``. Case counts, on every database, but for ``__iexact``,
            ``__icontains``, ``__istartswith`` and ``__iendswith``. What lookups of one call say of
            related records must hold of the same one; another call may be about another one.
            ``visibility=None`` finds hidden records and those in the trash, too.
        """
        changed = self._copy("filter")
        if lookups.get("visibility", 0) is None:
            del lookups["visibility"]
            changed._query["shown"] = "everything"
        changed._q = self._q._then(  # pyright: ignore[reportPrivateUsage]
            Q(*conditions, **lookups)
        )
        return changed

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        """Leave out the records that satisfy all of these conditions.

        As in Django, each of them may be satisfied by another related record.
        """
        changed = self._copy("exclude")
        unwanted = Q(*conditions, **lookups)._apart()  # pyright: ignore[reportPrivateUsage]
        changed._q = self._q._then(~unwanted)  # pyright: ignore[reportPrivateUsage]
        return changed

    def search(self, text: str, *, limit: int | None = 20) -> builtins.list[R]:
        """Get the records in whose name, key or description all words of a text occur.

        Parameters
        ----------
        text : str
            The words, in any case and order.
        limit : int, optional
            At most this many; all of them for None.

        Returns
        -------
        The records, the best matches first: those that are the text, that start with it, that have
        a word which starts with it, that have it in them, and then those with its words apart.
        """
        words = checks.text("text", text)
        if limit is not None:
            limit = checks.number("limit", limit)
        asked: Query = {**self._copy("search")._asked(), "limit": limit}
        make = self._type._from_native  # pyright: ignore[reportPrivateUsage]
        found = self._native.search(self._kind, asked, words)
        return [make(one, self._native) for one in found]

    def order_by(self, *fields: str) -> Self:
        """Order by fields instead of the order so far; ``"-name"`` means from last to first."""
        for field in fields:
            checks.text("each field to order by", field)
        changed = self._copy("order")
        changed._query["position"] = None
        changed._query["order"] = [
            (field.removeprefix("-"), field.startswith("-")) for field in fields
        ]
        return changed

    def all(self) -> Self:
        """Get the same set, to be read anew."""
        return self._copy()

    def list(self, field: str | None = None) -> builtins.list[Any]:
        """Get the records as a list, or the values of one of their fields."""
        if field is not None:
            checks.text("field", field)
        records = self._records()
        if field is None:
            return builtins.list(records)
        if field not in dir(self._type) or field.startswith("_"):
            names = ", ".join(native.fields(self._kind))
            raise InvalidInputError(
                f"{checks.with_article(self._kind)} has no field {field}; it has {names}"
            )
        return [getattr(one, field) for one in records]

    def get(self, idlike: int | str | None = None, **lookups: Any) -> R:
        """Get the only record with this id, uid or beginning of a uid, or for these lookups.

        A uid is abbreviated to 4 characters or more. By a beginning that all versions of a family
        share it is the newest of them.
        """
        found = self.filter(**lookups) if lookups else self
        if idlike is None:
            return found.one()
        asked = found._copy("get")._asked()
        record = self._native.get(self._kind, id_or_uid(idlike), asked)
        return self._type._from_native(record, self._native)  # pyright: ignore[reportPrivateUsage]

    def one(self) -> R:
        """Get the only record.

        Raises
        ------
        anndex.errors.RecordNotFoundError
            If there is none.
        anndex.errors.InvalidInputError
            If there are several.
        """
        found = self.one_or_none()
        if found is None:
            raise RecordNotFoundError(f"no {self._kind} matches")
        return found

    def one_or_none(self) -> R | None:
        """Get the only record, or None if there is none; several are an error."""
        found = self[:_LISTED]._records() if self._query["limit"] is None else self._records()
        if len(found) > 1:
            names = ", ".join(one._label() for one in found)  # pyright: ignore[reportPrivateUsage]
            raise InvalidInputError(f"several records match; filter more: {names}")
        return found[0] if found else None

    def first(self) -> R | None:
        """Get the first record, or None if there is none."""
        found = self[:1]._records() if self._found is None else self._found
        return found[0] if found else None

    def last(self) -> R | None:
        """Get the last record, or None if there is none."""
        found = self._records()
        return found[-1] if found else None

    def count(self) -> int:
        """Count the records, without reading them."""
        if self._found is not None or self._is_sliced:
            return len(self._records())
        return self._native.count(self._kind, self._asked())

    def exists(self) -> bool:
        """Say whether there is a record."""
        return self.first() is not None

    def df(self) -> pd.DataFrame:
        """Get the records as a data frame: a row per record by its id, a column per field.

        Raises
        ------
        anndex.errors.MissingPackageError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingPackageError("a data frame needs pandas; pip install pandas") from None
        names = native.fields(self._kind)
        rows: builtins.list[dict[str, Any]] = []
        missing: builtins.list[str] = []
        for one in self._records():
            row = one._values()  # pyright: ignore[reportPrivateUsage]
            for name, time in one._unknown_times().items():  # pyright: ignore[reportPrivateUsage]
                row[name] = None
                missing.append(f"{name} of {one._label()} ({time})")  # pyright: ignore[reportPrivateUsage]
            rows.append(row)
        if missing:
            more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
            warn(
                "times outside of the years from 1 to 9999 are missing in the data frame: "
                f"{', '.join(missing[:_LISTED])}{more}"
            )
        return pd.DataFrame(rows, columns=names).set_index("id")

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> R | Self:
        if isinstance(index, slice):
            return self._slice(index)
        position = checks.integer(index)
        if position is not None:
            index = position
            if index > _LAST:
                raise InvalidIndexError(f"there is no {self._kind} at this index")
            if self._found is None and index >= 0:
                found = self[index : index + 1]._records()
                index = 0
            else:
                found = self._records()
            try:
                return found[index]
            except IndexError:
                raise InvalidIndexError(f"there is no {self._kind} at this index") from None
        raise InvalidTypeError(
            f"records are indexed by integers or slices, but not by {checks.shown(index)}"
        )

    def _slice(self, index: slice) -> Self:
        for bound in (index.start, index.stop, index.step):
            if bound is not None and checks.integer(bound) is None:
                raise InvalidTypeError("the bounds of a slice of records are integers")
        start = 0 if index.start is None else min(operator.index(index.start), _LAST)
        stop = None if index.stop is None else min(operator.index(index.stop), _LAST)
        if index.step not in (None, 1) or start < 0 or (stop is not None and stop < 0):
            raise InvalidInputError(
                "a slice of records has no step and no negative bounds; make a list first"
            )
        part = copy.copy(self)
        part._query = {**self._query}
        part._found = None if self._found is None else self._found[index]
        limit = self._query["limit"]
        wanted = None if stop is None else max(stop - start, 0)
        if limit is not None:
            left = max(limit - start, 0)
            wanted = left if wanted is None else min(wanted, left)
        part._query["limit"] = wanted
        part._query["offset"] = self._query["offset"] + start
        return part

    def __iter__(self) -> Iterator[R]:
        return iter(self._found) if self._found is not None else self._read_in_pages()

    def _read_in_pages(self) -> Iterator[R]:
        make = self._type._from_native  # pyright: ignore[reportPrivateUsage]
        pages = self._native.pages(self._kind, self._asked())
        while page := pages.next():
            for one in page:
                yield make(one, self._native)

    def __len__(self) -> int:
        return len(self._records())

    def __bool__(self) -> bool:
        return self.exists()

    def __contains__(self, record: object) -> bool:
        return any(record is one or record == one for one in self._records_like(record))

    def _records_like(self, record: object) -> builtins.list[R]:
        # Others may have an equality of their own, which gives no bool.
        return self._records() if isinstance(record, self._type) else []

    def __repr__(self) -> str:
        shown = [repr(one) for one in self[: _LISTED + 1]]
        more = ["..."] if len(shown) > _LISTED else []
        return f"<QuerySet [{', '.join(shown[:_LISTED] + more)}]>"

    @property
    def _kind(self) -> str:
        return self._type._kind  # pyright: ignore[reportPrivateUsage]

    @property
    def _is_sliced(self) -> bool:
        return self._query["limit"] is not None or self._query["offset"] > 0

    def _copy(self, change: str | None = None) -> Self:
        if change is not None and self._is_sliced:
            raise InvalidInputError(f"a slice of records has no {change}; do it before slicing")
        changed = copy.copy(self)
        changed._query = {**self._query}
        changed._found = None
        return changed

    def _asked(self) -> Query:
        return {**self._query, "condition": self._q.condition}

    def _records(self) -> builtins.list[R]:
        if self._found is None:
            found = self._native.select(self._kind, self._asked())
            make = self._type._from_native  # pyright: ignore[reportPrivateUsage]
            self._found = [make(one, self._native) for one in found]
        return self._found
