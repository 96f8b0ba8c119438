"""`/api/keys`: the keys without their secrets, rotation and revocation, and their journal."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from httpx import Client

from tests.api.builders import a_client, a_home
from tests.serving.builders import wait_for
from touchline.clock import SystemClock
from touchline.http import KeyDecision, keys_sentence, list_keys, make_key, rotate_key
from touchline.http.key_ring import KeyRing

pytestmark = pytest.mark.services


def as_holder(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def _sentence(client: Client, key: str) -> object:
    return client.get("/api/keys", headers=as_holder(key)).json()["sentence"]


def test_an_admin_rotates_and_revokes_keys_with_reasons_in_the_journal(shop: Path) -> None:
    home, now = a_home(shop), SystemClock().wall()
    admin, operator = (make_key(home.database, name, name, now=now) for name in ("admin", "operator"))
    scorer = make_key(home.database, "ingress", "scorer", now=now, lasts=timedelta(days=90))
    with a_client(shop) as client:
        assert client.get("/api/keys", headers=as_holder(scorer)).status_code == 403
        listed = client.get("/api/keys", headers=as_holder(operator)).json()
        # The uses of the keys are stored a moment after the requests.
        wait_for(lambda: _sentence(client, operator) == keys_sentence(list_keys(home.database), now))
        assert listed["refusal"] == "Your key has the role operator; changing keys needs admin."
        assert not {part for key in (admin, operator, scorer) for part in [key[30:]] if part in str(listed)}
        ids = {key["name"]: key["id"] for key in listed["keys"]}
        path = f"/api/keys/{ids['ingress']}/rotate"
        assert client.post(path, json={"reason": "mine"}, headers=as_holder(operator)).status_code == 403
        assert client.post(path, json={"reason": " "}, headers=as_holder(admin)).status_code == 422
        body = {"reason": "every quarter", "overlap_hours": 1}
        rotated = client.post(path, json=body, headers=as_holder(admin)).json()
        assert client.get("/model-info", headers=as_holder(rotated["key"])).status_code == 200  # at once
        assert client.get("/model-info", headers=as_holder(scorer)).status_code == 200
        old, new = (key for key in rotated["keys"]["keys"] if key["name"] == "ingress")
        assert (old["expires_at"] < new["expires_at"], new["role"]) == (True, "scorer")
        assert "to be rotated" not in rotated["keys"]["sentence"]  # it has just been
        path = f"/api/keys/{ids['ingress']}/revoke"
        left = client.post(path, json={"reason": "left the firm"}, headers=as_holder(admin)).json()
        assert {key["state"] for key in left["keys"] if key["id"] == ids["ingress"]} == {"revoked"}
        assert client.get("/model-info", headers=as_holder(scorer)).status_code == 401
        last = client.post(f"/api/keys/{ids['admin']}/revoke", json={"reason": "x"}, headers=as_holder(admin))
        assert (last.status_code, "only valid key with the role admin" in last.json()["detail"]) == (409, True)
        assert client.post(path, json={"reason": "again"}, headers=as_holder(admin)).status_code == 404
        wait_for(lambda: client.get("/api/keys", headers=as_holder(admin)).json()["keys"][0]["last_used_at"])
    journal = {(one["act"], one["actor"], one["reason"]) for one in left["changes"]}
    assert {("rotated", "admin", "every quarter"), ("revoked", "admin", "left the firm")} <= journal
    home.database.close()


def test_a_key_expires_and_its_use_is_stored_once_a_minute(shop: Path) -> None:
    home, at = a_home(shop), [SystemClock().wall()]
    began, day = at[0], timedelta(days=1)
    text = make_key(home.database, "guest", "viewer", now=began, lasts=day)
    ring = KeyRing(home.database, is_open=False, wall=lambda: at[0])

    def use(after: timedelta) -> bool:
        at[0] = began + after
        ring.refresh()
        is_valid = ring.caller(text) is not None
        ring.record_uses()
        return is_valid

    seconds = [timedelta(seconds=number) for number in (0, 59, 61)]
    assert [use(after) for after in seconds[:2]] == [True, True]
    assert list_keys(home.database)[0].last_used_at == began
    assert use(seconds[2])
    assert list_keys(home.database)[0].last_used_at == began + seconds[2]
    (key,) = list_keys(home.database)
    rotate_key(home.database, key.id, now=at[0], overlap=timedelta(hours=1), by=KeyDecision("ann", "lost"))
    assert (use(timedelta(minutes=59)), use(timedelta(minutes=62))) == (True, False)
    assert keys_sentence(list_keys(home.database), at[0]).startswith("1 valid key; never used: guest; to be rotated")
    home.database.close()
