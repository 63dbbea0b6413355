"""Conditions on records: lookups, and what joins them."""

from __future__ import annotations

from typing import Any, TypeAlias

from anndex._checks import shown, text
from anndex._registry.field import plain_values
from anndex.errors import InvalidInputError, InvalidTypeError

__all__ = ["Condition", "Q", "everything"]

Condition: TypeAlias = tuple[Any, ...]

_DEEPEST = 64
_VISIBILITIES = {"default": 0, "hidden": 1, "trash": 2}


class Q:
    """A condition that can be joined with others by ``&`` and ``|``, and turned round by ``~``.

    Parameters
    ----------
    *conditions : Q
        Conditions that must hold, too.
    **lookups
        Lookups, all of which must hold, such as ``name__startswith="Blood"``. As in Django, what
        several of them say of related records must hold of the same one.

    Examples
    --------
    >>> import anndex as ln
    >>> ln.Collection.filter(ln.Q(name="Blood") | ~ln.Q(version=None))
    """

    __slots__ = ("_depth", "condition")

    def __init__(self, *conditions: Q, **lookups: Any) -> None:
        for one in conditions:
            if not isinstance(one, Q):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidTypeError(f"a condition is a Q or a lookup, but this is {shown(one)}")
        joined: list[Condition] = [one.condition for one in conditions]
        joined.extend(_lookup(name, value) for name, value in lookups.items())
        self._set(("same", joined), max((one._depth for one in conditions), default=0) + 1)

    def _set(self, condition: Condition, depth: int) -> None:
        if depth > _DEEPEST:
            raise InvalidInputError("the condition is nested too deep")
        self.condition: Condition = condition
        self._depth = depth

    def _joined(self, how: str, other: Q) -> Q:
        if not isinstance(other, Q):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTypeError(f"a Q is joined with another Q, but not with {shown(other)}")
        conditions: list[Condition] = []
        for one in (self.condition, other.condition):
            # A long chain of the same kind stays flat.
            conditions.extend(one[1] if one[0] == how else [one])
        depth = max(one._depth + (one.condition[0] != how) for one in (self, other))
        return _made((how, conditions), depth)

    def __and__(self, other: Q) -> Q:
        return self._joined("same", other)

    def __or__(self, other: Q) -> Q:
        return self._joined("any", other)

    def _then(self, other: Q) -> Q:
        """Both, each of which may be about another related record."""
        return self._joined("all", other)

    def _apart(self) -> Q:
        """The same conditions, each of which may be about another related record."""
        conditions = self.condition[1] if self.condition[0] == "same" else [self.condition]
        return _made(("all", conditions), self._depth)

    def __invert__(self) -> Q:
        return _made(("not", self.condition), self._depth + 1)

    def __repr__(self) -> str:
        return f"Q({self.condition!r})"


def everything() -> Q:
    """The condition that all records satisfy."""
    return Q()


def _made(condition: Condition, depth: int) -> Q:
    made = Q()
    made._set(condition, depth)  # pyright: ignore[reportPrivateUsage]
    return made


def _lookup(name: str, value: Any) -> Condition:
    if name == "visibility" and isinstance(value, str):
        if value not in _VISIBILITIES:
            raise InvalidInputError(
                f"visibility must be one of {', '.join(_VISIBILITIES)}, but is {value!r}"
            )
        value = _VISIBILITIES[value]
    return ("lookup", text("a lookup", name), plain_values(value))
