"""The columns of a source against its contract, before an ingest: what it would refuse, fill in or leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchline.errors import ColumnsMismatch, TouchlineError, failure_in_words
from touchline.ingest.providers.base import FetchContext, HashedProvider, RawFile
from touchline.ingest.snapshots import find_snapshot, stored_columns

if TYPE_CHECKING:
    from touchline.clock import Clock
    from touchline.ingest.spec import Source
    from touchline.storage import DataStores


@dataclass(frozen=True)
class ColumnFindings:
    """What a source's columns mean for the next ingest: `mistakes` refuse it, `notes` are what a person should know."""

    mistakes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Unstored(FetchContext):
    """The context of a fetch that stores nothing."""

    def keep(self, name: str, content: bytes) -> RawFile:
        return RawFile.of(name, content)


def check_source_columns(source: Source, *, project: str, stores: DataStores, clock: Clock) -> ColumnFindings:
    """Read the files of a source and compare their columns with its contract; nothing is stored.

    A source that is no set of files (SQL, HTTP, a function) is not read: its last snapshot is compared instead, which
    can only give notes. Without a snapshot there is nothing to compare.
    """
    table = f"{project}.{source.name}"
    if not isinstance(source.provider, HashedProvider):
        snapshot = find_snapshot(project, source.name, stores)
        return ColumnFindings(notes=_beside_snapshot(source, table, stored_columns(snapshot)) if snapshot else ())
    try:
        columns = source.provider.fetch(_context(source, project, stores, clock)).frame.columns  # type: ignore[attr-defined]  # every provider has fetch
    except TouchlineError as failure:
        return ColumnFindings((f"the next ingest is refused: {failure}",))
    except Exception as failure:  # noqa: BLE001  the project's `prepare` may raise anything; it is shown
        return ColumnFindings((f"the next ingest is refused: {table}: {failure_in_words(failure)}",))
    return _beside_files(source, table, columns)


def _context(source: Source, project: str, stores: DataStores, clock: Clock) -> FetchContext:
    fields = source.compiled.fields
    return _Unstored(
        project=project,
        source=source.name,
        columns=tuple(fields),
        required=frozenset(name for name, spec in fields.items() if spec.required),
        database=stores.database,
        objects=stores.objects,
        clock=clock,
    )


def _beside_files(source: Source, table: str, columns: list[str]) -> ColumnFindings:
    fields = source.compiled.fields
    unknown = [name for name in columns if name not in fields]
    missing = [name for name, spec in fields.items() if spec.required and name not in columns]
    if missing or (unknown and source.extra == "forbid"):
        refusal = ColumnsMismatch(table, missing=missing, extra=unknown, allowed=fields)
        return ColumnFindings((f"the next ingest is refused: {refusal}",))
    absent = [name for name in fields if name not in columns]
    notes = []
    if absent:
        filled = ", ".join(f"{name!r} is {fields[name].default!r} in every row" for name in absent)
        notes.append(f"{table} lacks columns of the contract, so their defaults are used: {filled}")
    if unknown:
        notes.append(f"{table} has columns that the contract does not declare; they are left out: {', '.join(unknown)}")
    return ColumnFindings(notes=tuple(notes))


def _beside_snapshot(source: Source, table: str, stored: list[str]) -> tuple[str, ...]:
    fields = source.compiled.fields
    needed = [name for name, spec in fields.items() if spec.required and name not in stored]
    dropped = [name for name in stored if name not in fields]
    notes = []
    if needed:
        notes.append(
            f"the contract of {table} requires {', '.join(map(repr, needed))}, which the last snapshot lacks: the next "
            "ingest is refused unless the source has it now"
        )
    if dropped and source.extra == "forbid":
        notes.append(
            f"the last snapshot of {table} has {', '.join(map(repr, dropped))}, which the contract does not declare: "
            "the next ingest is refused if the source still has it; leave it out with ignore= or "
            "Source(extra='ignore')"
        )
    return tuple(notes)
