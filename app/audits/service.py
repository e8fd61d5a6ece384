"""Recording the result of a check of the whole log, and reading the newest one back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audits.events import SystemAudited
from app.kernel.primitives import canonical_json, format_time, sha256_hex, utc_now
from app.ledger import log
from app.ledger.event import EntryActor, EntryObject, NotAnEntry, parse_body
from app.unit_of_work import UnitOfWork

REPORTS_KEPT = 30
"""Reports without a fault; those with one are never removed."""

# A partial index holds these few entries among the system stream's many.
_PAGE = text("""
    SELECT e.id, e.recorded_at, e.commitment, b.body
    FROM ledger_entries e LEFT JOIN ledger_bodies b ON b.commitment = e.commitment
    WHERE e.type = 'system.audited' AND e.stream_id = :stream AND e.id < coalesce(:before, 9223372036854775807)
    ORDER BY e.id DESC LIMIT :limit
""")
COUNTS = ("tree_size", "streams", "entries", "leaves", "checkpoints", "faults", "duration_ms")


@dataclass(frozen=True)
class Audited:
    """The newest check on record."""

    at: datetime
    faults: int
    entries: int
    duration_s: float


def newest_audit(session: Session) -> Audited | None:
    """None when the log was never checked, or what was recorded of it cannot be read."""
    found = list_audits(session, before=None, limit=1)
    entry = found[0].entry if found else None
    if entry is None:
        return None
    data = entry["data"]
    return Audited(found[0].recorded_at, data["faults"], data["entries"], data["duration_ms"] / 1000)


@dataclass(frozen=True)
class RecordedAudit:
    """One check on record. ``entry`` is what was logged of it (docs/ledger.md); None when that cannot be read."""

    id: int
    recorded_at: datetime
    commitment: str
    entry: dict[str, Any] | None


def list_audits(session: Session, *, before: int | None, limit: int) -> Sequence[RecordedAudit]:
    """The newest first; of every log that this database has had."""
    stream = log.installation(session).system_stream
    rows = session.execute(_PAGE, {"stream": stream, "before": before, "limit": limit})
    return [RecordedAudit(row.id, row.recorded_at, row.commitment.hex(), _entry(row.body)) for row in rows]


def _entry(body: bytes | None) -> dict[str, Any] | None:
    """A ``system.audited`` as it was logged; None when it is another thing, put there past the triggers."""
    try:
        entry = None if body is None else parse_body(bytes(body))
        if entry is None or entry["type"] != SystemAudited.TYPE:
            return None
        counts = [entry["data"][name] for name in COUNTS] + [entry["object"]["size"]]
        texts = [entry["data"]["root"], entry["object"]["sha256"]]
    except (NotAnEntry, KeyError, TypeError):
        return None
    is_sound = all(type(each) is int for each in counts) and all(isinstance(each, str) for each in texts)
    return entry if is_sound else None


def record_audit(uow: UnitOfWork, report: dict[str, Any], duration_s: float, directory: Path) -> Path:
    """Keep the report (``AuditReport.as_json``) as a file, and log its digest and its counts; where the file is."""
    content = canonical_json(report)
    directory.mkdir(parents=True, exist_ok=True)
    mark = "faults" if report["faults_count"] else "sound"
    name = f"{format_time(utc_now()).replace(':', '')}-{mark}.json"
    path = directory / name
    path.write_bytes(content)
    for old in sorted(directory.glob("*-sound.json"))[:-REPORTS_KEPT]:
        old.unlink()
    stream = log.installation(uow.session).system_stream
    uow.record(
        SystemAudited(
            stream=stream,
            actor=EntryActor(stream, "system", None),
            object=EntryObject("audit", stream, sha256=sha256_hex(content), size=len(content)),
            tree_size=report["size"],
            root=report["root"],
            streams=report["streams"],
            entries=report["entries"],
            leaves=report["leaves"],
            checkpoints=report["checkpoints"],
            faults=report["faults_count"],
            duration_ms=round(duration_s * 1000),
        )
    )
    return path
