"""The ML-BOM of a release (CycloneDX 1.6): the model, what it was made from, and the libraries it was trained with."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from touchline.registry.release.manifest import ReleaseManifest

BOM_FILE: Final = "bom.cdx.json"
_NAMESPACE: Final = uuid.UUID("b0c3a3a4-6a0e-5a57-9a0c-6f1d5f1b6a10")


def ml_bom(manifest: ReleaseManifest) -> bytes:
    """The document; equal releases have equal bytes, so its serial number and time are those of the version."""
    name = f"{manifest.project}-{manifest.version}"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{name}/{manifest.run_id}')}",
        "version": 1,
        "metadata": {"timestamp": manifest.trained_at.isoformat(), "component": _model(manifest, name)},
        "components": [_library(library, version) for library, version in sorted(manifest.libraries.items())],
        "dependencies": [{"ref": name, "dependsOn": sorted(f"library/{one}" for one in manifest.libraries)}],
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _model(manifest: ReleaseManifest, name: str) -> dict[str, Any]:
    columns = [{"format": f"{column.name} ({column.kind})"} for column in manifest.columns]
    metrics = [{"type": metric, "value": repr(value)} for metric, value in sorted(manifest.metrics.items())]
    return {
        "type": "machine-learning-model",
        "bom-ref": name,
        "name": manifest.project,
        "version": manifest.semantic_version or str(manifest.version),
        "modelCard": {
            "modelParameters": {
                "task": "regression" if manifest.task == "regression" else "classification",
                "approach": {"type": "supervised"},
                "architectureFamily": manifest.family,
                "datasets": [{"type": "dataset", "name": f"training set {manifest.training_set_hash}"}],
                "inputs": columns,
                "outputs": [{"format": label} for label in manifest.classes] or [{"format": "value"}],
            },
            "quantitativeAnalysis": {"performanceMetrics": metrics},
        },
        "properties": [
            {"name": f"touchline:hash:{kind}", "value": value} for kind, value in sorted(manifest.hashes.items())
        ],
    }


def _library(name: str, version: str) -> dict[str, str]:
    kind = "platform" if name == "python" else "library"
    component = {"type": kind, "bom-ref": f"library/{name}", "name": name, "version": version}
    return component if name == "python" else {**component, "purl": f"pkg:pypi/{name}@{version}"}
