"""Alarms beside the peers: false alarms per 1,000 windows, delay and misses on streams with known changes and without.

    python benchmarks/drift_delay.py            # one change of each labelled stream; Evidently sees every eighth window
    python benchmarks/drift_delay.py --full     # all changes and all windows

Every rival runs in an environment of its own, with its documented defaults, on the same rows, probabilities and errors
of the same model. A window is 100 rows (a day of Elec2: 48). touchline's loss alarm is what pages: it looks once a
window with `checks_a_year` 365, and an incident is one alarm. Its drift check pools windows to 200 rows and needs two
in a row (its default persistence); every check that says drift is an alarm. An alarm after the change is a detection,
the delay counts rows to the end of its window, and a stream without one is a miss. `make bench` runs it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from peers.runs import peer_python, run_child
from simulations.alarm_streams import Stream, streams
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
_OURS = "touchline loss"


@dataclass(frozen=True)
class Alarms:
    """The windows with an alarm, the windows before the change that were checked, and the seconds."""

    raised: tuple[int, ...]
    quiet_windows: int
    seconds: float


def by_loss(stream: Stream) -> list[int]:
    """The windows in which a loss incident is opened; each window is a day."""
    rule, sides = Performance(), (stream.reference, stream.monitored)
    losses = [-np.log(np.where(side.y == 1, side.p, 1 - side.p)) for side in sides]
    days = np.arange(len(losses[0])) // stream.window
    reference = loss_reference(losses[0], days, tolerance=rule.tolerance)
    means = losses[1].reshape(-1, stream.window).mean(axis=1).tolist()
    state = loss_alarm(reference, means, [stream.window] * len(means), steps=rule.checks_a_year)
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
        previous = check_drift(profile, current, rule=rule, now=datetime(2026, 1, 1, tzinfo=UTC), previous=previous)
        if previous.state == "drift":
            raised.append(first + together - 1)
    return raised


def ours(found: Sequence[Stream]) -> dict[str, dict[str, Alarms]]:
    alarms: dict[str, dict[str, Alarms]] = {}
    for name, rule in ((_OURS, by_loss), ("touchline drift", by_drift)):
        alarms[name] = {}
        for stream in found:
            started = perf_counter()
            raised = tuple(rule(stream))
            quiet = stream.windows if stream.change is None else stream.change // stream.window
            alarms[name][stream.name] = Alarms(raised, quiet, perf_counter() - started)
    return alarms


def theirs(rival: str, folder: str, envs: Path, every: int) -> dict[str, Alarms] | str:
    """The alarms by stream, or the error that left the rival without any."""
    environment = RIVALS[rival]
    try:
        python = peer_python(envs, environment, PACKAGES[environment])
    except Exception as failed:  # noqa: BLE001  whatever stops an installation is printed instead of a figure
        return f"not installed: {failed}"
    found: dict[str, Any] = run_child([str(python), "-W", "ignore", str(PEER), rival, folder, str(every)])
    if "error" in found:
        return str(found["error"])
    return {name: Alarms(tuple(a["raised"]), a["quiet_windows"], a["seconds"]) for name, a in found.items()}


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
            scores = [score(stream, of_streams[stream.name]) for stream in members]
            quiet = sum(of_streams[stream.name].quiet_windows for stream in members)
            delays = [delay for (_, delay), stream in zip(scores, members, strict=True) if stream.change is not None]
            missed = f"{sum(delay == inf for delay in delays)}" if delays else "-"
            middle = float(np.median(delays)) if delays else np.nan
            delay = "-" if not delays else ("missed" if middle == inf else f"{middle:,.0f}")
            false, seconds = sum(s[0] for s in scores), sum(of_streams[s.name].seconds for s in members)
            rate = f"{1000 * false / quiet:.1f} ({false} of {quiet:,})"
            print(f"  {name:<16} {rate:>22} {delay:>13} {missed:>7} {seconds:>8.2f}", flush=True)


def print_comparison(found: Sequence[Stream], alarms: dict[str, dict[str, Alarms]]) -> bool:
    """The share of changed streams on which our loss alarm is no later; a rival with fewer false alarms is marked."""
    changed = [stream for stream in found if stream.change is not None]
    is_short = False
    print("\ntouchline loss beside each rival: false alarms on all streams, and no later on (bar: 60 % of streams)")
    for name, of_streams in alarms.items():
        if name.startswith("touchline"):
            continue
        rates = [_false_rate(found, side) for side in (alarms[_OURS], of_streams)]
        pairs = [(score(s, alarms[_OURS][s.name])[1], score(s, of_streams[s.name])[1]) for s in changed]
        share = float(np.mean([mine <= other for mine, other in pairs]))
        is_quieter = rates[0] <= rates[1]
        is_short |= not is_quieter or share < 0.6
        mark = "ok" if is_quieter and share >= 0.6 else ("BELOW" if is_quieter else "it has fewer false alarms")
        print(f"  {name:<16} {rates[0]:6.1f} against {rates[1]:6.1f} per 1,000; no later on {share:4.0%}   {mark}")
    return is_short


def _false_rate(found: Sequence[Stream], alarms: dict[str, Alarms]) -> float:
    quiet = sum(alarms[stream.name].quiet_windows for stream in found)
    return 1000 * sum(score(stream, alarms[stream.name])[0] for stream in found) / quiet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all changes, and every window for Evidently")
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where the environments of the rivals lie")
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS), help=f"of {', '.join(RIVALS)}")
    options = parser.parse_args()
    started = perf_counter()
    found = list(streams(segments=3 if options.full else 1))
    alarms = ours(found)
    with tempfile.TemporaryDirectory() as folder:
        for stream in found:
            stream.save(Path(folder))
        for rival in options.rivals:
            result = theirs(rival, folder, options.envs.absolute(), 1 if options.full else 8)
            if isinstance(result, str):
                print(f"{rival}: left out, {result}")
            else:
                alarms[rival] = result
    print_table(found, alarms)
    print_comparison(found, alarms)
    print(f"{perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
