"""`touchline ingest` and `touchline data`: what comes in and what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchline.cli.opening import JsonOption, OpenedProject, ProjectOption, open_project, pipeline_context
from touchline.cli.output import as_text, print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.ingest import Source

data = typer.Typer(help="What was ingested: log, snapshots, differences, quarantine.", no_args_is_help=True)
SourceArgument = Annotated[str | None, typer.Argument(help="Source; default: all, or the only one.")]


def register(app: typer.Typer) -> None:
    app.command()(ingest)
    app.add_typer(data, name="data")
    for command in (log, show, diff, checkout, freshness, quarantine):
        data.command()(command)


def ingest(source: SourceArgument = None, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Fetch, check and store sources, and settle outcomes.

    Every source, or the one named. Predictions whose outcome is now known are settled.

    The same bytes twice make one snapshot. Rows that break the contract go to quarantine.

    Example: touchline ingest -p football
    """
    from touchline.automation import ingest_and_settle

    opened = open_project(project)
    chosen = _chosen(opened, source) if source else opened.project.sources
    with progress(opened.project.name, quiet=as_json) as say:
        reports, settled = ingest_and_settle(pipeline_context(opened, say), chosen)
    if as_json:
        print_json({"ingested": [report.manifest for report in reports], "outcomes": settled})
        return
    for report in reports:
        typer.echo(f"{opened.project.name}.{report.manifest.source}: {report.manifest.message}")
    if settled is not None and (settled.settled or settled.corrected):
        typer.echo(f"outcomes: {settled.settled} settled, {settled.corrected} corrected, {settled.open} still open")


def log(
    source: SourceArgument = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest lines shown.")] = 20,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the ingests, newest first.

    Example: touchline data log -p football
    """
    from touchline.ingest import read_log

    opened = open_project(project)
    if source:
        _chosen(opened, source)
    found = read_log(opened.stores.database, opened.project.name, source, limit=limit)
    if as_json:
        print_json(found)
        return
    columns = ["when", "source", "status", "rows in", "accepted", "rejected", "snapshot", "ingest"]
    rows = (
        [m.finished_at, m.source, m.status, m.rows_in, m.accepted, m.rejected, (m.snapshot_hash or "-")[:12], m.id]
        for m in found
    )
    print_table(f"ingests of {opened.project.name}", columns, rows)


def show(
    source: SourceArgument = None,
    snapshot: Annotated[str | None, typer.Option(help="Hash, or its beginning; default: the current one.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a snapshot: columns, ranges, first rows.

    Without a hash the newest one; the list of all snapshots stands below.

    Example: touchline data show matches -p football
    """
    from touchline.ingest import show_snapshot

    opened = open_project(project)
    view = show_snapshot(_only(opened, source), project=opened.project.name, stores=opened.stores, hash=snapshot)
    if as_json:
        print_json({**{k: v for k, v in vars(view).items() if k != "head"}, "head": view.head.to_dicts()})
        return
    found = view.snapshot
    typer.echo(f"{found.source} {found.hash}")
    typer.echo(
        f"{view.keys} rows in {view.versions} versions; events {as_text(view.first_event)} to "
        f"{as_text(view.newest_event)} UTC"
    )
    columns = ["column", "type", "nulls", "distinct", "least", "most", "mean"]
    print_table("", columns, ([c.name, c.dtype, c.nulls, c.distinct, c.least, c.most, c.mean] for c in view.columns))
    rows = ([one.sequence, one.created_at, one.rows, one.hash] for one in view.all_snapshots)
    print_table("snapshots", ["no.", "made", "rows", "hash"], rows)


def diff(
    before: Annotated[str, typer.Argument(help="Hash of the older snapshot, or its beginning.")],
    after: Annotated[str | None, typer.Argument(help="Hash of the newer one; default: the current one.")] = None,
    source: Annotated[str | None, typer.Option(help="Source; default: the only one.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two snapshots: schema, rows, values and distributions.

    Example: touchline data diff 3f2a 91bc -p football
    """
    from touchline.ingest import diff_snapshots

    opened = open_project(project)
    found = diff_snapshots(_only(opened, source), before, after, project=opened.project.name, stores=opened.stores)
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"{found.before.hash[:12]} → {found.after.hash[:12]}: {found.rows_before} → {found.rows_after} rows, "
        f"{found.rows_added} added, {found.rows_removed} removed, {found.rows_changed} changed"
    )
    for name in found.columns_added:
        typer.echo(f"+ column {name}")
    for name in found.columns_removed:
        typer.echo(f"- column {name}")
    for name, old, new in found.retyped:
        typer.echo(f"~ column {name}: {old} → {new}")
    changed = [c for c in found.columns if c.changed or c.distance]
    print_table(
        "columns that differ",
        ["column", "changed values", "distance"],
        ([c.name, c.changed, c.distance] for c in changed),
    )
    print_table(
        "changed values",
        ["key", "column", "before", "after"],
        ([c.key, c.column, c.before, c.after] for c in found.examples),
    )


def checkout(
    snapshot: Annotated[str, typer.Argument(help="Hash of the snapshot, or its beginning.")],
    to: Annotated[Path, typer.Option("--to", help="File to write; .parquet.")],
    source: Annotated[str | None, typer.Option(help="Source; default: the only one.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write any snapshot to a file.

    Example: touchline data checkout 3f2a --to matches.parquet -p football
    """
    from touchline.ingest import checkout as write_checkout

    opened = open_project(project)
    chosen = _only(opened, source)
    found = write_checkout(chosen, to, project=opened.project.name, stores=opened.stores, hash=snapshot)
    print_json(found) if as_json else typer.echo(f"wrote {found.rows} row versions of {found.hash[:12]} to {to}")


def freshness(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show how old each source is.

    Example: touchline data freshness -p football
    """
    from touchline.ingest import read_freshness

    opened = open_project(project)
    found = [
        read_freshness(
            source,
            project=opened.project.name,
            stores=opened.stores,
            now=opened.clock.now(),
            wall=opened.clock.wall(),
        )
        for source in opened.project.sources
    ]
    if as_json:
        print_json([{**vars(one), "is_stale": one.is_stale} for one in found])
        return
    columns = ["source", "last ingest", "status", "newest event", "age", "stale", "rows"]
    rows = ([f.source, f.last_ingest_at, f.last_status, f.newest_event, f.age, f.is_stale, f.rows] for f in found)
    print_table(f"freshness of {opened.project.name}", columns, rows)


def quarantine(
    source: SourceArgument = None,
    ingest_id: Annotated[str | None, typer.Option("--ingest", help="Ingest; default: the last with rejects.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show rejected rows, with the rule and the value found.

    Example: touchline data quarantine matches -p football
    """
    from touchline.ingest import show_quarantine

    opened = open_project(project)
    chosen = _only(opened, source)
    found = show_quarantine(opened.project.name, chosen.name, stores=opened.stores, manifest_id=ingest_id)
    if as_json:
        print_json({"manifest": found.manifest, "rules": found.rules, "rows": found.rows.to_dicts()})
        return
    if found.manifest is None:
        typer.echo(f"{opened.project.name}.{chosen.name}: nothing was ever rejected")
        return
    typer.echo(f"ingest {found.manifest.id} of {as_text(found.manifest.finished_at)}")
    print_table(
        "rules broken",
        ["rule", "rows", "first row", "first value"],
        ([r.rule, r.rows, r.first_row, r.first_value] for r in found.rules),
    )
    rows = (list(row.values()) for row in found.rows.head(20).iter_rows(named=True))
    print_table("rows (20 at most; --json has all)", found.rows.columns, rows)


def _chosen(opened: OpenedProject, name: str) -> tuple[Source, ...]:
    from touchline.errors import UnknownName

    known = {source.name: source for source in opened.project.sources}
    if name not in known:
        raise UnknownName("source", name, known)
    return (known[name],)


def _only(opened: OpenedProject, name: str | None) -> Source:
    from touchline.errors import UnknownName

    if name is not None:
        return _chosen(opened, name)[0]
    if len(opened.project.sources) > 1:
        raise UnknownName("source", "(none given)", [source.name for source in opened.project.sources])
    return opened.project.sources[0]
