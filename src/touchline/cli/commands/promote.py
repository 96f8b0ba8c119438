"""`touchline models promote`: move a version up, or show what that would rest on and change."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import automation, registry
from touchline.cli.opening import JsonOption, ProjectOption, actor, open_project, pipeline_context
from touchline.cli.output import print_json
from touchline.cli.processes.alerting import alerts_after

if TYPE_CHECKING:
    from touchline.automation import PipelineContext, Promotion
    from touchline.registry import PromotionPreview

VersionArgument = Annotated[
    str, typer.Argument(help="Model version: 7, 1.2.0, Production, Staging, rollback or latest.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Reason, for the journal.")]
TicketOption = Annotated[str | None, typer.Option("--ticket", help="Ticket of the change, for the journal.")]


@dataclass(frozen=True)
class PromoteOptions:
    """The options of `models promote`."""

    version: VersionArgument
    now: Annotated[bool, typer.Option("--now", help="Straight to Production without a rollout; needs --reason.")] = (
        False
    )
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the evidence, its hash and what would change; change nothing.")
    ] = False
    evidence: Annotated[
        str | None, typer.Option("--evidence", help="Hash printed by --dry-run: refuse if anything moved since.")
    ] = None
    reason: ReasonOption = ""
    ticket: TicketOption = None
    project: ProjectOption = None
    as_json: JsonOption = False


def promote(options: PromoteOptions) -> None:
    """Move a version one stage up.

    To Staging if it passes the gates, then to Production by a rollout or --now.

    Exit code 3 when a gate refuses the version; --dry-run ends with the code that the promotion would.

    Example: touchline models promote 7 -p football
    """
    opened = open_project(options.project)
    record = registry.read_version(opened.stores, opened.name, options.version)
    decision = registry.Decision(actor(), options.reason, options.ticket, options.now, options.evidence)
    context = pipeline_context(opened)
    if options.dry_run:
        preview = automation.preview_version(context, record, decision)
        print_json(preview) if options.as_json else _print_preview(preview, options)
        if preview.refusal and preview.version.stage != "Production":
            lacks_reason = options.now and not options.reason.strip()
            raise typer.Exit(3 if preview.is_refused_by_gate and not lacks_reason else 2)
        return
    with alerts_after(opened):
        promotion = automation.promote_version(context, record, decision)
    print_promotion(promotion, as_json=options.as_json)
    follow_by_hand(context, promotion)


def follow_by_hand(context: PipelineContext, promotion: Promotion) -> None:
    """Let rollouts follow a stage change, and print what became of them."""
    for message in automation.follow_by_hand(context, promotion.promoted, actor=actor()):
        typer.echo(message, err=True)


def _print_preview(preview: PromotionPreview, options: PromoteOptions) -> None:
    number = preview.version.version
    against = {
        "first": "the first version: nothing is in Production",
        "refresh": "a refresh of Production",
        "change": f"a change of Production ({', '.join(preview.differences)}); this look at its test rows counts",
        "none": "no gate runs for this step",
    }
    typer.echo(f"version {number} in {preview.version.stage}: {against[preview.kind]}")
    for gate in preview.report.results if preview.report else ():
        typer.echo(f"  gate {'passes' if gate.passed else 'fails'}: {gate.message}")
    typer.echo(f"evidence {preview.evidence}")
    for move in preview.moves:
        typer.echo(f"would move version {move.version}: {move.from_stage} → {move.to_stage}")
    if preview.refusal:
        typer.echo(f"would change nothing: {preview.refusal}")
    target = "has nothing to return to" if preview.rollback is None else f"returns to version {preview.rollback}"
    typer.echo(f"rollback then {target}")
    if preview.moves:
        command = f"touchline models promote {number} -p {preview.version.project} --evidence {preview.evidence}"
        command += " --now" if options.now else ""
        command += f" --reason {shlex.quote(options.reason)}" if options.reason else ""
        typer.echo(f"to do it on this evidence: {command}")


def print_promotion(promotion: Promotion, *, as_json: bool) -> None:
    promoted = promotion.promoted
    if as_json:
        print_json(promoted)
        return
    for gate in promoted.report.results if promoted.report else ():
        typer.echo(f"  gate: {gate.message}")
    for change in promoted.changes:
        typer.echo(f"version {change.version}: {change.from_stage} → {change.to_stage}  ({change.reason})")
    if not promoted.changes:
        typer.echo(f"version {promoted.version.version} is in {promoted.version.stage} already; nothing changed")
    if promoted.unmirrored:
        typer.echo(f"note: MLflow shows this change later: {promoted.unmirrored}")
    if promotion.cleanup_failure:
        typer.echo(f"note: unused features stay online until the next promotion: {promotion.cleanup_failure}")
