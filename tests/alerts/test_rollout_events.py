"""What happens to rollouts reaches people, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alerts.builders import Shop
from tests.rollout.life import Life
from touchline.alerts import Alerts, report_rollouts
from touchline.rollout import EventNote, Rollout, steer
from touchline.rollout.records import EventKind
from touchline.storage import Database


def test_an_abort_and_a_release_that_does_not_answer_are_told_once(database: Database, tmp_path: Path) -> None:
    life = Life(tmp_path)
    state = life.start(Rollout())
    shop = Shop(database, Alerts("json://x", rules=["rollout_stopped", "rollout_incident"]))
    shop.clock.at = life.clock.wall()
    report_rollouts(shop.alerting, [state])
    assert shop.outbox.claim(now=shop.clock.at) == []
    ended = steer(life.context, "abort", actor="ann", reason="wrong prices").state
    after = life.records.add(ended, "incident", EventNote("release 1 does not answer"), clock=life.clock)
    for _ in range(2):
        report_rollouts(shop.alerting, [after])
    told = sorted(one.text for one in shop.outbox.claim(now=shop.clock.at))
    assert len(told) == 2
    assert "rollout 1 of version 2: aborted: wrong prices" in told[0] + told[1]
    assert "release 1 does not answer" in told[0] + told[1]


@pytest.mark.parametrize(
    ("kind", "cost"),
    [("hold", "keeps its share of the traffic"), ("aborted", "gets no more traffic")],
)
def test_the_cost_of_a_stop_is_that_of_its_traffic(
    database: Database, tmp_path: Path, kind: EventKind, cost: str
) -> None:
    life = Life(tmp_path)
    state = life.start(Rollout(mode="ab", unit="example_id", steps=(50, 100)))
    shop = Shop(database, Alerts("json://x", rules=["rollout_stopped"]))
    shop.clock.at = life.clock.wall()
    after = life.records.add(state, kind, EventNote("outcomes are lost"), clock=life.clock)
    assert after.share == (50 if kind == "hold" else 0)
    report_rollouts(shop.alerting, [after])
    (told,) = shop.outbox.claim(now=shop.clock.at)
    assert cost in told.text
