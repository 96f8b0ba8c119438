"""`touchline ingest` and `touchline data`: bring sources up to date, and show the stored data."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import automation, errors, ingest
from touchline.cli.opening import JsonOption, OpenedProject, ProjectOption, open_project, pipeline_context
from touchline.cli.output import as_text, print_json, print_table, progress
from touchline.cli.processes.alerting import alerts_after

if TYPE_CHECKING:
    from touchline.ingest import Source

group = typer.Typer(help="Ingested data: log, snapshots, differences, quarantine.", no_args_is_help=True)
SourceArgument = Annotated[str | None, typer.Argument(help="Source; default: all sources.")]
OneSourceArgument = Annotated[str | None, typer.Argument(help="Source; needed where the project has several.")]
OneSourceOption = Annotated[str | None, typer.Option("--source", help="Source; needed where the project has several.")]


def register(app: typer.Typer) -> None:
    app.command("ingest")(ingest_sources)
    app.add_typer(group, name="data")
    for command in (log, show, diff, checkout, freshness, quarantine, prune):
        group.command()(command)


def ingest_sources(
    source: SourceArgument = None,
    project: ProjectOption = None,
    *,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="New rows were known when they happened, not only from now on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ingest the sources, and record outcomes.

    Reads all sources, or the one you name, and checks and stores their rows. Then each prediction gets its outcome,
    if the outcome is known by now.

    Reading the same bytes again adds no snapshot. Rows that break the contract go to quarantine.

    Rows of a source's first ingest count as known when they happened. Whatever a later ingest adds or changes counts as
    known from that ingest, since serving could not know it before, unless you declare it a backfill.

    Example: touchline ingest -p football
    """
    opened = open_project(project)
    sources = (_source(opened, source),) if source else opened.project.sources
    with progress(opened.name, quiet=as_json) as on_progress:
        context = pipeline_context(opened, on_progress)
        with alerts_after(opened):
            done = automation.ingest_and_settle(context, sources, is_backfill=backfill)
    if as_json:
        ingested = [report.manifest for report in done.reports]
        print_json({"ingested": ingested, "outcomes": done.settled, "renewed": done.renewed, "rollout": done.rollout})
        return
    for report in done.reports:
        typer.echo(f"{opened.name}.{report.manifest.source}: {report.manifest.message}")
    for view in done.renewed:
        typer.echo(view.message)
    settled = done.settled
    if settled is not None and (settled.settled or settled.corrected):
        typer.echo(f"outcomes: {settled.settled} settled, {settled.corrected} corrected, {settled.open} still open")
    if done.rollout is not None:
        typer.echo(f"rollout: {done.rollout}")


def log(
    source: SourceArgument = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of ingests to list.")] = 20,
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the ingests, newest first.

    Example: touchline data log -p football
    """
    opened = open_project(project)
    if source:
        _source(opened, source)
    manifests = ingest.read_log(opened.stores.database, opened.name, source, limit=limit)
    if as_json:
        print_json(manifests)
        return
    columns = ["when", "source", "status", "rows in", "accepted", "rejected", "snapshot", "ingest"]
    rows = (
        [m.finished_at, m.source, m.status, m.rows_in, m.accepted, m.rejected, (m.snapshot_hash or "-")[:12], m.id]
        for m in manifests
    )
    print_table(f"ingests of {opened.name}", columns, rows)
    for one in manifests:
        if one.status not in ("new", "unchanged"):
            typer.echo(f"{one.source} {as_text(one.finished_at)} {one.status}: {one.message}")


def show(
    source: OneSourceArgument = None,
    snapshot: Annotated[str | None, typer.Option(help="Hash or its first letters; default: the newest one.")] = None,
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a snapshot: its columns and their ranges.

    All snapshots of the source are listed below it.

    Example: touchline data show matches -p football
    """
    opened = open_project(project)
    view = ingest.show_snapshot(_only_source(opened, source), project=opened.name, stores=opened.stores, hash=snapshot)
    if as_json:
        print_json({**{k: v for k, v in vars(view).items() if k != "head"}, "head": view.head.to_dicts()})
        return
    typer.echo(f"{view.snapshot.source} {view.snapshot.hash}")
    events = f"events {as_text(view.first_event)} to {as_text(view.newest_event)} UTC"
    events = events if view.newest_event else "its rows have no time"
    typer.echo(f"{view.keys} rows in {view.versions} versions; {events}")
    columns = ["column", "type", "nulls", "distinct", "least", "most", "mean"]
    print_table("", columns, ([c.name, c.dtype, c.nulls, c.distinct, c.least, c.most, c.mean] for c in view.columns))
    rows = ([one.sequence, one.created_at, one.rows, one.hash] for one in view.all_snapshots)
    print_table("snapshots", ["no.", "created", "rows", "hash"], rows)


def diff(
    before: Annotated[str, typer.Argument(help="Hash of the older snapshot, or its first letters.")],
    after: Annotated[str | None, typer.Argument(help="Hash of the newer one; default: the newest one.")] = None,
    *,
    source: OneSourceOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two snapshots: schema, rows, values and distributions.

    Example: touchline data diff 3f2a 91bc -p football
    """
    opened = open_project(project)
    delta = ingest.diff_snapshots(
        _only_source(opened, source), before, after, project=opened.name, stores=opened.stores
    )
    if as_json:
        print_json(delta)
        return
    typer.echo(delta.sentence)
    for name in delta.columns_added:
        typer.echo(f"+ column {name}")
    for name in delta.columns_removed:
        typer.echo(f"- column {name}")
    for name, old, new in delta.retyped:
        typer.echo(f"~ column {name}: {old} → {new}")
    columns = ([c.name, c.changed, c.distance] for c in delta.columns if c.changed or c.distance)
    print_table("columns that differ", ["column", "changed values", "distance"], columns, empty="none")
    values = ([c.key, c.column, c.before, c.after] for c in delta.examples)
    print_table("changed values", ["key", "column", "before", "after"], values, empty="none")


def checkout(
    snapshot: Annotated[str, typer.Argument(help="Hash of the snapshot, or its first letters.")],
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    *,
    source: OneSourceOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write any snapshot to a Parquet file.

    Example: touchline data checkout 3f2a --out matches.parquet -p football
    """
    opened = open_project(project)
    written = ingest.checkout(
        _only_source(opened, source), out, project=opened.name, stores=opened.stores, hash=snapshot
    )
    if as_json:
        print_json(written)
    else:
        typer.echo(f"wrote {written.rows} row versions of {written.hash[:12]} to {out}")


def freshness(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show the age of each source's newest data.

    Example: touchline data freshness -p football
    """
    opened = open_project(project)
    now, wall = opened.clock.now(), opened.clock.wall()
    sources = [
        ingest.read_freshness(source, project=opened.name, stores=opened.stores, now=now, wall=wall)
        for source in opened.project.sources
    ]
    if as_json:
        print_json([{**vars(one), "is_stale": one.is_stale} for one in sources])
        return
    columns = ["source", "last ingest", "status", "newest event", "age", "stale", "rows"]
    rows = (
        [f.source, f.last_ingest_at, f.last_status, f.newest_day or f.newest_event, _age(f.age), f.is_stale, f.rows]
        for f in sources
    )
    print_table(f"freshness of {opened.name}", columns, rows)


def _age(age: timedelta | None) -> timedelta | None:
    return None if age is None else timedelta(seconds=round(age.total_seconds()))


def quarantine(
    source: OneSourceArgument = None,
    ingest_id: Annotated[
        str | None, typer.Option("--ingest", help="Id of an ingest; default: the newest with rejected rows.")
    ] = None,
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show rejected rows, with the broken rule and the value.

    Example: touchline data quarantine matches -p football
    """
    opened = open_project(project)
    name = _only_source(opened, source).name
    rejected = ingest.show_quarantine(opened.name, name, stores=opened.stores, manifest_id=ingest_id)
    if as_json:
        print_json({"manifest": rejected.manifest, "rules": rejected.rules, "rows": rejected.rows.to_dicts()})
        return
    typer.echo(rejected.sentence(name))
    if rejected.manifest is None:
        return
    typer.echo(f"ingest {rejected.manifest.id}")
    rules = ([r.rule, r.rows, r.first_row, r.first_value] for r in rejected.rules)
    print_table("broken rules", ["rule", "rows", "first row", "first value"], rules)
    rows = (list(row.values()) for row in rejected.rows.head(20).iter_rows(named=True))
    print_table("rows (at most 20; --json prints all)", rejected.rows.columns, rows)


def prune(
    keep_days: Annotated[int, typer.Option(min=0, help="Days for which everything stays.")] = 30,
    project: ProjectOption = None,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this, only show it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete old stored data that nothing refers to.

    Current snapshots and histories stay, and so does all that a model version was trained on and the raw files behind
    every row: predictions can still be traced and replayed. Without --delete nothing changes.

    Example: touchline data prune --keep-days 30 --delete -p football
    """
    context = pipeline_context(open_project(project))
    act = automation.prune_data if delete else automation.find_prunable
    pruned = act(context, older_than=timedelta(days=keep_days))
    if as_json:
        print_json({"deleted": delete, "kinds": pruned})
        return
    rows = ([kind.kind, kind.records, kind.files, f"{kind.bytes_count / 1e6:.1f}"] for kind in pruned)
    print_table("deleted" if delete else "would be deleted", ["kind", "records", "files", "MB"], rows, empty="nothing")
    if not delete and any(kind.files or kind.records for kind in pruned):
        typer.echo(f"Next: touchline data prune --keep-days {keep_days} --delete -p {context.project.name}")


def _source(opened: OpenedProject, name: str) -> Source:
    sources = {source.name: source for source in opened.project.sources}
    if name not in sources:
        raise errors.UnknownName("source", name, sources)
    return sources[name]


def _only_source(opened: OpenedProject, name: str | None) -> Source:
    if name is not None:
        return _source(opened, name)
    if len(opened.project.sources) > 1:
        raise errors.UnknownName("source", "(none given)", [source.name for source in opened.project.sources])
    return opened.project.sources[0]
