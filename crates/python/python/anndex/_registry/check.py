"""Checking storage against the registry."""

from __future__ import annotations

from dataclasses import dataclass

from anndex._checks import flag
from anndex._registry.instance import current

__all__ = ["CheckReport", "Finding", "check"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    problem : str
        ``"missing"``, ``"changed"``, ``"unreadable"``, ``"incomplete"``, ``"partial"``,
        ``"unowned"`` or ``"storage_gone"``.
    path : str
        Where.
    uid, key : str or None
        The artifact, where the problem is with one.
    message : str
        What exactly was found, and what to do about it.
    repaired : str or None
        What the repair did; None if the problem is still there.
    """

    problem: str
    path: str
    uid: str | None
    key: str | None
    message: str
    repaired: str | None


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes
    ----------
    artifacts : int
        How many artifacts were checked.
    unreachable : int
        How many artifacts are in storages that can't be looked into.
    without_hash : int
        How many artifacts a deep check could compare by size only.
    copies : int
        How many copies in the default storage were looked at.
    findings : list of Finding
        What is wrong.
    """

    artifacts: int
    unreachable: int
    without_hash: int
    copies: int
    findings: list[Finding]

    @property
    def is_consistent(self) -> bool:
        """Whether all is well now: nothing was found, or all of it was put right."""
        return all(finding.repaired is not None for finding in self.findings)


def check(*, deep: bool = False, repair: bool = False) -> CheckReport:
    """Check that all artifacts are in storage as they were registered, and nothing is left over.

    Parameters
    ----------
    deep : bool
        Read all content and compare its hashes, where otherwise sizes are compared.
    repair : bool
        Complete or remove what a process that was stopped left half-done. Without this nothing is
        changed. Files of yours are never removed, and neither is what is being saved at the
        moment.

    Returns
    -------
    CheckReport
        What was found, and what the repair did.

    Examples
    --------
    >>> import anndex as ln
    >>> ln.check().findings
    []
    """
    *numbers, findings = current().check(flag("deep", deep), flag("repair", repair))
    artifacts, unreachable, without_hash, copies = numbers
    return CheckReport(
        artifacts, unreachable, without_hash, copies, [Finding(*one) for one in findings]
    )
