"""Settings of a Redis or Valkey server that lose feature values or refuse them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        memory, dropped = client.info("memory"), _dropped(client)
    except NoPermissionError:
        yield "its user may not read INFO, so it is not known whether keys are dropped. Allow it: ACL SETUSER … +info"
        return
    limit = int(memory.get("maxmemory", 0))
    if (policy := _dropping_policy(memory)) is not None:
        used = f"{memory.get('used_memory', 0) / 1e6:,.1f} MB are in use"
        yield (
            f"above {limit / 1e6:,.1f} MB it drops keys ({policy}; {used}), and features of dropped entities count as "
            "missing. Set maxmemory-policy noeviction and a maxmemory that is large enough"
        )
    if dropped:
        yield f"it has dropped {dropped:,} keys since its start. Fill them again: touchline doctor --repair"


def find_losses(client: Any) -> str | None:
    """That the server drops values by itself; None where it does not, or its user may not know."""
    try:
        policy = _dropping_policy(client.info("memory"))
        dropped = _dropped(client) if policy is not None else 0
    except NoPermissionError:
        return None
    return f"the store has dropped {dropped:,} keys for want of memory ({policy})" if dropped else None


def _dropping_policy(memory: Mapping[str, Any]) -> str | None:
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    return policy if int(memory.get("maxmemory", 0)) and policy.startswith("allkeys") else None


def _dropped(client: Any) -> int:
    return int(client.info("stats").get("evicted_keys", 0))


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
