"""Webhooks are signed as Standard Webhooks says, and reach only the addresses that they may."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.alerts.builders import NETWORKS, SECRET, START
from tests.alerts.receivers import http_receiver
from touchline.alerts import DeliveryFailed, Notice, Webhook, sign_webhook, verify_webhook
from touchline.alerts.address_guard import checked_destination
from touchline.alerts.webhooks import WebhookChannel
from touchline.errors import WebhookUnverified

NOTE = Notice("msg_1", "incident", "title", "text", False, {"type": "incident.opened", "data": {"word": "é"}}, START)


def a_channel(url: str, *, networks: tuple[str, ...] = NETWORKS) -> WebhookChannel:
    return WebhookChannel(Webhook(url, secret="${HOOK_SECRET}"), {"HOOK_SECRET": SECRET}, networks)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks specification and its libraries.
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = sign_webhook(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', now=at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_receiver_gets_a_body_whose_signature_it_can_compute() -> None:
    with http_receiver() as receiver:
        a_channel(f"{receiver.url}/hook?x=1").send(NOTE, now=START)
    ((headers, body),) = receiver.posts
    assert json.loads(body) == NOTE.payload
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"msg_1.{int(START.timestamp())}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    verify_webhook(SECRET, headers, body, now=START + timedelta(minutes=4))


SIGNED = sign_webhook(SECRET, "msg_1", b"{}", now=START)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"now": START + timedelta(minutes=6)}, "may be a replay"),
        ({"now": START - timedelta(minutes=6)}, "may be a replay"),
        ({"body": b"{ }"}, "no signature fits"),
        ({"secret": "whsec_" + "B" * 32}, "no signature fits"),
        ({"headers": {"webhook-id": "msg_1"}}, "missing or unreadable"),
        ({"headers": {"webhook-id": "msg_1", "webhook-timestamp": "9" * 400}}, "missing or unreadable"),
        ({"headers": {"webhook-id": "msg_1", "webhook-timestamp": "9" * 5000}}, "missing or unreadable"),
        ({"headers": {**SIGNED, "webhook-signature": "v1,\udcff"}}, "no signature fits"),
        ({"headers": {**SIGNED, "webhook-id": "\udcff"}}, "no signature fits"),
    ],
)
def test_a_forged_changed_or_replayed_webhook_is_refused(change: dict[str, object], message: str) -> None:
    given = {"secret": SECRET, "headers": SIGNED, "body": b"{}", "now": START, **change}
    with pytest.raises(WebhookUnverified, match=message):
        verify_webhook(given["secret"], given["headers"], given["body"], now=given["now"])  # type: ignore[arg-type]


def test_a_loopback_or_private_address_is_refused_unless_the_settings_allow_it() -> None:
    with http_receiver() as receiver:
        with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1, which is no public address.*TOUCHLINE_WEBHOOK"):
            a_channel(receiver.url, networks=()).send(NOTE, now=START)
        with pytest.raises(DeliveryFailed, match="no public address"):
            a_channel(receiver.url.replace("127.0.0.1", "localhost"), networks=("10.0.0.0/8",)).send(NOTE, now=START)
    assert receiver.posts == []


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),
        *("[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("2130706433", "0x7f.1", "127.1"),  # other spellings of 127.0.0.1
    ],
)
def test_no_spelling_of_an_inner_address_passes(address: str) -> None:
    with pytest.raises(DeliveryFailed, match=r"no public address|has no address"):
        checked_destination(f"https://{address}/", ())


def test_a_public_address_needs_https() -> None:
    with pytest.raises(DeliveryFailed, match="needs https"):
        checked_destination("http://93.184.216.34/hook", ())
    where = checked_destination("https://93.184.216.34:8443/hook?a=b", ())
    assert (where.connect_url, where.host_header) == ("https://93.184.216.34:8443/hook?a=b", "93.184.216.34:8443")


def test_a_redirect_is_not_followed() -> None:
    with http_receiver() as other, http_receiver(302, location=other.url) as receiver:
        with pytest.raises(DeliveryFailed, match="answered 302"):
            a_channel(receiver.url).send(NOTE, now=START)
        assert other.posts == []


def test_a_missing_secret_names_its_variable() -> None:
    channel = WebhookChannel(Webhook("http://127.0.0.1:1/", secret="${HOOK_SECRET}"), {}, NETWORKS)
    with pytest.raises(DeliveryFailed, match="variable HOOK_SECRET is not set"):
        channel.send(NOTE, now=START)
    weak = WebhookChannel(Webhook("http://127.0.0.1:1/", secret="whsec_abc"), {}, NETWORKS)
    with pytest.raises(DeliveryFailed, match="24 to 64 bytes"):
        weak.send(NOTE, now=START)
