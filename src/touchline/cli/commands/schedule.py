"""`touchline schedule`, `daily`: what is done by itself, when, and what was decided."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

import typer

from touchline import automation, errors
from touchline.cli.opening import (
    JsonOption,
    OpenedProject,
    ProjectOption,
    actor,
    load_sound,
    open_home,
    open_project,
    pipeline_context,
)
from touchline.cli.output import print_json, print_table, progress
from touchline.cli.processes.alerting import alerts_after
from touchline.cli.processes.scheduling import Scheduling, ended_in_order, predict_open, work_on
from touchline.contracts.instants import parse_instant_or_day

if TYPE_CHECKING:
    from touchline.project import Daily, Retrain

group = typer.Typer(help="What is done by itself: due times, pauses, runs.", no_args_is_help=True)
Job = Literal["retrain", "daily"]
_MOST_RUNS: Final = 20
JobArgument = Annotated[Job, typer.Argument(help="The job.")]


def register(app: typer.Typer) -> None:
    app.command()(daily)
    app.add_typer(group, name="schedule")
    for command in (show, pause, resume, run, backfill, cancel, fork):
        group.command()(command)
    group.command(hidden=True)(work)


def daily(project: ProjectOption = None, *, as_json: JsonOption = False) -> None:
    """Do the work of a day: new data, features, outcomes, predictions of open examples, monitoring.

    Open examples are predicted by the running server. Exit code 1 where a part could not be done; the rest is done.

    Example: touchline daily -p football
    """
    opened = open_project(project)
    with progress(opened.name, quiet=as_json) as on_progress, alerts_after(opened), ended_in_order():
        context = pipeline_context(opened, on_progress)
        report = automation.run_daily(context, predict_open(opened), trigger="manual", actor=actor())
    if as_json:
        print_json(report)
    else:
        for one in report.ingested.reports:
            typer.echo(f"{one.manifest.source}: {one.manifest.status}")
        typer.echo(f"{report.predicted} open examples predicted")
        for line in (*report.findings, *report.problems):
            typer.echo(line)
    if report.problems:
        raise typer.Exit(1)


def show(
    limit: Annotated[int, typer.Option(min=1, help="Number of decisions and runs to list.")] = 10,
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the schedule: next times, pauses, the newest decisions and runs.

    Example: touchline schedule show -p football
    """
    opened = open_project(project)
    stores, now = opened.stores, opened.clock.now()
    records = automation.ScheduleRecords(stores.database, opened.name)
    runs = automation.PipelineRuns(stores.database, opened.name)
    paused, waiting = records.paused(), automation.read_waiting(opened.name, opened.stores)
    newest = waiting.as_shown(runs.newest(limit))
    jobs = [_job_row(job, policy, paused.get(job), now) for job, policy in _policies(opened)]
    if as_json:
        print_json({"now": now, "jobs": jobs, "decisions": records.ticks(limit), "runs": newest})
        return
    print_table(
        f"schedule of {opened.name} at {now:%Y-%m-%d %H:%M} UTC", list(jobs[0]), (list(row.values()) for row in jobs)
    )
    ticks = ([one.scheduled_at, one.job, one.trigger, one.verdict, one.reason] for one in records.ticks(limit))
    print_table("decisions", ["due at", "job", "trigger", "verdict", "reason"], ticks)
    rows = ([one.id, one.job, one.trigger, one.status, one.attempts, one.failure] for one in newest)
    print_table("runs", ["run", "job", "trigger", "status", "attempts", "failure"], rows)


def pause(
    job: JobArgument,
    reason: Annotated[str, typer.Option("--reason", help="Reason, for the record.")] = "",
    *,
    project: ProjectOption = None,
) -> None:
    """Pause a job until it is resumed. Its runs that wait are held, but for those that a person asked for.

    Example: touchline schedule pause retrain --reason "source is being moved" -p football
    """
    opened = open_project(project)
    records = automation.ScheduleRecords(opened.stores.database, opened.name)
    if records.pause(job, actor=actor(), reason=reason, clock=opened.clock):
        typer.echo(f"{opened.name}: {job} is paused. To go on: touchline schedule resume {job} -p {opened.name}")
    else:
        before = records.paused()[job]
        typer.echo(f"{opened.name}: {job} is paused already, by {before.actor}: {before.reason}")
    if held := automation.read_waiting(opened.name, opened.stores).held(job):
        typer.echo(
            f"  {_counted(len(held), 'waiting run')} held until then; to withdraw: touchline schedule cancel {job}"
        )


def resume(job: JobArgument, *, project: ProjectOption = None) -> None:
    """Resume a paused job; the times that passed meanwhile count as one.

    Example: touchline schedule resume retrain -p football
    """
    opened = open_project(project)
    records = automation.ScheduleRecords(opened.stores.database, opened.name)
    held = automation.read_waiting(opened.name, opened.stores).held(job)
    is_new = records.resume(job, actor=actor(), clock=opened.clock)
    released = f", with {_counted(len(held), 'run')} that waited" if held else ""
    typer.echo(f"{opened.name}: {job} {f'goes on{released}' if is_new else 'was not paused'}")


def run(
    projects: Annotated[list[str] | None, typer.Argument(help="Projects to work for; default: all.")] = None,
    project: Annotated[
        list[str] | None, typer.Option("--project", "-p", help="A further project to work for; may be repeated.")
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Do what is due and waits now, then end.")] = False,
) -> None:
    """Decide what is due and do it until the process is ended. `touchline up` runs it; several may run at once.

    A project whose declaration cannot be used is left out, and keeps no other from its work.

    Example: touchline schedule run --once football
    """
    home = open_home()
    loaded, broken = load_sound(home, [*(projects or []), *(project or [])])
    for wrong in broken:
        typer.secho(f"left out until the scheduler starts again: {wrong}", fg="red", err=True)
    scheduling = Scheduling(home, [OpenedProject(home, one) for one in loaded])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: scheduling.stop.set())
    if once:
        typer.echo(f"{scheduling.look()} runs done")
        if broken:
            raise broken[0]
    else:
        scheduling.run()


def backfill(
    job: JobArgument,
    since: Annotated[str, typer.Option("--from", help="Beginning, such as 2026-01-01.")],
    until: Annotated[str, typer.Option("--until", help="End; default: now.")] = "",
    *,
    is_confirmed: Annotated[bool, typer.Option("--yes", help=f"Ask for more than {_MOST_RUNS} runs.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a run at each time of the schedule that was never decided.

    Times before the first event of the sources are left out. `touchline schedule cancel` withdraws what waits.

    Example: touchline schedule backfill daily --from 2026-01-01 -p football
    """
    opened = open_project(project)
    begin, end = parse_instant_or_day(since), parse_instant_or_day(until) if until else opened.clock.now()
    policy = dict(_policies(opened))[job]
    if policy is None or policy.schedule is None:
        raise errors.NothingScheduled(opened.name, job)
    if end <= begin:
        raise errors.TimesReversed("--from", begin, "--until" if until else "now", end)
    plan = automation.plan_backfill(opened.project, opened.stores, job, begin, end)
    if len(plan.times) > _MOST_RUNS and not is_confirmed:
        raise errors.BackfillTooLarge(opened.name, job, plan.times, allowed=_MOST_RUNS)
    ticks = automation.backfill(opened.project, opened.stores, job, plan.times, actor=actor())
    if as_json:
        print_json(ticks)
        return
    typer.echo(f"{opened.name}: {_counted(len(ticks), 'run')} of {job} asked for")
    if plan.too_early:
        typer.echo(f"  left out: {_counted(plan.too_early, 'time')} before the first data of {plan.data_from:%Y-%m-%d}")
    if ticks:
        typer.echo(f"  to withdraw what waits: touchline schedule cancel {job} -p {opened.name}")


def cancel(
    job: JobArgument,
    reason: Annotated[str, typer.Option("--reason", help="Reason, for the record.")] = "",
    *,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw the runs of a job that wait: each is recorded as stopped, with the reason.

    A run that a process works on goes on. A time of the schedule whose run is withdrawn stays decided.

    Example: touchline schedule cancel retrain --reason "too many were asked for" -p football
    """
    opened = open_project(project)
    cancelled = automation.cancel_waiting(opened.name, opened.stores, job, actor=actor(), reason=reason)
    working = automation.read_waiting(opened.name, opened.stores).working
    left = [working] if working is not None and working.job == job else []
    if as_json:
        print_json({"cancelled": cancelled, "left": left})
        return
    triggers = Counter(run.trigger for run in cancelled)
    parts = f" ({', '.join(f'{count} {trigger}' for trigger, count in triggers.items())})" if triggers else ""
    typer.echo(f"{opened.name}: {_counted(len(cancelled), 'waiting run')} of {job} cancelled{parts}")
    for run in left:
        typer.echo(f"  run {run.id} is {run.status} and goes on")


def fork(
    run_id: Annotated[str, typer.Argument(help="Id of a training, from `touchline schedule show`.")],
    step: Annotated[str, typer.Option("--from", help="The first step to do anew.")],
    project: ProjectOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Ask for a training that takes over the earlier steps of another one.

    Data, features and the training set stay those of that run. A scheduler does it, or `touchline retrain --due`.

    Example: touchline schedule fork 01JD9Z0V8RQ6W3M4T7K2X5B1NC --from train -p football
    """
    opened = open_project(project)
    runs = automation.PipelineRuns(opened.stores.database, opened.name)
    forked = automation.fork_run(runs, run_id, step, actor=actor(), clock=opened.clock)
    if as_json:
        print_json(forked)
    else:
        typer.echo(f"{opened.name}: run {forked.id} begins at {step} and takes over what run {run_id} found before")
        typer.echo(f"Next, where no scheduler runs: touchline retrain --due -p {opened.name}")


def work(
    run_id: Annotated[str, typer.Argument(help="Id of a run that waits.")], *, project: ProjectOption = None
) -> None:
    """Do a run that waits, or go on with one whose process died.

    Example: touchline schedule work 01JD9Z0V8RQ6W3M4T7K2X5B1NC -p football
    """
    opened = open_project(project)
    with alerts_after(opened), ended_in_order():
        context = pipeline_context(opened, lambda message: typer.echo(f"{run_id} {message}"))
        report = work_on(opened, context, run_id, actor="scheduler")
    refusal = getattr(report, "refusal", None)
    if refusal is not None:
        raise cast(errors.GateFailed, refusal)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else f'{noun}s'}"


def _policies(opened: OpenedProject) -> list[tuple[Job, Retrain | Daily | None]]:
    return [("retrain", opened.project.retrain), ("daily", opened.project.daily)]


def _job_row(job: Job, policy: Retrain | Daily | None, pause: automation.Pause | None, now: datetime) -> dict[str, Any]:
    upcoming = automation.next_time(policy, now) if policy and not pause else None
    state = f"paused by {pause.actor}: {pause.reason}" if pause else "on" if upcoming else "no schedule"
    schedule = f"{policy.schedule} ({policy.timezone})" if policy and policy.schedule else "-"
    return {"job": job, "schedule": schedule, "next": upcoming, "state": state}
