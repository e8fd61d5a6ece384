"""Asking for packages, reading how far they are, and taking them. The work itself is ``app.exports.export_jobs``."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.access.rules import Scope as TokenScope
from app.cases.service import NOWHERE, Grant, authorise, current_policy, may
from app.consent.outward import closed_to
from app.consent.rules import ConsentScope
from app.exports.closed import require_consent_to_disclose, require_testimonies_to_open
from app.exports.custody_service import may_open
from app.exports.custody_streams import Subject, lock_streams
from app.exports.errors import (
    DisclosureWithheld,
    ExportAwaitsApproval,
    ExportErased,
    ExportExpired,
    ExportFailed,
    ExportNotReady,
    ExportRefusedBefore,
    MediaQuarantined,
    NoRoomForPackage,
    RedactionsMissing,
)
from app.exports.events import CaseExportCreated, ExportCreated, ExportDownloaded, StreamSpan
from app.exports.kept_back import require_file_may_be_taken
from app.exports.models import Export, ExportDownload, ExportMedia
from app.kernel.database import window_is_over
from app.kernel.errors import Forbidden, Invalid, NotFound
from app.kernel.primitives import canonical_json, format_time, new_id, sha256_hex, utc_now
from app.ledger.event import EntryObject
from app.media.errors import LabelsMissing
from app.media.models import Blob, Evidence
from app.media.redacting import EXTENSION
from app.media.redactions import copies_in_force
from app.media.rules import State
from app.testimonies.models import Testimony
from app.unit_of_work import UnitOfWork

BUILD_EXPORT = "build_export"
FINISH_EXPORT = "finish_export"
FORMAT = "bag"
NAMED_AT_MOST = 50

ExportScope = Literal["case", "incident", "evidence", "selection"]

_KINDS = text("SELECT id, kind, case_id FROM ledger_streams WHERE id = ANY(CAST(:ids AS uuid[])) AND kind <> 'system'")
STREAMS_OF_EXPORT = text("SELECT stream_id FROM ledger_entries WHERE type = 'export.created' AND object_id = :export")


@dataclass(frozen=True)
class ExportAsked:
    """What is asked for. ``opens``: the sealed fields to open, None: all of them. ``is_redacted``: with redacted copies
    in place of originals."""

    scope: ExportScope
    ids: tuple[UUID, ...]
    media: bool
    opens: frozenset[str] | None
    audience: ConsentScope
    purpose: str
    reason: str | None
    is_redacted: bool = False

    @property
    def shows(self) -> bool:
        """Whether pictures go along, whole or covered in part."""
        return self.media or self.is_redacted

    @property
    def disclosed(self) -> str:
        return "all" if self.opens is None else "fields" if self.opens else "none"


def request_export(uow: UnitOfWork, actor: Actor, asked: ExportAsked) -> Export:
    """A package to be built: its row and job, ``export.created`` in every included stream and, last, in the case's.

    The streams are locked from here to the commit, so that what the entries say of them is so. Raises NotFound,
    Forbidden, Invalid, NotShownYet, TestimoniesStayClosed, DisclosureWithheld, LabelsMissing, RedactionsMissing,
    StreamsKeepChanging.

    Where the case's policy says so, nothing more happens until another person approves (``app.exports.approval``).
    """
    subject = _subject(uow.session, asked)
    case_id = subject.case_id or NOWHERE
    grant = authorise(uow.session, actor, case_id, Operation.EXPORT)
    _require_content(actor, grant, has_media=asked.shows, is_disclosed=asked.disclosed != "none")
    included, case = lock_streams(uow.session, subject)
    require_file_may_be_taken(uow.session, grant, [span.stream for span in included])
    if asked.disclosed != "none":
        require_testimonies_to_open(uow.session, actor, grant, [span.stream for span in included], asked.opens)
    if asked.shows or asked.disclosed != "none":
        require_consent(uow.session, [span.stream for span in included], asked.audience)
    media = _media_of(uow.session, included, asked)
    needs_approval = current_policy(uow.session, case_id)[1].exports_need_approval
    export = Export(
        id=new_id(),
        case_id=case_id,
        scope=asked.scope,
        has_media=asked.media,
        disclosed=asked.disclosed,
        fields=sorted(asked.opens or ()),
        audience=asked.audience,
        is_redacted=asked.is_redacted,
        needs_approval=needs_approval,
        requested_by=actor.account_id,
        requested_at=utc_now(),
        state="awaiting_approval" if needs_approval else "building",
        total_bytes=2 * sum(each.size_bytes for each in media),
    )
    uow.session.add(export)
    uow.session.flush()
    for each in media:
        each.export_id = export.id
    uow.session.add_all(media)
    _record_created(uow, grant, export, asked, included, case, [each.sha256 for each in media])
    if not needs_approval:
        uow.enqueue(BUILD_EXPORT, export_id=str(export.id))
    return export


def require_room(export: Export, free_bytes: int) -> None:
    """``free_bytes``: what may be filled. Raises NoRoomForPackage: a package has the size of its media, and more."""
    if export.total_bytes // 2 > free_bytes:
        raise NoRoomForPackage(f"Its media have {export.total_bytes // 2} bytes, and there is room for {free_bytes}.")


def require_exporting(session: Session, actor: Actor, asked: ExportAsked) -> None:
    """Raises what ``request_export`` would of who asks: NotFound, Forbidden."""
    grant = authorise(session, actor, _subject(session, asked).case_id or NOWHERE, Operation.EXPORT)
    _require_content(actor, grant, has_media=asked.shows, is_disclosed=asked.disclosed != "none")


def _record_created(
    uow: UnitOfWork,
    grant: Grant,
    export: Export,
    asked: ExportAsked,
    included: Sequence[StreamSpan],
    case: StreamSpan,
    media: Sequence[str],
) -> None:
    common: dict[str, Any] = {
        "actor": grant.entry_actor,
        "object": EntryObject("export", export.id),
        "scope": asked.scope,
        "format": FORMAT,
        "disclosed": asked.disclosed != "none",
        "fields": tuple(export.fields) or None,
        "audience": asked.audience,
        "purpose": asked.purpose,
        "reason": asked.reason,
    }
    for span in included:
        if span.stream != case.stream:
            stands: dict[str, Any] = {"entries": span.entries, "head": span.head, "media": asked.media}
            stands["derivatives"] = asked.is_redacted or None
            uow.record(ExportCreated(stream=span.stream, **stands, **common))
    originals = [] if asked.is_redacted else list(media)
    uow.record(
        CaseExportCreated(
            stream=case.stream,
            streams_count=len(included),
            streams_sha256=sha256_hex(canonical_json([span.document() for span in included])),
            media_count=len(originals),
            media_sha256=sha256_hex(canonical_json(originals)),
            derivatives_count=len(media) if asked.is_redacted else None,
            derivatives_sha256=sha256_hex(canonical_json(list(media))) if asked.is_redacted else None,
            **common,
        )
    )


def _subject(session: Session, asked: ExportAsked) -> Subject:
    """Of what is asked for, in one case; nowhere when one of the ids is nothing, or of another kind or case."""
    rows = session.execute(_KINDS, {"ids": list(map(str, asked.ids))}).all()
    wanted = {"incident", "evidence"} if asked.scope == "selection" else {asked.scope}
    cases = {row.case_id for row in rows}
    is_known = len(rows) == len(set(asked.ids)) and {row.kind for row in rows} <= wanted and len(cases) == 1
    case_id = cases.pop() if is_known else NOWHERE
    if asked.scope == "selection":
        return Subject("selection", case_id, case_id, tuple(sorted(set(asked.ids))))
    if len(asked.ids) != 1:
        raise Invalid(f"A package of the scope '{asked.scope}' is of one object: name one id, or use 'selection'.")
    return Subject(asked.scope, asked.ids[0], case_id)


def _require_content(actor: Actor, grant: Grant, *, has_media: bool, is_disclosed: bool) -> None:
    """Raises Forbidden."""
    if has_media and not may(actor, grant, Operation.READ_ORIGINAL, of_everybody=True):
        raise Forbidden("Originals go with a package for those alone who may read them: take it with media=false.")
    if is_disclosed and not may_open(grant):
        raise Forbidden("Your role shows you entries without content: take the package with disclosures='none'.")
    if is_disclosed and TokenScope.CONTENT not in actor.scopes:
        raise Forbidden("This token is not made for content (scope 'content').")


def require_consent(session: Session, streams: Collection[UUID], audience: ConsentScope) -> None:
    """Raises DisclosureWithheld while a consent that covers this audience is lacking, withdrawn or over."""
    require_consent_to_disclose(session, streams)
    testimonies = set(session.scalars(select(Testimony.fact_id).where(Testimony.incident_id.in_(streams))))
    closed = sorted(closed_to(session, {*streams, *testimonies}, audience))
    if closed:
        raise DisclosureWithheld(
            f"Consent to '{audience}' is lacking for {len(closed)} of what the package is of: take it with media=false "
            "and disclosures='none', or without these.",
            extra={
                "evidence_ids": [str(each) for each in closed if each not in testimonies][:NAMED_AT_MOST],
                "testimony_ids": [str(each) for each in closed if each in testimonies][:NAMED_AT_MOST],
            },
        )


def _media_of(session: Session, included: Collection[StreamSpan], asked: ExportAsked) -> list[ExportMedia]:
    """The originals of these items, or their redacted copies, each once, in the order of their digests; those in
    quarantine stay there.

    Raises RedactionsMissing; and LabelsMissing: a package is shown to others, so nothing goes into it of which nobody
    has said what it shows.
    """
    if not asked.shows:
        return []
    items = [span.stream for span in included if span.kind == "evidence"]
    here = (Evidence.id.in_(items), Evidence.blob_sha256.is_not(None), Evidence.state != State.QUARANTINED)
    unlabelled = session.scalars(
        select(Evidence.id).where(*here, Evidence.labels.is_(None)).order_by(Evidence.id)
    ).all()
    if unlabelled:
        raise LabelsMissing(
            f"Items with a file of which nobody has said yet what it shows: {len(unlabelled)}. Label them, or take "
            "the package without media.",
            extra={"evidence_ids": [str(item) for item in unlabelled[:NAMED_AT_MOST]]},
        )
    if asked.is_redacted:
        return _copies_of(session, session.scalars(select(Evidence.id).where(*here)).all())
    blobs = select(Blob).where(Blob.sha256.in_(select(Evidence.blob_sha256).where(*here))).order_by(Blob.sha256)
    return [
        ExportMedia(sha256=blob.sha256, size_bytes=blob.size_bytes, extension=blob.extension or "bin")
        for blob in session.scalars(blobs)
    ]


def _copies_of(session: Session, items: Collection[UUID]) -> list[ExportMedia]:
    """Raises RedactionsMissing."""
    copies = copies_in_force(session, items)
    if copies.lacking:
        raise RedactionsMissing(
            f"Items without a finished redacted copy of what was asked for last: {len(copies.lacking)}.",
            extra={"evidence_ids": [str(item) for item in copies.lacking[:NAMED_AT_MOST]]},
        )
    by_digest = {
        copy.sha256: ExportMedia(
            sha256=copy.sha256, size_bytes=copy.size_bytes, extension=EXTENSION, input_sha256=copy.blob_sha256
        )
        for copy in copies.found
        if copy.sha256 is not None
    }
    return [by_digest[digest] for digest in sorted(by_digest)]


def list_exports(
    session: Session, actor: Actor, case_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Export]:
    """A case's packages, the newest first. Raises NotFound, Forbidden."""
    authorise(session, actor, case_id, Operation.EXPORT)
    query = select(Export).where(Export.case_id == case_id)
    if before is not None:
        query = query.where(tuple_(Export.requested_at, Export.id) < before)
    return session.scalars(query.order_by(Export.requested_at.desc(), Export.id.desc()).limit(limit)).all()


def get_export(session: Session, actor: Actor, export_id: UUID) -> Export:
    """Raises NotFound, Forbidden."""
    return _find(session, actor, export_id)[0]


def find_package(session: Session, actor: Actor, export_id: UUID) -> tuple[Export, Grant]:
    """A finished package that the actor may take now: by their role, and by what is shown to them.

    Raises NotFound, Forbidden, NotShownYet, DisclosureWithheld, MediaQuarantined, ExportNotReady, ExportFailed,
    ExportErased, ExportExpired, ExportAwaitsApproval, ExportRefusedBefore.
    """
    export, grant = _find(session, actor, export_id)
    shows = export.has_media or export.is_redacted
    _require_content(actor, grant, has_media=shows, is_disclosed=export.disclosed != "none")
    if export.state == "awaiting_approval":
        raise ExportAwaitsApproval("It is made when another person has approved it.")
    if export.state == "refused":
        raise ExportRefusedBefore("Another person refused it, or the one who asked took it back.")
    if export.state == "erased":
        raise ExportErased("Something in it was erased since, so the file was removed. Ask for a new package.")
    if export.state == "expired":
        assert export.expires_at is not None
        raise ExportExpired(f"It was kept until {format_time(export.expires_at)}.")
    if export.state == "failed":
        raise ExportFailed("It could not be made; 'error' of the export says why. Ask for a new one.")
    if export.state != "ready":
        raise ExportNotReady("It is still being made. Ask again in a moment.")
    streams = list(session.scalars(STREAMS_OF_EXPORT, {"export": export.id}))
    require_file_may_be_taken(session, grant, streams)
    if export.disclosed != "none":
        opens = None if export.disclosed == "all" else export.fields
        require_testimonies_to_open(session, actor, grant, streams, opens)
    if shows or export.disclosed != "none":
        require_consent(session, streams, ConsentScope(export.audience))
    if shows:
        _require_out_of_quarantine(session, export_id, streams)
    return export, grant


def _require_out_of_quarantine(session: Session, export_id: UUID, streams: Collection[UUID]) -> None:
    """Raises MediaQuarantined for a package with the file of an item that was put there since."""
    held = func.coalesce(ExportMedia.input_sha256, ExportMedia.sha256)
    query = select(Evidence.id).where(
        Evidence.id.in_(streams),
        Evidence.state == State.QUARANTINED,
        Evidence.blob_sha256.in_(select(held).where(ExportMedia.export_id == export_id)),
    )
    items = session.scalars(query.order_by(Evidence.id)).all()
    if items:
        raise MediaQuarantined(
            f"Items in quarantine whose files it holds: {len(items)}.",
            extra={"evidence_ids": [str(item) for item in items[:NAMED_AT_MOST]]},
        )


def is_download_logged(session: Session, grant: Grant, export_id: UUID, *, window_s: int) -> bool:
    """Whether this reading belongs to a download that was logged within the window, by the database's clock."""
    logged = select(ExportDownload.logged_at).filter_by(export_id=export_id, account_id=grant.account_id)
    return session.scalar(logged.where(~window_is_over(ExportDownload.logged_at, window_s))) is not None


def log_download(uow: UnitOfWork, actor: Actor, export_id: UUID, *, window_s: int) -> None:
    """One ``export.downloaded`` a person within the window; of requests at once one writes it."""
    export, grant = find_package(uow.session, actor, export_id)
    now = func.clock_timestamp()
    row = insert(ExportDownload).values(export_id=export.id, account_id=grant.account_id, logged_at=now)
    is_first = uow.session.scalar(
        row.on_conflict_do_update(
            constraint="pk_export_downloads",
            set_={"logged_at": now},
            where=window_is_over(ExportDownload.logged_at, window_s),
        ).returning(ExportDownload.export_id)
    )
    if is_first is None:
        return
    package = EntryObject("export", export.id, sha256=export.package_sha256, size=export.size_bytes)
    uow.record(ExportDownloaded(stream=export.case_id, actor=grant.entry_actor, object=package))


def _find(session: Session, actor: Actor, export_id: UUID) -> tuple[Export, Grant]:
    export = session.get(Export, export_id)
    grant = authorise(session, actor, NOWHERE if export is None else export.case_id, Operation.EXPORT)
    if export is None:
        raise NotFound()
    return export, grant
