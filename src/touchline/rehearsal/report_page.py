"""The report of a rehearsal as a page that stands alone: recommendation, policies, course of the regret, seasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from touchline.training.card.card import Card, Figure, Section, Table
from touchline.training.card.plots import svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Document = Mapping[str, Any]
# One for each policy; its naive twin has the same, dashed.
_COLOURS = ("#222222", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c564b")


def report_page(document: Document) -> Card:
    """The document of a rehearsal, which writes itself as HTML or Markdown."""
    title = f"Rehearsal of {document['project']}: {document['from']:%Y-%m-%d} to {document['to']:%Y-%m-%d}"
    return Card(
        title,
        (
            Section("Recommendation", (document["recommendation"],)),
            Section("Policies", (_policies(document), _yardstick(document))),
            Section("Course", _course(document)),
            Section("Loss by season", (_seasons(document),)),
            Section("Alarms and cost", (_alarms(document),)),
            Section("Left out", (document["left_out"],)),
            Section("Report", (f"Hash {document['hash']}",)),
        ),
    )


def _policies(document: Document) -> Table:
    rows = [
        (
            policy["name"],
            f"{policy['loss']:.4f}",
            "-" if policy["name"] == "never" else _with_error(policy["gain"], policy["gain_error"]),
            _with_error(policy["regret"], policy["regret_error"]),
            _share(policy["regret_of_never"], None if policy["name"] == "never" else policy["regret_of_never_error"]),
            _share(policy["naive_regret_of_never"], None),
            str(policy["trainings"]),
            str(policy["changes_of_production"]),
            str(policy["rollbacks"]),
        )
        for policy in sorted(document["policies"], key=lambda one: one["loss"])
    ]
    best = document["yardstick"]
    trainings = f"{best['retrainings'] + 1:.1f}"
    rows.append(("best in hindsight", f"{best['loss']:.4f}", "-", "0.0", "0%", "-", trainings, "-", "-"))
    heads = (
        "policy",
        document["score"],
        "gain on never",
        "regret",
        "of never's",
        "the same, naive",
        "trainings",
        "changes of Production",
        "rollbacks",
    )
    return Table(heads, tuple(rows))


def _with_error(value: float | None, error: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if error is None else f"{value:.1f}\u00a0±\u00a0{error:.1f}"


def _share(value: float | None, error: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0%}" if error is None else f"{value:.0%}\u00a0±\u00a0{error:.0%}"


def _yardstick(document: Document) -> str:
    best = document["yardstick"]
    return (
        f"Regret is the sum of losses above the best schedule in hindsight, over {document['predictions']:,} "
        f"predictions. That schedule chooses among the {best['models']} models of policy {best['models_of']!r}; no "
        f"policy could have known it. It is chosen on one half of the examples and evaluated on the other, in both "
        f"directions and over several halves, so that its loss is no luck; it retrains {best['retrainings']:.1f} times "
        f"in the mean. Chosen and evaluated on the same examples, which no policy can reach, it would have a loss of "
        f"{best['naive_loss']:.4f} with {best['naive_retrainings']} retrainings (naive). ± is the standard error "
        "from the differences between seasons."
    )


def _course(document: Document) -> tuple[str | Figure, ...]:
    if document["steps"] < 2:
        return ("Fewer than two steps.",)
    text = (
        "The regret so far, by step: a policy that falls behind rises, one that answers as the best schedule is flat."
    )
    return text, Figure("regret.svg", svg_of("Regret", partial(_draw, document=document)))


def _draw(figure: Canvas, *, document: Document) -> None:
    figure.set_size_inches(8.6, 4.4)
    axes = figure.add_subplot()
    first, days = document["first_prediction"], document["step_days"]
    instants = [first + timedelta(days=days * step) for step in range(document["steps"])]
    families = list(dict.fromkeys(policy["name"].removesuffix("-naive") for policy in document["policies"]))
    for policy in document["policies"]:
        family = policy["name"].removesuffix("-naive")
        axes.plot(
            instants,
            policy["weekly_regret"],
            "-" if policy["name"] == family else "--",
            color=_COLOURS[families.index(family) % len(_COLOURS)],
            linewidth=1.2,
            label=policy["name"],
        )
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_ylabel(f"sum of {document['score']} above the best schedule")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    figure.subplots_adjust(right=0.78)
    figure.autofmt_xdate()


def _seasons(document: Document) -> Table:
    names = list(dict.fromkeys(season for policy in document["policies"] for season in policy["seasons"]))
    rows = tuple(
        (season, *(_number(policy["seasons"].get(season)) for policy in document["policies"])) for season in names
    )
    return Table(("season", *(policy["name"] for policy in document["policies"])), rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _alarms(document: Document) -> Table:
    rows = tuple(
        (
            policy["name"],
            str(policy["alarms"]),
            str(policy["false_alarms"]),
            str(policy["failed_trainings"]),
            f"{policy['training_seconds']:.0f} s",
            f"{policy['seconds']:.0f} s",
            f"{policy['processor_seconds']:.0f} s",
            f"{policy['megabytes_first']:.0f} to {policy['megabytes_last']:.0f} MB",
        )
        for policy in document["policies"]
    )
    heads = (
        "policy",
        "alarms",
        "false alarms",
        "failed trainings",
        "time of trainings",
        "time in all",
        "processor time",
        "memory",
    )
    return Table(heads, rows)
