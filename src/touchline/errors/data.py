"""Contracts and ingest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from touchline.errors.base import TouchlineError, UsageError, nearest

__all__ = [
    "BatchRejected",
    "ColumnRetyped",
    "ColumnUnknown",
    "ColumnsMismatch",
    "InvalidContract",
    "ManifestNotFound",
    "ProviderFailed",
    "RepeatedKey",
    "RequestBudgetSpent",
    "SnapshotNotFound",
    "SnapshotPruned",
    "SourceFileEmpty",
    "SourceFileMissing",
    "SourceFileUnreadable",
    "SourceUnavailable",
    "UnreadableJson",
]


class InvalidContract(UsageError):
    def __init__(
        self, contract: str, field: str | None, *, file: str, line: int | None, what: str, next_step: str
    ) -> None:
        self.contract, self.field, self.file, self.line = contract, field, file, line
        where = f"{file}:{line}" if line else file
        name = f"{contract}.{field}" if field else contract
        super().__init__(f"{where}: contract {name}: {what}. {next_step}")


class ColumnsMismatch(TouchlineError):
    """A file has columns the contract does not know, or lacks some it needs."""

    def __init__(self, table: str, *, missing: Sequence[str], extra: Sequence[str], allowed: Collection[str]) -> None:
        self.missing, self.extra = tuple(missing), tuple(extra)
        parts = []
        if missing:
            parts.append(f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}")
        if extra:
            parts.append(f"has the unknown column{'s' if len(extra) > 1 else ''} {', '.join(map(repr, extra))}")
        closest = [
            f"{name!r} may be {get_close_matches(name, missing, n=1)[0]!r}"
            for name in extra
            if get_close_matches(name, missing, n=1)
        ]
        hint = f" ({'; '.join(closest)})" if closest else ""
        ignoring = "" if missing else ", or leave unknown columns out: Source(extra='ignore')"
        super().__init__(
            f"{table} {' and '.join(parts)}{hint}. The contract's columns: {', '.join(allowed)}. Rename columns in the "
            f"provider (rename=, ignore=) or change the contract{ignoring}; nothing was stored."
        )


class ColumnUnknown(UsageError):
    def __init__(self, table: str, column: str, allowed: Collection[str]) -> None:
        self.table, self.column = table, column
        text = f"{table} has no column {column!r}. {nearest(column, allowed)}"
        if sum(map(_is_value, allowed)) > len(allowed) / 2:
            text += " The file seems to have no header: its first line holds values. Add a line with the column names."
        super().__init__(text)


def _is_value(name: str) -> bool:
    """Whether the name of a column looks like a number, as a first row of values gives."""
    try:
        float(name.split("_duplicated")[0].strip() or "0")
    except ValueError:
        return False
    return True


class SourceFileMissing(TouchlineError):
    """`reason` says what is missing where that is no path or pattern, such as a file of some layout in a folder."""

    def __init__(self, table: str, pattern: str, folder: object, *, reason: str | None = None) -> None:
        self.table, self.pattern = table, pattern
        super().__init__(
            f"{table}: {reason or f'no file matches {pattern!r}'} (looked from {folder}). "
            f"Put the file there, run the command in the folder that the path counts from, or correct the provider's "
            f"path; nothing was changed."
        )


class SourceFileEmpty(TouchlineError):
    def __init__(self, table: str, name: str) -> None:
        self.table, self.name = table, name
        super().__init__(
            f"{table}: {name} has no rows. A source with nothing in it is taken for a fault: "
            f"check how the file was made; nothing was changed."
        )


class SourceFileUnreadable(TouchlineError):
    def __init__(self, table: str, name: str, what: str, next_step: str) -> None:
        self.table, self.name = table, name
        super().__init__(f"{table}: {name} cannot be read: {what}. {next_step} Nothing was changed.")


class SourceUnavailable(TouchlineError):
    """The origin did not answer; when it is `temporary`, the last snapshot stands in."""

    def __init__(
        self, table: str, reason: str, next_step: str, *, temporary: bool = False, request_count: int = 0
    ) -> None:
        self.table, self.reason = table, reason
        self.temporary, self.request_count = temporary, request_count
        super().__init__(f"{table}: the origin is not available: {reason}. {next_step}")


class RequestBudgetSpent(SourceUnavailable):
    def __init__(self, table: str, used: int, budget: int, *, request_count: int) -> None:
        self.used, self.budget = used, budget
        super().__init__(
            table,
            f"{used} of the {budget} requests allowed today are used",
            "Wait until 00:00 UTC or raise daily_requests in the provider.",
            temporary=True,
            request_count=request_count,
        )


class ProviderFailed(TouchlineError):
    def __init__(self, table: str, provider: str, failure: Exception) -> None:
        self.table = table
        super().__init__(
            f"{table}: {provider} failed with {type(failure).__name__}: {failure}. "
            f"Correct the provider or its function in project.py; nothing was changed."
        )


class BatchRejected(TouchlineError):
    """A batch that breaks its contract too often, or as a whole; the table stays as it was."""

    def __init__(self, table: str, reasons: str, *, snapshot: int | None, next_step: str) -> None:
        self.table, self.snapshot = table, snapshot
        stands = "nothing is stored yet" if snapshot is None else f"the stored table is still snapshot {snapshot}"
        super().__init__(f"{table}: {reasons}. The batch was rejected; {stands}. {next_step}")


class ColumnRetyped(TouchlineError):
    def __init__(self, source: str, column: str, stored: str, expected: str) -> None:
        self.source, self.column = source, column
        super().__init__(
            f"{source}.{column} is stored as {stored} and cannot become {expected}. "
            f"Give the column or the source a new name, or take the old type back; nothing was changed."
        )


class SnapshotPruned(UsageError):
    def __init__(self, project: str, source: str, hash: str, sequence: int) -> None:
        self.project, self.source, self.hash = project, source, hash
        super().__init__(
            f"{project}.{source}: `touchline data prune` deleted the rows of snapshot {sequence} ({hash[:12]}), "
            "since no model version was trained on it. A backup has them; later snapshots hold its rows as well."
        )


class SnapshotNotFound(UsageError):
    def __init__(self, project: str, source: str, hash: str | None) -> None:
        self.project, self.source, self.hash = project, source, hash
        if hash is None:
            text = f"{project}.{source} has no snapshot yet. Run: touchline ingest -p {project}"
        else:
            text = (
                f"{project}.{source} has no snapshot, or more than one, whose hash begins with {hash!r}. "
                f"Known ones: touchline data show {source} -p {project}"
            )
        super().__init__(text)


class ManifestNotFound(UsageError):
    def __init__(self, manifest_id: str) -> None:
        self.manifest_id = manifest_id
        super().__init__(f"No ingest {manifest_id!r} is recorded. Known ones: touchline data log")


class UnreadableJson(UsageError):
    """A text that is not JSON."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"This is not JSON: {reason}. Send one JSON object, or a list of them.")


class RepeatedKey(UsageError):
    """An object that has a key twice; which of its values is meant cannot be known."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The key {key!r} stands twice in one object. Give each key once.")
