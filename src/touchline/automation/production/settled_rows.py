"""The settled predictions of Production, as it served them and as a recalibrated version predicts them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from touchline.automation.production.release import EPOCH, live_rows, open_production
from touchline.errors import NotComparable
from touchline.registry import ServedRows, read_recalibration
from touchline.registry.gates.stored_predictions import output_names
from touchline.training import ClassShares

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import AsServed, ModelVersion, Registry


def settled_rows_as_served(project: Project, stores: Registry, version: ModelVersion) -> AsServed:
    """Reads the rows that the gates compare a recalibrated version on: those of its estimate that have an outcome now.

    Its parent has answered them, and neither has learned from them.
    """

    def as_served(production: ModelVersion) -> ServedRows:
        if production.version != version.recalibrates:
            reason = (
                f"it recalibrates version {version.recalibrates}, which is in Production no more; begin anew: "
                f"touchline monitor recalibrate -p {project.name}"
            )
            raise NotComparable(version.version, production.version, reason)
        document = read_recalibration(stores, version)
        first = (date.fromisoformat(document["since_on"]) - EPOCH).days
        live = live_rows(project, stores, open_production(project, stores))
        rows = live.at(live.has_label & (live.days >= first))
        names = output_names(version.classes)
        corrected = ClassShares.from_json(document["shares"]).transform(rows.predictions)
        frame = pl.DataFrame(
            {
                "cutoff": pl.Series([EPOCH + timedelta(days=int(day)) for day in rows.days], dtype=pl.Date),
                "cluster": pl.Series(list(rows.clusters), dtype=pl.String),
                "label": pl.Series([version.classes[int(code)] for code in rows.labels], dtype=pl.String),
                **{name: corrected[:, place] for place, name in enumerate(names)},
                **{f"production_{name}": rows.predictions[:, place] for place, name in enumerate(names)},
            }
        )
        return ServedRows(frame, frame.clear())

    return as_served
