"""A hash of everything that a promotion rests on: whoever decides on evidence can name it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from touchline.errors import InvalidEvidence
from touchline.registry.gates.evidence import Evidence
from touchline.registry.gates.spec import Gate
from touchline.registry.journal.stages import StageState
from touchline.registry.journal.versions import ModelVersion

# A latency is another number each time that it is measured.
_NEVER_THE_SAME: Final = "latency_ms"
_FORM: Final = re.compile(r"\d+-[0-9a-f]{16}")


def evidence_hash(version: ModelVersion, state: StageState, gates: Sequence[Gate], evidence: Evidence | None) -> str:
    """The number of the journal's last entry and 16 hexadecimal digits over version, declared gates and evidence.

    The latency of a prediction is left out.
    """
    digest = hashlib.sha256()
    header = [version.project, version.object_key, version.stage, version.release_id]
    for part in _parts([header, [gate.model_dump_json() for gate in gates], evidence]):
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"{state.sequence}-{digest.hexdigest()[:16]}"


def validate_evidence_hash(text: str) -> None:
    """Raise `InvalidEvidence` where a text has not the form of an evidence hash."""
    if not _FORM.fullmatch(text):
        raise InvalidEvidence(text)


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, np.ndarray):
        yield str((value.dtype.str, value.shape)).encode()
        yield np.ascontiguousarray(value).tobytes()
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _parts({field.name: getattr(value, field.name) for field in fields(value)})
    elif isinstance(value, Mapping):
        for name in sorted(value):
            if name != _NEVER_THE_SAME:
                yield str(name).encode()
                yield from _parts(value[name])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield f"{len(value)} items".encode()
        for item in value:
            yield from _parts(item)
    else:
        yield repr(value).encode()
