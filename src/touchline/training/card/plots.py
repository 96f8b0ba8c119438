"""The plots of a training, by file name."""

from __future__ import annotations

from typing import Final

from touchline.training.card.charts import Axes, Line, bar_chart, line_chart
from touchline.training.evaluation.diagnostics import Diagnostics
from touchline.training.result import TrainingResult

_MOST_BARS: Final = 20


def plots(result: TrainingResult) -> dict[str, str]:
    """SVG text by file name; only what this kind of task has."""
    found = result.diagnostics
    drawn: dict[str, str] = {}
    if found.reliability:
        drawn["reliability.svg"] = _reliability(found, result.model.classes)
    if found.residuals:
        drawn["residuals.svg"] = _residuals(found)
    for name, title, axes in (
        ("roc", "ROC", ("false alarms", "recall")),
        ("pr", "Precision and recall", ("recall", "precision")),
    ):
        lines = [Line(key.split(" ", 1)[1], c.x, c.y) for key, c in found.curves.items() if key.startswith(f"{name} ")]
        # Of two classes the second tells all.
        chosen = lines[1:] if len(result.model.classes) == 2 else lines
        if chosen:
            drawn[f"{name}.svg"] = line_chart(chosen, Axes(title, *axes, diagonal=name == "roc"))
    if len(found.learning_curve) > 1:
        points = found.learning_curve
        line = Line("test score", [point.rows for point in points], [point.score for point in points])
        drawn["learning_curve.svg"] = line_chart([line], Axes("Learning curve", "training rows", "test score"))
    if found.importance:
        largest = dict(list(found.importance.items())[:_MOST_BARS])
        drawn["importance.svg"] = bar_chart(largest, f"Mean size of contribution, {found.explained_by}")
    return drawn


def _reliability(found: Diagnostics, classes: tuple[str, ...]) -> str:
    names = classes[1:] if len(classes) == 2 else classes
    lines = []
    for name in names:
        bins = found.reliability[name]
        lines.append(
            Line(
                name,
                [place.said for place in bins],
                [place.happened for place in bins],
                [place.low for place in bins],
                [place.high for place in bins],
            )
        )
    return line_chart(lines, Axes("Reliability", "probability said", "share that happened", diagonal=True))


def _residuals(found: Diagnostics) -> str:
    bins = found.residuals
    line = Line(
        "mean and middle 80 %",
        [place.said for place in bins],
        [place.happened for place in bins],
        [place.low for place in bins],
        [place.high for place in bins],
    )
    return line_chart([line], Axes("What happened by what was said", "prediction", "label", diagonal=True))
