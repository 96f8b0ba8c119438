"""Checks as a page to read: the verdict sentence first, then the numbers and their plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from touchline.monitoring.cause import CauseReport
from touchline.monitoring.drift import DriftVerdict
from touchline.monitoring.live_figures import LiveMetric
from touchline.monitoring.performance import PerformanceVerdict, VariantLoss
from touchline.monitoring.slices import LiveSlices, SlicePerformance
from touchline.training.card.card import Card, Figure, Section, Table
from touchline.training.card.plots import add_bars, svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_MOST_COLUMNS = 40


@dataclass(frozen=True)
class MonitoringReport:
    """The checks of one release at one time; a check that was not run is None.

    `last_drift` is the last drift verdict with enough rows, where the drift check of this report had too few.
    """

    project: str
    performance: PerformanceVerdict | None = None
    drift: DriftVerdict | None = None
    cause: CauseReport | None = None
    last_drift: DriftVerdict | None = None

    @property
    def sentence(self) -> str:
        """The verdict: the loss where it is known, with drift that was found; drift alone is no incident."""
        if self.performance is not None and self.performance.state != "not_enough_data":
            drift = self.drift or self.last_drift
            return " ".join([self.performance.message, *([drift.message] if drift and drift.state == "drift" else [])])
        messages = [check.message for check in (self.performance, self.drift) if check is not None]
        if self.last_drift is not None:
            last = self.last_drift
            messages.append(f"The last drift check with enough rows ({last.at:%Y-%m-%d}): {last.message}")
        return " ".join(messages) or "Nothing was checked."

    def to_json(self) -> Mapping[str, Any]:
        """The document, the verdict sentence first."""
        checks = {
            "performance": self.performance,
            "drift": self.drift,
            "last_drift": self.last_drift,
            "cause": self.cause,
        }
        documents = {name: None if check is None else check.to_json() for name, check in checks.items()}
        return {"verdict": self.sentence, "project": self.project, **documents}


def monitoring_page(report: MonitoringReport) -> Card:
    """The report as a document that writes itself as one self-contained HTML page, or as Markdown."""
    sections = [Section("Verdict", (report.sentence,))]
    if report.cause is not None:
        sections.append(Section("Cause", _cause(report.cause)))
    if report.performance is not None:
        sections += _performance(report.performance)
    if report.drift is not None:
        sections.append(Section("Drift", _drift(report.drift)))
    if report.last_drift is not None:
        title = f"Drift at the last check with enough rows, {report.last_drift.at:%Y-%m-%d %H:%M} UTC"
        sections.append(Section(title, _drift(report.last_drift)))
    return Card(f"Monitoring of {report.project}", tuple(sections))


def _cause(cause: CauseReport) -> tuple[str | Table, ...]:
    if not cause.causes:
        return (cause.message, *cause.facts)
    rows = tuple((one.kind, one.name, f"{one.share:.0%}", one.detail) for one in cause.causes)
    return cause.message, Table(("kind", "name", "share explained", "detail"), rows), *cause.facts


def _performance(verdict: PerformanceVerdict) -> list[Section]:
    sections = [Section("Loss", (verdict.message, *verdict.notes, *_loss_plot(verdict)))]
    if verdict.metrics:
        heads = ("metric", "live", "95 % interval", "test window", "constant in the test window")
        rows = tuple(_metric_row(metric) for metric in verdict.metrics)
        sections.append(Section("Metrics", (Table(heads, rows),)))
    if verdict.calibration:
        rows = tuple(
            (one.output, f"{one.predicted:.4g}", f"{one.observed:.4g}", _between(one.low, one.high))
            for one in verdict.calibration
        )
        table = Table(("output", "predicted", "observed", "95 % interval"), rows)
        sections.append(Section("Calibration", (table,)))
    if len(verdict.variants) > 1:
        sections.append(Section("Versions of the rollout", (_variants(verdict.variants, verdict.score),)))
    if verdict.slices.slices:
        sections.append(Section("Slices", (verdict.slices.message, _slices(verdict.slices, verdict.score))))
    return sections


def _loss_plot(verdict: PerformanceVerdict) -> tuple[Figure, ...]:
    if len(verdict.trend) < 2:
        return ()
    return (Figure("loss.svg", svg_of("Loss by day", partial(_draw_loss, verdict=verdict))),)


def _draw_loss(figure: Canvas, *, verdict: PerformanceVerdict) -> None:
    axes = figure.add_subplot()
    days = [_position(one.day) for one in verdict.trend]
    axes.plot(days, [one.loss for one in verdict.trend], marker="o", markersize=3, label="mature predictions")
    if verdict.alarm_limit is not None:
        axes.axhline(verdict.alarm_limit, color="0.4", linewidth=0.8, label="limit of the alarm")
    if verdict.onset_on is not None:
        axes.axvline(_position(verdict.onset_on), color="#d55e00", linewidth=0.8, label="onset")
    axes.set_ylabel(f"mean {verdict.score}")
    axes.legend(loc="best", fontsize=8)
    axes.xaxis_date()
    figure.autofmt_xdate()


def _position(day: str) -> float:
    """The place of a day on an axis of dates: days since 1970."""
    return float((date.fromisoformat(day) - date(1970, 1, 1)).days)


def _metric_row(metric: LiveMetric) -> tuple[str, ...]:
    tested = "-" if metric.test is None else f"{metric.test:.4g} {_between(metric.test_low, metric.test_high)}"
    baseline = "-" if metric.baseline is None else f"{metric.baseline:.4g}"
    return metric.name, f"{metric.value:.4g}", _between(metric.low, metric.high), tested, baseline


def _slices(report: LiveSlices, score: str) -> Table:
    heads = ("slice", "rows", "with outcome", score, "95 % interval", "test window", "worse than the rest")
    return Table(heads, tuple(_slice_row(one) for one in report.slices))


def _slice_row(one: SlicePerformance) -> tuple[str, ...]:
    coverage = "-" if one.coverage is None else f"{one.coverage:.0%}"
    verdict = "not compared" if one.p_value is None else f"{'yes' if one.is_worse else 'no'} (p = {one.p_value:.2g})"
    if one.loss is None:
        return one.label, str(one.rows), coverage, "-", "", "-", verdict
    tested = "-" if one.loss.test is None else f"{one.loss.test:.4g}"
    figures = f"{one.loss.value:.4g}", _between(one.loss.low, one.loss.high), tested
    return one.label, str(one.rows), coverage, *figures, verdict


def _variants(variants: Sequence[VariantLoss], score: str) -> Table:
    heads = ("version", "variant", "role", "rows", score, "95 % interval", "estimated")
    rows = []
    for one in variants:
        loss, estimate = one.loss, one.estimate
        measured = ("-", "") if loss is None else (f"{loss.value:.4g}", _between(loss.low, loss.high))
        estimated = "-" if estimate is None else f"{estimate.value:.4g} {_between(estimate.low, estimate.high)}"
        rows.append((str(one.version), one.variant, one.role, str(one.rows), *measured, estimated))
    return Table(heads, tuple(rows))


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"({low:.4g} to {high:.4g})"


def _drift(verdict: DriftVerdict) -> tuple[str | Table | Figure, ...]:
    if not verdict.columns:
        return (verdict.message,)
    ranked = sorted(verdict.columns, key=lambda column: (-column.differs, -column.psi))[:_MOST_COLUMNS]
    heads = ("column", "p (adjusted)", "PSI", "Wasserstein", "windows", "drifted", "facts")
    rows = tuple(
        (
            column.name,
            f"{column.p_adjusted:.2g}",
            f"{column.psi:.3f}",
            f"{column.distance:.3f}",
            str(column.streak),
            "yes" if column.drifted else "no",
            column.facts,
        )
        for column in ranked
    )
    draw = partial(_draw_drift, names=[one.name for one in ranked[:20]], sizes=[one.psi for one in ranked[:20]])
    return verdict.message, Table(heads, rows), Figure("psi.svg", svg_of("Size of the difference", draw))


def _draw_drift(figure: Canvas, *, names: Sequence[str], sizes: Sequence[float]) -> None:
    axes = figure.add_subplot()
    add_bars(figure, axes, names, sizes)
    axes.set_xlabel("PSI")
