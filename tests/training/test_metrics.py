"""Metrics against scikit-learn and hand arithmetic."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from touchline.errors import UnknownScore
from touchline.statistics import Dependence
from touchline.training import Costs
from touchline.training.estimators.arrays import softmax
from touchline.training.evaluation.evaluate import EvaluatedRows, metrics_with_intervals, point_metrics
from touchline.training.fitting.thresholds import choose_threshold, threshold_rule
from touchline.training.metrics.losses import loss_rows, rps_rows, surprise_loss
from touchline.training.metrics.point_metrics import calibration_error, classification_metrics, regression_metrics
from touchline.training.metrics.ranking import precision_at_share, score_steps

Array = NDArray[np.float64]


def some_predictions(classes: int, rows: int = 500, seed: int = 3) -> tuple[NDArray[np.int64], Array, Array]:
    """Labels, probabilities (rounded, so that some are equal) and weights of resampled rows."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    scores = random.normal(size=(rows, classes)) + np.eye(classes)[labels]
    probabilities = np.round(softmax(scores), 2) + 0.001
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, probabilities, random.integers(0, 4, (3, rows)).astype(float)


def test_two_class_metrics_equal_scikit_learns_under_every_weighting() -> None:
    from sklearn import metrics as theirs

    labels, p, weights = some_predictions(2)
    ours = classification_metrics(labels, p, weights, threshold=0.4)
    said = (p[:, 1] >= 0.4).astype(int)
    for draw, w in enumerate(weights):
        expected = {
            "log_loss": theirs.log_loss(labels, p, sample_weight=w),
            "brier": theirs.brier_score_loss(labels, p[:, 1], sample_weight=w),
            "roc_auc": theirs.roc_auc_score(labels, p[:, 1], sample_weight=w),
            "pr_auc": theirs.average_precision_score(labels, p[:, 1], sample_weight=w),
            "accuracy": theirs.accuracy_score(labels, said, sample_weight=w),
            "balanced_accuracy": theirs.balanced_accuracy_score(labels, said, sample_weight=w),
            "precision": theirs.precision_score(labels, said, sample_weight=w),
            "recall": theirs.recall_score(labels, said, sample_weight=w),
            "f1": theirs.f1_score(labels, said, sample_weight=w),
        }
        assert {name: ours[name][draw] for name in expected} == pytest.approx(expected)


def test_metrics_of_more_classes_equal_scikit_learns_means_over_classes() -> None:
    from sklearn import metrics as theirs

    labels, p, weights = some_predictions(3)
    ours = classification_metrics(labels, p, weights, ordered=True)
    said = p.argmax(axis=1)
    w = weights[1]
    onehot = np.eye(3)[labels]
    expected = {
        "log_loss": theirs.log_loss(labels, p, sample_weight=w),
        "roc_auc": np.mean([theirs.roc_auc_score(onehot[:, c], p[:, c], sample_weight=w) for c in range(3)]),
        "pr_auc": np.mean([theirs.average_precision_score(onehot[:, c], p[:, c], sample_weight=w) for c in range(3)]),
        "f1": theirs.f1_score(labels, said, average="macro", sample_weight=w),
        "precision": theirs.precision_score(labels, said, average="macro", sample_weight=w),
        "accuracy": theirs.accuracy_score(labels, said, sample_weight=w),
    }
    assert {name: ours[name][1] for name in expected} == pytest.approx(expected)


def test_regression_metrics_equal_scikit_learns() -> None:
    from sklearn import metrics as theirs

    random = np.random.default_rng(5)
    truth = random.normal(size=200)
    said = truth + random.normal(size=200)
    w = random.integers(0, 3, (1, 200)).astype(float)
    ours = regression_metrics(truth, said[:, None], w)
    expected = {
        "mse": theirs.mean_squared_error(truth, said, sample_weight=w[0]),
        "rmse": theirs.root_mean_squared_error(truth, said, sample_weight=w[0]),
        "mae": theirs.mean_absolute_error(truth, said, sample_weight=w[0]),
        "r2": theirs.r2_score(truth, said, sample_weight=w[0]),
    }
    assert {name: float(ours[name][0]) for name in expected} == pytest.approx(expected)


def test_rps_punishes_the_far_class_more_than_the_near_one() -> None:
    home_won = np.array([0, 0])
    said = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]])
    # Half of ((0.5 - 1)^2 + (1 - 1)^2) and of ((0.5 - 1)^2 + (0.5 - 1)^2).
    assert rps_rows(home_won, said).tolist() == [0.125, 0.25]


def test_calibration_error_is_the_gap_between_what_was_said_and_what_happened() -> None:
    said = np.repeat([0.2, 0.8], 50)
    happened = np.r_[np.tile([1, 0, 0, 0, 0], 10), np.tile([1, 1, 0, 0, 0], 10)]
    probabilities = np.stack([1 - said, said], axis=1)
    # Right at 0.2; 0.4 happened where 0.8 was said, for half of the rows.
    assert calibration_error(happened, probabilities, np.ones((1, 100)))[0] == pytest.approx(0.2)


def test_precision_at_the_top_tenth_counts_the_highest_scores() -> None:
    happened = np.array([1.0, 0.0] + [0.0] * 18)
    scores = np.linspace(1, 0, 20)
    assert precision_at_share(score_steps(happened, scores, np.ones((1, 20))), share=0.1)[0] == 0.5


@given(st.integers(0, 10_000))
def test_drawing_a_row_twice_is_the_same_as_weighing_it_twice(seed: int) -> None:
    labels, p, _ = some_predictions(3, rows=40, seed=seed)
    times = np.random.default_rng(seed).integers(1, 3, 40)
    repeated = np.repeat(np.arange(40), times)
    weighed = classification_metrics(labels, p, times[None, :].astype(float))
    drawn = classification_metrics(labels[repeated], p[repeated], np.ones((1, len(repeated))))
    # The bins of the calibration error are cut at the rows' own quantiles, so it alone may differ.
    for name in set(weighed) - {"ece"}:
        assert weighed[name][0] == pytest.approx(drawn[name][0], nan_ok=True)


def test_an_unknown_loss_names_its_neighbour() -> None:
    with pytest.raises(UnknownScore, match="Did you mean 'log_loss'"):
        loss_rows("logloss", np.array([0]), np.array([[0.5, 0.5]]))


def test_a_class_that_no_test_row_has_leaves_the_other_classes_areas() -> None:
    from sklearn import metrics as theirs

    labels, p, _ = some_predictions(3)
    kept = labels != 1
    labels, p = labels[kept], p[kept]
    ours = classification_metrics(labels, p, np.ones((1, len(labels))))
    said = p.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of the class without a row
        expected = {
            "roc_auc": np.mean([theirs.roc_auc_score(labels == c, p[:, c]) for c in (0, 2)]),
            "pr_auc": np.mean([theirs.average_precision_score(labels == c, p[:, c]) for c in (0, 2)]),
            "balanced_accuracy": theirs.balanced_accuracy_score(labels, said),
            "recall": theirs.recall_score(labels, said, average="macro", zero_division=0),
            "f1": theirs.f1_score(labels, said, average="macro", zero_division=0),
        }
    assert {name: float(ours[name][0]) for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("shift", [0.0, 1e6, 1e8, -1e12])
def test_r2_does_not_depend_on_where_zero_lies(shift: float) -> None:
    from sklearn.metrics import r2_score

    random = np.random.default_rng(5)
    truth = random.normal(size=300)
    values = truth + random.normal(scale=0.5, size=300)
    ours = regression_metrics(truth + shift, (values + shift)[:, None], np.ones((1, 300)))["r2"][0]
    assert ours == pytest.approx(r2_score(truth, values), abs=1e-3)


@given(st.permutations(range(12)))
def test_precision_at_the_top_does_not_depend_on_the_order_of_equal_scores(order: list[int]) -> None:
    happened = np.array([1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0.0])
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    found = precision_at_share(score_steps(happened[order], scores[order], np.ones((1, 12))), share=0.25)[0]
    # The first row, and two of five rows of which one happened.
    assert found == pytest.approx((1 + 2 * 1 / 5) / 3)


def test_rps_is_no_metric_of_classes_without_an_order() -> None:
    labels, p, weights = some_predictions(3)
    assert "rps" not in classification_metrics(labels, p, weights)


def test_a_thousand_classes_are_counted_without_a_matrix_for_each_resample() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 1000, 3000)
    p = random.dirichlet(np.ones(1000), 3000)
    tracemalloc.start()
    found = point_metrics(EvaluatedRows("multiclass", labels, np.arange(3000)), p)
    metrics_with_intervals(EvaluatedRows("multiclass", labels, np.arange(3000)), p)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["accuracy"] == np.mean(p.argmax(axis=1) == labels)
    assert peak < 300e6


@pytest.mark.parametrize("dependence", ["serial", "none"])
def test_intervals_over_many_clusters_are_those_of_the_mean(dependence: Dependence) -> None:
    random = np.random.default_rng(1)
    truth, rows = random.normal(size=6000), 6000
    values = truth + random.normal(size=rows)
    evaluated = EvaluatedRows("regression", truth, np.arange(rows), dependence=dependence)
    found = metrics_with_intervals(evaluated, values[:, None])["mse"]
    half = 1.959964 * ((values - truth) ** 2).std() / rows**0.5
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.3)


def test_the_order_of_rows_without_time_does_not_widen_an_interval() -> None:
    random = np.random.default_rng(2)
    truth = np.sort(random.normal(size=900) ** 3)
    values = np.zeros((900, 1))
    widths = []
    for order in (np.arange(900), random.permutation(900)):
        evaluated = EvaluatedRows("regression", truth[order], np.arange(900), dependence="none")
        found = metrics_with_intervals(evaluated, values)["mae"]
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths[0] == pytest.approx(widths[1], rel=0.2)


def _choices(labels: list[int], scores: list[float]) -> tuple[NDArray[np.int64], Array]:
    second = np.array(scores)
    return np.array(labels), np.stack([1 - second, second], axis=1)


def test_the_threshold_of_costs_has_the_lowest_cost() -> None:
    random = np.random.default_rng(3)
    scores = random.random(400)
    labels, p = _choices((random.random(400) < scores).astype(int).tolist(), scores.tolist())
    costs = Costs(false_positive=1, false_negative=5)
    chosen = choose_threshold(costs, labels, p)

    def cost(threshold: float) -> float:
        predicted = scores >= threshold
        return float((predicted & (labels == 0)).sum() + 5 * (~predicted & (labels == 1)).sum())

    assert cost(chosen) == min(cost(threshold) for threshold in [*scores, 0.0, 1.0])


def test_a_rare_class_is_not_decided_at_one_half_in_silence() -> None:
    labels, p = _choices([0] * 96 + [1] * 4, [0.02] * 94 + [0.3, 0.2, 0.25, 0.22, 0.21, 0.1])
    assert choose_threshold("auto", labels, p) < 0.3
    assert "only 4.0% are positive" in threshold_rule("auto", labels, 2)
    assert (choose_threshold("auto", 1 - labels, p), threshold_rule("auto", 1 - labels, 2)) == (0.5, "")
    assert choose_threshold(0.5, labels, p) == 0.5


def test_the_price_of_a_surprise_is_the_expected_loss_of_the_other_classes() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.02, 0.98, 0.0]])
    first = (0.2 * -np.log(0.2) + 0.1 * -np.log(0.1)) / 0.3
    assert surprise_loss("log_loss", probabilities[:1]) == pytest.approx(first)
    assert surprise_loss("log_loss", probabilities) == pytest.approx((first - np.log(0.02)) / 2, rel=1e-6)
    assert surprise_loss("brier", np.array([[0.9, 0.1]])) == pytest.approx(0.81)
