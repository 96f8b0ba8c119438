"""A rollout as a page to read: the verdict, its course as a plot, what it rests on, what was decided when."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from touchline.rollout.evidence import CurvePoint
from touchline.rollout.report import RolloutReport
from touchline.training.card.card import Card, Figure, Section, Table
from touchline.training.card.plots import svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def report_page(report: RolloutReport) -> Card:
    """The report of a rollout as a document that writes itself as HTML or Markdown."""
    rule, experiment = report.state.rule, report.state.experiment
    title = f"Rollout {experiment.number} of {report.project}: version {rule.candidate.version}"
    sections = [
        Section("Verdict", (report.sentence, f"Next: {report.next_step}")),
        Section("Course", _course(report)),
        Section("What it rests on", (_evidence(report),)),
        Section("Guardrails", tuple(result.message for result in report.guardrails) or ("None is declared.",)),
        Section("Decisions", (_events(report),)),
        Section("The rule, as it was frozen at the start", (_rule(report),)),
    ]
    return Card(title, tuple(sections))


def _course(report: RolloutReport) -> tuple[str | Figure, ...]:
    points = [point for point in report.evidence.curve if isfinite(point.low)]
    if len(points) < 2:
        return ("Fewer than 30 units: the mean has no bounds yet.",)
    draw = partial(_draw, points=points, margin=report.state.rule.margin, metric=report.state.rule.metric)
    text = (
        "The mean gain of the candidate (reference minus candidate loss) with bounds that hold at every look. Above 0 "
        "the candidate is better."
    )
    return text, Figure("sequence.svg", svg_of("Mean gain", draw))


def _draw(figure: Canvas, *, points: list[CurvePoint], margin: float, metric: str) -> None:
    axes = figure.add_subplot()
    units = [point.units for point in points]
    axes.axhspan(-margin, margin, color="0.92", label="no difference that matters")
    axes.axhline(0, color="0.4", linewidth=0.8)
    lows, highs = [point.low for point in points], [point.high for point in points]
    axes.fill_between(units, lows, highs, alpha=0.25, label="bounds over all looks")
    axes.plot(units, [point.gain for point in points], label="mean gain")
    axes.set_xscale("log")
    later = points[len(points) // 4 :]
    edge = 1.2 * max(max(abs(point.low), abs(point.high)) for point in later)
    axes.set_ylim(-edge, edge)
    axes.set_xlabel("units with an outcome")
    axes.set_ylabel(f"gain in {metric}")
    axes.legend(loc="best", fontsize=8)


def _evidence(report: RolloutReport) -> Table:
    evidence = report.evidence
    rows: list[tuple[str, str]] = [("units that count", str(evidence.units)), ("outcomes", str(evidence.examples))]
    if evidence.losses is not None:
        rows += [
            ("loss of the candidate", f"{evidence.losses[0]:.4f}"),
            ("loss of the reference", f"{evidence.losses[1]:.4f}"),
        ]
    rows += [
        (f"left out: {name.replace('_', ' ')}", str(count)) for name, count in vars(evidence.left_out).items() if count
    ]
    if (ratio := evidence.ratio) is not None:
        split = f"{ratio.candidate} of {ratio.candidate + ratio.production}, {ratio.planned:.0%} planned"
        rows.append(("units of the candidate", f"{split} (p = {ratio.p_value:.2g})"))
    rows.append(("last outcome", _instant(evidence.last_outcome_at)))
    return Table(("what", "value"), tuple(rows))


def _events(report: RolloutReport) -> Table:
    rows = tuple(
        (_instant(event.at), event.kind.replace("_", " "), f"{event.share} %", event.actor, event.message)
        for event in report.state.events
    )
    return Table(("when", "what", "share", "who", "why"), rows)


def _rule(report: RolloutReport) -> Table:
    rule: dict[str, Any] = report.state.rule.to_json()
    rows = tuple((name.replace("_", " "), str(value)) for name, value in rule.items())
    return Table(("part", "value"), (*rows, ("hash", report.state.experiment.rule_hash)))


def _instant(instant: datetime | None) -> str:
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M}"
