"""Signed webhooks in the format of Standard Webhooks (standardwebhooks.com): sending, and the check of a receiver."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from touchline.alerts.address_guard import checked_destination
from touchline.alerts.channels import DeliveryFailed, Notice, with_secrets
from touchline.alerts.spec import Webhook
from touchline.errors import WebhookUnverified, without_passwords

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)
# Seconds since 1970, up to the year 5138: a longer number is none that a sender signs.
_TIMESTAMP: Final = re.compile(r"[0-9]{1,11}")
_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class WebhookChannel:
    """Posts events to one receiver. `networks` are the settings' allowed networks, `environment` has the secrets."""

    webhook: Webhook
    environment: Mapping[str, str]
    networks: Sequence[str] = ()

    def send(self, note: Notice, *, now: datetime) -> None:
        """Post the payload, signed for `now`: each attempt has a fresh timestamp and the same id.

        Redirects are not followed, and no proxy of the environment is used, since both would choose another address
        than the checked one.
        """
        import httpx

        url = with_secrets(self.webhook.url.get_secret_value(), self.environment)
        secret = with_secrets(self.webhook.secret.get_secret_value(), self.environment)
        body = json.dumps(note.payload, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "user-agent": "touchline"}
        headers |= sign_webhook(secret, note.id, body, now=now)
        where = checked_destination(url, self.networks)
        headers["host"] = where.host_header
        try:
            with (
                httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client,
                client.stream(
                    "POST", where.connect_url, content=body, headers=headers, extensions={"sni_hostname": where.host}
                ) as response,
            ):
                status = response.status_code  # of the answer only the status matters; its body may never end
        except httpx.HTTPError as failure:
            reason = str(failure) or type(failure).__name__
            raise DeliveryFailed(without_passwords(f"{where.host_header}: {reason}")) from None
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise DeliveryFailed(f"{where.host_header} answered {status}", is_final=status == HTTPStatus.GONE)


def sign_webhook(secret: str, message_id: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """The headers webhook-id, webhook-timestamp and webhook-signature of a message.

    The signature is HMAC-SHA256 over id, timestamp (seconds since 1970) and body. Raises `DeliveryFailed` for a secret
    that is not `whsec_` and 24 to 64 bytes in Base64.
    """
    timestamp = str(int(now.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{_signature(secret, message_id, timestamp, body)}",
    }


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = timedelta(minutes=5),
) -> None:
    """For receivers: raise `WebhookUnverified` unless it is signed with the secret and younger than `tolerance`.

    A receiver also leaves out a webhook-id that it has seen: a delivery whose answer was lost is sent again.

    >>> from datetime import UTC
    >>> now, secret = datetime(2024, 1, 1, tzinfo=UTC), "whsec_" + "A" * 32
    >>> verify_webhook(secret, sign_webhook(secret, "msg_1", b"{}", now=now), b"{}", now=now)
    """
    lower = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = lower.get("webhook-id", ""), lower.get("webhook-timestamp", "")
    if not (message_id and _TIMESTAMP.fullmatch(timestamp)):
        raise WebhookUnverified("webhook-id or webhook-timestamp is missing or unreadable")
    if abs(now.timestamp() - int(timestamp)) > tolerance.total_seconds():
        raise WebhookUnverified(f"its timestamp is more than {tolerance} away; it may be a replay")
    expected = _signature(secret, message_id, timestamp, body)
    signatures = lower.get("webhook-signature", "").encode(errors="replace").split()
    if not any(hmac.compare_digest(signature, f"v1,{expected}".encode()) for signature in signatures):
        raise WebhookUnverified("no signature fits the secret and the body")


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    return base64.b64encode(hmac.new(_key(secret), signed, sha256).digest()).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _SECRET_BYTES:
        raise DeliveryFailed("the secret of the webhook is not 'whsec_' and 24 to 64 bytes in Base64")
    return key
