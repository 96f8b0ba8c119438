"""The picture of a rollout's test says what it shows."""

from __future__ import annotations

from touchline.cli.rollout_picture import picture_of
from touchline.rollout import CurvePoint


def test_the_picture_names_its_signs_and_its_axis() -> None:
    points = [CurvePoint(units=30, gain=0.2, low=-0.4, high=0.8), CurvePoint(units=60, gain=0.1, low=-0.2, high=0.4)]
    legend, *lines = picture_of(points)
    assert legend == "gain by units: o the mean, | its bounds; above 0 the candidate has the lower loss"
    assert lines[-1].strip().startswith("30 units")
    assert picture_of(points[:1]) == []
