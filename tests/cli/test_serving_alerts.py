"""A served project that fails or grows slow: an incident, a webhook and a mail, and the end of it by itself."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from email import policy

import httpx
import pytest

from tests.alerts.builders import SECRET
from tests.alerts.receivers import HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver
from tests.cli.conftest import Cli, a_shop
from tests.serving.builders import on_loopback
from touchline.cli.opening import OpenedProject, load_default, open_home
from touchline.cli.processes.alerting import Watch, deliver
from touchline.cli.processes.server import api_app
from touchline.serving.telemetry.metrics import Meter

pytestmark = [pytest.mark.services, pytest.mark.filterwarnings("ignore::ResourceWarning")]

# One basket breaks the transform; no visit of the table has it.
TRANSFORM = '''
def weight(basket):
    """The basket's weight."""
    if (basket == 666).any():
        raise ArithmeticError("the scales are broken")
    return basket * 2
'''


@dataclass
class Served:
    """The shop behind a real server, watched; its messages go to the receivers."""

    url: str
    watch: Watch
    http: HttpReceiver
    smtp: SmtpReceiver
    meter: Meter

    @property
    def opened(self) -> OpenedProject:
        return self.watch.projects[0]

    def ask(self, count: int, basket: float) -> None:
        """Ask for so many predictions."""
        with httpx.Client(base_url=self.url, timeout=60) as client:
            for _ in range(count):
                client.post("/predict", json={"customer": "c11", "basket": basket})

    def count_fast_answers(self) -> None:
        """Count 2500 answers of a millisecond as the server does: to ask for them takes seconds."""
        for _ in range(2500):
            self.meter.answered("/predict", 200, 0.001)

    def told(self) -> list[tuple[str, str]]:
        """What was delivered since the last call: the webhooks' types and signals, as many mails beside them."""
        self.watch.read_server()
        deliver(self.opened, wait_seconds=300)
        events = [json.loads(body) for _, body in self.http.posts]
        mails = [str(email.message_from_string(mail, policy=policy.default)["subject"]) for mail in self.smtp.mails]
        self.http.posts.clear()
        self.smtp.mails.clear()
        assert len(mails) == len(events)
        assert all("shop" in subject for subject in mails)
        return [(event["type"], event["data"]["signals"][0]["signal"]) for event in events]


def declare(shop: Cli, alerts: str) -> None:
    """The shop with a transform of a request field, and alerts."""
    folder = shop.place / "projects" / "shop"
    (folder / "weights.py").write_text(TRANSFORM)
    text = (folder / "project.py").read_text()
    for old, new in (
        ("    customer: str\n", "    customer: str\n    basket: float = 1.0\n"),
        ('        "customer",\n        example_id', '        "customer",\n        "basket",\n        example_id'),
        ("features=[spending.on", 'inputs=["basket"], on_demand=[on_demand(weights.weight)], features=[spending.on'),
        ("examples, feature_view,", "examples, feature_view, on_demand, Alerts, Webhook,"),
        ("from touchline.ingest import CsvFiles\n", "from touchline.ingest import CsvFiles\n\nfrom . import weights\n"),
        ("    clock=SampleClock", f"    alerts={alerts},\n    clock=SampleClock"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "project.py").write_text(text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with http_receiver() as http, smtp_receiver() as smtp, a_shop(tmp_path_factory.mktemp("shop")) as shop:
        mail = f"mailto://127.0.0.1:{smtp.port}?from=shop@example.org&to=ann@example.org&mode=insecure"
        events = ["incident.opened", "incident.resolved"]
        webhook = f"Webhook({http.url!r}, secret={SECRET!r}, events={events})"
        rules = '"error_rate > 5 %", "p95 > 2000 ms"'
        declare(shop, f"Alerts([{mail!r}], rules=[{rules}], webhooks=[{webhook}])")
        shop.run("train")
        folder = shop.place / "projects" / "shop"
        with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
            app = api_app(open_home(), [folder], "127.0.0.1", only_serving=True)
            # The tests of other workers share the cores: that requests wait for them is no overload of this server.
            app.serving.limits = replace(app.serving.limits, lag_seconds=600.0)
            url = running.enter_context(on_loopback(app))
            patch.setenv("TOUCHLINE_WEBHOOK_NETWORKS", "127.0.0.1/32")
            patch.setenv("TOUCHLINE_PORT", url.rpartition(":")[2])
            home = open_home()
            watch = Watch(home, [OpenedProject(home, load_default(home, str(folder)))])
            (meter,) = [one for one in app.serving.meters if one.project == "shop"]
            yield Served(url, watch, http, smtp, meter)


@pytest.fixture
def served(server: Served) -> Served:
    """A watch that has read the server's counters once, so that earlier requests are not of its window."""
    fresh = replace(server, watch=Watch(server.watch.home, server.watch.projects))
    fresh.ask(1, 1.0)
    assert fresh.told() == []
    return fresh


def test_errors_open_an_incident_that_is_told_and_resolves_by_itself(served: Served) -> None:
    served.ask(60, 666)
    assert served.told() == [("incident.opened", "error_rate")]
    assert served.told() == []
    served.ask(20, 1.0)
    served.count_fast_answers()
    assert served.told() == [("incident.resolved", "error_rate")]


def test_slow_answers_open_an_incident_that_is_told_and_resolves_by_itself(served: Served) -> None:
    # Counted as the server counts an answer: real slowness would depend on the machine, and is shed as overload.
    for _ in range(60):
        served.meter.answered("/predict", 200, 4.0)
    assert ("incident.opened", "p95") in served.told()
    served.count_fast_answers()
    assert ("incident.resolved", "p95") in served.told()
