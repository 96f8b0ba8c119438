"""`touchline rollout`: start, watch and steer the rollout of a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import automation, errors, registry, rollout
from touchline.cli.commands.promote import VersionArgument
from touchline.cli.opening import (
    JsonOption,
    OpenedProject,
    ProjectOption,
    actor,
    find_project,
    open_project,
    pipeline_context,
)
from touchline.cli.output import print_json, print_table, require_folder
from touchline.cli.processes.alerting import alerts_after, alerts_after_loading
from touchline.cli.processes.probe import probe_of
from touchline.cli.rollout_picture import picture_of

if TYPE_CHECKING:
    from touchline.rollout import RolloutEvent, RolloutReport, RolloutState

group = typer.Typer(help="The rollout of a version in Staging: start, status, steps, its log.", no_args_is_help=True)

NumberOption = Annotated[int | None, typer.Option("--number", help="Number of a rollout; default: the newest.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Reason, for the log of decisions.")]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="rollout")
    for command in (start, status, check, approve, pause, resume, abort, history, report):
        group.command()(command)


def start(
    version: VersionArgument = "Staging",
    reason: ReasonOption = "",
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the rollout of the version in Staging, by the declared Rollout.

    It is refused, with the reason, where it could not lead to a valid decision in time.

    Example: touchline rollout start -p football
    """
    opened = open_project(project)
    record = registry.read_version(opened.stores, opened.name, version)
    state = automation.begin_rollout(pipeline_context(opened), record, actor=actor(), reason=reason)
    _print(_report(opened, state), as_json=as_json)


def status(
    number: NumberOption = None,
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the verdict so far, what it rests on, and what happens next.

    Example: touchline rollout status -p football
    """
    opened = open_project(project)
    state = _find(opened, number)
    if state is None:
        print_json(None) if as_json else typer.echo(_none_yet(opened.name))
        return
    _print(_report(opened, state), as_json=as_json)


def check(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Look at the evidence now, and do what the rule asks for.

    Every ingest does the same.

    Example: touchline rollout check -p football
    """
    opened = open_project(project)
    with alerts_after(opened):
        report = automation.check_running(pipeline_context(opened), probe_of(opened))
    if report is None:
        print_json(None) if as_json else typer.echo(f"{opened.name}: no rollout runs")
        return
    _print(report, as_json=as_json)


def approve(reason: ReasonOption = "", *, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Take the step that waits for a person.

    Example: touchline rollout approve --reason "the losses are plausible" -p football
    """
    opened = open_project(project)
    context = automation.rollout_context(pipeline_context(opened), probe_of(opened))
    with alerts_after(opened):
        rollout.approve_step(context, actor=actor(), reason=reason)
        report = rollout.check_rollout(context)
    if report is not None:
        _print(report, as_json=as_json)


def pause(reason: ReasonOption = "", *, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Let Production answer everything until the rollout is resumed.

    Example: touchline rollout pause --reason "release freeze" -p football
    """
    _steer("pause", reason, project, as_json=as_json)


def resume(reason: ReasonOption = "", *, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Go on after a pause, or after a stop that waits for a person.

    Example: touchline rollout resume --reason "the freeze is over" -p football
    """
    _steer("resume", reason, project, as_json=as_json)


def abort(reason: ReasonOption = "", *, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """End the rollout: Production answers everything, and the version stays in Staging.

    Example: touchline rollout abort --reason "wrong prices in the new data" -p football
    """
    _steer("abort", reason, project, as_json=as_json)


def history(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List what happened to the rollouts, newest first; --json has the evidence of each decision.

    Example: touchline rollout history --json -p football
    """
    opened = open_project(project)
    states = rollout.RolloutRecords(opened.stores.database, opened.name).read()
    if as_json:
        print_json(states)
        return
    rows = (_event_row(state, event) for state in states for event in reversed(state.events))
    columns = ["rollout", "mode", "version", "when", "what", "%", "who", "why"]
    print_table(f"rollouts of {opened.name}", columns, rows)


def report(
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    number: NumberOption = None,
    *,
    project: ProjectOption = None,
) -> None:
    """Write a rollout as an HTML page: verdict, plot, evidence, decisions, the frozen rule.

    Example: touchline rollout report --out rollout.html -p football
    """
    opened = open_project(project)
    require_folder(out)
    state = _find(opened, number)
    if state is None:
        raise errors.RolloutNotFound(opened.name, 1, [])
    out.write_text(rollout.report_page(_report(opened, state)).to_html(), encoding="utf-8")
    typer.echo(f"report of rollout {state.experiment.number} written to {out}")


def _event_row(state: RolloutState, event: RolloutEvent) -> list[object]:
    rule = state.rule
    what = [event.at, event.kind, event.share, event.actor, event.message]
    return [event.number, rule.mode, rule.candidate.version, *what]


def _steer(act: str, reason: str, project: str | None, *, as_json: bool) -> None:
    found = find_project(project)
    context = rollout.RolloutContext(found.stores, found.name, probe=probe_of(found))
    with alerts_after_loading(found.load):
        steered = rollout.steer(context, act, actor=actor(), reason=reason)
    _print(steered, as_json=as_json)


def _find(opened: OpenedProject, number: int | None) -> RolloutState | None:
    records = rollout.RolloutRecords(opened.stores.database, opened.name)
    return records.newest() if number is None else records.find(number)


def _report(opened: OpenedProject, state: RolloutState) -> RolloutReport:
    return rollout.report_on(opened.stores.database, opened.name, state, opened.clock.now())


def _none_yet(project: str) -> str:
    return (
        f"{project}: no rollout yet. One begins when a change passes its gates beside a version in Production, or by "
        f"touchline rollout start"
    )


def _print(report: RolloutReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
        return
    rule, experiment = report.state.rule, report.state.experiment
    typer.echo(report.sentence)
    typer.echo(f"next: {report.next_step}")
    typer.echo(
        f"rollout {experiment.number} of {report.project}: {rule.mode}, version {rule.candidate.version} beside "
        f"{rule.reference.version}, {report.status}, since {experiment.started_at:%Y-%m-%d %H:%M} "
        f"(rule {experiment.rule_hash})"
    )
    if rule.restarts_in_words is not None:
        typer.echo(f"  {rule.restarts_in_words}")
    if rule.is_split:
        typer.echo(f"  share of the candidate: {report.state.share} % (steps {', '.join(map(str, rule.steps))})")
    for what, counts in report.units_by_variant.items():
        typer.echo(f"  {what}: {counts}")
    for result in report.guardrails:
        typer.echo(f"  guardrail {result.message}")
    if experiment.plan:
        typer.echo(f"  planned: {experiment.plan['sentence']}")
    for line in picture_of(report.evidence.curve):
        typer.echo(f"  {line}")
