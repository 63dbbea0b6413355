"""Records that come in versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anndex import _anndex as native
from anndex._checks import shown, text, with_article
from anndex._registry.field import Field
from anndex._registry.query_set import QuerySet
from anndex._registry.registry import TracksCreator
from anndex.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["IsVersioned"]


class IsVersioned(TracksCreator):
    """A record that is one version of a family."""

    __slots__ = ("_given_version", "_old")

    version: Field[str | None] = Field(
        "Version within the family of records that share a `stem_uid`; None if there is just one."
    )

    def _new_version(
        self, old: IsVersioned | None, version: str | None, values: dict[str, Any]
    ) -> None:
        """Start an unsaved record, and tell what its version and that of the old one will be."""
        text("version", version, optional=True)
        self._check_old(old)
        self._old: IsVersioned | None = old
        self._given_version = version
        self._new({**values, "version": version})
        if old is None:
            return
        self._instance = old._instance
        next_version, newest = old._saved().next_version(version)
        self._changes["version"] = next_version
        if newest is not None and old.version is None:
            old._changes["version"] = newest

    @classmethod
    def _check_old(cls, old: object) -> None:
        if old is not None and not isinstance(old, cls):
            expected = with_article(cls.__name__)
            raise InvalidTypeError(f"is_new_version_of must be {expected}, but is {shown(old)}")

    def save(self) -> Self:
        is_new = self._native is None
        super().save()
        if is_new and self._old is not None:
            old, self._old = self._old, None
            old._changes.pop("version", None)
            old._native = old._saved().refresh()
        return self

    save.__doc__ = TracksCreator.save.__doc__

    def _old_native(self) -> native.Record | None:
        return None if self._old is None else self._old._saved()

    @property
    def stem_uid(self) -> str:
        """The beginning of the uid that all versions share."""
        if self._native is not None:
            return self._native.stem_uid()
        if self._old is not None:
            return self._old.stem_uid
        raise InvalidInputError(f"the {self._kind} has no stem_uid yet; save it first")

    @property
    def versions(self) -> QuerySet[Self]:
        """All versions of the family, this one too, the oldest first, whatever their visibility."""
        family = QuerySet(type(self), self._instance, shown="everything")
        return family.filter(uid__startswith=self._saved().stem_uid()).order_by("uid")
