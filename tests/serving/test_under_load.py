"""A server process under load: killed, swapped, and with its database away."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
import sqlalchemy as sa

from tests.serving.builders import wait_for
from tests.serving.bundles import Registry, a_model, a_request, a_stats_view, looked_up, write_stats
from tests.serving.cable import a_cable
from tests.serving.load import Load, under_load
from tests.serving.server_process import a_process
from touchline.features import open_online_store
from touchline.predictions import Sample, replay_sample
from touchline.registry import Releases
from touchline.storage.tables import predictions

pytestmark = pytest.mark.services

# An answer is on disk this long after it was given: the log's flush interval and one write under load.
KILL_BOUND_SECONDS = 0.25
PROVE = os.environ.get("TOUCHLINE_TEST_PROVE") == "1"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry.open(tmp_path)
    for version in (1, 2):
        found.promote(version, found.keep(version, a_model(seed=version), example=a_request()))
    return found


def _logged(registry: Registry) -> list[str]:
    with registry.database.connect() as connection:
        return list(connection.scalars(sa.select(predictions.c.prediction_id)))


def test_a_kill_loses_no_answer_older_than_the_bound_and_no_prediction_beside_it(tmp_path: Path) -> None:
    registry = Registry.open(tmp_path)
    releases = [registry.keep(version, a_model(seed=version), example=a_request()) for version in (1, 2)]
    registry.promote(1, releases[0])
    registry.start_rollout("shadow")
    with a_process(tmp_path) as server, under_load(server.address, a_request()) as load:
        wait_for(lambda: len(load.answers) > 500)
        early = {found for _, found, _ in load.answers[:400]}
        wait_for(lambda: load.failures or early <= _on_disk(registry, tmp_path))  # while requests go on
        wait_for(lambda: load.failures or early <= _beside_on_disk(registry, tmp_path))
        killed_at = time.time()
        server.kill()
        load.ending.set()
    with a_process(tmp_path):  # it takes over what the dead one left
        wait_for(lambda: not list(tmp_path.glob("spool/*/*.jsonl")))
        wait_for(lambda: not list(tmp_path.glob("shadow/*/*/*.jsonl")))
    kept, beside = set(_logged(registry)), Counter(_answers_beside(registry))
    assert set(beside.values()) == {1}
    assert early <= kept & beside.keys()
    lost = [at for at, prediction_id, _ in load.answers if prediction_id not in kept or prediction_id not in beside]
    oldest = max((killed_at - at for at in lost), default=0.0)
    print(f"killed after {len(load.answers)} answers: {len(lost)} lost, the oldest {oldest * 1000:.0f} ms old,")
    print(f"the bound is {KILL_BOUND_SECONDS * 1000:.0f} ms")
    # How soon a line is on disk is the machine's affair as well: measured alone, and told by the proof.
    assert not PROVE or oldest <= KILL_BOUND_SECONDS


def _on_disk(registry: Registry, place: Path) -> set[str]:
    """The predictions in the files of the spool and in the database: they move from the one to the other."""
    return _in_files(place, "spool/*/*.jsonl", "prediction_id") | set(_logged(registry))


def _beside_on_disk(registry: Registry, place: Path) -> set[str]:
    """The answers that wait for a prediction beside them, or have one."""
    return _in_files(place, "shadow/*/*/*.jsonl", "prediction_id") | set(_answers_beside(registry))


def _in_files(place: Path, pattern: str, field: str) -> set[str]:
    """A field of every whole line in files that come and go."""
    lines: list[str] = []
    for file in place.glob(pattern):
        with suppress(FileNotFoundError):
            lines += file.read_text().splitlines()
    return {orjson.loads(line)[field] for line in lines if line.endswith("}")}


def _answers_beside(registry: Registry) -> list[str]:
    """The answer of each prediction of a shadow."""
    with registry.database.connect() as connection:
        query = sa.select(predictions.c.answer_id).where(predictions.c.role == "shadow")
        return list(connection.scalars(query))


def test_promotions_and_rollbacks_drop_no_request(registry: Registry, tmp_path: Path) -> None:
    requests, swaps = (100_000, 10) if PROVE else (2_000, 4)
    ids = {version: _release(registry, version) for version in (1, 2)}
    latest: list[float] = []
    with a_process(tmp_path, workers=2) as server, under_load(server.address, a_request()) as load:
        for swap in range(swaps):
            _wait_for_answers(load, requests * (swap + 1) // swaps)
            version = 1 + swap % 2
            registry.promote(version, ids[version])
            promoted_at = time.time()
            _wait_for_version(load, version)
            late = [at for at, _, found in load.answers if at > promoted_at and found != version]
            latest.append(max(late, default=promoted_at) - promoted_at)
    print(f"{len(load.answers)} answers over {swaps} swaps: {len(load.failures)} failed,")
    print(f"the last old answer came {max(latest):.2f} s after its promotion")
    assert load.failures == []
    assert not PROVE or max(latest) < 2.0
    sample = Sample(10_000 if PROVE else 500)
    report = replay_sample(registry, "bench", sample, open_release=Releases(registry).open)
    assert report.mismatches == ()
    assert report.replayed >= 500


def _wait_for_answers(load: Load, count: int) -> None:
    wait_for(lambda: load.failures or len(load.answers) >= count, seconds=600)


def _wait_for_version(load: Load, version: int) -> None:
    wait_for(lambda: {found for _, _, found in load.answers[-50:]} == {version})


def _release(registry: Registry, version: int) -> str:
    from touchline.storage.tables import releases

    with registry.database.connect() as connection:
        found = connection.scalar(sa.select(releases.c.id).where(releases.c.version == version))
    assert found is not None
    return found


def test_a_broken_bundle_never_takes_over(registry: Registry, tmp_path: Path) -> None:
    broken = registry.keep(3, a_model(seed=3))
    bundle = next((tmp_path / "objects").rglob(f"{broken}/model/model.json"))
    with a_process(tmp_path) as server, under_load(server.address, a_request(), connections=1) as load:
        bundle.write_bytes(bundle.read_bytes() + b" ")
        registry.promote(3, broken)
        wait_for(lambda: "ReleaseTampered" in _health(server.address))
        _wait_for_answers(load, len(load.answers) + 50)
    assert load.failures == []
    assert {version for _, _, version in load.answers} == {2}


def _health(address: str) -> str:
    import httpx

    return httpx.get(f"{address}/health", timeout=60).text


def test_a_database_that_is_locked_delays_the_log_and_no_answer(registry: Registry, tmp_path: Path) -> None:
    seconds = 30.0 if PROVE else 1.5
    with a_process(tmp_path) as server, under_load(server.address, a_request(), connections=2) as load:
        wait_for(lambda: len(load.answers) > 50)
        with registry.database.begin():  # no other process can write meanwhile
            before, until = len(load.answers), time.monotonic() + seconds
            wait_for(lambda: time.monotonic() > until and len(load.answers) > before + 50)
        load.ending.set()
        wait_for(lambda: set(_logged(registry)) >= {found for _, found, _ in load.answers})
    assert load.failures == []
    assert len(_logged(registry)) == len(load.answers)


def test_an_online_store_that_is_cut_off_refuses_by_key_and_stops_nothing_else(
    redis_server: str, tmp_path: Path
) -> None:
    registry = Registry.open(tmp_path)
    model = looked_up(a_model())
    views = (a_stats_view(model.columns),)
    registry.promote(1, registry.keep(1, model, example={"customer_id": "c1"}, views=views))
    store = open_online_store("redis", f"{redis_server}/0")
    write_stats(store, model.columns)
    store.close()
    port = urlsplit(redis_server).port or 6379
    with (
        a_cable(port) as cable,
        a_process(tmp_path, redis=f"redis://127.0.0.1:{cable.port}/0") as server,
        under_load(server.address, {"customer_id": "c1"}, connections=1, is_refusal_fine=True) as by_key,
        under_load(server.address, {"features": a_request()}, connections=1) as by_values,
    ):
        wait_for(lambda: len(by_key.answers) > 20 and len(by_values.answers) > 20)
        cable.cut()
        refused, during = len(by_key.failures), len(by_values.answers)
        wait_for(lambda: len(by_key.failures) > refused + 5 and len(by_values.answers) > during + 50)
        cable.mend()
        answered = len(by_key.answers)
        wait_for(lambda: len(by_key.answers) > answered + 20)
    assert by_values.failures == []
    assert {words[:46] for words in by_key.failures} == {"503 bench: the online store did not answer (On"}
    said = {found for load in (by_key, by_values) for _, found, _ in load.answers}
    assert said <= set(_logged(registry))
