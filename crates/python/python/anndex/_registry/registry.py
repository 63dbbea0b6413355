"""What every kind of record can do, saved or not."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from anndex import _anndex as native
from anndex._checks import explained, flag, text, with_article
from anndex._registry.condition import Q
from anndex._registry.field import Field, plain_value
from anndex._registry.instance import current
from anndex._registry.query_set import QuerySet
from anndex.errors import InvalidInputError, InvalidTypeError, UnsupportedError

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

    from anndex._registry.run import Run
    from anndex._registry.user import User

__all__ = ["Registry", "TracksCreator", "TracksRun"]

R = TypeVar("R", bound="Registry")

# Fields that a record has once it is saved.
_GIVEN_BY_SAVING = ("uid", "created_at", "updated_at")
_TEXTS = {"description", "key", "name", "reference", "reference_type", "source_code", "type"}
_TRASH = 2


class Registry:
    """A record; the class is the registry of all records of its kind."""

    __slots__ = ("_changes", "_instance", "_native")

    _kind: ClassVar[str]

    id: Field[int | None] = Field("Internal id, valid in one instance; None before saving.")
    uid: Field[str] = Field("Universal id, valid across instances.")
    created_at: Field[datetime] = Field("Time of creation.")
    updated_at: Field[datetime] = Field("Time of the last change.")

    def __init__(self, **values: Any) -> None:
        self._new(values)

    def _new(self, values: dict[str, Any]) -> None:
        for name in _TEXTS & set(values):
            text(name, values[name], optional=True)
        self._instance: native.Instance = current()
        self._native: native.Record | None = None
        self._changes: dict[str, Any] = values

    @classmethod
    def _from_native(cls, record: native.Record, instance: native.Instance) -> Self:
        made = cls.__new__(cls)
        made._instance = instance
        made._native = record
        made._changes = {}
        return made

    @classmethod
    def filter(cls, *conditions: Q, **lookups: Any) -> QuerySet[Self]:
        """Get the records that satisfy conditions; see `QuerySet.filter`.

        Parameters
        ----------
        *conditions : Q
            Conditions.
        **lookups
            Fields with their values, or Django-style lookups, such as ``name__contains="blood"``.
        """
        found = QuerySet(cls, current())
        return found.filter(*conditions, **lookups) if conditions or lookups else found

    @classmethod
    def search(cls, text: str, *, limit: int | None = 20) -> list[Self]:
        """Get the records that fit a text, the best first; see `QuerySet.search`."""
        return QuerySet(cls, current()).search(text, limit=limit)

    @classmethod
    def get(cls, idlike: int | str | None = None, **lookups: Any) -> Self:
        """Get the only record with this id, uid or beginning of a uid, or for these lookups.

        A uid is abbreviated to 4 characters or more. By a beginning that all versions of a family
        share it is the newest of them.

        Raises
        ------
        anndex.errors.RecordNotFoundError
            If there is none.
        anndex.errors.InvalidInputError
            If several are meant.
        """
        if idlike is None:
            return cls.filter(**lookups).one()
        if lookups:
            raise InvalidInputError("get a record by its id or by lookups, not by both")
        return QuerySet(cls, current()).get(idlike)

    @classmethod
    def df(cls) -> pd.DataFrame:
        """Get all records as a data frame; see `QuerySet.df`."""
        return cls.filter().df()

    def save(self) -> Self:
        """Write the record, or what was changed of it.

        Returns
        -------
        The record itself.

        Raises
        ------
        anndex.errors.AnndexError
            `ValueError` if a field can't have its value or never changes, `RuntimeError` if
            somebody else changed the record meanwhile.
        """
        if self._native is None:
            with explained(f"the {self._kind} can't be saved"):
                self._native = self._insert()
        elif self._changes:
            changes = [(name, plain_value(value)) for name, value in self._changes.items()]
            self._native = self._native.update(changes)
        self._changes = {}
        return self

    def _insert(self) -> native.Record:
        raise UnsupportedError(f"{with_article(self._kind)} can't be made by hand")

    def delete(self, permanent: bool | None = None) -> None:
        """Move the record to the trash, or remove it.

        Parameters
        ----------
        permanent : bool, optional
            Remove the record with its links for good. What is in the trash already is removed only
            if this is True; without it you are asked, where there is somebody to ask.

        Raises
        ------
        anndex.errors.InvalidInputError
            If other records hold this one, which are named; if it is in the trash already.
        """
        flag("permanent", permanent, optional=True)
        record = self._saved()
        in_trash = getattr(self, "visibility", 0) == _TRASH
        if permanent is None and in_trash and _is_terminal():
            answer = input(f"{record.label()} is in the trash. Delete it permanently? (y/n) ")
            if answer.strip().lower() not in ("y", "yes"):
                return
            permanent = True
        self._native = record.delete(permanent) or record

    def restore(self) -> None:
        """Take the record out of the trash."""
        self._native = self._saved().restore()

    def refresh(self) -> Self:
        """Read the record again; changes that were not saved are lost."""
        self._native = self._saved().refresh()
        self._changes = {}
        return self

    def _get(self, name: str) -> Any:
        if name in self._changes:
            return self._changes[name]
        if self._native is not None:
            return self._native.get(name)
        if name in _GIVEN_BY_SAVING:
            raise InvalidInputError(f"the {self._kind} has no {name} yet; save it first")
        return None

    def _set(self, name: str, value: Any) -> None:
        is_plain = value is None or isinstance(value, (str, int, datetime))
        known = is_plain and self._native is not None and name not in self._unknown_times()
        if self._native is not None and known and self._native.get(name) == value:
            self._changes.pop(name, None)
        else:
            self._changes[name] = value

    def _saved(self) -> native.Record:
        if self._native is None:
            raise InvalidInputError(f"the {self._kind} is not saved; save it first")
        return self._native

    def _lookup_id(self) -> Any:
        return self._saved().get("id")

    def _label(self) -> str:
        return self._kind if self._native is None else self._native.label()

    def _values(self) -> dict[str, Any]:
        record = self._saved()
        # What Python has no datetime for is text.
        values: dict[str, Any] = dict(record.unknown_times())
        for name in native.fields(self._kind):
            if name not in values:
                values[name] = record.get(name)
        return {**values, **self._changes}

    def _unknown_times(self) -> dict[str, str]:
        """Times that Python has no datetime for, by their fields."""
        times = dict(self._saved().unknown_times())
        return {name: time for name, time in times.items() if name not in self._changes}

    def _related(
        self, record_type: type[R], relation: str, *, position: str | None = None
    ) -> QuerySet[R]:
        """The records whose relation of this name leads here, whatever their visibility."""
        record = self._saved()
        return QuerySet(
            record_type,
            self._instance,
            q=Q(**{relation: self}),
            position=None if position is None else (position, record),
            shown="everything",
        )

    def _referenced(self, record_type: type[R], field: str) -> R | None:
        """The record whose id a field holds."""
        record_id = self._get(field)
        if record_id is None:
            return None
        found = self._instance.get(record_type._kind, record_id)
        return record_type._from_native(found, self._instance)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Registry):
            return NotImplemented
        one, two = self._native, other._native
        if one is None or two is None:
            return self is other
        same_kind = self._kind == other._kind
        return same_kind and one.location == two.location and one.get("uid") == two.get("uid")

    def __hash__(self) -> int:
        # A record that is saved becomes equal to others, so that it has no hash before.
        return hash((self._kind, self._saved().get("uid")))

    def __repr__(self) -> str:
        values = self._changes if self._native is None else self._values()
        given = [f"{name}={_shown(value)}" for name, value in values.items() if value is not None]
        return f"{type(self).__name__}({', '.join(given)})"

    def __reduce__(self) -> NoReturn:
        raise InvalidTypeError(
            f"{with_article(self._kind)} can't be pickled or copied; "
            "hand on its uid and get it again"
        )


class TracksCreator(Registry):
    """A record that knows who created it."""

    __slots__ = ()

    @property
    def created_by(self) -> User | None:
        """Creator of the record."""
        from anndex._registry.user import User

        return self._referenced(User, "created_by_id")


class TracksRun(TracksCreator):
    """A record that knows the run that created it."""

    __slots__ = ()

    @property
    def run(self) -> Run | None:
        """Run that created the record."""
        from anndex._registry.run import Run

        return self._referenced(Run, "run_id")


def _is_terminal() -> bool:
    # There is no standard input in a program without a console.
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, datetime) else repr(value)
