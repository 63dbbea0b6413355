"""Saving many records in one call."""

# It does together what the records do one by one, with what is theirs.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable

from anndex._checks import items
from anndex._registry.artifact import Artifact
from anndex._registry.registry import Registry
from anndex.errors import AnndexError

__all__ = ["save"]

# How many failures an error names.
_LISTED = 10


def save(records: Iterable[Registry]) -> None:
    """Save many records, new artifacts much faster than one by one.

    Files are read in parallel and registered by the thousand, each thousand in one transaction.
    A record that can't be saved keeps no other one from being saved.

    Parameters
    ----------
    records : iterable of records
        New records, or changed ones.

    Raises
    ------
    anndex.errors.AnndexError
        At the end, if some could not be saved: the error of the first of them, which names the
        others. All others are saved.

    Examples
    --------
    >>> import anndex as ln
    >>> from pathlib import Path
    >>> artifacts = [ln.Artifact(path) for path in sorted(Path("plates").iterdir())]
    >>> ln.save(artifacts)
    """
    all_records: list[Registry] = items("records", records, Registry, "records")
    failures: list[AnndexError] = []
    new: list[Artifact] = []
    for record in all_records:
        if isinstance(record, Artifact) and record._native is None:
            if any(record._instance is not one._instance for one in new[:1]):
                _save_new(new, failures)
            new.append(record)
            continue
        # It may need the artifacts before it.
        _save_new(new, failures)
        try:
            record.save()
        except AnndexError as error:
            failures.append(error)
    _save_new(new, failures)
    if failures:
        raise _together(failures, len(all_records))


def _save_new(new: list[Artifact], failures: list[AnndexError]) -> None:
    if new:
        # One that is given twice is saved once.
        once = list({id(artifact): artifact for artifact in new}.values())
        saved = Artifact._save_together(once, once[0]._instance)
        failures.extend(error for error in saved if error is not None)
        new.clear()


def _together(failures: list[AnndexError], total: int) -> AnndexError:
    first = failures[0]
    if len(failures) == 1:
        return first
    listed = [str(error) for error in failures[:_LISTED]]
    if len(failures) > _LISTED:
        listed.append(f"{len(failures) - _LISTED} more")
    message = f"{len(failures)} of {total} records could not be saved, the others are: "
    together = type(first)(message + "; ".join(listed))
    together.operation = "save"
    together.context = first.context
    return together
