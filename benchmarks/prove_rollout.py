"""Prove what a rollout promises to traffic: sticky cohorts in the declared share, fast aborts, no accidental ones.

    python benchmarks/prove_rollout.py [cohorts] [breach] [quiet] [swaps] [rollback]
                                       [--units 1000000] [--runs 2000] [--requests 100000]

Without a part, all run. `breach` is a server whose candidate begins to fail, at 100 requests a second; `quiet`
simulates a day of 3 requests a minute in which both versions fail equally often; `swaps` moves Production under load
in the journal, `rollback` by the command, timed from the start of its process. A broken promise ends the program with
exit code 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from scipy.stats import binomtest, chisquare

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.serving.builders import wait_for
from tests.serving.bundles import FAMILIES, PROJECT, STRICT, Registry, a_model, a_request
from tests.serving.load import Load, under_load
from tests.serving.server_process import a_process
from tests.test_loop import Shop, a_shop
from touchline.rollout import RolloutRecords, Routing, assign, place
from touchline.rollout.routing import RoutingMode
from touchline.statistics import RateCount, RateGuardrail, compare_rates
from touchline.training import Family

STEPS = (10, 25, 50, 100)
REQUESTS_A_SECOND, HEALTHY, MOST_EVENTS = 100, 400, 200
FAR = 90.0  # standard deviations from the rows that the candidate has learned from
MOVES, MOST_SECONDS = 10, 2.0
CUSTOMER, CLIENTS, PEAK_SECONDS, LOAD_SHARE = {"customer": "c1"}, 8, 5.0, 0.6
REQUESTS_A_DAY, FAILURE_RATE = 3 * 60 * 24, 0.01


def promise(words: str, holds: bool) -> bool:
    print(f"  {'ok    ' if holds else 'BROKEN'} {words}", flush=True)
    return holds


def cohorts(options: argparse.Namespace) -> bool:
    """Each step's units are among the next step's, and their number is the declared share."""
    units = [f"user-{number}" for number in range(options.units)]
    places = np.array([place("shop-1-ABCDEF", unit) for unit in units])
    sizes = [int((places * 100 < step).sum()) for step in STEPS]
    p_values = [
        chisquare([size, len(units) - size], [len(units) * step / 100, len(units) * (1 - step / 100)]).pvalue
        for size, step in zip(sizes[:-1], STEPS[:-1], strict=True)
    ]
    shares = ", ".join(f"{size / len(units):.3%}" for size in sizes)
    one, other = (Routing("e", "ab", "shop-1-ABCDEF", "a", "b", share=share) for share in (10, 25))
    lost = sum(
        assign(one, unit).variant == "candidate" and assign(other, unit).variant != "candidate"
        for unit in units[:100_000]
    )
    fits = promise(f"{len(units):,} units: {shares} (chi-squared p {min(p_values):.3f})", min(p_values) > 1e-4)
    return promise(f"{lost} of 100,000 units left the candidate from 10 to 25 %", lost == 0) and fits


def a_rollout(home: Path, mode: RoutingMode, *, candidate: str | Family) -> tuple[Registry, list[str]]:
    """A home with a rollout of version 2 that has just begun, and the releases of both versions."""
    registry = Registry.open(home)
    models = (a_model(), a_model(candidate, seed=2))
    ids = [registry.keep(at, one, example=a_request(), families=FAMILIES) for at, one in enumerate(models, start=1)]
    registry.promote(1, ids[0])
    registry.start_rollout(mode, share=0 if mode == "shadow" else 50)
    return registry, ids


class Paced:
    """A client that sends 100 requests a second."""

    def __init__(self, client: httpx.Client) -> None:
        self.client, self.began = client, time.monotonic()
        self.sent = self.failed = 0

    def send(self, row: dict[str, float]) -> None:
        self.sent += 1
        self.failed += self.client.post("/predict", json=row).status_code != 200
        time.sleep(max(0.0, self.began + self.sent / REQUESTS_A_SECOND - time.monotonic()))

    def is_rollout_running(self) -> bool:
        return "rollout" in self.client.get("/health").json()["models"][PROJECT]


def breach(options: argparse.Namespace) -> bool:  # noqa: ARG001
    """A candidate that begins to raise for every second request, or for every one, is aborted, and costs no answer."""
    return all([_breach("canary", 0.5), _breach("ab", 1.0), _breach("shadow", 0.5)])


def _breach(mode: RoutingMode, failing: float) -> bool:
    rng, fine, foul = np.random.default_rng(7), a_request(), {**a_request(), "x0": FAR}
    with tempfile.TemporaryDirectory() as folder:
        registry, _ = a_rollout(Path(folder), mode, candidate=STRICT)
        with a_process(Path(folder)) as server, httpx.Client(base_url=server.address) as client:
            paced = Paced(client)
            for _ in range(HEALTHY):
                paced.send(fine)
            was_running = paced.is_rollout_running()
            before = paced.sent
            while paced.is_rollout_running() and paced.sent < before + 20 * MOST_EVENTS:
                paced.send(foul if rng.random() < failing else fine)
            events = paced.sent - before
        said = RolloutRecords(registry.database, PROJECT).newest()
        registry.database.close()
    is_aborted = said is not None and said.events[-1].kind == "aborted"
    words = f"{mode}, {failing:.0%} of the rows are too far: aborted after {events} requests, {paced.failed} of"
    holds = was_running and is_aborted and 0 < events <= MOST_EVENTS and paced.failed == 0
    return promise(f"{words} {paced.sent:,} without an answer", holds)


def swaps(options: argparse.Namespace) -> bool:
    """Promotions and rollbacks under load while a shadow predicts beside every other Production."""
    oldest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        registry, ids = a_rollout(Path(folder), "shadow", candidate="logistic")
        with a_process(Path(folder)) as server, under_load(server.address, a_request(), connections=8) as load:
            for move in range(MOVES):
                due = options.requests * (move + 1) // MOVES
                wait_for(lambda due=due: len(load.answers) >= due or load.failures, seconds=900)
                version = 2 - move % 2
                registry.promote(version, ids[version - 1])
                oldest = max(oldest, _last_old_answer(load, version, time.time()))
        registry.database.close()
    words = f"{len(load.answers):,} answers over {MOVES} moves, {len(load.failures)} failed"
    holds = promise(words, not load.failures)
    return promise(f"the last old answer {oldest:.2f} s after its move", oldest < MOST_SECONDS) and holds


def _last_old_answer(load: Load, version: int, at: float) -> float:
    """Seconds from an instant to the last answer that is not of the version, once all are."""
    wait_for(lambda: {found for _, _, found in load.answers[-200:]} == {version}, seconds=60)
    return max([0.0, *(came - at for came, _, found in load.answers if came > at and found != version)])


def rollback(options: argparse.Namespace) -> bool:
    """Typed rollbacks of a project under load: from the command's start to the last answer of the version before.

    At six tenths of the most that the clients can ask, where the time is a promise, and at the most, where the command
    waits for a core and the time is printed.
    """
    with tempfile.TemporaryDirectory() as folder, a_shop(Path(folder)) as shop:
        _two_versions(shop)
        shop.run("up")
        with under_load(f"http://127.0.0.1:{shop.port}", CUSTOMER, connections=CLIENTS) as load:
            time.sleep(PEAK_SECONDS)
        peak = len(load.answers) / PEAK_SECONDS
        rest = CLIENTS / peak * (1 / LOAD_SHARE - 1)
        holds = _rollbacks(shop, options.requests, rest, MOST_SECONDS)
        return _rollbacks(shop, options.requests, 0.0, None) and holds


def _rollbacks(shop: Shop, requests: int, rest_seconds: float, most_seconds: float | None) -> bool:
    promote, back = ("promote", "2", "--now", "--reason", "a proof"), ("rollback", "--reason", "a proof")
    oldest, began = [], time.time()
    address = f"http://127.0.0.1:{shop.port}"
    with under_load(address, CUSTOMER, connections=CLIENTS, rest_seconds=rest_seconds) as load:
        for move in range(2 * MOVES):
            due = requests * (move + 1) // (2 * MOVES)
            wait_for(lambda due=due: len(load.answers) >= due or load.failures, seconds=900)
            words, version = (promote, 2) if move % 2 == 0 else (back, 1)
            at = time.time()
            typed = subprocess.Popen(
                [*shop.command, "models", *words], cwd=shop.place, env=shop.environment, stdout=subprocess.DEVNULL
            )
            seconds = _last_old_answer(load, version, at)
            assert typed.wait(120) == 0
            if version == 1:
                oldest.append(seconds)
    rate = len(load.answers) / (time.time() - began)
    words = f"{len(load.answers):,} answers ({rate:,.0f} a second) over {MOVES} promotions and {MOVES} rollbacks"
    holds = promise(f"{words}, {len(load.failures)} failed", not load.failures)
    spread = f"the last old answer {max(oldest):.2f} s after the command was typed (median {median(oldest):.2f} s)"
    return promise(spread, most_seconds is None or max(oldest) < most_seconds) and holds


def _two_versions(shop: Shop) -> None:
    """Version 1 in Production, and version 2, which was trained by another declaration, in Staging."""
    path = shop.place / "projects" / "shop" / "project.py"
    path.write_text(path.read_text().replace(', Gate.improves("log_loss")]', "]"))
    shop.run("ingest")
    shop.run("train")
    shop.run("models", "promote", "1", "--now", "--reason", "the first one")
    path.write_text(path.read_text().replace("rolling_mean(10", "rolling_mean(4"))
    shop.run("train")


def quiet(options: argparse.Namespace) -> bool:
    """Little traffic does not abort a rollout by accident."""
    rng, rule, aborted = np.random.default_rng(11), RateGuardrail(0.01), 0
    for _ in range(options.runs):
        is_new = rng.random(REQUESTS_A_DAY) < 0.5
        has_failed = rng.random(REQUESTS_A_DAY) < FAILURE_RATE
        for at in np.flatnonzero(has_failed):  # the evidence of harm rises with failures alone
            seen_new, seen_failed = is_new[: at + 1], has_failed[: at + 1]
            new = RateCount(int((seen_new & seen_failed).sum()), int(seen_new.sum()))
            old = RateCount(int((~seen_new & seen_failed).sum()), int((~seen_new).sum()))
            if compare_rates(new, old, rule) == "harmful":
                aborted += 1
                break
    p_value = binomtest(aborted, options.runs, rule.alpha, alternative="greater").pvalue
    share = aborted / options.runs
    return promise(f"{options.runs} days of 3 requests a minute: {share:.2%} aborted (at most 1 %)", p_value > 0.001)


PARTS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "cohorts": cohorts,
    "breach": breach,
    "quiet": quiet,
    "swaps": swaps,
    "rollback": rollback,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to prove; all without")
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    holds = True
    for name in options.parts or PARTS:
        print(f"{name}: {PARTS[name].__doc__}")
        holds &= PARTS[name](options)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
