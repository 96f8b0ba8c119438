"""`/api/data/sources`: the contract, the rejected rows with their reasons, and what a snapshot changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from httpx import Client

from tests.api.builders import a_client, a_home, ingest_again
from touchline.errors import ColumnsMismatch, ManifestNotFound
from touchline.ingest import read_log, show_quarantine

pytestmark = pytest.mark.services


def test_the_contract_has_every_column_with_the_rules_of_the_quarantine(client: Client) -> None:
    source = client.get("/api/data/sources/visits").json()
    assert (source["keys"], source["event_time"], source["known_after_seconds"]) == (["visit_id"], "at", 3600.0)
    columns = {column["name"]: column for column in source["contract"]["columns"]}
    assert list(columns) == ["visit_id", "at", "customer", "branch", "spent"]
    assert (columns["spent"]["kind"], columns["spent"]["nullable"]) == ("float", True)
    assert columns["branch"]["rules"] == ["branch is a whole number", "branch is not null"]
    (snapshot,) = source["snapshots"]
    first = client.get(f"/api/data/sources/visits/changes/{snapshot['hash'][:12]}").json()
    assert (first["before"], first["sentence"]) == (None, "The first snapshot of visits: all of its 640 rows are new.")
    assert (
        client.get("/api/data/sources/visits/quarantine").json()["sentence"]
        == "No row of the source visits was ever rejected."
    )
    assert "Did you mean 'visits'?" in client.get("/api/data/sources/visit").json()["detail"]


def test_rejected_rows_have_their_reasons_and_a_snapshot_tells_what_it_changed(shop: Path) -> None:
    ingest_again(shop, ["79-15,2024-06-01T15:00:00Z,c/1,2,3.5", "bad-1,2024-05-31T08:00:00Z,c/1,two,4.5"])
    with a_client(shop) as client:
        quarantine = client.get("/api/data/sources/visits/quarantine").json()
        (rule,), (row,) = quarantine["rules"], quarantine["rows"]
        assert (rule["rule"], rule["rows"], rule["first_value"]) == ("branch is a whole number", 1, "two")
        assert (row["row"], row["rule"], row["value"]) == (640, rule["rule"], "two")
        assert '"visit_id":"bad-1"' in row["record"]
        newest, first = client.get("/api/data/ingests").json()
        assert (newest["rejected"], quarantine["ingest"]) == (1, newest["id"])
        nothing = client.get(f"/api/data/sources/visits/quarantine?ingest={first['id']}").json()
        assert (nothing["rows"], "rejected no row" in nothing["sentence"]) == ([], True)
        change = client.get(f"/api/data/sources/visits/changes/{newest['snapshot_hash']}").json()
        assert change["before"] == first["snapshot_hash"]
        assert {column["name"] for column in change["columns"] if column["changed"]} <= {"customer", "branch", "spent"}
        fresh = client.get("/api/data/freshness").json()["sentence"]
        assert fresh == "The source visits is as fresh as declared."
        with pytest.raises(ColumnsMismatch):
            ingest_again(shop, ["visit_id,at,customer,area,spent"])  # another header
        fresh = client.get("/api/data/freshness").json()
        assert (fresh["sources"][0]["last_status"], "The rows of before stay" in fresh["sentence"]) == (
            "failed",
            True,
        )
        assert fresh["sources"][0]["last_message"].rstrip(".") in fresh["sentence"]
        assert client.get("/api/data/sources/visits/changes/ffff").status_code == 404
        assert client.get("/api/data/sources/visits/quarantine?ingest=gone").status_code == 404


def test_the_quarantine_of_another_source_is_not_shown_as_ones_own(shop: Path) -> None:
    home = a_home(shop)
    (manifest,) = read_log(home.database, "shop")
    with pytest.raises(ManifestNotFound, match="No ingest"):
        show_quarantine("shop", "orders", stores=home, manifest_id=manifest.id)
    home.database.close()
