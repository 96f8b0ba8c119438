"""A rollout as a page to read: the verdict, its course as a plot, what it rests on, what was decided when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from touchline.rollout.evidence import CurvePoint
from touchline.rollout.report import RolloutReport, left_out_in_words
from touchline.rollout.rule import Side
from touchline.rollout.spec import Guardrail
from touchline.training.card.card import Card, Figure, Section, Table
from touchline.training.card.plots import set_log_counts, svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def report_page(report: RolloutReport) -> Card:
    """The report of a rollout as a document that writes itself as HTML or Markdown."""
    rule, experiment = report.state.rule, report.state.experiment
    title = (
        f"Rollout {experiment.number} of {report.project}: version {rule.candidate.version} beside version "
        f"{rule.reference.version}"
    )
    sections = [
        Section("Verdict", _verdict(report)),
        Section("Course", _course(report)),
        Section("What it rests on", (_evidence(report),)),
        Section("Guardrails", tuple(result.message for result in report.guardrails) or ("None is declared.",)),
        Section("Decisions", (_events(report),)),
        Section("The rule, as it was frozen at the start", (_rule(report),)),
    ]
    return Card(title, tuple(sections))


def _verdict(report: RolloutReport) -> tuple[str, ...]:
    experiment, end = report.state.experiment, report.state.end
    last_on = experiment.started_at + timedelta(days=experiment.rule.longest_days)
    began = f"{experiment.rule.mode}, started {_instant(experiment.started_at)} by {experiment.actor}"
    if end is not None:
        verdict = report.state.verdict
        numbers = () if verdict is None else (verdict.message,)
        return f"{report.sentence.rstrip('.')}.", *numbers, f"Mode {began}, ended {_instant(end.at)}."
    return (
        report.sentence,
        f"Next: {report.next_step}",
        f"Mode {began}, {report.status}, until {last_on:%Y-%m-%d} at most.",
    )


def _course(report: RolloutReport) -> tuple[str | Figure, ...]:
    points = [point for point in report.evidence.curve if isfinite(point.low)]
    if len(points) < 2:
        if not report.state.rule.counts_outcomes:
            return ("Guardrails decide a canary, not outcomes.",)
        return ("The picture needs bounds of the mean, which begin at 30 units with an outcome.",)
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
    set_log_counts(axes)
    later = points[len(points) // 4 :]
    edge = 1.2 * max(max(abs(point.low), abs(point.high)) for point in later)
    edge = max(edge, 2 * margin)  # identical predictions have bounds of nought
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
    left = left_out_in_words(evidence.left_out)
    rows += [(f"left out: {reason}", str(count)) for reason, count in left.items() if count]
    rows += report.units_by_variant.items()
    rows.append(("last outcome", _instant(evidence.last_outcome_at)))
    return Table(("what", "value"), tuple(rows))


def _events(report: RolloutReport) -> Table:
    rows = tuple(
        (_instant(event.at), event.kind.replace("_", " "), f"{event.share} %", event.actor, event.message)
        for event in report.state.events
    )
    return Table(("when", "what", "share", "who", "why"), rows)


def _rule(report: RolloutReport) -> Table:
    rule = report.state.rule
    rows = tuple((part.name.replace("_", " "), _in_words(getattr(rule, part.name))) for part in fields(rule))
    return Table(("part", "value"), (*rows, ("hash", report.state.experiment.rule_hash)))


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Side):
        return f"version {value.version}, release {value.release}"
    if isinstance(value, Guardrail):
        return value.describe()
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {part}" for name, part in value.items()) or "none"
    if isinstance(value, tuple):
        return "; ".join(map(_in_words, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _instant(instant: datetime | None) -> str:
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M}"
