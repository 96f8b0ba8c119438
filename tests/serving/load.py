"""Requests one after another on several connections, each answer noted with when it came."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Load:
    """What came back. `answers` are (wall time, prediction id, version); `failures` anything else."""

    answers: list[tuple[float, str, int]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    refused_seconds: float = 0.0
    rest_seconds: float = 0.0


@contextmanager
def under_load(
    address: str,
    body: dict[str, Any],
    *,
    connections: int = 4,
    is_refusal_fine: bool = False,
    rest_seconds: float = 0.0,
) -> Iterator[Load]:
    """Load on `/predict` while the block runs. Where a refusal is fine, the client waits a little and goes on.

    Each connection rests between an answer and its next request.
    """
    load = Load(refused_seconds=0.02 if is_refusal_fine else 0.0, rest_seconds=rest_seconds)
    threads = [threading.Thread(target=_ask, args=(load, address, body), daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.ending.set()
        for thread in threads:
            thread.join(150)


def _ask(load: Load, address: str, body: dict[str, Any]) -> None:
    with closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)) as connection:
        text = json.dumps(body)
        while not load.ending.is_set():
            try:
                connection.request("POST", "/predict", text)
                answer = connection.getresponse()
                document = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as failure:
                load.failures.append(f"{type(failure).__name__}: {failure}")
                return
            if answer.status == 200:
                load.answers.append((time.time(), document["prediction_id"], document["version"]))
                if load.rest_seconds:
                    load.ending.wait(load.rest_seconds)
            else:
                load.failures.append(f"{answer.status} {document.get('detail')}")
                load.ending.wait(load.refused_seconds)
