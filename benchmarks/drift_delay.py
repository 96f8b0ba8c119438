"""Alarms beside the peers: false alarms per 1,000 windows, delay and misses on streams with known changes and without.

    python benchmarks/drift_delay.py                      # one change of each labelled stream
    python benchmarks/drift_delay.py --full               # all changes
    python benchmarks/drift_delay.py --full --results FILE --only adwin kswin    # in parts; the table has all of FILE

Every rival runs in an environment of its own, with its documented defaults, on the same rows, probabilities and errors
of the same model. A window is 100 rows (a day of Elec2: 48). touchline's loss alarm is what pages: it looks once a
window with `checks_a_year` 365, and an incident is one alarm. Its drift check pools windows to 200 rows and needs two
in a row (its default persistence); every check that says drift is an alarm. An alarm after the change is a detection,
the delay counts rows to the end of its window, and a change without one is a miss. The delay on a stream is the median
over its changes. Evidently sees every eighth window before a change (`--every`).

A rival at its defaults is compared with the loss alarm at its own, and at equal false alarms: at the least
`checks_a_year` (12 to 93,440) with which the loss alarm has no more of them than the rival. `make bench` runs it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path
from time import perf_counter

import numpy as np

from peers.runs import child_lines, peer_python
from simulations.alarm_streams import Stream, streams
from simulations.stored_results import StoredResults, add_results_options
from touchline.monitoring import CurrentRows, Drift, Performance, Window, check_drift, loss_alarm, loss_reference
from touchline.statistics import build_profile

PEER = Path(__file__).with_name("peers") / "alarm_peers.py"
# pandas 3 breaks the current Evidently; NannyML imports statsmodels and does not ask for it.
PACKAGES = {
    "driftfdr": ["driftfdr==0.1.1"],
    "river": ["river==0.26.1", "pandas<3"],
    "nannyml": ["nannyml==0.13.1", "statsmodels", "pandas<3"],
    "evidently": ["evidently==0.7.23", "pandas<3"],
}
RIVALS = {
    "driftfdr": "driftfdr",
    "ecusum": "driftfdr",
    "adwin": "river",
    "kswin": "river",
    "page_hinkley": "river",
    "cbpe": "nannyml",
    "realized": "nannyml",
    "evidently": "evidently",
}
_OURS, _OUR_DRIFT = "touchline loss", "touchline drift"
# Checks a year of the loss alarm: the default, and more and fewer false alarms for rivals that have more or fewer.
_DEFAULT = 365
_LIMITS = (12, 23, 46, 91, 182, *(_DEFAULT * 2**power for power in range(9)))


@dataclass(frozen=True)
class Alarms:
    """The windows with an alarm, the windows before the change that were checked, and the seconds."""

    raised: tuple[int, ...]
    quiet_windows: int
    seconds: float


def by_loss(stream: Stream, limit: int) -> list[int]:
    """The windows in which a loss incident is opened; each window is a day."""
    rule, sides = Performance(), (stream.reference, stream.monitored)
    losses = [-np.log(np.where(side.y == 1, side.p, 1 - side.p)) for side in sides]
    days = np.arange(len(losses[0])) // stream.window
    reference = loss_reference(losses[0], days, tolerance=rule.tolerance)
    means = losses[1].reshape(-1, stream.window).mean(axis=1).tolist()
    state = loss_alarm(reference, means, [stream.window] * len(means), steps=limit)
    return [incident.alarm_day for incident in state.incidents]


def by_drift(stream: Stream) -> list[int]:
    """The windows whose check says drift: inputs and probability, by the default rule."""
    rule, (reference, monitored) = Drift(), (stream.reference, stream.monitored)
    names = [f"x{place}" for place in range(reference.x.shape[1])]
    profile = build_profile(reference.x, names=names, outputs={"p": reference.p})
    rows = np.column_stack([monitored.x, monitored.p])
    together = -(-rule.min_rows // stream.window)
    previous, raised = None, []
    for first in range(0, stream.windows - together + 1, together):
        part = rows[first * stream.window : (first + together) * stream.window]
        current = CurrentRows(part, Window(f"{first:06}", f"{first + together:06}"))
        previous = check_drift(
            profile, current, project="shop", rule=rule, now=datetime(2026, 1, 1, tzinfo=UTC), previous=previous
        )
        if previous.state == "drift":
            raised.append(first + together - 1)
    return raised


def our_name(limit: int) -> str:
    return _OURS if limit == _DEFAULT else f"{_OURS} {limit:,}"


def run_ours(found: Sequence[Stream], results: StoredResults) -> None:
    """Store the alarms of the loss alarm at each of its limits, and of the drift check."""
    rules = {our_name(limit): partial(by_loss, limit=limit) for limit in _LIMITS} | {_OUR_DRIFT: by_drift}
    for name, rule in rules.items():
        for stream in found:
            if f"{name}/{stream.name}" not in results:
                started = perf_counter()
                raised = rule(stream)
                quiet = stream.windows if stream.change is None else stream.change // stream.window
                figures = {"raised": raised, "quiet_windows": quiet, "seconds": perf_counter() - started}
                results.store(f"{name}/{stream.name}", figures)


def run_theirs(rival: str, found: Sequence[Stream], results: StoredResults, options: argparse.Namespace) -> str | None:
    """Store the alarms of a rival on the streams that have none yet; the error that stopped it."""
    left = [stream for stream in found if f"{rival}/{stream.name}" not in results]
    if not left:
        return None
    environment = RIVALS[rival]
    try:
        python = peer_python(options.envs.absolute(), environment, PACKAGES[environment])
    except Exception as failed:  # noqa: BLE001  whatever stops an installation is printed instead of a figure
        return f"not installed: {failed}"
    with tempfile.TemporaryDirectory() as folder:
        for stream in left:
            stream.save(Path(folder))
        for line in child_lines([str(python), "-W", "ignore", str(PEER), rival, folder, str(options.every)]):
            if "error" in line:
                return str(line["error"])
            results.store(f"{rival}/{line.pop('stream')}", line)
    return None


def read_streams(folder: Path | None, segments: int) -> list[Stream]:
    """The streams, from a folder where an earlier part of the run wrote them."""
    if folder is None:
        return list(streams(segments=segments))
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        for place, stream in enumerate(streams(segments=segments)):
            replace(stream, name=f"{place:02} {stream.name}").save(unfinished)
        unfinished.rename(folder)
    found = (Stream.load(path) for path in sorted(folder.glob("*.npz")))
    return [replace(stream, name=stream.name[3:]) for stream in found]


def stored_alarms(found: Sequence[Stream], results: StoredResults) -> dict[str, dict[str, Alarms]]:
    """The alarms by detector and stream, of the detectors that have all streams."""
    alarms: dict[str, dict[str, Alarms]] = {}
    for name in [*map(our_name, _LIMITS), _OUR_DRIFT, *RIVALS]:
        if all(f"{name}/{stream.name}" in results for stream in found):
            figures = {stream.name: results[f"{name}/{stream.name}"] for stream in found}
            alarms[name] = {
                stream: Alarms(tuple(one["raised"]), one["quiet_windows"], one["seconds"])
                for stream, one in figures.items()
            }
    return alarms


def score(stream: Stream, alarms: Alarms) -> tuple[int, float]:
    """False alarms, and the rows from the change to the end of the window of its alarm (infinite: a miss)."""
    ends = [(place + 1) * stream.window for place in alarms.raised]
    if stream.change is None:
        return len(ends), inf
    after = [end - stream.change for end in ends if end > stream.change]
    return len(ends) - len(after), min(after, default=inf)


GROUPS = {
    "abrupt": lambda name: "abrupto" in name,
    "gradual": lambda name: "gradual" in name,
    "AR(1)": lambda name: name.startswith("ar1"),
    "Elec2 untouched": lambda name: name == "elec2_untouched",
    "Elec2 faults": lambda name: name in ("elec2_flipped", "elec2_unit"),
    "football": lambda name: name == "football",
}


def print_table(found: Sequence[Stream], alarms: dict[str, dict[str, Alarms]]) -> None:
    for group, has in GROUPS.items():
        members = [stream for stream in found if has(stream.name)]
        changed = sum(stream.change is not None for stream in members)
        print(f"\n{group}: {len(members)} streams, {changed} with a change")
        print(f"  {'':<16} {'false / 1,000 windows':>22} {'median delay':>13} {'misses':>7} {'seconds':>8}")
        for name, of_streams in alarms.items():
            if name.startswith(f"{_OURS} "):
                continue
            scores = [score(stream, of_streams[stream.name]) for stream in members]
            quiet = sum(of_streams[stream.name].quiet_windows for stream in members)
            delays = [delay for (_, delay), stream in zip(scores, members, strict=True) if stream.change is not None]
            missed = f"{sum(delay == inf for delay in delays)}" if delays else "-"
            middle = float(np.median(delays)) if delays else np.nan
            delay = "-" if not delays else ("missed" if middle == inf else f"{middle:,.0f}")
            false, seconds = sum(s[0] for s in scores), sum(of_streams[s.name].seconds for s in members)
            rate = f"{1000 * false / quiet:.1f} ({false} of {quiet:,})"
            print(f"  {name:<16} {rate:>22} {delay:>13} {missed:>7} {seconds:>8.2f}", flush=True)


def print_comparison(found: Sequence[Stream], alarms: dict[str, dict[str, Alarms]]) -> None:
    """The share of streams on which our loss alarm is no later than each rival."""
    print("\ntouchline loss beside each rival (bar: no later on 60 % of the streams, at equal or fewer false alarms)")
    for name in [name for name in alarms if name in RIVALS]:
        rate = _false_rate(found, alarms[name])
        equal = next((one for one in _LIMITS if _false_rate(found, alarms[our_name(one)]) <= rate), _LIMITS[-1])
        print(f"  {name}: {rate:.1f} false alarms per 1,000 windows")
        for limit in dict.fromkeys((_DEFAULT, equal)):
            ours = _false_rate(found, alarms[our_name(limit)])
            text = _beside(*(_delays(found, alarms[one]) for one in (our_name(limit), name)))
            more = " (more than the rival)" if ours > rate else ""
            print(f"    checks a year {limit:>6,}: {ours:5.1f}{more}; {text}")


def _beside(ours: Sequence[float], theirs: Sequence[float]) -> str:
    pairs = list(zip(ours, theirs, strict=True))
    earlier, later = (sum(one < other for one, other in way) for way in (pairs, [pair[::-1] for pair in pairs]))
    both, share = sum(one == other == inf for one, other in pairs), 1 - later / len(pairs)
    mark = "ok" if share >= 0.6 else "BELOW"
    return (
        f"of {len(pairs)} streams earlier on {earlier}, equal {len(pairs) - earlier - later} (both miss {both}), later "
        f"{later}: no later on {share:.0%} {mark}"
    )


def _false_rate(found: Sequence[Stream], alarms: dict[str, Alarms]) -> float:
    quiet = sum(alarms[stream.name].quiet_windows for stream in found)
    return 1000 * sum(score(stream, alarms[stream.name])[0] for stream in found) / quiet


def _delays(found: Sequence[Stream], alarms: dict[str, Alarms]) -> list[float]:
    """The median delay on each stream that has a change, over its changes."""
    delays = defaultdict(list)
    for stream in found:
        if stream.change is not None:
            delays[re.sub(r"_\d$", "", stream.name)].append(score(stream, alarms[stream.name])[1])
    return [float(np.quantile(of_stream, 0.5, method="inverted_cdf")) for of_stream in delays.values()]


def print_streams(found: Sequence[Stream], alarms: dict[str, dict[str, Alarms]]) -> None:
    """The delay of each detector on each change."""
    shown = [name for name in alarms if not name.startswith(f"{_OURS} ")]
    print(f"\n{'delay in rows (-: missed)':<26}" + "".join(f"{name[-12:]:>13}" for name in shown))
    for stream in found:
        scores = [score(stream, alarms[name][stream.name]) for name in shown]
        texts = [("-" if delay == inf else f"{delay:.0f}") + (f" +{false}" if false else "") for false, delay in scores]
        if stream.change is None:
            texts = [f"{false} false" for false, _ in scores]
        print(f"{stream.name:<26}" + "".join(f"{text:>13}" for text in texts))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all changes of the labelled streams")
    parser.add_argument("--every", type=int, default=8, help="Evidently sees each so many windows before a change")
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where the environments of the rivals lie")
    add_results_options(parser, ["touchline", *RIVALS])
    options = parser.parse_args()
    started, results = perf_counter(), StoredResults(options.results)
    folder = options.results and options.results.with_suffix(".streams")
    found = read_streams(folder, segments=3 if options.full else 1)
    if "touchline" in options.only:
        run_ours(found, results)
    for rival in RIVALS:
        error = run_theirs(rival, found, results, options) if rival in options.only else None
        if error is not None:
            print(f"{rival}: left out, {error}")
    alarms = stored_alarms(found, results)
    print_streams(found, alarms)
    print_table(found, alarms)
    if _OURS in alarms:
        print_comparison(found, alarms)
    print(f"{perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
