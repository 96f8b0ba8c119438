"""touchline's loss alarm on driftfdr's own suite of simulated losses, scored as driftfdr scores it.

    python benchmarks/drift_suite.py            # 10 of the 100 scenarios
    python benchmarks/drift_suite.py --full     # all
    python benchmarks/drift_suite.py --full --results FILE --only alone    # in parts

A scenario has 100 models of 5,000 steps, autoregressive and correlated, of which a tenth changes by 0.5 or 1 standard
deviation. As in that suite, a reference is 300 steps, an alarm starts a new one, and an alarm is right if it is the
first one within 1,000 steps after the change; all others are false. driftfdr reports an F1 of 0.88 for its best
setting, which subtracts the median over the models. Here 10 steps are a day, so that the reference has 30 days. The
alarm of a single model promises one false incident a year to each; the second line promises it to all 100 models
together. The third line is the check of many series beside each other, without what is common to them, with one false
incident a year over all of them. `make bench` runs it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from drift_delay import PACKAGES
from peers.runs import peer_python, run_child
from simulations.stored_results import StoredResults, add_results_options
from touchline.monitoring import loss_alarm, loss_reference
from touchline.statistics import find_rises

Array = NDArray[np.float64]
Rule = Callable[[Array], list[list[int]]]
PEER = Path(__file__).with_name("peers") / "driftfdr_suite.py"
_STEPS_A_DAY, _REFERENCE, _MOST_DELAY = 10, 300, 1_000


def alarms(losses: Array, steps: int) -> list[int]:
    """The steps at which a model alarms; after each a new reference is collected."""
    raised, start = [], 0
    while start + _REFERENCE + _STEPS_A_DAY <= len(losses):
        old, new = np.split(losses[start:], [_REFERENCE])
        reference = loss_reference(old, np.arange(_REFERENCE) // _STEPS_A_DAY, tolerance=0.02)
        days = new[: len(new) // _STEPS_A_DAY * _STEPS_A_DAY].reshape(-1, _STEPS_A_DAY).mean(axis=1)
        incidents = loss_alarm(reference, days.tolist(), [_STEPS_A_DAY] * len(days), steps=steps).incidents
        if not incidents:
            break
        start += _REFERENCE + (incidents[0].alarm_day + 1) * _STEPS_A_DAY
        raised.append(start)
    return raised


def each_alone(steps: int) -> Rule:
    """The alarm of the loss of one model, which knows of no other."""
    return lambda values: [alarms(losses, steps) for losses in values]


def beside_each_other(values: Array) -> list[list[int]]:
    """The alarms of models whose loss rose against the median of all."""
    days = values[:, : values.shape[1] // _STEPS_A_DAY * _STEPS_A_DAY].reshape(len(values), -1, _STEPS_A_DAY)
    raised: list[list[int]] = [[] for _ in values]
    for rise in find_rises(days.mean(axis=2).T, reference=_REFERENCE // _STEPS_A_DAY, limit=365):
        if rise.series is not None:
            raised[rise.series].append((rise.alarm + 1) * _STEPS_A_DAY)
    return raised


def scored(values: Array, starts: NDArray[np.int64], rule: Rule) -> tuple[float, float, float, float]:
    """Alarms, hits, changes, and the sum of the delays of the hits of one scenario."""
    count = hits = delays = 0
    for raised, change in zip(rule(values), starts.tolist(), strict=True):
        count += len(raised)
        delay = next((step - change for step in raised if step > change), None) if change >= 0 else None
        if delay is not None and delay <= _MOST_DELAY:
            hits, delays = hits + 1, delays + delay
    return count, hits, float((starts >= 0).sum()), delays


RULES: dict[str, tuple[str, Rule]] = {
    "alone": ("one false incident a year and model", each_alone(365)),
    "together": ("… a year and 100 models", each_alone(36_500)),
    "panel": ("… without what they share", beside_each_other),
}


def print_scores(name: str, scores: list[tuple[float, float, float, float]]) -> None:
    """One line for a rule; scenarios without a change have no F1, their alarms are false."""
    rows = np.array(scores)
    changed, quiet = rows[rows[:, 2] > 0], rows[rows[:, 2] == 0]
    precision, recall = changed[:, 1] / np.maximum(changed[:, 0], 1), changed[:, 1] / changed[:, 2]
    f1 = 2 * changed[:, 1] / (changed[:, 0] + changed[:, 2])
    error = f1.std(ddof=1) / np.sqrt(len(f1))
    delay = changed[:, 3].sum() / max(changed[:, 1].sum(), 1)
    print(
        f"{name:<36} {len(rows)} scenarios: F1 {f1.mean():.3f} ± {error:.3f}, precision {precision.mean():.2f}, "
        f"recall {recall.mean():.2f}, mean delay {delay:.0f} steps; {quiet[:, 0].sum():.0f} alarms in {len(quiet)} "
        "scenarios without a change",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all 100 scenarios")
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where driftfdr's environment lies")
    add_results_options(parser, list(RULES))
    options = parser.parse_args()
    started, results = perf_counter(), StoredResults(options.results)
    with tempfile.TemporaryDirectory() as folder:
        python = peer_python(options.envs.absolute(), "driftfdr", PACKAGES["driftfdr"])
        done = run_child([str(python), "-W", "ignore", str(PEER), folder, "100" if options.full else "10"])
        if "error" in done:
            print(f"driftfdr left out: {done['error']}")
            return 1
        scenarios = {path.stem: dict(np.load(path)) for path in sorted(Path(folder).glob("*.npz"))}
    for part in options.only:
        name, rule = RULES[part]
        scores = [
            results.of(f"{part} {number}", partial(scored, one["values"], one["starts"], rule))
            for number, one in scenarios.items()
        ]
        print_scores(name, scores)
    print("driftfdr's own report: F1 0.88 (the best of its settings), river's Page-Hinkley 0.06")
    print(f"{perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
