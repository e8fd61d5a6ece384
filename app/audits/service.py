"""Recording the result of a check of the whole log, and reading the newest one back."""

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
_NEWEST = text("""
    SELECT b.body FROM ledger_entries e LEFT JOIN ledger_bodies b ON b.commitment = e.commitment
    WHERE e.type = 'system.audited' AND e.stream_id = :stream ORDER BY e.id DESC LIMIT 1
""")


@dataclass(frozen=True)
class Audited:
    """The newest check on record."""

    at: datetime
    faults: int
    entries: int
    duration_s: float


def newest_audit(session: Session) -> Audited | None:
    """None when the log was never checked, or what was recorded of it cannot be read."""
    body = session.scalar(_NEWEST, {"stream": log.installation(session).system_stream})
    try:
        entry = parse_body(bytes(body)) if body is not None else None
        if entry is None:
            return None
        data = entry["data"]
        at = datetime.fromisoformat(entry["time"].replace("Z", "+00:00"))
        return Audited(at, int(data["faults"]), int(data["entries"]), data["duration_ms"] / 1000)
    except (NotAnEntry, KeyError, TypeError, ValueError):
        return None


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
