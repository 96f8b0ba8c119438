"""The model card: what a model is, on which data it stands, how good it is and for whom, and where it must not be used.

One document, written as Markdown or as HTML; every number comes from the `TrainingResult`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from touchline.training.card.plots import plots
from touchline.training.evaluation.diagnostics import SliceReport
from touchline.training.evaluation.evaluate import JudgedInterval, Metric
from touchline.training.result import TrainingResult

_SLICE_METRICS: Final = ("log_loss", "accuracy", "f1", "ece", "rmse", "mae", "r2")
_STYLE: Final = (
    "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0}th,td{border:1px solid #ccc;padding:.2rem .6rem;text-align:left}"
    "th{background:#f2f2f2}svg{max-width:100%;height:auto}code{background:#f2f2f2;padding:0 .2rem}"
)


@dataclass(frozen=True)
class CardFacts:
    """What a card tells beyond the training: who it is for, its version, its hashes, and what the gates said."""

    project: str
    description: str = ""
    version: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[tuple[str, bool, str], ...] = ()


@dataclass(frozen=True)
class Table:
    """A table with a row of headings."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A drawing, and the file it lies in beside a Markdown card."""

    name: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    body: tuple[str | Table | Figure, ...]


@dataclass(frozen=True)
class Card:
    """A model card."""

    title: str
    sections: tuple[Section, ...]

    def to_markdown(self, *, plots_folder: str = "plots") -> str:
        """Markdown; figures are links into `plots_folder`."""
        lines = [f"# {self.title}", ""]
        for section in self.sections:
            lines += [f"## {section.title}", ""]
            for part in section.body:
                lines += [_markdown(part, plots_folder), ""]
        return "\n".join(lines).rstrip() + "\n"

    def to_html(self) -> str:
        """One HTML page that needs nothing beside it."""
        body = "".join(
            f"<h2>{escape(section.title)}</h2>{''.join(_html(part) for part in section.body)}"
            for section in self.sections
        )
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}</title>'
            f"<style>{_STYLE}</style></head><body><h1>{escape(self.title)}</h1>{body}</body></html>\n"
        )


def build_card(result: TrainingResult, facts: CardFacts) -> Card:
    """The card of a training."""
    version = f" {facts.version}" if facts.version else ""
    sections = [
        Section("What it is", _about(result, facts)),
        Section("Data", _data(result, facts)),
        Section("How good it is", _quality(result)),
        Section("For whom", _slices(result)),
        Section("How sure it may be", _calibration(result)),
        Section("What it looks at", _importance(result)),
        Section("Candidates", (_candidates(result),)),
        Section("Gates", _gates(facts)),
        Section("Limits", _limits(result, facts)),
        Section("How to make it again", _recipe(result)),
    ]
    return Card(f"{facts.project}{version}", tuple(section for section in sections if section.body))


def _about(result: TrainingResult, facts: CardFacts) -> tuple[str, ...]:
    told = {"binary": "Says which of two classes", "multiclass": "Says which class", "regression": "Says a number"}
    model = result.model
    classes = f": {', '.join(model.classes)}" if model.classes else ""
    return (
        *([facts.description] if facts.description else []),
        f"{told[model.kind]}{classes}. Model: {result.chosen} ({model.family}), probabilities corrected by "
        f"{model.calibrator.method}, trained at {result.trained_at:%Y-%m-%d %H:%M} UTC.",
        f"Intended use: {facts.intended_use or 'not declared'}.",
    )


def _data(result: TrainingResult, facts: CardFacts) -> tuple[str | Table, ...]:
    split = result.split
    rows = tuple((part.name, f"{part.rows:,}", _day(part.first_cutoff), _day(part.last_cutoff)) for part in split.parts)
    told = (
        f"Split by {split.method}. {split.held_back:,} examples before the test window were held back because their "
        f"label was known too late; {split.unlabelled:,} have no known label. The model that ships is the same recipe "
        f"on all known labels; the numbers below are those of the fit that knew no label from the test window on."
    )
    hashes = {"training set": result.training_set_hash, **facts.hashes}
    noted = tuple((found.level, found.check, found.message) for found in result.findings)
    return (
        told,
        Table(("part", "examples", "first cutoff", "last cutoff"), rows),
        Table(("what", "hash"), tuple((name, value) for name, value in hashes.items())),
        *([Table(("level", "check", "found"), noted)] if noted else []),
    )


def _day(instant: object) -> str:
    return f"{instant:%Y-%m-%d}" if instant is not None else ""


def _quality(result: TrainingResult) -> tuple[str | Table | Figure, ...]:
    found = result.evaluation
    others = list(found.baselines)
    rows = tuple(
        (
            name,
            _number(metric.value),
            _interval(metric),
            _number(found.baseline[name].value),
            *(_number(found.baselines[other][name].value) for other in others),
        )
        for name, metric in found.metrics.items()
    )
    told = (
        f"On {found.rows:,} examples in {found.clusters:,} clusters that no fit had seen. Intervals are 95 %, from "
        f"redrawn clusters in time order. Decisions are made at {found.threshold:.3g}."
    )
    partly = [f"{name} for {known:,}" for name, known in found.baseline_rows.items() if known < found.rows]
    if partly:
        told += f" Judged only on the examples that there is a value for: {', '.join(partly)}."
    if found.interval is not None:
        told += f" {_covered(found.interval)}"
    return (
        told,
        Table(("metric", "value", "interval", "constant", *others), rows),
        *_confusion(result),
        *_figures(result, "roc.svg", "pr.svg", "residuals.svg", "learning_curve.svg"),
    )


def _covered(found: JudgedInterval) -> str:
    promised = found.promised
    return (
        f"Within {_number(promised.half_width)} to either side of a prediction {promised.coverage:.4g} of values are "
        f"promised to lie (split-conformal, from {promised.rows:,} validation examples); of these examples "
        f"{_number(found.covered.value)} do {_interval(found.covered)}".rstrip()
        + "."
    )


def _confusion(result: TrainingResult) -> tuple[Table, ...]:
    found, names = result.diagnostics, result.model.classes
    if not found.confusion:
        return ()
    cells = tuple((name, *(str(cell) for cell in row)) for name, row in zip(names, found.confusion, strict=True))
    reports = tuple(
        (c.name, _number(c.precision), _number(c.recall), _number(c.f1), str(c.rows)) for c in found.classes
    )
    return (
        Table(("happened \\ said", *names), cells),
        Table(("class", "precision", "recall", "F1", "examples"), reports),
    )


def _slices(result: TrainingResult) -> tuple[Table, ...]:
    found = result.diagnostics
    return tuple(_slice_table(group) for group in (found.slices, found.seasons) if group)


def _slice_table(reports: Sequence[SliceReport]) -> Table:
    names = [name for name in _SLICE_METRICS if name in reports[0].metrics]
    rows = tuple(
        (
            f"{r.name} = {r.value}",
            str(r.rows),
            *(f"{_number(r.metrics[n].value)} {_interval(r.metrics[n])}" for n in names),
        )
        for r in reports
    )
    return Table(("slice", "examples", *names), rows)


def _calibration(result: TrainingResult) -> tuple[str | Figure, ...]:
    ece = result.evaluation.metrics.get("ece")
    if ece is None:
        return ()
    told = f"Expected calibration error {_with_interval(ece)}; correction: {result.model.calibrator.method}."
    return (told, *_figures(result, "reliability.svg"))


def _importance(result: TrainingResult) -> tuple[str | Figure, ...]:
    if not result.diagnostics.importance:
        return ()
    dropped = ", ".join(result.recipe.dropped) or "none"
    return (
        f"Mean size of each column's contribution on test examples ({result.diagnostics.explained_by}). "
        f"Columns dropped because they never vary: {dropped}.",
        *_figures(result, "importance.svg"),
    )


def _candidates(result: TrainingResult) -> Table:
    rows = tuple(
        (
            report.name,
            "" if report.score is None else _number(report.score),
            report.calibration,
            f"{report.seconds:.1f} s",
            str(len(report.tuning.trials)) if report.tuning else "0",
            report.error or ("chosen" if report.name == result.chosen else ""),
        )
        for report in result.candidates
    )
    return Table(("candidate", "validation score", "correction", "time", "settings tried", ""), rows)


def _gates(facts: CardFacts) -> tuple[Table, ...]:
    rows = tuple((name, "passed" if passed else "failed", message) for name, passed, message in facts.gates)
    return (Table(("gate", "", "why"), rows),) if rows else ()


def _limits(result: TrainingResult, facts: CardFacts) -> tuple[str, ...]:
    part = result.split.part("test")
    period = f" from {_day(part.first_cutoff)} to {_day(part.last_cutoff)}" if result.split.method == "time" else ""
    known = f"Judged on {part.rows:,} examples{period}; nothing is known about how it does elsewhere."
    return (known, *facts.limits)


def _recipe(result: TrainingResult) -> tuple[str | Table, ...]:
    recipe = result.recipe
    settings = tuple((name, str(value)) for name, value in sorted(recipe.params.items()))
    libraries = ", ".join(f"{name} {number}" for name, number in result.libraries.items())
    return (
        f"Seed {recipe.seed}, {recipe.threads} threads; {libraries}.",
        *([Table(("setting", "value"), settings)] if settings else []),
    )


def _figures(result: TrainingResult, *names: str) -> tuple[Figure, ...]:
    drawn = plots(result)
    return tuple(Figure(name, drawn[name]) for name in names if name in drawn)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(metric: Metric) -> str:
    return "" if metric.low is None or metric.high is None else f"[{metric.low:.4g}, {metric.high:.4g}]"


def _with_interval(metric: Metric) -> str:
    return f"{_number(metric.value)} {_interval(metric)}".rstrip()


def _markdown(part: str | Table | Figure, folder: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Figure):
        return f"![{part.name.removesuffix('.svg')}]({folder}/{part.name})"
    return "\n".join([_row(part.heads), _row(["---"] * len(part.heads)), *(_row(row) for row in part.rows)])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _html(part: str | Table | Figure) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    if isinstance(part, Figure):
        return f"<figure>{part.svg}</figure>"
    heads = "".join(f"<th>{escape(head)}</th>" for head in part.heads)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in part.rows)
    return f"<table><tr>{heads}</tr>{rows}</table>"
