"""One Feast measurement, in Feast's own environment or beside touchline in ours. Called by ../features_*.py.

    python feast_peer.py JOB.json

The job names the stores by Feast's own types; what was measured is printed as one line of JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64


def a_store(job: dict[str, Any], folder: Path) -> FeatureStore:
    """A Feast store with the stores that the job names."""
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        repo_path=folder,
        offline_store=job["offline"],
        online_store=job["online"],
        entity_key_serialization_version=3,
    )
    return FeatureStore(config=config)


def apply_views(store: FeatureStore, job: dict[str, Any]) -> list[str]:
    """One view for each Parquet file; the names of all features."""
    driver = Entity(name="driver", join_keys=["driver"], value_type=ValueType.INT64)
    views, names = [], []
    for path in job["histories"]:
        view = Path(path).stem
        fields = [Field(name=f"{view}_f{number}", dtype=Float64) for number in range(job["features"])]
        source = FileSource(
            path=path, timestamp_field="event_timestamp", created_timestamp_column=job.get("created") or ""
        )
        schema = [Field(name="driver", dtype=Int64), *fields]
        views.append(
            FeatureView(name=view, entities=[driver], schema=schema, source=source, ttl=timedelta(days=job["ttl_days"]))
        )
        names += [f"{view}:{field.name}" for field in fields]
    store.apply([driver, *views])
    return names


def measure_history(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Seconds of historical retrievals, the files read included; of several the first is left out."""
    store = a_store(job, folder)
    names = apply_views(store, job)
    asked = pd.read_parquet(job["asked"]).rename(columns={"cutoff": "event_timestamp"})
    seconds = []
    for _ in range(job["repeats"] + 1):
        started = time.perf_counter()
        table = store.get_historical_features(entity_df=asked, features=names).to_arrow()
        seconds.append(time.perf_counter() - started)
    total = sum(pc.sum(table[name.partition(":")[2]]).as_py() for name in names)
    return {"seconds": seconds[1:] or seconds, "rows": table.num_rows, "sum": total}


def measure_online(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Seconds to materialize, and seconds of reads through the store's own `online_read`."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    store = a_store(job, folder)
    apply_views(store, job)
    found: dict[str, Any] = {"materialize": []}
    for _ in range(job["repeats"]):
        started = time.perf_counter()
        store.materialize(datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC))
        found["materialize"].append(time.perf_counter() - started)
    online = store._get_provider().online_store
    view = store.list_feature_views()[0]
    for count, turns in job["turns"].items():
        times = []
        for turn in range(turns):
            keys = [(turn * 37 + step * 91) % job["entities"] for step in range(int(count))]
            entities = [EntityKey(join_keys=["driver"], entity_values=[Value(int64_val=key)]) for key in keys]
            begun = time.perf_counter()
            read = online.online_read(store.config, view, entities, None)
            times.append(time.perf_counter() - begun)
            assert all(values is not None for _, values in read)
        found[f"read_{count}"] = times
    return found


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        found = measure_history(job, folder) if job["what"] == "history" else measure_online(job, folder)
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps(found))


if __name__ == "__main__":
    main()
