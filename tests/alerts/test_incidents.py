"""One cause is one incident and one thread of messages."""

from __future__ import annotations

from datetime import timedelta
from multiprocessing.pool import ThreadPool

import pytest

from tests.alerts.builders import START, Shop, stale
from touchline.alerts import Alerts, Observation, Rule, renew_incidents, report_event, report_state, report_states
from touchline.alerts.silences import lift_silence, silence_history, silence_incident
from touchline.errors import IncidentNotFound, SilenceInvalid
from touchline.storage import Database


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def test_a_state_that_stays_wrong_is_one_incident_and_one_message(shop: Shop) -> None:
    for _ in range(20):
        report_state(shop.alerting, stale())
        shop.clock.pass_by(minutes=10)
    (incident,) = shop.alerting.records.newest()
    assert (incident.status, incident.observations) == ("open", 20)
    assert shop.kinds() == ["opened"]


def test_many_reporters_at_once_open_one_incident(shop: Shop) -> None:
    with ThreadPool(8) as pool:
        pool.map(lambda _: report_state(shop.alerting, stale()), range(16))
    assert len(shop.alerting.records.newest()) == 1
    assert shop.kinds() == ["opened"]


def test_a_message_says_what_since_when_how_sure_its_cost_and_the_next_command(shop: Shop) -> None:
    report_state(shop.alerting, stale())
    (message,) = shop.messages()
    for part in (
        "Warning incident: source visits was last ingested 9 days ago.",
        "Since: 2026-02-20 12:00 UTC (project time); the incident was opened at 2026-03-01 12:00 UTC (wall time)",
        "How sure: certain",
        "Cost: old rows",
        "Next: touchline ingest -p shop",
        f"touchline alerts silence {message.incident_id} -p shop",
    ):
        assert part in message.text


def test_a_message_tells_what_happened_upstream_until_the_incident_is_resolved(shop: Shop) -> None:
    report_state(shop.alerting, stale(facts=("2026-02-19 06:00: source visits: 12 of 80 rows went to quarantine",)))
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    opened, resolved = shop.messages()
    assert "Upstream: 2026-02-19 06:00: source visits: 12 of 80 rows went to quarantine" in opened.text
    assert "Upstream" not in resolved.text


def test_it_resolves_by_itself_and_says_so_in_the_same_thread(shop: Shop) -> None:
    report_state(shop.alerting, stale())
    shop.clock.pass_by(hours=3)
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    opened, resolved = shop.messages()
    assert (opened.title, opened.incident_id) == (resolved.title, resolved.incident_id)
    assert "was open for 3 h" in resolved.text
    assert shop.alerting.records.newest(only_open=True) == []


def test_what_was_never_wrong_makes_nothing(shop: Shop) -> None:
    assert report_state(shop.alerting, Observation.well("stale_data", "visits")) is None
    assert report_state(shop.alerting, Observation("drift", is_wrong=True)) is None  # no rule names drift
    assert shop.alerting.records.newest() == []


def test_signals_of_one_cause_are_one_incident_until_all_are_well(shop: Shop) -> None:
    features = Observation("stale_features", "form", is_wrong=True, happened="form is old", cause="source:visits")
    report_state(shop.alerting, stale())
    report_state(shop.alerting, features)
    assert shop.kinds() == ["opened"]
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    (incident,) = shop.alerting.records.newest()
    assert incident.status == "open"
    report_state(shop.alerting, Observation.well("stale_features", "form"))
    assert shop.kinds() == ["opened", "resolved"]


def test_a_signal_that_joins_is_told_after_the_cool_down(shop: Shop) -> None:
    report_state(shop.alerting, stale())
    shop.clock.pass_by(minutes=30)
    report_state(shop.alerting, Observation("stale_features", "form", is_wrong=True, cause="source:visits"))
    renew_incidents(shop.alerting)
    assert shop.kinds() == ["opened"]
    shop.clock.pass_by(minutes=31)
    renew_incidents(shop.alerting)
    renew_incidents(shop.alerting)
    assert shop.kinds() == ["opened", "updated"]


def test_growing_worse_is_told_at_once(shop: Shop) -> None:
    shop.alerts = Alerts("json://x", rules=["log_loss > 0.7", Rule("log_loss > 0.5", severity="warning")])
    report_state(shop.alerting, Observation("log_loss", value=0.6))
    report_state(shop.alerting, Observation("log_loss", value=0.8))
    report_state(shop.alerting, Observation("log_loss", value=0.4))
    assert shop.kinds() == ["opened", "escalated", "resolved"]


def test_what_flaps_is_one_incident_with_few_messages(shop: Shop) -> None:
    for _ in range(12):
        report_state(shop.alerting, stale())
        shop.clock.pass_by(minutes=2)
        report_state(shop.alerting, Observation.well("stale_data", "visits"))
        shop.clock.pass_by(minutes=2)
    assert len(shop.alerting.records.newest()) == 1
    assert shop.kinds() == ["opened", "resolved"]


def test_the_same_cause_long_after_is_another_incident(shop: Shop) -> None:
    for _ in range(2):
        report_state(shop.alerting, stale())
        report_state(shop.alerting, Observation.well("stale_data", "visits"))
        shop.clock.pass_by(hours=2)
    assert len(shop.alerting.records.newest()) == 2


def test_an_incident_left_open_becomes_critical_once_and_reaches_more_people(shop: Shop) -> None:
    shop.alerts = Alerts("json://x", escalate_to=["json://boss"], escalate_after=timedelta(hours=5))
    report_state(shop.alerting, stale())
    for _ in range(10):
        shop.clock.pass_by(hours=1)
        renew_incidents(shop.alerting)
    assert [(one.kind, one.target) for one in shop.messages()] == [
        ("incident.opened", "json-1"),
        ("incident.escalated", "escalation-json-1"),
        ("incident.escalated", "json-1"),
    ]


def test_a_silence_has_a_reason_and_an_end(shop: Shop) -> None:
    incident = report_state(shop.alerting, stale())
    assert incident is not None
    common = {"actor": "ann", "now": START}
    with pytest.raises(SilenceInvalid, match="no reason is given"):
        silence_incident(shop.database, incident, reason=" ", ends_at=START + timedelta(hours=1), **common)  # type: ignore[arg-type]
    with pytest.raises(SilenceInvalid, match="is not after now"):
        silence_incident(shop.database, incident, reason="known", ends_at=START, **common)  # type: ignore[arg-type]


def test_a_silence_holds_messages_back_until_it_ends(shop: Shop) -> None:
    incident = report_state(shop.alerting, stale())
    assert incident is not None
    end = START + timedelta(hours=30)
    silence_incident(shop.database, incident, actor="ann", reason="known", ends_at=end, now=START)
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    shop.clock.pass_by(hours=3)
    report_state(shop.alerting, stale())  # the same cause comes back
    shop.clock.pass_by(hours=26)
    renew_incidents(shop.alerting)
    assert shop.kinds() == ["opened"]
    shop.clock.pass_by(hours=2)
    renew_incidents(shop.alerting)
    assert shop.kinds() == ["opened", "resolved", "opened"]


def test_a_lifted_silence_lets_messages_through_and_its_reason_stands_in_the_journal(shop: Shop) -> None:
    incident = report_state(shop.alerting, stale())
    assert incident is not None
    with pytest.raises(SilenceInvalid, match="not lifted: no silence of its cause is in force"):
        lift_silence(shop.database, incident, actor="ann", reason="back", now=START)
    end = START + timedelta(hours=30)
    silence_incident(shop.database, incident, actor="ann", reason="known", ends_at=end, now=START)
    shop.clock.pass_by(hours=1)
    with pytest.raises(SilenceInvalid, match="no reason for lifting it is given"):
        lift_silence(shop.database, incident, actor="bob", reason=" ", now=shop.clock.at)
    lift_silence(shop.database, incident, actor="bob", reason="the feed is back", now=shop.clock.at)
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    shop.clock.pass_by(hours=3)
    report_state(shop.alerting, stale())  # the same cause comes back, hours before the first end
    renew_incidents(shop.alerting)
    assert shop.kinds() == ["opened", "resolved", "opened"]
    journal = [(one.actor, one.reason, one.is_lift) for one in silence_history(shop.database, incident)]
    assert journal == [("bob", "the feed is back", True), ("ann", "known", False)]


def test_an_event_is_recorded_once(shop: Shop) -> None:
    rollback = Observation("rollback", "version 3", happened="rolled back", cause="journal:7")
    assert report_event(shop.alerting, rollback) is not None
    assert report_event(shop.alerting, rollback) is None
    assert report_event(shop.alerting, Observation("promotion", cause="journal:8")) is None  # no rule names it
    (incident,) = shop.alerting.records.newest()
    assert incident.status == "event"
    assert shop.kinds() == ["event"]


def test_a_subject_that_is_not_reported_any_more_is_well(shop: Shop) -> None:
    report_states(shop.alerting, "stale_data", [stale("visits"), stale("prices")])
    report_states(shop.alerting, "stale_data", [stale("prices")])
    (incident,) = shop.alerting.records.newest(only_open=True)
    assert incident.cause == "source:prices"


def test_a_clock_that_goes_back_neither_repeats_nor_swallows_a_message(shop: Shop) -> None:
    report_state(shop.alerting, stale())
    shop.clock.pass_by(days=-3)
    report_state(shop.alerting, stale())
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    assert shop.kinds() == ["opened", "resolved"]
    assert "was open for 0 min" in shop.messages()[1].text


def test_an_incident_is_found_by_the_end_of_its_id(shop: Shop) -> None:
    incident = report_state(shop.alerting, stale())
    assert incident is not None
    assert shop.alerting.records.find(incident.id[-6:]).id == incident.id
    with pytest.raises(IncidentNotFound, match="No incident of shop"):
        shop.alerting.records.find("ZZZZZZ9")


def test_projects_do_not_share_incidents(shop: Shop) -> None:
    report_state(shop.alerting, stale())
    assert Shop(shop.database).alerting.records.newest() != []
    other = type(shop.alerting)(shop.database, "leads", shop.alerts, shop.clock)
    assert other.records.newest() == []


def test_without_declared_alerts_incidents_are_recorded_and_nobody_is_told(database: Database) -> None:
    shop = Shop(database, alerts=None)
    assert report_state(shop.alerting, stale()) is not None
    assert shop.messages() == []


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_number_that_was_not_measured_resolves_nothing(database: Database, value: float | None) -> None:
    shop = Shop(database, Alerts("json://127.0.0.1:1", rules=["log_loss > 0.8"]))
    report_state(shop.alerting, Observation("log_loss", value=0.9, cause="loss"))
    report_state(shop.alerting, Observation("log_loss", value=value, cause="loss"))
    assert shop.kinds() == ["opened"]
    report_state(shop.alerting, Observation("log_loss", value=0.7, cause="loss"))
    assert shop.kinds() == ["opened", "resolved"]


def test_a_signal_that_joins_after_the_clock_went_back_is_told(shop: Shop) -> None:
    shop.clock.pass_by(days=30)
    report_state(shop.alerting, stale())
    shop.clock.pass_by(days=-30)
    report_state(shop.alerting, Observation("stale_features", "spending", is_wrong=True, cause="source:visits"))
    assert shop.kinds() == ["opened", "updated"]


def test_a_silence_can_be_lifted_after_the_clock_went_back(shop: Shop) -> None:
    incident = report_state(shop.alerting, stale())
    assert incident is not None
    later, now = START + timedelta(days=30), START
    until = later + timedelta(days=1)
    silence_incident(shop.database, incident, actor="a", reason="provider", ends_at=until, now=later)
    lift_silence(shop.database, incident, actor="a", reason="it is back", now=now)
    shop.clock.pass_by(hours=2)
    report_state(shop.alerting, Observation.well("stale_data", "visits"))
    assert shop.kinds() == ["opened", "resolved"]
