"""`touchline rehearse`: policies of retraining over the project's past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchline import errors, ingest, rehearsal
from touchline.cli.opening import JsonOption, ProjectOption, open_project
from touchline.cli.option_groups import command_of
from touchline.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from touchline.cli.opening import OpenedProject
    from touchline.rehearsal import Rehearsal

_HOUR = 4  # of the first step, and so of all


def register(app: typer.Typer) -> None:
    app.command("rehearse")(command_of(RehearseOptions, rehearse))


@dataclass(frozen=True, kw_only=True)
class RehearseOptions:
    """The options of `touchline rehearse`."""

    first: Annotated[str, typer.Option("--from", help="First step: a year, a month or a day.")]
    last: Annotated[str, typer.Option("--to", help="End: a year, a month or a day.")]
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="never, weekly, drift, degradation, declared; also ...-naive (default: all) and ...-not-worse."
        ),
    ] = None
    every: Annotated[int, typer.Option(min=1, max=31, help="Days from step to step.")] = 7
    cost: Annotated[float, typer.Option(min=0, help="Loss that a retraining counts in the best schedule.")] = 0.0
    search_every: Annotated[
        str | None, typer.Option(help="Length of time between searches of settings, such as 1y. Default: as declared.")
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes: one trains ahead, each other plays a policy. Default: one for each core."),
    ] = None
    out: Annotated[Path | None, typer.Option(help="Folder of report.html and report.json.")] = None
    apply: Annotated[str | None, typer.Option(help="Write this policy's Retrain and Rollout into project.py.")] = None
    project: ProjectOption = None
    as_json: JsonOption = False


def rehearse(options: RehearseOptions) -> None:
    """Rehearse policies of retraining over the project's past, and compare them.

    Each policy goes through the ingested history with a simulated clock, by the pipeline, gates and rollouts of
    production, in a scratch folder. The same command continues after a stop.

    Example: touchline rehearse --from 2005-08 --to 2007-06 --policy never --policy weekly -p football
    """
    opened = open_project(options.project)
    prepared = _prepared(opened, options)
    with progress(opened.name, quiet=options.as_json) as on_progress:
        results = rehearsal.rehearse(prepared, workers=options.workers, on_progress=on_progress)
    score = opened.project.training.score_for(opened.project.task.kind)
    document = rehearsal.build_report(prepared, results, score=score, cost=options.cost)
    folder = _write(document, options.out or prepared.folder)
    rehearsal.RehearsalRecords(opened.stores.database, opened.name).add(document, wall=opened.clock.wall())
    print_json(document) if options.as_json else _print(document, folder)
    if options.apply is not None:
        _apply(opened, options.apply, document, is_quiet=options.as_json)


def _prepared(opened: OpenedProject, options: RehearseOptions) -> Rehearsal:
    steps = rehearsal.Steps(_instant(options.first), _instant(options.last), timedelta(days=options.every))
    sources = opened.project.sources
    snapshots = {source.name: ingest.read_snapshot(opened.name, source.name, opened.stores) for source in sources}
    extra = [options.apply] if options.apply and options.policy else []
    names = [*(options.policy or []), *extra]
    root = opened.home.folder / "rehearsals" / opened.name
    every = options.search_every
    return rehearsal.prepare(opened.loaded, snapshots, steps, names, root=root, search_every=every)


def _instant(text: str) -> datetime:
    parts = text.split("-")
    try:
        numbers = [int(part) for part in parts]
        year, month, day = (*numbers, 1, 1)[:3]
        return datetime(year, month, day, _HOUR, tzinfo=UTC)
    except ValueError as wrong:
        raise errors.InvalidInstant(text, "a year, month or day, as in 2005, 2005-08 or 2005-08-15") from wrong


def _write(document: dict[str, Any], folder: Path) -> Path:
    from touchline.registry.runs.run_files import to_json

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(to_json(document))
    (folder / "report.html").write_text(rehearsal.report_page(document).to_html(), encoding="utf-8")
    return folder


def _print(document: dict[str, Any], folder: Path) -> None:
    best = document["yardstick"]
    names = ("name", "loss", "gain", "regret", "regret_of_never", "trainings", "changes_of_production", "rollbacks")
    rows = [
        [*map(one.get, names), f"{one['alarms']} ({one['false_alarms']} false)", f"{one['seconds']:.0f} s"]
        for one in document["policies"]
    ]
    rows.append(["best in hindsight", best["loss"], None, 0.0, 0.0, best["retrainings"] + 1, *[None] * 4])
    heads = ["policy", document["score"], "gain", "regret", "of never's", "trainings", "changes", "rollbacks"]
    heads += ["alarms", "time"]
    print_table(f"{document['predictions']:,} predictions in {document['steps']} steps", heads, rows)
    typer.echo(document["recommendation"])
    typer.echo(f"report: {folder / 'report.html'}")


def _apply(opened: OpenedProject, name: str, document: dict[str, Any], *, is_quiet: bool) -> None:
    policy = rehearsal.find_policies([name], opened.project)[0]
    line = rehearsal.apply_policy(opened.loaded.folder / "project.py", policy, opened.project)
    is_journaled = rehearsal.journal_evidence(opened.stores, opened.name, policy, document)
    if not is_quiet:
        typer.echo(f"project.py: {line}")
        note = f"the journal names report {document['hash'][:12]}" if is_journaled else "nothing is in Production"
        typer.echo(note)
