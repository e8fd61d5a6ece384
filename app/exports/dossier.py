"""What a package is made of: the ledger's entries up to its own, the media, and the few inputs that are frozen with it.

Nothing here is the database's present: entries are named by stream and number, media by digest, and what would be
different tomorrow (cosignatures, time stamps, the trust files) is kept with the export's row when it is sealed. So the
same package can be made again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.models import Anchor
from app.blobs.store import BlobStore
from app.exports.custody_streams import CustodyEntry, each_entry, each_opened_entry
from app.exports.events import CaseExportCreated, ExportSealed, StreamSpan
from app.exports.models import Export, ExportMedia
from app.exports.staging import Digests
from app.kernel.database import read_session
from app.ledger import reading
from app.ledger.checkpoint import VerifierKey, parse_vkey
from app.ledger.reading import SignedCheckpoint

_OWN_ENTRIES = text("""
    SELECT e.stream_id, s.kind, e.seq, e.commitment, e.log_id, e.recorded_at, e.actor_id
    FROM ledger_entries e JOIN ledger_streams s ON s.id = e.stream_id
    WHERE e.type = :type AND e.object_id = :export ORDER BY e.stream_id
""")


@dataclass(frozen=True)
class Medium:
    """An original in the package, or the redacted copy of the one with ``input_sha256``; ``digests`` once it was
    read."""

    sha256: str
    size_bytes: int
    extension: str
    digests: Digests | None = None
    input_sha256: str | None = None

    @property
    def path(self) -> str:
        folder = "media" if self.input_sha256 is None else "derivatives"
        return f"data/{folder}/{self.sha256}.{self.extension}"


@dataclass(frozen=True)
class Frozen:
    """Inputs of a package that the database could give otherwise later. ``checkpoint``: the note with cosignatures."""

    checkpoint: str
    tree_size: int
    has_leaves: bool
    vkey: str
    policy: str
    tsa_roots: str | None
    anchors: tuple[str, ...]
    """The ids of the time stamps that go with it: all over one checkpoint, the newest that was stamped."""
    anchored: str | None
    """That checkpoint's note with cosignatures."""

    def document(self) -> dict[str, Any]:
        return asdict(self)


def frozen_of(document: dict[str, Any]) -> Frozen:
    return Frozen(**{**document, "anchors": tuple(document["anchors"])})


def package_name(scope: str, export_id: UUID) -> str:
    """What the zip is called when it is given out, without its ending: it may be called otherwise since."""
    return f"custody-{scope}-{str(export_id)[:8]}"


@dataclass(frozen=True)
class Dossier:
    """One package, ready to be written. ``spans`` include the export's own entry in each stream; ``before`` do not."""

    id: UUID
    case_id: UUID
    scope: str
    time: datetime
    """When the export's entries were recorded."""
    spans: Sequence[StreamSpan]
    before: Sequence[StreamSpan]
    log_id: int
    has_media: bool
    media: Sequence[Medium]
    """Originals; none when copies go in their place."""
    is_redacted: bool
    copies: Sequence[Medium]
    """Redacted copies, in place of originals."""
    opens: frozenset[str] | None
    """The sealed fields that are opened; None: all of them."""
    sessions: sessionmaker[Session]
    frozen: Frozen | None = None
    blobs: BlobStore | None = None
    """Where small pictures lie, by the digests that entries name."""
    scratch: Path | None = None
    """Where what is made on the way may lie, in files without a name; None: where the system has such."""

    @property
    def folder(self) -> str:
        """The one folder of the zip: ``custody-<ref>-<time>``."""
        return f"{package_name(self.scope, self.id)}-{self.time:%Y%m%dT%H%M%SZ}"

    @property
    def inputs(self) -> Frozen:
        assert self.frozen is not None
        return self.frozen

    @property
    def vkey(self) -> VerifierKey:
        return parse_vkey(self.inputs.vkey)

    @property
    def checkpoint(self) -> SignedCheckpoint:
        """The signed tree in which the export's entries are their streams' last leaves."""
        with read_session(self.sessions) as session:
            found = reading.checkpoint_of(session, self.inputs.tree_size, log_id=self.log_id)
        assert found is not None
        return replace(found, note=self.inputs.checkpoint)

    def opens_field(self, name: str) -> bool:
        return self.opens is None or name in self.opens

    def entries(self, spans: Sequence[StreamSpan] | None = None) -> Iterator[CustodyEntry]:
        """In the order of the streams, by number, in constant memory."""
        return each_entry(self.sessions, self.spans if spans is None else spans, self.log_id)

    def opened(self, spans: Sequence[StreamSpan] | None = None) -> Iterator[tuple[CustodyEntry, dict[str, bytes]]]:
        """Each entry with the lines that open its sealed fields, by name, as far as this package opens them."""
        wanted = self.spans if spans is None else spans
        for entry, lines in each_opened_entry(self.sessions, wanted, self.log_id):
            yield entry, {name: line for name, line in lines.items() if self.opens_field(name)}

    def opened_streams(
        self, spans: Sequence[StreamSpan]
    ) -> Iterator[tuple[StreamSpan, Iterator[tuple[CustodyEntry, dict[str, bytes]]]]]:
        """Each stream with its entries as ``opened`` has them, read in portions of many streams."""
        named = {span.stream: span for span in spans}
        for stream, entries in groupby(self.opened(spans), lambda each: each[0].stream):
            yield named[stream], entries


def find_dossier(session: Session, sessions: sessionmaker[Session], export: Export) -> Dossier:
    """What the export's row, its own entries and its media say; ``frozen`` once it is sealed."""
    rows = session.execute(_OWN_ENTRIES, {"type": CaseExportCreated.TYPE, "export": export.id}).all()
    included = [row for row in rows if row.stream_id != export.case_id or export.scope == "case"]
    before = [_before(session, row) for row in included]
    closing = next(row for row in rows if row.stream_id == export.case_id)
    rows_of_media = select(ExportMedia).filter_by(export_id=export.id).order_by(ExportMedia.sha256)
    media = [_medium(each) for each in session.scalars(rows_of_media)]
    return Dossier(
        export.id,
        export.case_id,
        export.scope,
        closing.recorded_at,
        [StreamSpan(row.stream_id, row.kind, row.seq, bytes(row.commitment).hex()) for row in included],
        before,
        closing.log_id,
        export.has_media,
        [each for each in media if each.input_sha256 is None],
        export.is_redacted,
        [each for each in media if each.input_sha256 is not None],
        {"none": frozenset[str](), "fields": frozenset(export.fields), "all": None}[export.disclosed],
        sessions,
        None if export.frozen is None else frozen_of(export.frozen),
    )


def closing_commitment(session: Session, export: Export) -> str:
    """Of the export's entry in the case's stream, which was queued last: the tree that holds it holds all others."""
    rows = session.execute(_OWN_ENTRIES, {"type": CaseExportCreated.TYPE, "export": export.id}).all()
    return next(bytes(row.commitment).hex() for row in rows if row.stream_id == export.case_id)


def seal_commitment(session: Session, export_id: UUID) -> str:
    """Of the export's seal, in the case's stream."""
    row = session.execute(_OWN_ENTRIES, {"type": ExportSealed.TYPE, "export": export_id}).one()
    return bytes(row.commitment).hex()


_BEFORE = text("""
    SELECT commitment FROM ledger_entries WHERE stream_id = :stream AND log_id = :log_id AND seq = :seq
""")


def _before(session: Session, row: Any) -> StreamSpan:
    """A stream as it was before the export's own entry, as that entry says it."""
    if row.seq == 1:
        return StreamSpan(row.stream_id, row.kind, 0, "")
    place = {"stream": row.stream_id, "log_id": row.log_id, "seq": row.seq - 1}
    head = session.execute(_BEFORE, place).scalar_one()
    return StreamSpan(row.stream_id, row.kind, row.seq - 1, bytes(head).hex())


def _medium(row: ExportMedia) -> Medium:
    read = None
    if row.sha512 is not None and row.crc32 is not None:
        read = Digests(row.size_bytes, row.crc32, row.sha256, row.sha512.hex())
    return Medium(row.sha256, row.size_bytes, row.extension, read, row.input_sha256)


@dataclass(frozen=True)
class TimeStamp:
    """One authority's stamp over an anchored checkpoint: the whole request and response."""

    authority: str
    request: bytes
    response: bytes


def time_stamps(dossier: Dossier) -> tuple[SignedCheckpoint, list[TimeStamp]] | None:
    """The stamps that go with the package, by authority, over the exact bytes of the checkpoint; None: there are none.

    Of the checkpoint the bytes that were stamped: its note without cosignatures, which came later.
    """
    if not dossier.inputs.anchors:
        return None
    with read_session(dossier.sessions) as session:
        wanted = select(Anchor).where(Anchor.id.in_([UUID(each) for each in dossier.inputs.anchors]))
        found = session.scalars(wanted.order_by(Anchor.authority)).all()
        stamped = reading.checkpoint_of(session, found[0].size, log_id=found[0].log_id)
        stamps = [TimeStamp(each.authority, each.request, each.response or b"") for each in found]
    assert stamped is not None
    return stamped, stamps
