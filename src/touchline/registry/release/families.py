"""Estimator families that no package has installed: a project's own, found again when a model is restored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from touchline import plugins
from touchline.training.estimators.base import GROUP
from touchline.training.fitting.wrapped_families import inner_name

if TYPE_CHECKING:
    from touchline.training import Family, Training

_SKOPS_FILE = "model.skops"


def declared_families(training: Training) -> dict[str, Family]:
    """The families that a project's candidates bring along, by name."""
    brought = (candidate.family for candidate in training.candidates if not isinstance(candidate, str))
    return {family.name: family for family in brought if not isinstance(family, str)}


def families_of(
    model: Path, own: Mapping[str, Family] | None = None, *, estimator: Path | None = None
) -> dict[str, Family]:
    """The packages that the exported model in a folder needs and that are not installed.

    `own` are the project's. Without them a scikit-learn estimator of a project is restored all the same, where it
    holds no other types than those that skops trusts by itself.
    """
    found = dict(own or {})
    for named, place in _members(model, estimator or model / "estimator"):
        name, depth = inner_name(named)
        folder = place.joinpath(*["estimator"] * depth)
        if (folder / _SKOPS_FILE).exists() and name not in found and name not in plugins.names(GROUP):
            found[name] = _restored_by_skops(name)
    return found


def member_families(model: Path) -> list[str]:
    """The family of an exported model, and those of the members of a blend; of a wrapped family the one below it."""
    return [inner_name(name)[0] for name, _ in _members(model, model / "estimator")]


def _restored_by_skops(name: str) -> Family:
    from touchline.training.estimators.sklearn_bridge import SklearnFamily

    return SklearnFamily(name, None)


def _members(model: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Family and folder of the estimator, or of each member of a blend; none where nothing can be read."""
    try:
        record = json.loads((model / "model.json").read_text(encoding="utf-8"))
        yield str(record["family"]), folder
        if (folder / "members.json").exists():
            members = json.loads((folder / "members.json").read_text(encoding="utf-8"))
            yield from ((str(each["family"]), folder / str(place)) for place, each in enumerate(members["members"]))
    except (OSError, ValueError, KeyError, TypeError):
        return  # what is damaged is named by who restores it
