"""The plots of an evaluation as SVG text; the same evaluation gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from typing import Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, PredictionErrorDisplay, RocCurveDisplay

from touchline.training.evaluation.diagnostics import Attribution, Curve, ReliabilityBin
from touchline.training.result import TrainingResult

_MOST_BARS: Final = 20
_MOST_POINTS: Final = 2000
_LARGEST_GRID: Final = 20
_LONGEST_NAME: Final = 40
_LONGEST_CLASS: Final = 20
_MOST_INSIDE: Final = 4
_LEGEND_INCHES: Final = 2.2
_INCHES_PER_CHARACTER: Final = 0.075  # of 9 point text
# A colour-blind safe palette (Okabe and Ito 2008).
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def plots(result: TrainingResult) -> dict[str, str]:
    """SVG text by file name; a plot whose numbers the evaluation does not hold is left out."""
    diagnostics = result.diagnostics
    drawings: tuple[tuple[str, str, bool, Callable[[Figure, TrainingResult], None]], ...] = (
        ("roc", "ROC curve", bool(_curves(result, "roc")), _draw_roc),
        ("precision_recall", "Precision-recall curve", bool(_curves(result, "pr")), _draw_precision_recall),
        ("gains", "Cumulative gain and lift", bool(_curves(result, "gain")), _draw_gains),
        ("confusion_matrix", "Confusion matrix", 0 < len(diagnostics.confusion) <= _LARGEST_GRID, _draw_confusion),
        ("calibration", "Calibration", bool(diagnostics.reliability), _draw_calibration),
        ("residuals", "Residuals", bool(diagnostics.residuals), _draw_residuals),
        ("learning_curve", "Learning curve", len(diagnostics.learning_curve) > 1, _draw_learning_curve),
        ("attributions", "Mean absolute contribution", bool(diagnostics.importance), _draw_attributions),
        ("beeswarm", "Contributions by row", bool(diagnostics.attributions), _draw_beeswarm),
    )
    return {f"{name}.svg": svg_of(title, _drawn(draw, result)) for name, title, has_data, draw in drawings if has_data}


def _drawn(draw: Callable[[Figure, TrainingResult], None], result: TrainingResult) -> Callable[[Figure], None]:
    return lambda figure: draw(figure, result)


def svg_of(title: str, draw: Callable[[Figure], None]) -> str:
    """A drawing as SVG text, in the style of all plots."""
    with mpl.rc_context():
        _set_style()
        return _svg(title, draw)


def set_log_counts(axes: Axes) -> None:
    """A logarithmic horizontal axis of counts, with plain numbers: powers would stand there as formulas."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _set_style() -> None:
    mpl.rcdefaults()
    mpl.rc("svg", hashsalt="touchline", fonttype="none")
    # A class or column may be named "$": names are no formulas.
    mpl.rc("text", parse_math=False)
    mpl.rc("font", size=9)
    mpl.rc("savefig", dpi=150)
    mpl.rc("axes", prop_cycle=cycler(linestyle=("-", "--", ":")) * cycler(color=_COLOURS))


def _svg(title: str, draw: Callable[[Figure], None]) -> str:
    figure = Figure(figsize=(6.4, 4.2))
    FigureCanvasAgg(figure)
    # Margins by hand: a layout engine draws every plot twice.
    set_margins(figure)
    figure.suptitle(title, fontweight="bold", y=0.98)
    draw(figure)
    text = StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawing = text.getvalue().partition("<svg ")[2]
    return f'<svg role="img" aria-label="{escape(title)}" {drawing}'


def set_margins(figure: Figure, *, left: Sequence[str] = (), bottom: Sequence[str] = ()) -> None:
    """Room for the labels that stand left of the plot (upright text) and below it (text turned by 90 degrees)."""
    width, height = figure.get_size_inches()
    longest = [max((len(name) for name in names), default=0) * _INCHES_PER_CHARACTER for names in (left, bottom)]
    figure.subplots_adjust(
        left=(0.85 + longest[0]) / width,
        bottom=(0.5 + longest[1]) / height,
        right=1 - 0.2 / width,
        top=1 - 0.45 / height,
    )


def add_bars(figure: Figure, axes: Axes, names: Sequence[str], sizes: Sequence[float]) -> BarContainer:
    """A horizontal bar for each name, the first on top. Names are shortened; two that look alike then have two bars."""
    shown = [" ".join(name.split())[:_LONGEST_NAME] for name in names]
    set_margins(figure, left=shown)
    places = range(len(names))
    bars = axes.barh(places, sizes)
    axes.set_yticks(places, shown)
    axes.invert_yaxis()
    return bars


def _add_legend(figure: Figure, axes: Axes, place: Literal["lower left", "lower right", "upper left"]) -> None:
    """A legend inside the plot; right of it, where it would cover the curves of many classes."""
    entries = len(axes.get_legend_handles_labels()[1])
    if entries <= _MOST_INSIDE:
        axes.legend(loc=place)
        return
    width = figure.get_figwidth()
    figure.set_figwidth(width + _LEGEND_INCHES)
    figure.subplots_adjust(left=0.85 / figure.get_figwidth(), right=(width - 0.2) / figure.get_figwidth())
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0, ncols=-(-entries // 20))


def _shown_classes(result: TrainingResult) -> tuple[str, ...]:
    """The positive class of two, or every class."""
    classes = result.model.classes
    return classes[1:] if len(classes) == 2 else classes


def _curves(result: TrainingResult, kind: str) -> dict[str, Curve]:
    curves = result.diagnostics.curves
    return {name: curves[f"{kind} {name}"] for name in _shown_classes(result) if f"{kind} {name}" in curves}


def _area(result: TrainingResult, metric: str) -> float | None:
    """The area under the curve of the positive class; the metric of more than two classes is a mean over them."""
    return result.evaluation.metrics[metric].value if len(result.model.classes) == 2 else None


def _draw_roc(figure: Figure, result: TrainingResult) -> None:
    axes = figure.subplots()
    for name, curve in _curves(result, "roc").items():
        display = RocCurveDisplay(fpr=np.array(curve.x), tpr=np.array(curve.y), roc_auc=_area(result, "roc_auc"))
        display.plot(ax=axes, name=name[:_LONGEST_CLASS])
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    _add_legend(figure, axes, "lower right")


def _draw_precision_recall(figure: Figure, result: TrainingResult) -> None:
    axes = figure.subplots()
    for name, curve in _curves(result, "pr").items():
        # scikit-learn draws steps from the highest recall to the lowest.
        recall, precision = np.array(curve.x)[::-1], np.array(curve.y)[::-1]
        display = PrecisionRecallDisplay(precision, recall, average_precision=_area(result, "pr_auc"))
        display.plot(ax=axes, name=name[:_LONGEST_CLASS])
    axes.set(xlabel="recall", ylabel="precision")
    _add_legend(figure, axes, "lower left")


def _draw_gains(figure: Figure, result: TrainingResult) -> None:
    figure.set_size_inches(9.0, 4.2)
    gain, lift = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.13, wspace=0.22)
    for name, curve in _curves(result, "gain").items():
        taken, found = np.array(curve.x[1:]), np.array(curve.y[1:])
        gain.plot([0.0, *taken], [0.0, *found], label=name[:_LONGEST_CLASS])
        lift.plot(taken, found / taken, label=name[:_LONGEST_CLASS])
    gain.plot([0, 1], [0, 1], color="grey", linestyle="--", label="random order")
    lift.axhline(1.0, color="grey", linestyle="--")
    gain.set(xlabel="share of examples, likeliest first", ylabel="share of the class that is found")
    lift.set(xlabel="share of examples, likeliest first", ylabel="lift", ylim=(0, None))
    gain.legend(loc="lower right")


def _draw_confusion(figure: Figure, result: TrainingResult) -> None:
    axes = figure.subplots()
    cells = np.array(result.diagnostics.confusion)
    classes = [name[:_LONGEST_CLASS] for name in result.model.classes]
    figure.set_size_inches(6.4, 4.2 + 0.15 * max(0, len(classes) - 6))
    display = ConfusionMatrixDisplay(cells, display_labels=classes)
    is_horizontal = len(cells) <= 6 and sum(len(name) for name in classes) <= 48
    rotation = "horizontal" if is_horizontal else "vertical"
    set_margins(figure, left=classes, bottom=() if is_horizontal else classes)
    display.plot(ax=axes, cmap="Blues", values_format="d", xticks_rotation=rotation, colorbar=False)
    axes.set(xlabel="predicted class", ylabel="observed class")


def _draw_calibration(figure: Figure, result: TrainingResult) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="grey", linestyle="--", label="perfect calibration")
    for name in _shown_classes(result):
        _draw_bins(upper, result.diagnostics.reliability[name], name[:_LONGEST_CLASS])
        scores = result.evaluation.predictions[f"p_{name}"].to_numpy()
        lower.hist(scores, bins=40, range=(0, 1), histtype="step", label=name)
    upper.set(ylabel="observed frequency, 95 % interval")
    _add_legend(figure, upper, "upper left")
    lower.set(xlabel="predicted probability", ylabel="examples")


def _draw_bins(axes: Axes, bins: tuple[ReliabilityBin, ...], label: str) -> None:
    predicted, observed = (np.array([getattr(place, name) for place in bins]) for name in ("predicted", "observed"))
    # The mean of skewed values may lie outside the middle 80 % of them.
    below = np.maximum(observed - [place.low for place in bins], 0)
    above = np.maximum([place.high for place in bins] - observed, 0)
    axes.errorbar(predicted, observed, yerr=(below, above), marker="o", markersize=3, capsize=2, label=label)


def _draw_residuals(figure: Figure, result: TrainingResult) -> None:
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.35})
    frame = result.evaluation.predictions
    frame = frame.gather_every(-(-frame.height // _MOST_POINTS))
    display = PredictionErrorDisplay(y_true=frame["label"].cast(float).to_numpy(), y_pred=frame["value"].to_numpy())
    points = {"alpha": 0.4, "s": 8, "rasterized": True, "color": "#56b4e9"}
    display.plot(ax=left, kind="actual_vs_predicted", scatter_kwargs=points)
    _draw_bins(left, result.diagnostics.residuals, "mean and middle 80 %")
    left.legend(loc="upper left")
    left.set(xlabel="predicted value", ylabel="observed value")
    display.plot(ax=right, kind="residual_vs_predicted", scatter_kwargs=points)
    for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    right.set(xlabel="predicted value", ylabel="residual (observed - predicted)")


def _draw_learning_curve(figure: Figure, result: TrainingResult) -> None:
    axes = figure.subplots()
    points = result.diagnostics.learning_curve
    axes.plot([point.rows for point in points], [point.score for point in points], marker="o")
    axes.set(xlabel="training examples", ylabel="score on the test examples (lower is better)")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _draw_attributions(figure: Figure, result: TrainingResult) -> None:
    axes = figure.subplots()
    largest = list(result.diagnostics.importance.items())[:_MOST_BARS]
    bars = add_bars(figure, axes, [name for name, _ in largest], [size for _, size in largest])
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.margins(x=0.18)
    axes.set(xlabel=f"mean absolute contribution, {result.diagnostics.explained_by}")


def _draw_beeswarm(figure: Figure, result: TrainingResult) -> None:
    attributions = result.diagnostics.attributions
    outputs = tuple(dict.fromkeys(a.output for a in attributions))
    figure.set_figwidth(4.6 + 1.8 * len(outputs))
    set_margins(figure, left=[a.column[:_LONGEST_NAME] for a in attributions])
    grid = figure.subplots(1, len(outputs), sharey=True, squeeze=False)[0]
    for axes, output in zip(grid, outputs, strict=True):
        _draw_swarm(axes, [a for a in attributions if a.output == output])
        axes.set_title("" if len(outputs) == 1 else output[:_LONGEST_CLASS], fontsize=8)
    figure.supxlabel(f"contribution to the prediction, {result.diagnostics.explained_by}", fontsize=9)
    colours = figure.colorbar(ScalarMappable(cmap="coolwarm"), ax=list(grid), ticks=[0, 1], aspect=40)
    colours.ax.set_yticklabels(["low", "high"])
    colours.set_label("value of the column (grey: category or missing)")


def _draw_swarm(axes: Axes, attributions: list[Attribution]) -> None:
    axes.axvline(0, color="grey", linewidth=0.8)
    for place, attribution in enumerate(attributions):
        ranks = np.array([np.nan if rank is None else rank for rank in attribution.ranks])
        colours = mpl.colormaps["coolwarm"].with_extremes(bad="#888888")(np.ma.masked_invalid(ranks))
        x = np.array(attribution.contributions)
        axes.scatter(x, place + _offsets(x), c=colours, s=6, rasterized=True)
    axes.set_yticks(range(len(attributions)), [a.column[:_LONGEST_NAME] for a in attributions])
    axes.set_ylim(len(attributions) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(3))


def _offsets(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Heights that spread the points of nearly equal value around 0, within 0.4 to either side."""
    bins = np.digitize(values, np.linspace(values.min(), values.max(), 60))
    offsets = np.zeros(len(values))
    for place in np.unique(bins):
        inside = np.flatnonzero(bins == place)
        offsets[inside] = np.arange(len(inside)) - (len(inside) - 1) / 2
    return np.asarray(offsets * min(0.08, 0.4 / max(np.abs(offsets).max(), 1)))
