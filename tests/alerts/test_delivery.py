"""Messages arrive, are retried, and hold up nobody: against real HTTP and SMTP servers."""

from __future__ import annotations

import email
import json
import threading
from datetime import timedelta
from email import policy
from pathlib import Path

import pytest

from tests.alerts.builders import NETWORKS, SECRET, Shop, stale
from tests.alerts.receivers import http_receiver, smtp_receiver
from tests.serving.builders import wait_for
from touchline.alerts import (
    Alerts,
    DeliveryReport,
    Observation,
    Webhook,
    deliver_due,
    open_channels,
    report_state,
)
from touchline.alerts.outbox import MAX_ATTEMPTS
from touchline.storage import Database


def deliver(shop: Shop, *, wait_seconds: float = 300.0, environment: dict[str, str] | None = None) -> DeliveryReport:
    channels = open_channels(shop.alerts, environment or {}, NETWORKS)
    return deliver_due(shop.outbox, channels, clock=shop.clock, wait_seconds=wait_seconds)


def with_webhook(database: Database, *urls: str) -> Shop:
    return Shop(database, Alerts(webhooks=[Webhook(f"{url}/hook", secret=SECRET) for url in urls]))


def test_raising_an_incident_sends_nothing_and_waits_for_nobody(database: Database) -> None:
    with http_receiver(hangs=True) as receiver:
        shop = with_webhook(database, receiver.url)
        report_state(shop.alerting, stale())
        assert receiver.posts == []
        assert shop.outbox.has_waiting()


def test_a_message_is_delivered_once(database: Database) -> None:
    with http_receiver() as receiver:
        shop = with_webhook(database, receiver.url)
        report_state(shop.alerting, stale())
        assert deliver(shop) == DeliveryReport(1, 0, 0)
        assert deliver(shop) == DeliveryReport(0, 0, 0)
    ((_, body),) = receiver.posts
    event = json.loads(body)
    assert (event["type"], event["data"]["project"]) == ("incident.opened", "shop")
    assert event["data"]["signals"][0]["next_command"] == "touchline ingest -p shop"


def test_a_receiver_that_answers_500_is_tried_again_with_the_same_id(database: Database) -> None:
    with http_receiver(500, 503) as receiver:
        shop = with_webhook(database, receiver.url)
        report_state(shop.alerting, stale())
        assert deliver(shop) == DeliveryReport(0, 1, 0)
        assert "answered 500" in str(shop.messages()[0].failure)
        assert deliver(shop) == DeliveryReport(0, 0, 0)  # not due yet
        shop.clock.pass_by(seconds=11)
        assert deliver(shop) == DeliveryReport(0, 1, 0)
        shop.clock.pass_by(seconds=11)
        assert deliver(shop) == DeliveryReport(0, 0, 0)  # the wait has grown
        shop.clock.pass_by(seconds=20)
        assert deliver(shop) == DeliveryReport(1, 0, 0)
    assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.posts}) == 3
    assert (shop.messages()[0].status, shop.messages()[0].attempts) == ("sent", 3)


def test_a_receiver_that_is_gone_is_given_up_after_the_last_attempt(database: Database) -> None:
    shop = with_webhook(database, "http://127.0.0.1:1")
    report_state(shop.alerting, stale())
    for _ in range(MAX_ATTEMPTS):
        assert deliver(shop) == DeliveryReport(0, 1, 0)
        shop.clock.pass_by(hours=4)
    assert deliver(shop) == DeliveryReport(0, 0, 0)
    assert shop.messages()[0].status == "failed"
    assert shop.outbox.counts() == {"failed": 1}


def test_gone_410_is_final(database: Database) -> None:
    with http_receiver(410) as receiver:
        shop = with_webhook(database, receiver.url)
        report_state(shop.alerting, stale())
        deliver(shop)
    assert shop.messages()[0].status == "failed"


@pytest.mark.parametrize(("status", "outcome"), [(410, "failed"), (500, "waiting")])
def test_gone_410_is_final_through_apprise_too(database: Database, status: int, outcome: str) -> None:
    with http_receiver(status) as receiver:
        shop = Shop(database, Alerts([receiver.url.replace("http://", "json://")]))
        report_state(shop.alerting, stale())
        deliver(shop)
    assert shop.messages()[0].status == outcome
    assert "410" in str(shop.messages()[0].failure) or status != 410


def test_a_receiver_that_hangs_holds_up_neither_the_others_nor_the_next_pass(database: Database) -> None:
    with http_receiver(hangs=True) as slow, http_receiver() as fast:
        shop = with_webhook(database, slow.url, fast.url)
        report_state(shop.alerting, stale())
        report = deliver(shop, wait_seconds=0.2)
        assert report.pending in (1, 2)  # a machine that is busy may take longer than this pass waits
        wait_for(lambda: len(fast.posts) == 1)
        assert deliver(shop) == DeliveryReport(0, 0, 0)  # claimed until the minute is over
        slow.hangs = False
        slow.released.set()
        for thread in threading.enumerate():
            if thread.name.startswith("touchline_alert_"):
                thread.join()  # the attempt that hung has failed now
        shop.clock.pass_by(minutes=2)
        deliver(shop)
    statuses = {message.target: message.status for message in shop.messages()}
    assert statuses == {"webhook-1": "sent", "webhook-2": "sent"}
    assert len(fast.posts) == 1


def test_many_messages_to_a_receiver_that_is_gone_hold_up_no_other(database: Database) -> None:
    with http_receiver() as receiver:
        shop = with_webhook(database, "http://127.0.0.1:1", receiver.url)
        for number in range(110):
            report_state(shop.alerting, stale(f"source{number}"))
        assert deliver(shop) == DeliveryReport(110, 110, 0)
    titles = [json.loads(body)["data"]["title"] for _, body in receiver.posts]
    assert titles == [f"stale data: source{number}" for number in range(110)]


def test_many_messages_to_a_slow_receiver_are_claimed_a_few_at_a_time(database: Database) -> None:
    with http_receiver(hangs=True) as slow:
        shop = with_webhook(database, slow.url)
        for number in range(20):
            report_state(shop.alerting, stale(f"source{number}"))
        assert deliver(shop, wait_seconds=0.2).pending == 5
        # The others are not held by the pass that hangs: who comes after the claim would else send them a second time.
        assert len([one for one in shop.messages() if one.attempts == 0]) == 15
        slow.hangs = False
        slow.released.set()
        for thread in threading.enumerate():
            if thread.name.startswith("touchline_alert_"):
                thread.join()


def test_two_processes_deliver_a_message_once(database: Database) -> None:
    with http_receiver() as receiver:
        shop = with_webhook(database, receiver.url)
        report_state(shop.alerting, stale())
        threads = [threading.Thread(target=deliver, args=(shop,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(receiver.posts) == 1


def test_nobody_hears_the_end_before_the_beginning(database: Database) -> None:
    with http_receiver(500) as receiver:
        shop = with_webhook(database, receiver.url)
        report_state(shop.alerting, stale())
        deliver(shop)
        report_state(shop.alerting, Observation.well("stale_data", "visits"))
        assert deliver(shop) == DeliveryReport(0, 0, 0)
        for _ in range(2):
            shop.clock.pass_by(minutes=2)
            deliver(shop)
    types = [json.loads(body)["type"] for _, body in receiver.posts]
    assert types == ["incident.opened", "incident.opened", "incident.resolved"]


def test_a_clock_that_went_back_does_not_stop_the_delivery(database: Database) -> None:
    with http_receiver(500) as receiver:
        shop = with_webhook(database, receiver.url)
        report_state(shop.alerting, stale())
        deliver(shop)
        shop.clock.pass_by(days=-30)
        assert deliver(shop) == DeliveryReport(1, 0, 0)


def test_an_address_that_is_no_longer_declared_ends_its_deliveries(database: Database) -> None:
    shop = with_webhook(database, "http://127.0.0.1:1")
    report_state(shop.alerting, stale())
    shop.alerts = Alerts("json://127.0.0.1:1")
    deliver(shop)
    assert (shop.messages()[0].status, shop.messages()[0].failure) == (
        "failed",
        "this address is not declared any more",
    )


@pytest.mark.services
def test_a_mail_arrives_and_the_mails_of_an_incident_are_one_thread(database: Database) -> None:
    with smtp_receiver() as receiver:
        address = f"mailto://127.0.0.1:{receiver.port}/ops@example.org?from=touchline@example.org&mode=insecure"
        shop = Shop(database, Alerts(address))
        report_state(shop.alerting, stale())
        assert deliver(shop) == DeliveryReport(1, 0, 0)
        shop.clock.pass_by(hours=2)
        report_state(shop.alerting, Observation.well("stale_data", "visits"))
        assert deliver(shop) == DeliveryReport(1, 0, 0)
    opened, resolved = (email.message_from_string(mail, policy=policy.default) for mail in receiver.mails)
    assert opened["subject"] == resolved["subject"]
    assert opened["references"] == resolved["references"] == f"<{shop.messages()[0].incident_id}@touchline>"
    # As HTML its line breaks and everything between < and > would be lost.
    assert opened.get_content_type() == "text/plain"
    assert "Next: touchline ingest -p shop" in opened.get_content().splitlines()


@pytest.mark.services
def test_a_note_by_apprise_has_its_secret_from_the_environment_or_a_file(database: Database, tmp_path: Path) -> None:
    with http_receiver() as receiver:
        shop = Shop(database, Alerts("json://${HOOK}/hook"))
        host = receiver.url.removeprefix("http://")
        report_state(shop.alerting, stale())
        assert deliver(shop) == DeliveryReport(0, 1, 0)
        assert "variable HOOK is not set" in str(shop.messages()[0].failure)
        (tmp_path / "secret").write_text(f"{host}\n")
        shop.clock.pass_by(minutes=1)
        assert deliver(shop, environment={"HOOK_FILE": str(tmp_path / "secret")}) == DeliveryReport(1, 0, 0)
    ((_, body),) = receiver.posts
    assert "stale data: visits" in json.loads(body)["title"]


@pytest.mark.services
def test_a_service_that_refuses_a_note_gives_its_reason_without_a_secret(database: Database) -> None:
    with http_receiver(500) as receiver:
        shop = Shop(database, Alerts(receiver.url.replace("http://", "json://user:S3cretWord@") + "/T0kenWord"))
        report_state(shop.alerting, stale())
        assert deliver(shop) == DeliveryReport(0, 1, 0)
    failure = str(shop.messages()[0].failure)
    assert "500" in failure
    assert "S3cretWord" not in failure
    assert "T0kenWord" not in failure
    assert shop.messages()[0].next_attempt_at - shop.clock.at <= timedelta(minutes=1)
