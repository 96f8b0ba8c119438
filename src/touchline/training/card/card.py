"""The model card, with the sections of Mitchell et al. (2019), "Model Cards for Model Reporting".

One document, written as Markdown or as HTML; every number comes from the `TrainingResult`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

import numpy as np

from touchline.training.evaluation.diagnostics import SliceReport
from touchline.training.evaluation.evaluate import EvaluatedInterval, Metric
from touchline.training.result import TrainingResult

_SPLITS: Final = {
    "time": "by time: the newest are the test examples",
    "stratified": "at random, with the same share of each class in every part",
    "grouped": "at random by cluster: a cluster is in one part only",
}
_SLICE_METRICS: Final = ("log_loss", "accuracy", "f1", "ece", "rmse", "mae", "r2")
_SHARES_TAKEN: Final = (0.05, 0.1, 0.2, 0.3, 0.5)
_ETHICS: Final = (
    "The project declares no ethical considerations. Compare the performance by subgroup before you use the model for "
    "decisions about people."
)
_STYLE: Final = (
    ":root{color-scheme:light dark;--text:#222;--page:#fff;--line:#ccc;--head:#f2f2f2}"
    "@media screen and (prefers-color-scheme:dark){:root{--text:#ddd;--page:#161616;--line:#444;--head:#262626}}"
    "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--text);"
    "background:var(--page);overflow-wrap:break-word}"
    "table{border-collapse:collapse}th,td{border:1px solid var(--line);padding:.2rem .6rem;text-align:left;"
    "vertical-align:top}"
    "th{background:var(--head)}code{background:var(--head);padding:0 .2rem}"
    ".wide,figure{overflow-x:auto;margin:.5rem 0}"  # a phone scrolls what is wider, and the page stays in place
    ".wide table{width:max-content}.wide td{max-width:22rem}"  # numbers and intervals stay on one line
    "svg{max-width:100%;min-width:30rem;height:auto;background:#fff}"
)


@dataclass(frozen=True)
class CardFacts:
    """The parts of a card that the training does not know: project, intended use, limits and hashes."""

    project: str
    description: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table with a row of headings."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A plot, and the name of its file beside a Markdown card."""

    name: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A heading of the given level and its text, tables and figures."""

    title: str
    body: tuple[str | Table | Figure, ...]
    level: int = 2


@dataclass(frozen=True)
class Card:
    """A model card."""

    title: str
    sections: tuple[Section, ...]

    def to_markdown(self, *, plots_folder: str = "plots") -> str:
        """Markdown; figures are links into `plots_folder`."""
        lines = [f"# {self.title}", ""]
        for section in self.sections:
            lines += [f"{'#' * section.level} {section.title}", ""]
            for part in section.body:
                lines += [_markdown(part, plots_folder), ""]
        return "\n".join(lines).rstrip() + "\n"

    def to_html(self) -> str:
        """One HTML page that needs nothing beside it."""
        body = "".join(
            f"<h{section.level}>{escape(section.title)}</h{section.level}>{''.join(map(_html, section.body))}"
            for section in self.sections
        )
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(self.title)}</title>'
            f"<style>{_STYLE}</style></head><body><h1>{escape(self.title)}</h1>{body}</body></html>\n"
        )


def build_card(result: TrainingResult, facts: CardFacts, plots: Mapping[str, str]) -> Card:
    """The card of a training, with the plots (SVG text by file name) that it has."""
    figures = {name: Figure(name, svg) for name, svg in plots.items()}
    sections = [
        Section("Model details", _details(result, facts)),
        Section("Intended use", (f"{facts.intended_use or 'The project declares no intended use'}.",)),
        Section("Factors", (_factors(result),)),
        Section("Metrics", (_metrics(result),)),
        Section("Evaluation data", (_evaluation_data(result),)),
        Section("Training data", _training_data(result, facts)),
        Section("Quantitative analyses", _quality(result, figures)),
        Section("Gain and lift", _gains(result, figures), level=3),
        Section("Calibration", _calibration(result, figures), level=3),
        Section("Performance by subgroup", _slices(result), level=3),
        Section("Feature attributions", _attributions(result, figures), level=3),
        Section("Ethical considerations", (_ETHICS,)),
        Section("Caveats and recommendations", _caveats(result, facts)),
    ]
    return Card(facts.project, tuple(section for section in sections if section.body))


def _details(result: TrainingResult, facts: CardFacts) -> tuple[str | Table, ...]:
    model, recipe = result.model, result.recipe
    output = f"a probability for each class ({', '.join(model.classes)})" if model.classes else "a number"
    libraries = ", ".join(f"{name} {number}" for name, number in result.libraries.items())
    settings = tuple((name, str(value)) for name, value in sorted(recipe.params.items()))
    return (
        *([facts.description] if facts.description else []),
        f"The model predicts {output}. It is candidate {result.best_candidate} ({model.family}), trained at "
        f"{result.trained_at:%Y-%m-%d %H:%M} UTC. Calibration method: {model.calibrator.method}.",
        f"Seed {recipe.seed}, {recipe.threads} threads; {libraries}.",
        *([Table(("setting", "value"), settings)] if settings else []),
        _candidates(result),
    )


def _factors(result: TrainingResult) -> str:
    reports = (*result.diagnostics.slices, *result.diagnostics.seasons)
    names = ", ".join(dict.fromkeys(report.name for report in reports))
    return f"Performance is reported by {names}." if names else "Performance is not reported by subgroup."


def _metrics(result: TrainingResult) -> str:
    sentences = [
        "Each metric has a 95 % interval from a bootstrap over clusters of examples.",
        "The constant baseline predicts the same value for every example.",
    ]
    if len(result.model.classes) == 2:
        rule = f": {result.threshold_rule}" if result.threshold_rule else ""
        sentences.append(f"The decision threshold is {result.evaluation.threshold:.3g}{rule}.")
    if absent := result.evaluation.absent:
        sentences.append(
            f"No test example is {' or '.join(absent)}: the areas under curves, precision, recall and F1 do not cover "
            f"{'it' if len(absent) == 1 else 'them'}."
        )
    return " ".join(sentences)


def _evaluation_data(result: TrainingResult) -> str:
    evaluation = result.evaluation
    text = (
        f"The evaluation used {evaluation.rows:,} examples in {evaluation.clusters:,} clusters. "
        "The evaluated model was trained without them."
    )
    partly = [f"{name} on {rows:,}" for name, rows in evaluation.baseline_rows.items() if rows < evaluation.rows]
    return f"{text} Some baselines have values for fewer examples: {', '.join(partly)}." if partly else text


def _training_data(result: TrainingResult, facts: CardFacts) -> tuple[str | Table, ...]:
    split = result.split
    rows = tuple((part.name, f"{part.rows:,}", _day(part.first_cutoff), _day(part.last_cutoff)) for part in split.parts)
    text = (
        f"The examples were split {_SPLITS[split.method]}. {split.held_back:,} examples before the test window were "
        "left out of training because their labels became known too late. "
        f"{split.unlabelled:,} examples have no label. "
        "The released model uses the same recipe and all labels. The metrics below are those of the evaluated model, "
        "which used no label from the test window."
    )
    hashes = {"training set": result.training_set_hash, **facts.hashes}
    findings = tuple((finding.level, finding.check, finding.message) for finding in result.findings)
    return (
        text,
        Table(("part", "examples", "first cutoff", "last cutoff"), rows),
        Table(("input", "hash"), tuple(hashes.items())),
        *([Table(("level", "check", "message"), findings)] if findings else []),
    )


def _day(instant: object) -> str:
    return f"{instant:%Y-%m-%d}" if instant is not None else ""


def _quality(result: TrainingResult, figures: Mapping[str, Figure]) -> tuple[str | Table | Figure, ...]:
    evaluation = result.evaluation
    others = list(evaluation.baselines)
    rows = tuple(
        (
            name,
            _number(metric.value),
            _interval(metric),
            _number(evaluation.baseline[name].value),
            *(_number(evaluation.baselines[other][name].value) for other in others),
        )
        for name, metric in evaluation.metrics.items()
    )
    return (
        Table(("metric", "value", "95 % interval", "constant baseline", *others), rows),
        *([_coverage(evaluation.interval)] if evaluation.interval is not None else []),
        *_class_table(result),
        *_existing(figures, "confusion_matrix", "roc", "precision_recall", "residuals", "learning_curve"),
    )


def _coverage(interval: EvaluatedInterval) -> str:
    promised = interval.promised
    narrowest, widest = min(promised.half_widths), max(promised.half_widths)
    width = _number(widest)
    if narrowest != widest:
        width = f"{_number(narrowest)} to {_number(widest)}, by the predicted value"
    return (
        f"The prediction interval is the prediction plus or minus {width}. Its nominal coverage "
        f"is {promised.coverage:.4g} (split-conformal, from {promised.rows:,} validation examples). Its observed "
        f"coverage is {_with_interval(interval.covered)}."
    )


def _class_table(result: TrainingResult) -> tuple[Table, ...]:
    rows = tuple(
        (c.name, _number(c.precision), _number(c.recall), _number(c.f1), str(c.rows))
        for c in result.diagnostics.classes
    )
    return (Table(("class", "precision", "recall", "F1", "examples"), rows),) if rows else ()


def _slices(result: TrainingResult) -> tuple[Table, ...]:
    diagnostics = result.diagnostics
    return tuple(_slice_table(reports) for reports in (diagnostics.slices, diagnostics.seasons) if reports)


def _slice_table(reports: Sequence[SliceReport]) -> Table:
    names = [name for name in _SLICE_METRICS if name in reports[0].metrics]
    rows = tuple(
        (f"{r.name} = {r.value}", str(r.rows), *(_with_interval(r.metrics[name]) for name in names)) for r in reports
    )
    return Table(("subgroup", "examples", *names), rows)


def _gains(result: TrainingResult, figures: Mapping[str, Figure]) -> tuple[str | Table | Figure, ...]:
    """The share of the positive class among the examples with the highest scores, of two classes."""
    classes = result.model.classes
    curve = result.diagnostics.curves.get(f"gain {classes[-1]}") if len(classes) == 2 else None
    if curve is None:
        return ()
    found = np.interp(_SHARES_TAKEN, curve.x, curve.y)
    rows = tuple(
        (f"{share:.0%}", f"{gain:.1%}", f"{gain / share:.2f}") for share, gain in zip(_SHARES_TAKEN, found, strict=True)
    )
    text = f"Test examples in order of their probability of {classes[-1]}, the likeliest first."
    return (text, Table(("examples taken", "of the class found", "lift"), rows), *_existing(figures, "gains"))


def _calibration(result: TrainingResult, figures: Mapping[str, Figure]) -> tuple[str | Figure, ...]:
    ece = result.evaluation.metrics.get("ece")
    if ece is None:
        return ()
    text = f"The expected calibration error is {_with_interval(ece)}."
    return (text, *_existing(figures, "calibration"))


def _attributions(result: TrainingResult, figures: Mapping[str, Figure]) -> tuple[str | Figure, ...]:
    if not result.diagnostics.importance:
        return ()
    dropped = ", ".join(result.recipe.dropped) or "none"
    return (
        f"The plots show the contribution of each column to predictions for test examples, by the method "
        f"{result.diagnostics.explained_by}. Columns left out because their value is constant: {dropped}.",
        *_existing(figures, "attributions", "beeswarm"),
    )


def _candidates(result: TrainingResult) -> Table:
    rows = tuple(
        (
            report.name,
            "" if report.score is None else _number(report.score),
            report.calibration,
            f"{report.seconds:.1f} s",
            str(len(report.tuning.trials)) if report.tuning else "0",
            report.error or ("selected" if report.name == result.best_candidate else ""),
        )
        for report in result.candidates
    )
    return Table(("candidate", "validation score", "calibration", "time", "trials", "note"), rows)


def _caveats(result: TrainingResult, facts: CardFacts) -> tuple[str, ...]:
    part = result.split.part("test")
    period = f" from {_day(part.first_cutoff)} to {_day(part.last_cutoff)}" if result.split.method == "time" else ""
    text = f"The model was evaluated on {part.rows:,} examples{period}. Its performance on other data is unknown."
    return (text, *facts.limits)


def _existing(figures: Mapping[str, Figure], *names: str) -> tuple[Figure, ...]:
    return tuple(figures[f"{name}.svg"] for name in names if f"{name}.svg" in figures)


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
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'
