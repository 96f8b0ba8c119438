"""`Retrain` and `Daily`: when the work on a project is done without anybody asking for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _cron(expression: str) -> str:
    if len(expression.split()) != 5:
        raise ValueError(
            f"{expression!r} has {len(expression.split())} fields; a cron expression has five: minute, hour, day of "
            "the month, month, day of the week, e.g. '0 0 * * 0'"
        )
    try:
        next(CronSim(expression, _LONG_AGO))
    except CronSimError as wrong:
        raise ValueError(f"{expression!r} is no cron expression that ever fires: {wrong}") from None
    except StopIteration:
        raise ValueError(f"{expression!r} never fires: no calendar has such a day") from None
    return expression


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is no time zone; write a name such as 'Europe/Berlin', or 'UTC'") from None
    return name


Cron = Annotated[str, AfterValidator(_cron)]
Zone = Annotated[str, AfterValidator(_zone), Field(description="time zone of the schedule, such as Europe/Berlin")]


class Retrain(BaseModel):
    """The policy of retraining: a schedule, the events that start a run, and how a refresh takes over.

    `schedule` is a cron expression of five fields in `timezone`, weekly by default; None has no schedule. `only_if`
    makes each of its times a check that trains only after drift, or on new data. `on_drift`, `on_degradation` (a loss
    incident), `on_new_data` and `max_age` (of the version in Production) start a run by themselves, each at most once
    in `cooldown` after the last run. All times are project time.

    A run that outgrows `time_limit` (wall time) or `memory_limit` (bytes of the process) is ended, with that reason.

    A refresh is Production's declaration and candidate on newer data. `refresh="live"`: it takes over once its gates
    have passed, and its predecessor predicts beside it for the rollout's `holdout_days`, ready to take over again;
    `refresh="rollout"`: it waits in Staging for a rollout.

    >>> Retrain(schedule="0 4 * * 1", timezone="Europe/Berlin", only_if="drift").cooldown
    datetime.timedelta(days=1)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: Annotated[Cron | None, Field(description="cron expression, five fields")] = "0 0 * * 0"
    timezone: Zone = "UTC"
    only_if: Literal["drift", "new_data"] | None = None
    on_drift: bool = False
    on_degradation: bool = False
    on_new_data: bool = False
    max_age: Annotated[timedelta | None, Field(gt=timedelta(0))] = None
    cooldown: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(days=1)
    time_limit: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(hours=6)
    memory_limit: Annotated[int | None, Field(gt=0, description="bytes")] = None
    refresh: Literal["live", "rollout"] = "live"

    @model_validator(mode="after")
    def _condition_has_a_schedule(self) -> Self:
        if self.only_if is not None and self.schedule is None:
            raise ValueError(f"only_if={self.only_if!r} is a condition of the schedule, and there is none")
        return self


class Daily(BaseModel):
    """The work of each day: new data, features, predictions of open examples, monitoring.

    An open example is predicted once by each release, when its cutoff is at most `ahead` away.

    >>> Daily(schedule="30 5 * * *").ahead
    datetime.timedelta(days=7)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: Annotated[Cron, Field(description="cron expression, five fields")] = "0 5 * * *"
    timezone: Zone = "UTC"
    ahead: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(days=7)
