"""The OpenAPI document: FastAPI's routes, and `/predict` with the fields of each release."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from touchline.serving.http.probes import SUMMARIES
from touchline.serving.http.state import Serving
from touchline.serving.predicting.predict import Predictor

if TYPE_CHECKING:
    from touchline.training import PredictionInterval

_PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457 problem document",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "problem": {"type": "string"},
                    "found": {},
                    "allowed": {"type": "string"},
                },
            },
        },
    },
}
_FAILURES = {
    "400": "The body is not JSON",
    "401": "A valid API key is needed",
    "403": "The key's role does not allow this",
    "404": "Not found",
    "408": "The body did not arrive in time",
    "413": "Too many bytes or rows",
    "422": "A field does not fit; `errors` names each with what is allowed",
    "429": "Too many requests for this key",
    "503": "No release, no features, or too busy; Retry-After says when to ask again",
}


def document_of(serving: Serving, routes: dict[str, Any]) -> dict[str, Any]:
    """The whole document. `routes` is what FastAPI knows by itself; it is not changed."""
    document = copy.deepcopy(routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    paths: dict[str, Any] = {}
    for name, slot in serving.slots.items():
        if slot.current is None:
            continue
        for path in (["/predict"] if name == serving.default else []) + [f"/projects/{name}/predict"]:
            paths[path] = {"post": _operation(slot.current, schemas, path, serving.limits.rows)}
            paths[f"{path}/jobs"] = {"post": _job_operation(slot.current, path, serving.limits.job_rows)}
            paths[path.replace("/predict", "/explain")] = {"post": _explain_operation(slot.current, path)}
    document["paths"] = {**paths, **document.get("paths", {}), **_probes()}
    for name, slot in serving.slots.items():
        if slot.current is not None:
            _describe_labels(document, slot.current, ["/outcomes"] if name == serving.default else [])
    for methods in document["paths"].values():
        for operation in methods.values():
            _describe_failures(operation)
    return document


def _probes() -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        path: {
            "get": {
                "tags": ["system"],
                "summary": text,
                "operationId": path[1:],
                "responses": {"200": {"description": text, **answer}},
            }
        }
        for path, text in SUMMARIES.items()
    }


def _describe_labels(document: dict[str, Any], predictor: Predictor, paths: Sequence[str]) -> None:
    """The labels of this release's task, where FastAPI only knows that there are labels."""
    release = predictor.release
    label = {"type": "number"} if release.kind == "regression" else {"type": "string", "enum": list(release.classes)}
    schemas, title = document["components"]["schemas"], _title(release.project)
    for name in ("ExampleOutcome", "PredictionOutcome"):
        schema = copy.deepcopy(schemas[name])
        schema["properties"]["label"] = label
        schema.pop("example", None)
        schemas[f"{title}{name}"] = schema
    for path in (*paths, f"/projects/{release.project}/outcomes"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        text = json.dumps(content["schema"])
        for name in ("ExampleOutcome", "PredictionOutcome"):
            text = text.replace(f"schemas/{name}", f"schemas/{title}{name}")
        content["schema"] = json.loads(text)


def _title(project: str) -> str:
    return "".join(part.title() for part in project.split("_"))


def _describe_failures(operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    for status, text in _FAILURES.items():
        responses[status] = {
            "description": text,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }


def _operation(predictor: Predictor, schemas: dict[str, Any], path: str, most_rows: int) -> dict[str, Any]:
    release = predictor.release
    row = predictor.models.schema_of_one()
    schemas.update(row.pop("$defs", {}))
    title = _title(release.project)
    schemas[f"{title}Ask"] = row
    schemas[f"{title}Answer"] = _answer_schema(predictor)
    reference = {"$ref": f"#/components/schemas/{title}Ask"}
    answer = {"$ref": f"#/components/schemas/{title}Answer"}
    many = {"type": "array", "items": reference, "minItems": 1, "maxItems": most_rows}
    example = {"example": dict(release.manifest.example)} if release.manifest.example else {}
    answers = {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array", "items": answer}},
    }
    return {
        "tags": [release.project],
        "summary": "Predict one row or many",
        "description": f"Release {release.id}, version {release.version}. A list of rows gives a list of predictions.",
        "operationId": "predict" + path.replace("/", "_").removesuffix("_predict"),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [reference, many]}, **example}},
        },
        "responses": {
            "200": {
                "description": "The prediction, or `predictions` for a list",
                "content": {"application/json": {"schema": {"anyOf": [answer, answers]}}},
            }
        },
    }


def _job_operation(predictor: Predictor, path: str, most_rows: int) -> dict[str, Any]:
    project = predictor.release.project
    # Each row is checked when its turn comes, so that one that does not fit does not refuse the others.
    rows = {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": most_rows}
    status = {"$ref": "#/components/schemas/JobBody"}
    return {
        "tags": [project],
        "summary": "Predict many rows behind the requests",
        "description": f"Up to {most_rows} rows, each as `/predict` takes it. "
        "A row that does not fit is refused in the result, and the rest go on. Large ones are better sent as "
        "`application/x-ndjson`, a row a line.",
        "operationId": "job" + path.replace("/", "_").removesuffix("_predict"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": rows}}},
        "responses": {
            "202": {"description": "The job's status", "content": {"application/json": {"schema": status}}},
        },
    }


def _explain_operation(predictor: Predictor, path: str) -> dict[str, Any]:
    release = predictor.release
    reference = {"$ref": f"#/components/schemas/{_title(release.project)}Ask"}
    logged = {
        "type": "object",
        "required": ["prediction_id"],
        "properties": {"prediction_id": {"type": "string", "minLength": 1, "maxLength": 200}},
        "additionalProperties": False,
    }
    return {
        "tags": [release.project],
        "summary": "Explain one row, or a logged prediction",
        "description": "What each column adds, largest first: base + all of `adds` is the model's score (or output).",
        "operationId": "explain" + path.replace("/", "_").removesuffix("_predict"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": [reference, logged]}}}},
        "responses": {
            "200": {"description": "The explanation", "content": {"application/json": {"schema": {"type": "object"}}}}
        },
    }


def _interval_schema(interval: PredictionInterval) -> dict[str, Any]:
    number = {"type": "number"}
    return {
        "type": "object",
        "description": f"covers the truth in {interval.coverage:.0%} of the cases (split-conformal)",
        "properties": {"low": number, "high": number, "coverage": number},
        "required": ["low", "high", "coverage"],
    }


def _answer_schema(predictor: Predictor) -> dict[str, Any]:
    release = predictor.release
    instant = {"type": "string", "format": "date-time"}
    said: dict[str, Any] = {"value": {"type": "number"}}
    if release.interval is not None:
        said["interval"] = _interval_schema(release.interval)
    if release.kind != "regression":
        share = {"type": "number", "minimum": 0, "maximum": 1}
        said = {"probabilities": {"type": "object", "properties": dict.fromkeys(release.classes, share)}}
    return {
        "title": "Answer",
        "type": "object",
        "properties": {
            "prediction_id": {"type": "string", "description": "ask why: touchline trace ID"},
            **said,
            "project": {"type": "string"},
            "release": {"type": "string"},
            "version": {"type": "integer"},
            "variant": {"type": "string"},
            "cutoff": instant,
            "features": {
                "type": "object",
                "description": "per view: present, missing, expired or fallback, and the value's event_timestamp",
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "status": {"enum": ["present", "missing", "expired", "fallback"]},
                        "event_timestamp": {"anyOf": [instant, {"type": "null"}]},
                    },
                },
            },
        },
        "required": ["prediction_id", *said, "project", "release", "version", "variant", "cutoff", "features"],
    }
