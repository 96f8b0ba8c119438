"""Notes to people by Apprise: Slack, mail, Teams and all else with an Apprise address. Only this file imports it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

from touchline.alerts.channels import DeliveryFailed, Notice, with_secrets
from touchline.errors import MissingDependency, without_passwords

_MAIL: Final = ("mailto", "mailtos")
# Every service of Apprise writes the status of an answer at the end of its complaint.
_GONE: Final = re.compile(r"\berror=410\b")


@dataclass(frozen=True)
class AppriseChannel:
    """One Apprise address; `${NAME}` in it comes from `environment`."""

    url: SecretStr
    environment: Mapping[str, str]

    def send(self, note: Notice, *, now: datetime) -> None:  # noqa: ARG002  a webhook signs the time, a note does not
        """Send the note. Mails of one incident are one thread: they refer to one Message-ID."""
        try:
            import apprise
        except ModuleNotFoundError as missing:
            raise DeliveryFailed(str(MissingDependency("Alerts to people", missing.name or "apprise", []))) from missing
        address = with_secrets(self.url.get_secret_value(), self.environment)
        # A redirect would lead to an address that nobody declared.
        asset = apprise.AppriseAsset(app_id="touchline", app_desc="touchline", http_redirects=False)
        service = apprise.Apprise.instantiate(_threaded(address, note.thread), asset=asset, suppress_exceptions=True)
        if service is None:
            scheme = address.partition("://")[0]
            raise DeliveryFailed(f"Apprise cannot read the {scheme}:// address; its parts are described in its wiki")
        kind = apprise.NotifyType.FAILURE if note.is_critical else apprise.NotifyType.WARNING
        with _complaints() as complaints:
            is_sent = service.notify(
                body=note.text, title=note.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        if not is_sent:
            reason = complaints[0] if complaints else "the service took no message, and gave no reason"
            is_gone = bool(complaints) and all(_GONE.search(line) for line in complaints)
            raise DeliveryFailed(_without_parts(reason, address), is_final=is_gone)


def _threaded(address: str, thread: str) -> str:
    """A mail address with the headers that mail programs make a thread from (RFC 5322, section 3.6.4)."""
    if address.partition("://")[0].lower() not in _MAIL:
        return address
    reference = quote(f"<{thread}@touchline>", safe="")
    sign = "&" if "?" in address else "?"
    return f"{address}{sign}+References={reference}&+In-Reply-To={reference}"


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """The warnings that Apprise logs in this thread: it says only there why a service took no message."""
    lines: list[str] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                lines.append(record.getMessage())

    logger, collector = logging.getLogger("apprise"), Collector(logging.WARNING)
    logger.addHandler(collector)
    try:
        yield lines
    finally:
        logger.removeHandler(collector)


def _without_parts(text: str, address: str) -> str:
    """A reason without the parts of the address that may be secret: all but its scheme."""
    for part in sorted(
        address.partition("://")[2].replace("?", "/").replace("@", "/").split("/"), key=len, reverse=True
    ):
        if len(part) > 3:
            text = text.replace(part, "…")
    return without_passwords(text)
