"""A custody file of many thousand entries is written in constant memory, and checked in little."""

import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.exports.custody_service import CustodyExport
from app.exports.formats import custody_csv, custody_jsonl
from app.exports.verifier.verify_custody import parse_key, verify
from app.kernel.primitives import utc_now
from app.ledger import log
from tests.exports.custody_cases import Hub
from tests.ledger.acts import make_view

ENTRIES = 3_000
MIB = 1024 * 1024


def add_views(hub: Hub, count: int) -> None:
    for first in range(0, count, 1000):
        with hub.sessions.begin() as session:
            views = [make_view(hub.items[0]) for _ in range(min(1000, count - first))]
            log.append(session, views, recorded=utc_now())


def write_measured(export: CustodyExport, sessions: sessionmaker[Session], file: Path) -> int:
    """The most memory that writing took, in bytes."""
    tracemalloc.start()
    with file.open("wb") as opened:
        for line in custody_jsonl.write(export, sessions):
            opened.write(line)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak_bytes


@pytest.mark.thorough
def test_file_when_of_many_entries_then_written_in_constant_memory_and_verified_in_little(
    hub: Hub, tmp_path: Path
) -> None:
    add_views(hub, ENTRIES)
    export = hub.take("evidence", hub.items[0], inline_leaves_up_to=200_000)
    file = tmp_path / "long.jsonl"
    assert write_measured(export, hub.sessions, file) < 4 * MIB < file.stat().st_size
    assert sum(len(row) for row in custody_csv.write(export, hub.sessions)) > ENTRIES * 200
    tracemalloc.start()
    with file.open("rb") as opened:
        report = verify(opened, parse_key(hub.vkey.encode()))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.findings == []
    assert report.facts["entries"] > ENTRIES
    assert peak_bytes < ENTRIES * 1000 + 2 * MIB
