"""Settings of a Redis or Valkey server that lose feature values or refuse them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis
from redis.exceptions import NoPermissionError

_PROBE = b"touchline doctor"


def server_faults(client: Any) -> Iterator[str]:
    """Each fault with its next step. Raises `redis.RedisError` or `OSError` where the server does not respond.

    Values have no expiry, so that the policies `volatile-…` never drop one; `allkeys-…` do.
    """
    if (refusal := _write_refusal(client)) is not None:
        yield refusal
    try:
        facts = {**client.info("memory"), **client.info("stats")}
    except NoPermissionError:
        yield "its user may not read INFO, so it is not known whether keys are dropped. Allow it: ACL SETUSER … +info"
        return
    limit, policy = int(facts.get("maxmemory", 0)), str(facts.get("maxmemory_policy", "noeviction"))
    used = f"{facts.get('used_memory', 0) / 1e6:,.1f} MB are in use"
    if limit and policy.startswith("allkeys"):
        yield (
            f"above {limit / 1e6:,.1f} MB it drops keys ({policy}; {used}), and features of dropped entities count as "
            "missing. Set maxmemory-policy noeviction and a maxmemory that is large enough"
        )
    if (dropped := int(facts.get("evicted_keys", 0))) > 0:
        yield f"it has dropped {dropped:,} keys since its start. Fill them again: touchline doctor --repair"


def _write_refusal(client: Any) -> str | None:
    """Why the server takes no value, with the next step; None where it takes one."""
    try:
        client.set(_PROBE, b"1", px=1000)
        client.delete(_PROBE)
    except redis.ReadOnlyError:
        return "it is a read-only replica: name the primary in TOUCHLINE_REDIS_URL"
    except redis.OutOfMemoryError:
        return "its memory is full, so that no value can be written: raise its maxmemory"
    except NoPermissionError as refused:
        return f"its user may not write ({refused}): give it the commands SET, DEL, GET, MGET, SCAN and EVALSHA"
    return None
