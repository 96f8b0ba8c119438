"""The model card of a version: the card of its training, then its stage, gates and journal."""

from __future__ import annotations

from dataclasses import dataclass

from touchline.errors import NotEvaluated, ObjectNotFound
from touchline.registry.gates.report import GateReport
from touchline.registry.journal.stages import StageChange
from touchline.registry.journal.versions import ModelVersion, Registry, read_version
from touchline.training import Card, Section, Table


@dataclass(frozen=True)
class VersionCard:
    """The card as text: Markdown (its plots lie in `plots/` of the MLflow run) and one HTML page that stands alone."""

    version: ModelVersion
    markdown: str
    html: str


def read_card(registry: Registry, project: str, reference: str | int) -> VersionCard:
    """The card of a version, with its stage, its gates and their numbers, and the journal's entries about it."""
    version = read_version(registry, project, reference)
    changes = [change for change in registry.journal.history(project) if change.version == version.version]
    decided = Card("", tuple(section for section in _sections(version, changes) if section.body))
    try:
        markdown = registry.objects.read(f"{version.object_key}/card.md").decode()
        html = registry.objects.read(f"{version.object_key}/card.html").decode()
    except ObjectNotFound as missing:
        raise NotEvaluated(project, version.version, "card") from missing
    added = decided.to_markdown().removeprefix("# \n").lstrip()
    inner = decided.to_html().partition("</h1>")[2].partition("</body>")[0]
    return VersionCard(version, f"{markdown}\n{added}", html.replace("</body>", f"{inner}</body>", 1))


def _sections(version: ModelVersion, changes: list[StageChange]) -> tuple[Section, ...]:
    release = f" It is served as release {version.release_id}." if version.release_id else ""
    ticket = f" Ticket {version.ticket}." if version.ticket else ""
    text = (
        f"Version {version.version} ({version.semantic_version}) is in {version.stage}.{release}{ticket} "
        f"MLflow run {version.run_id}."
    )
    hashes = Table(("input", "hash"), tuple(version.hashes.items()))
    return (
        Section("Stage and release", (text, hashes)),
        Section("Gate results", tuple(_gates(change) for change in changes if _has_gates(change))),
        Section("Journal", (_journal(changes),) if changes else ()),
    )


def _has_gates(change: StageChange) -> bool:
    return bool((change.gate_report or {}).get("gates"))


def _gates(change: StageChange) -> Table:
    report = GateReport.from_json(change.gate_report or {"gates": []})
    rows = tuple((r.name, "passed" if r.passed else "failed", r.message) for r in report.results)
    return Table((f"{change.at:%Y-%m-%d %H:%M}", "verdict", "reason"), rows)


def _journal(changes: list[StageChange]) -> Table:
    rows = tuple(
        (f"{c.at:%Y-%m-%d %H:%M}", f"{c.from_stage} → {c.to_stage}", c.actor, c.reason, c.ticket or "") for c in changes
    )
    return Table(("at", "change", "by", "why", "ticket"), rows)
