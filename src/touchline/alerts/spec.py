"""A project's declaration of alerts: `Alerts`, `Rule` and `Webhook`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from touchline.alerts.observation import Observation
from touchline.alerts.signals import SIGNALS, Severity, severity_rank
from touchline.errors import nearest

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
_CONDITION = re.compile(
    r"(?P<signal>[a-z][a-z0-9_]*)(\s*(?P<sign>[<>])\s*(?P<limit>\d+(\.\d+)?)\s*(?P<unit>%|ms|s)?)?", re.ASCII
)
_FACTORS = {None: 1.0, "%": 0.01, "ms": 0.001, "s": 1.0}
_WITH_COLUMNS: Final = ("drift", "feature_missing")
_UNITS = {"share": (None, "%"), "seconds": ("ms", "s"), "number": (None,)}

DEFAULT_COOLDOWN: Final = timedelta(hours=1)
DEFAULT_ESCALATION: Final = timedelta(hours=24)
DEFAULT_RETENTION: Final = timedelta(days=400)
# What happened within a day is known by its incident, so that it is reported once.
_LEAST_RETENTION: Final = timedelta(days=7)

EventType = Literal[
    "incident.opened",
    "incident.updated",
    "incident.escalated",
    "incident.reopened",
    "incident.resolved",
    "model.promoted",
    "model.rolled_back",
]


class Rule(BaseModel):
    """A condition that makes an incident, and its severity.

    The condition names a signal: a state (`"drift"`), an event (`"promotion"`), or a number with its limit
    (`"log_loss > 0.8"`, `"feature_missing > 5 %"`, `"p95 > 200 ms"`). `columns` limits a rule on `drift` or
    `feature_missing` to named model columns or views.

    >>> Rule("p95 > 200 ms").limit, Rule("drift", columns=("elo_gap",), severity="critical").signal
    (0.2, 'drift')
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    condition: str
    severity: Annotated[Severity | None, Field(description="default: the signal's own")] = None
    columns: tuple[str, ...] = ()

    def __init__(self, condition: str, /, **more: object) -> None:
        super().__init__(condition=condition, **more)

    @model_validator(mode="after")
    def _readable(self) -> Rule:
        parts = _CONDITION.fullmatch(self.condition.strip())
        if parts is None:
            raise ValueError(
                f"rule {self.condition!r} cannot be read; write a signal such as 'drift', or one with a limit such as "
                "'log_loss > 0.8', 'feature_missing > 5 %' or 'p95 > 200 ms'"
            )
        signal = SIGNALS.get(parts["signal"])
        if signal is None:
            raise ValueError(f"rule {self.condition!r} names no known signal. {nearest(parts['signal'], SIGNALS)}")
        if signal.is_measured and parts["limit"] is None:
            raise ValueError(f"rule {self.condition!r} needs a limit, such as '{self.condition.strip()} > 0.1'")
        if not signal.is_measured and parts["limit"] is not None:
            raise ValueError(f"rule {self.condition!r}: {parts['signal']} is a {signal.unit} and takes no limit")
        if self.columns and parts["signal"] not in _WITH_COLUMNS:
            raise ValueError(
                f"rule {self.condition!r} takes no columns: {parts['signal']} is about none, so the rule would never "
                f"hold; {' and '.join(_WITH_COLUMNS)} take them"
            )
        allowed = _UNITS.get(signal.unit, (None,))
        if signal.is_measured and parts["unit"] not in allowed:
            units = " or ".join(repr(unit) if unit else "no unit" for unit in allowed)
            raise ValueError(f"rule {self.condition!r}: the limit of {parts['signal']} is given in {units}")
        return self

    @property
    def _parts(self) -> re.Match[str]:
        parts = _CONDITION.fullmatch(self.condition.strip())
        assert parts is not None
        return parts

    @property
    def signal(self) -> str:
        return self._parts["signal"]

    @property
    def limit(self) -> float | None:
        """The limit, shares from 0 to 1 and times in seconds; None of a state or an event."""
        limit = self._parts["limit"]
        return None if limit is None else float(limit) * _FACTORS[self._parts["unit"]]

    @property
    def is_on_metric(self) -> bool:
        """Whether the signal is a metric of the model, which not every task has."""
        return SIGNALS[self.signal].is_metric

    @property
    def effective_severity(self) -> Severity:
        return self.severity or SIGNALS[self.signal].severity

    def is_broken_by(self, observation: Observation) -> bool:
        """Whether the observation is what the rule warns of. A number that was not measured breaks no limit."""
        if observation.signal != self.signal or observation.is_wrong is False:
            return False
        if self.columns and not {observation.subject, *observation.columns} & set(self.columns):
            return False
        if self.limit is None:
            return observation.is_wrong is True
        if observation.value is None:
            return False
        return observation.value > self.limit if self._parts["sign"] == ">" else observation.value < self.limit


DEFAULT_RULES: Final = tuple(
    map(
        Rule,
        (
            *("loss", "skew", "data_damage", "error_rate > 5 %"),
            *("stale_data", "stale_features", "training_failed", "daily_failed", "rollback"),
            *("rollout_stopped", "rollout_incident"),
        ),
    )
)
"""The rules of a project that declares none.

Drift is not among them: it explains a loss, and alone pages nobody. Nor is the estimated loss, whose rate of false
incidents is not proven as that of the measured loss is.
"""


class Webhook(BaseModel):
    """A receiver of signed events, in the format of Standard Webhooks.

    `secret` is `whsec_` and 24 to 64 bytes in Base64, or `${NAME}`: the environment variable NAME has it, or the file
    that NAME_FILE names.

    >>> Webhook("https://ops.example/touchline", secret="${OPS_WEBHOOK_SECRET}")
    Webhook(https://…)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: SecretStr
    secret: SecretStr
    events: Annotated[tuple[EventType, ...], Field(description="event types that it receives; empty: all")] = ()

    def __init__(self, url: str | SecretStr, /, **more: object) -> None:
        super().__init__(url=url, **more)

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        if not re.fullmatch(r"https?://\S+", url.get_secret_value()) and "${" not in url.get_secret_value():
            raise ValueError("the address of a webhook begins with https:// (or http://, where settings allow it)")
        return url

    def __repr__(self) -> str:
        return f"Webhook({self.url.get_secret_value().partition('://')[0]}://…)"

    __str__ = __repr__


class Alerts(BaseModel):
    """Who is told about incidents, and which rules make one. Secrets of addresses are never shown.

    `urls` are addresses of Apprise, such as `slack://…` or `mailto://…`; `${NAME}` in one stands for an environment
    variable. `escalate_to` are told about critical incidents alone. Between two messages about one incident lies at
    least `cooldown`, except where it grows worse or is resolved; an incident still open after `escalate_after` becomes
    critical (None: never). Ended incidents are deleted with their messages `retention` after their end (None: never).

    >>> Alerts(["slack://token-a/token-b"])
    Alerts(slack://…)
    """

    # An error message that shows an address would write its token to a log.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    urls: tuple[SecretStr, ...] = ()
    rules: tuple[Rule, ...] = DEFAULT_RULES
    webhooks: tuple[Webhook, ...] = ()
    escalate_to: tuple[SecretStr, ...] = ()
    cooldown: Annotated[timedelta, Field(ge=timedelta(0))] = DEFAULT_COOLDOWN
    escalate_after: Annotated[timedelta, Field(gt=timedelta(0))] | None = DEFAULT_ESCALATION
    retention: Annotated[timedelta, Field(ge=_LEAST_RETENTION)] | None = DEFAULT_RETENTION

    def __init__(self, urls: str | SecretStr | Sequence[str | SecretStr] = (), /, **more: object) -> None:
        # One address becomes a list of one: errors carry their input, and as plain text it would hold the secret.
        super().__init__(urls=[urls] if isinstance(urls, str | SecretStr) else urls, **more)

    @field_validator("urls", "escalate_to")
    @classmethod
    def _addresses(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for at, url in enumerate(urls, start=1):
            if not _ADDRESS.fullmatch(url.get_secret_value()):
                raise ValueError(f"address {at} of {len(urls)} is not of the form 'slack://…' or 'mailto://…'")
        return urls

    @field_validator("rules", mode="before")
    @classmethod
    def _rules(cls, rules: object) -> object:
        if isinstance(rules, Sequence) and not isinstance(rules, str):
            return tuple(Rule(rule) if isinstance(rule, str) else rule for rule in rules)
        return rules

    @model_validator(mode="after")
    def _has_receivers(self) -> Alerts:
        if not (self.urls or self.webhooks):
            raise ValueError("alerts need at least 1 item in `urls` or `webhooks`; leave `alerts` out to tell nobody")
        return self

    @property
    def schemes(self) -> tuple[str, ...]:
        """The part of the addresses that may be shown: slack, mailto, …"""
        return tuple(_scheme(url) for url in self.urls)

    def rule_for(self, observation: Observation) -> Rule | None:
        """The most severe rule that the observation breaks; None where all is well."""
        return broken_rule(self.rules, observation)

    def __repr__(self) -> str:
        return f"Alerts({', '.join(f'{scheme}://…' for scheme in self.schemes)})"

    __str__ = __repr__


def broken_rule(rules: Sequence[Rule], observation: Observation) -> Rule | None:
    """The most severe of the rules that an observation breaks; None where it breaks none."""
    broken = [rule for rule in rules if rule.is_broken_by(observation)]
    return max(broken, key=lambda rule: severity_rank(rule.effective_severity), default=None)


def _scheme(url: SecretStr) -> str:
    return url.get_secret_value().split("://", 1)[0]


def apprise_targets(alerts: Alerts, severity: Severity) -> dict[str, SecretStr]:
    """The addresses for a message of this severity, by the label that stands for them: slack-1, escalation-mailto-1."""
    targets = {f"{_scheme(url)}-{at}": url for at, url in enumerate(alerts.urls, start=1)}
    if severity == "critical":
        targets |= {f"escalation-{_scheme(url)}-{at}": url for at, url in enumerate(alerts.escalate_to, start=1)}
    return targets


def webhook_targets(alerts: Alerts, event: EventType | None = None) -> dict[str, Webhook]:
    """The webhooks that receive an event, by their label; without an event all of them."""
    return {
        f"webhook-{at}": webhook
        for at, webhook in enumerate(alerts.webhooks, start=1)
        if event is None or not webhook.events or event in webhook.events
    }
