"""Taking over the registry of a lamindb instance."""

from __future__ import annotations

import os
from dataclasses import dataclass

from anndex._registry import paths
from anndex._registry.instance import current

__all__ = ["ImportReport", "LeftOut", "import_lamindb"]


@dataclass(frozen=True)
class LeftOut:
    """A record that was not taken as it is.

    Attributes
    ----------
    kind : str
        The kind of record, such as ``"artifact"``.
    uid : str
        Its uid.
    title : str or None
        What people know it by.
    reason : str
        Why, and what to do about it.
    """

    kind: str
    uid: str
    title: str | None
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    created : dict
        How many records of each kind are new to the instance.
    known : dict
        How many records of each kind the instance had; they were not changed.
    links_added : int
        How many labels, inputs and parents of records that the instance had were added.
    different : list of LeftOut
        Transforms that the instance has with other source code. Runs belong to the one here.
    left_out : list of LeftOut
        Records that were not taken, with what stands on them.
    """

    created: dict[str, int]
    known: dict[str, int]
    links_added: int
    different: list[LeftOut]
    left_out: list[LeftOut]


def import_lamindb(location: str | os.PathLike[str]) -> ImportReport:
    """Copy users, storages, transforms, runs, labels, artifacts and collections from lamindb.

    Records are the same by uid, so it can be done again and again, and adds what is new. Nothing
    in the lamindb instance is changed, and files stay where they are.

    Parameters
    ----------
    location : str or path
        The lamindb instance: its SQLite file, the directory of its storage, or the
        ``postgres://`` URL of its database.

    Returns
    -------
    ImportReport
        What is new, what was known, and what was left out.

    Examples
    --------
    >>> import anndex as ln
    >>> ln.import_lamindb("../lamindb-storage").created
    {'artifact': 4, 'collection': 1, 'user': 1}
    """
    created, known, links_added, different, left_out = current().import_lamindb(
        paths.location(location)
    )
    return ImportReport(
        created,
        known,
        links_added,
        [LeftOut(*one) for one in different],
        [LeftOut(*one) for one in left_out],
    )
