"""The last skew proof of a release, kept as an object, so that every process that serves it can tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from touchline.errors import ObjectNotFound
from touchline.features.verification.mismatch import Mismatch

if TYPE_CHECKING:
    from touchline.features.verification.verify import SkewReport
    from touchline.storage import ObjectStore

# From this many vectors on a bound says something: 30 without a difference bound the rate by 10 %.
_LEAST_FOR_BOUND: Final = 30


@dataclass(frozen=True)
class SkewProof:
    """Of `checked` served vectors `mismatched` differ from history; the rate is at most `upper_bound` (95 %).

    `by_column` counts vectors by the feature that differs; `mismatches` are the first of them.
    """

    project: str
    release: str
    verified_at: datetime
    checked: int
    mismatched: int
    fallback_rows: int
    upper_bound: float
    by_column: Mapping[str, int]
    mismatches: tuple[Mismatch, ...] = ()

    @classmethod
    def of(cls, report: SkewReport, *, project: str, release: str, verified_at: datetime) -> SkewProof:
        """The figures of a report."""
        return cls(
            project=project,
            release=release,
            verified_at=verified_at,
            checked=report.checked,
            mismatched=report.mismatched,
            fallback_rows=report.fallback_rows,
            upper_bound=report.upper_bound,
            by_column=dict(report.by_column),
            mismatches=report.mismatches,
        )

    @property
    def skew_rate(self) -> float:
        """The share of served vectors that differ; 0 where none was checked."""
        return self.mismatched / self.checked if self.checked else 0.0

    @property
    def sentence(self) -> str:
        """The verdict on served against offline features."""
        if not self.checked:
            return f"{self.release}: no logged vector could be checked against history."
        bound = f"skew rate at most {self.upper_bound:.3%} (95 %)"
        if self.checked < _LEAST_FOR_BOUND:
            bound = f"fewer than the {_LEAST_FOR_BOUND} that bound the skew rate"
        return (
            f"{self.release}: {self.checked - self.mismatched} of {self.checked} served vectors match history, "
            f"{self.mismatched} differ; {bound}"
        )


def write_skew_proof(proof: SkewProof, objects: ObjectStore) -> None:
    """Keep the proof in place of the one before."""
    document = {**asdict(proof), "verified_at": proof.verified_at.isoformat()}
    objects.write(_key(proof.project, proof.release), json.dumps(document, sort_keys=True).encode())


def read_skew_proof(project: str, release: str, objects: ObjectStore) -> SkewProof | None:
    """The last proof of a release; None where it was never verified."""
    try:
        document = json.loads(objects.read(_key(project, release)))
    except ObjectNotFound:
        return None
    verified_at = datetime.fromisoformat(document["verified_at"])
    mismatches = tuple(Mismatch(**one) for one in document["mismatches"])
    return SkewProof(**{**document, "verified_at": verified_at, "mismatches": mismatches})


def _key(project: str, release: str) -> str:
    return f"{project}/skew/{release}.json"
