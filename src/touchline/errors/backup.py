"""Backups and moves between stores."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from touchline.errors.base import TouchlineError, UsageError

__all__ = ["BackupDamaged", "BackupFailed", "BackupIncomplete", "BackupNotFound", "BackupRefused", "CopyDiffers"]


class BackupDamaged(TouchlineError):
    """A backup set is not what was written; nothing is restored from it."""

    def __init__(self, backup: str, file: str, problem: str) -> None:
        self.backup, self.file = backup, file
        super().__init__(
            f"Backup {backup} is damaged: {file}: {problem}. Nothing was restored; use another set: "
            "touchline backup list"
        )


class BackupFailed(TouchlineError):
    """A backup place, or the program that writes to it, refused. Sets that it has already are as they were."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        super().__init__(f"Backup place {place}: {reason}. Sets that are there already are unchanged.")


class BackupIncomplete(TouchlineError):
    """A set that one place has and another has not."""

    def __init__(self, backup: str, written: Sequence[str], failures: Sequence[TouchlineError]) -> None:
        self.backup, self.written = backup, tuple(written)
        reasons = " ".join(str(failure) for failure in failures)
        super().__init__(f"Backup {backup} is in {', '.join(written)}, and not in every place. {reasons}")


class BackupNotFound(UsageError):
    def __init__(self, place: str, name: str, stored: Collection[str]) -> None:
        self.place, self.name = place, name
        newest = ", ".join(sorted(stored)[-5:]) or "none yet"
        super().__init__(f"Backup place {place} has no set {name!r}. Its newest sets: {newest}.")


class BackupRefused(UsageError):
    """A backup or a restore that would lose or mix something; nothing was changed."""


class CopyDiffers(TouchlineError):
    """A copy of a table or of an object is not what was read; the copy is not used."""

    def __init__(self, what: str, actual: str, expected: str) -> None:
        super().__init__(
            f"The copy of {what} has {actual}, the original {expected}. The original is unchanged; remove the copy "
            "and run the same command again."
        )
