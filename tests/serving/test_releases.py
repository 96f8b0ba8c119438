"""The pointer to the release that answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.serving.builders import NOW, Shelf, a_release, a_server, wait_for
from touchline.clock import FrozenClock
from touchline.serving.http.state import Limits, no_reader
from touchline.serving.releases.release_slot import Head, ReleaseSlot


def _slot(shelf: Shelf) -> ReleaseSlot:
    slot = ReleaseSlot("shop", shelf, FrozenClock(NOW), no_reader)
    slot.refresh()
    return slot


def _answering(slot: ReleaseSlot) -> str | None:
    return slot.current.release.id if slot.current else None


def test_a_promotion_takes_over_and_the_release_before_stays_warm() -> None:
    shelf = Shelf.of(a_release(1), a_release(2))
    slot = _slot(shelf)
    first = slot.current
    shelf.promote("shop-2-d2")
    assert slot.refresh()
    assert _answering(slot) == "shop-2-d2"
    shelf.promote("shop-1-d1")
    assert slot.refresh()
    assert slot.current is first


def test_a_broken_release_never_takes_over() -> None:
    shelf = Shelf.of(a_release(1))
    slot = _slot(shelf)
    shelf.promote("shop-2-d2")
    assert not slot.refresh()
    assert _answering(slot) == "shop-1-d1"
    assert slot.refused is not None
    assert "KeyError" in slot.refused.reason


def test_a_journal_that_cannot_be_read_leaves_the_release() -> None:
    shelf = Shelf.of(a_release(1))
    slot = _slot(shelf)
    shelf.failure = OSError("gone")
    assert not slot.refresh()
    assert _answering(slot) == "shop-1-d1"
    assert slot.unreachable == "OSError: gone"
    shelf.failure = None
    slot.refresh()
    assert slot.unreachable is None


class LossyShelf(Shelf):
    """A journal that has lost two entries which are copied."""

    def head(self) -> Head:
        return replace(super().head(), lost_changes=2)


def test_health_says_that_the_database_lost_stage_changes(tmp_path: Path) -> None:
    with a_server(tmp_path, LossyShelf.of(a_release(1))) as server:
        health = server.client.get("/health").json()
    assert health["status"] == "degraded"
    assert "lost its newest 2 stage changes" in health["models"]["shop"]["journal"]


def test_the_release_before_is_loaded_after_a_start() -> None:
    shelf = Shelf.of(a_release(2), a_release(1))
    shelf.previous = "shop-1-d1"
    slot = _slot(shelf)
    slot.warm_previous()
    assert slot.previous is not None
    assert slot.previous.release.id == "shop-1-d1"


def test_nothing_in_production_is_said_with_the_next_step(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf()) as server:
        refused = server.client.post("/predict", json={"age": 3})
        assert refused.status_code == 503
        assert "touchline train" in refused.json()["detail"]
        assert server.client.get("/readyz").status_code == 503


def test_a_running_server_follows_the_journal(tmp_path: Path) -> None:
    shelf = Shelf.of(a_release(1), a_release(2, slope=0.2))
    with a_server(tmp_path, shelf) as server:
        shelf.promote("shop-2-d2")
        wait_for(lambda: server.client.post("/predict", json={"age": 3}).json()["version"] == 2)
        assert server.client.get("/health").json()["models"]["shop"]["previous"] == "shop-1-d1"
        shelf.promote("shop-3-d3")
        wait_for(lambda: server.client.get("/health").json()["status"] == "degraded")
        assert server.client.post("/predict", json={"age": 3}).json()["version"] == 2


def test_a_server_that_is_asked_for_its_health_looks_at_the_journal_at_once(tmp_path: Path) -> None:
    shelf = Shelf.of(a_release(1), a_release(2))
    limits = Limits(poll_seconds=3600.0, lag_seconds=60.0)
    with a_server(tmp_path, shelf, limits=limits) as server:
        wait_for(lambda: server.serving.slots["shop"].current)
        shelf.promote("shop-2-d2")
        server.client.get("/health")
        wait_for(lambda: _answering(server.serving.slots["shop"]) == "shop-2-d2")
