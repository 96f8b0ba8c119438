"""The format of log lines on standard error: text for people, or one JSON document a line for machines.

Passwords in addresses are hidden, also in the tracebacks of other libraries.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from touchline.errors import without_passwords

_CONTROLS: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")

LogFormat = Literal["text", "json"]


class JsonLines(logging.Formatter):
    """A document a line: instant, level, logger, message, and the facts of a request where it is about one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": without_passwords(record.getMessage()),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = without_passwords(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()


class Words(logging.Formatter):
    """A line a person reads; the facts of a request stand at its end. A traceback alone takes more lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is logging's
        record.message = on_one_line(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        ends = [f"  {name}={on_one_line(str(value))}" for name, value in facts.items()]
        return without_passwords(super().format(record)) + "".join(ends)


def on_one_line(text: str) -> str:
    """What a client has sent, as a path, must not look like a line of ours.

    >>> on_one_line("/é\\nERROR")
    '/é\\\\nERROR'
    """
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def log_config(level: str, form: LogFormat) -> dict[str, Any]:
    """The `logging` configuration of a server process."""
    shape: dict[str, Any] = {"()": f"{__name__}.JsonLines"}
    if form == "text":
        shape = {"()": f"{__name__}.Words", "format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": shape},
        "handlers": {"standard error": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "loggers": {
            name: {"handlers": ["standard error"], "level": level.upper(), "propagate": False}
            for name in ("touchline", "uvicorn")
        },
    }
