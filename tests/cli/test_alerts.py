"""Commands raise incidents, a process of its own delivers them, and people look at them and silence them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.builders import SECRET
from tests.alerts.receivers import HttpReceiver, http_receiver
from tests.cli.conftest import Cli, a_shop
from tests.serving.builders import wait_for
from touchline.alerts import Outbox
from touchline.cli.opening import OpenedProject, load_default, open_home
from touchline.cli.processes.alerting import Watch
from touchline.errors import IncidentNotFound, SilenceInvalid, SourceFileMissing, TargetNotFound
from touchline.storage import Database

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as opened:
        yield opened


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, receiver: HttpReceiver) -> Iterator[Cli]:
    """The shop with a webhook; its first training failed, since its table was away, and the second promoted."""
    with a_shop(tmp_path_factory.mktemp("shop")) as cli, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOUCHLINE_WEBHOOK_NETWORKS", "127.0.0.1/32")
        file = cli.place / "projects" / "shop" / "project.py"
        text = file.read_text().replace("from touchline import (", "from touchline import (\n    Alerts, Webhook,")
        webhook = f"Alerts(webhooks=[Webhook({receiver.url!r}, secret={SECRET!r})])"
        file.write_text(text.replace("    clock=SampleClock", f"    alerts={webhook},\n    clock=SampleClock"))
        table = cli.place / "visits.csv"
        table.rename(cli.place / "away.csv")
        with pytest.raises(SourceFileMissing):
            cli.run("train")
        (cli.place / "away.csv").rename(table)
        cli.run("train")
        yield cli


def types_received(receiver: HttpReceiver, *needed: str) -> list[str]:
    """The types of the events, once the needed ones have come; the process that delivers takes its time to start."""
    wait_for(lambda: set(needed) <= {json.loads(body)["type"] for _, body in list(receiver.posts)})
    return [json.loads(body)["type"] for _, body in list(receiver.posts)]


def test_a_failed_training_a_good_one_and_a_promotion_reach_the_receiver(shop: Cli, receiver: HttpReceiver) -> None:
    types = types_received(receiver, "incident.opened", "incident.resolved", "model.promoted")
    assert types.index("incident.opened") < types.index("incident.resolved")
    assert types.count("model.promoted") == 1
    (incident,) = [one for one in shop.json("alerts", "list", "--all") if one["cause"] == "training_failed"]
    assert (incident["title"], incident["status"]) == ("training failed", "resolved")
    listed, closed = shop.run("alerts", "list"), len(shop.json("alerts", "list", "--all"))
    expected = f"No incident is open.\n{closed} resolved ones and events: touchline alerts list --all -p shop\n"
    assert listed == expected
    shown = shop.run("alerts", "show", incident["id"])
    assert "visits.csv" in shown
    assert "webhook-1" in shown


def test_damage_is_an_incident_until_it_is_mended(shop: Cli) -> None:
    file = next((shop.place / "home" / "objects" / "shop" / "snapshots").rglob("*.parquet"))
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(b"rust")
    shop.run("doctor", code=1)
    assert "data_damage" in [one["cause"] for one in shop.json("alerts", "list")]
    file.write_bytes(content)
    shop.run("doctor")
    assert shop.json("alerts", "list") == []


def test_an_incident_is_silenced_with_a_reason_and_an_end(shop: Cli) -> None:
    (incident,) = [one for one in shop.json("alerts", "list", "--all") if one["cause"] == "training_failed"]
    words = ("alerts", "silence", incident["id"], "--reason", "known")
    with pytest.raises(SilenceInvalid, match="it has no end"):
        shop.run(*words)
    with pytest.raises(SilenceInvalid, match="cannot be read"):
        shop.run(*words, "--for", "soon")
    assert shop.json(*words, "--for", "4h")["reason"] == "known"
    assert [one["silence"]["reason"] for one in shop.json("alerts", "list", "--all") if one["silence"]] == ["known"]
    assert "no longer silenced" in shop.run("alerts", "lift", incident["id"], "--reason", "mended")
    assert [one["silence"] for one in shop.json("alerts", "list", "--all") if one["silence"]] == []
    assert "silence lifted by" in shop.run("alerts", "show", incident["id"])


def test_an_incident_is_found_by_its_id_and_by_no_pattern(shop: Cli) -> None:
    (incident,) = [one for one in shop.json("alerts", "list", "--all") if one["cause"] == "training_failed"]
    assert shop.json("alerts", "show", incident["id"][-6:])["id"] == incident["id"]
    for pattern in ("%", "_" * 26, f"%{incident['id'][-6:]}"):
        with pytest.raises(IncidentNotFound, match="No incident"):
            shop.run("alerts", "show", pattern)


def test_a_test_message_says_where_it_arrived(shop: Cli, receiver: HttpReceiver) -> None:
    assert shop.json("alerts", "test") == {"webhook-1": {"sent": True, "failure": None}}
    database = Database.open(f"sqlite:///{shop.place / 'home' / 'touchline.db'}")
    # The process that delivers what earlier commands left would take the refusal.
    wait_for(lambda: not Outbox(database, "shop").has_waiting())
    database.close()
    receiver.statuses.append(500)
    assert "answered 500" in shop.json("alerts", "test", code=1)["webhook-1"]["failure"]


def test_check_and_deliver_say_what_they_did(shop: Cli) -> None:
    assert "0 open incidents" in shop.run("alerts", "check")
    assert "messages sent" in shop.run("alerts", "deliver")


def test_the_watch_ends_when_it_is_told_to(shop: Cli) -> None:
    home = open_home()
    watch = Watch(home, [OpenedProject(home, load_default(home, str(shop.place / "projects" / "shop")))])
    watch.stop.set()
    watch.run()
    watch.read_server()  # no server runs: nothing is observed
    home.database.close()


def test_without_declared_alerts_there_is_nobody_to_test(tmp_path: Path) -> None:
    with a_shop(tmp_path) as cli, pytest.raises(TargetNotFound, match="declares no alerts"):
        cli.run("alerts", "test")
