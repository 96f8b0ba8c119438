"""The number that `touchline features verify` found is kept, and is a metric of whoever serves the release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.features.builders import NOW
from tests.serving.builders import Shelf, a_release, a_server
from touchline.features import SkewProof, read_skew_proof, write_skew_proof
from touchline.features.verification.verify import SkewReport
from touchline.storage import open_objects

REPORT = SkewReport(1000, 998, 7, 6, {"home_elo": 2}, (), 0.0063)
PROOF = SkewProof.of(REPORT, project="shop", release="shop-1-d1", verified_at=NOW)


def test_the_last_proof_of_a_release_is_kept(tmp_path: Path) -> None:
    objects = open_objects(tmp_path)
    assert read_skew_proof("shop", "shop-1-d1", objects) is None
    write_skew_proof(replace(PROOF, checked=5), objects)
    write_skew_proof(PROOF, objects)
    found = read_skew_proof("shop", "shop-1-d1", objects)
    assert found == PROOF
    assert found.skew_rate == 0.002
    assert read_skew_proof("shop", "shop-2-d2", objects) is None


def test_the_verdict_bounds_the_rate_from_enough_vectors_only() -> None:
    assert PROOF.sentence.endswith("skew rate at most 0.630% (95 %)")
    assert "at most" not in replace(PROOF, checked=2, mismatched=0).sentence


def test_the_skew_rate_and_its_bound_are_metrics(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release(1))) as server:
        assert "feature_skew" not in server.client.get("/metrics").text
        server.serving.slots["shop"].skew_proof = lambda release: PROOF if release == "shop-1-d1" else None
        told = server.client.get("/metrics").text
    labels = '{project="shop",release="shop-1-d1"}'
    for name, value in (("checked", 1000.0), ("rate", 0.002), ("upper_bound", 0.0063), ("fallback_rows", 7.0)):
        assert f"touchline_feature_skew_{name}{labels} {value}" in told
