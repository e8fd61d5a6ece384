"""Custody logs: reading them as pages, which is no entry, and taking them as files, which is one in every stream."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor, require_scope
from app.access.rules import Operation, OrganisationRole, Role
from app.access.rules import Scope as TokenScope
from app.anchors.publication import with_cosignatures
from app.cases.service import NOWHERE, Grant, authorise, current_policy, may
from app.exports.closed import citing_closed, open_among, require_consent_to_disclose, require_testimonies_to_open
from app.exports.custody_streams import (
    CustodyEntry,
    Scope,
    Subject,
    case_of_entry,
    find_subject,
    list_entries,
    lock_streams,
    streams_of,
)
from app.exports.ended import EndedPart, find_ended_part
from app.exports.errors import ApprovalNeeded, CheckpointPending, CsvDisclosesNothing, OwnActsOnly
from app.exports.events import CaseExportCreated, ExportCreated, StreamSpan
from app.exports.kept_back import require_file_may_be_taken, require_shown, show_to
from app.kernel.database import read_session
from app.kernel.errors import Forbidden, NotFound
from app.kernel.primitives import canonical_json, new_id, sha256_hex
from app.ledger import reading
from app.ledger.checkpoint import VerifierKey
from app.ledger.event import EntryObject
from app.ledger.log import Receipt
from app.ledger.proof import TlogProof
from app.ledger.reading import NotInLog, SignedCheckpoint
from app.ledger.receipt import EntryReceipt
from app.media.events import ClaimsRead
from app.testimonies.service import KIND as TESTIMONY
from app.unit_of_work import UnitOfWork

REFERENCES = "references"
"""The sealed field of a finding that says what it refers to, and what that shows."""


@dataclass(frozen=True)
class CustodyPage:
    """Entries, and what opens their sealed fields: commitment → field → line; None for whoever sees none of them.

    A line that is None is kept, and closed to this reader; a field that is missing was erased.
    """

    entries: list[CustodyEntry]
    disclosures: Mapping[str, Mapping[str, bytes | None]] | None


@dataclass(frozen=True)
class TakenFile:
    """A custody file that is staged in the ledger and not written yet; ``spans`` end before its own entries."""

    id: UUID
    subject: Subject
    is_disclosed: bool
    spans: Sequence[StreamSpan]
    ended: EndedPart | None = None
    """What is taken instead of the current log's part: then ``spans`` are of that log, and end where it did."""


@dataclass(frozen=True)
class CustodyExport:
    """A custody file whose entries a signed checkpoint covers: all that its writer needs besides the ledger.

    ``spans`` include the export's own entry in each stream; ``time`` is when those entries were recorded.
    """

    id: UUID
    subject: Subject
    is_disclosed: bool
    spans: Sequence[StreamSpan]
    checkpoint: SignedCheckpoint
    vkey: VerifierKey
    has_leaves: bool
    """Whether all leaves of the signed tree go with it."""
    time: datetime
    continued_by: str | None = None
    """Of a log that has ended: the next one's origin. Then ``spans`` do not include entries of the export."""


def list_custody(
    session: Session, actor: Actor, scope: Scope, object_id: UUID, *, after: int, limit: int
) -> CustodyPage:
    """One page of a custody log in the order in which its entries were appended. Raises NotFound, Forbidden.

    Whoever may see only their own acts is shown those; the organisation's auditor sees no sealed field. What a file
    claims of a place, a person or a device is opened to whoever may read the original alone, and what a witness said or
    consented to, to whoever may read testimonies: no page is an entry. Of a pending blind round nobody is shown what
    others did. What a withdrawn consent closes is opened to custodians alone, who erase by it.
    """
    subject, case_id = find_subject(session, scope, object_id)
    grant = authorise(session, actor, case_id, Operation.READ_CUSTODY)
    own = grant.entry_actor.id if grant.own_only else None
    streams = list(streams_of(session, subject))
    entries = list_entries(session, streams, after=after, actor_id=own, limit=limit)
    entries = show_to(session, grant.entry_actor.id, entries)
    if not may_open(grant):
        return CustodyPage(entries, None)
    may_read_original = may(actor, grant, Operation.READ_ORIGINAL, of_everybody=True)
    shown = entries if Role.CUSTODIAN in grant.roles else open_among(session, entries)
    may_read_testimonies = may(actor, grant, Operation.READ_TESTIMONIES)
    opened = {
        entry.commitment
        for entry in shown
        if (may_read_original or not _states_claims(entry)) and (may_read_testimonies or not _is_of_witness(entry))
    }
    citing = frozenset() if Role.CUSTODIAN in grant.roles else citing_closed(session, shown)
    kept = reading.disclosures_of(session, [entry.commitment for entry in entries])
    return CustodyPage(
        entries,
        {
            commitment: {
                name: line if commitment in opened and not (name == REFERENCES and commitment in citing) else None
                for name, line in lines.items()
            }
            for commitment, lines in kept.items()
        },
    )


def take_custody_file(
    uow: UnitOfWork,
    actor: Actor,
    scope: Scope,
    object_id: UUID,
    *,
    file_format: str,
    is_disclosed: bool,
    purpose: str,
    reason: str | None,
    log_id: int | None = None,
) -> TakenFile:
    """Stage ``export.created`` in every stream of a custody log and in the case's, the closing one last.

    The streams are locked from here to the commit, so that what the entries say of them is so. ``log_id``: the part
    that stands in an ended log; nothing of that moves any more.
    Raises NotFound, Forbidden, OwnActsOnly, NotShownYet, CsvDisclosesNothing, ApprovalNeeded, DisclosureWithheld,
    TestimoniesStayClosed, StreamsKeepChanging.
    """
    subject, case_id = find_subject(uow.session, scope, object_id)
    grant = authorise(uow.session, actor, case_id, Operation.READ_CUSTODY)
    if grant.own_only:
        raise OwnActsOnly("A custody file holds everybody's acts. Read your own as pages, without '/file'.")
    if is_disclosed and not may_open(grant):
        raise Forbidden("Your role shows you entries without content: take the file with disclose=none.")
    if is_disclosed and TokenScope.CONTENT not in actor.scopes:
        raise Forbidden("This token is not made for content (scope 'content'): take the file with disclose=none.")
    if is_disclosed and file_format == "csv":
        raise CsvDisclosesNothing("Take it with format=jsonl for the sealed fields, or with disclose=none as a table.")
    if is_disclosed and current_policy(uow.session, case_id)[1].exports_need_approval:
        raise ApprovalNeeded("Nobody takes opened fields out of this case alone, be it as a package or as a file.")
    export_id = new_id()
    ended = None if log_id is None else find_ended_part(uow.session, subject, log_id)
    if ended is None:
        included, case = lock_streams(uow.session, subject)
        closing = case.stream
    else:
        included, closing = ended.spans, case_id
    require_file_may_be_taken(uow.session, grant, [span.stream for span in included])
    if is_disclosed:
        require_testimonies_to_open(uow.session, actor, grant, [span.stream for span in included], None)
        require_consent_to_disclose(uow.session, [span.stream for span in included])
    common: dict[str, Any] = {
        "actor": grant.entry_actor,
        "object": EntryObject("export", export_id),
        "scope": scope,
        "format": file_format,
        "disclosed": is_disclosed,
        "purpose": purpose,
        "reason": reason,
        "ended_log": None if ended is None else ended.vkey.name,
    }
    for span in included:
        if span.stream != closing:
            uow.record(ExportCreated(stream=span.stream, entries=span.entries, head=span.head, **common))
    uow.record(
        CaseExportCreated(
            stream=closing,
            streams_count=len(included),
            streams_sha256=sha256_hex(canonical_json([span.document() for span in included])),
            media_count=0,
            media_sha256=sha256_hex(canonical_json([])),
            **common,
        )
    )
    return TakenFile(export_id, subject, is_disclosed, included, ended)


def await_checkpoint(
    sessions: sessionmaker[Session],
    taken: TakenFile,
    receipts: Sequence[Receipt],
    *,
    timeout_s: float,
    inline_leaves_up_to: int,
) -> CustodyExport:
    """The export once a signed checkpoint covers its entries: the one in which they are their streams' last leaves.

    Of an ended log at once: its last checkpoint was signed long ago. Raises CheckpointPending.
    """
    if taken.ended is not None:
        return _ended_export(sessions, taken, taken.ended, receipts[-1], inline_leaves_up_to)
    # The closing entry was queued last, so the tree that it ends holds all the others.
    checkpoint = reading.wait_for_checkpoint(sessions, [receipts[-1].commitment], timeout_s)
    if checkpoint is None:
        raise CheckpointPending(
            "The export is recorded, but the ledger's integrator did not sign it in time. Ask again in a moment; "
            "that is then an export of its own."
        )
    own = {receipt.stream: receipt for receipt in receipts}
    with read_session(sessions) as session:
        last = reading.find_entry(session, receipts[-1].commitment)
        assert last is not None
        vkey = reading.key_of(session, checkpoint)
    return CustodyExport(
        taken.id,
        taken.subject,
        taken.is_disclosed,
        [StreamSpan(s.stream, s.kind, own[s.stream].seq, own[s.stream].commitment) for s in taken.spans],
        checkpoint,
        vkey,
        checkpoint.size <= inline_leaves_up_to,
        last.recorded_at,
    )


def _ended_export(
    sessions: sessionmaker[Session], taken: TakenFile, ended: EndedPart, receipt: Receipt, inline_leaves_up_to: int
) -> CustodyExport:
    with read_session(sessions) as session:
        own = reading.find_entry(session, receipt.commitment)
        assert own is not None
    return CustodyExport(
        taken.id,
        taken.subject,
        taken.is_disclosed,
        ended.spans,
        ended.checkpoint,
        ended.vkey,
        ended.checkpoint.size <= inline_leaves_up_to,
        own.recorded_at,
        ended.continued_by,
    )


def get_proof(session: Session, actor: Actor, commitment: str, size: int | None = None) -> TlogProof:
    """The inclusion of one entry in the newest signed tree, or in that of ``size`` leaves.

    Raises NotFound (also when the tree of that size is none, or lacks the entry), Forbidden, CheckpointPending.
    """
    _authorise_entry(session, actor, commitment, Operation.READ_CUSTODY)
    return _proof(session, commitment, size)


def get_receipt(session: Session, actor: Actor, commitment: str, size: int | None = None) -> EntryReceipt:
    """The signed receipt of one entry: what it says and the proof that the log holds it. Raises as ``get_proof``.

    It opens no sealed field, so that whoever is shown it learns no name, address or note. Raises NotShownYet besides.
    """
    reader = _authorise_entry(session, actor, commitment, Operation.TAKE_RECEIPT)
    entry = reading.find_entry(session, commitment)
    if entry is None:
        raise NotFound("The entry's line was erased. Its place in the log is proven by its proof.")
    require_shown(session, reader, entry.body)
    return EntryReceipt(entry.body, _proof(session, commitment, size))


def _authorise_entry(session: Session, actor: Actor, commitment: str, operation: Operation) -> UUID:
    """The id by which entries of its stream name the reader. An entry of the system's stream is shown to who acted in
    it, and to the organisation's auditor. Raises NotFound, Forbidden."""
    case_id, actor_id = case_of_entry(session, commitment)
    if case_id is None and (actor.account_id == actor_id or OrganisationRole.AUDITOR in actor.organisation_roles):
        require_scope(actor, operation)
        return actor.account_id
    grant = authorise(session, actor, case_id or NOWHERE, operation)
    if grant.own_only and grant.entry_actor.id != actor_id:
        raise NotFound()
    return grant.entry_actor.id


def _proof(session: Session, commitment: str, size: int | None) -> TlogProof:
    """With the cosignatures that the signed tree has by now."""
    try:
        checkpoint, index = reading.signed_place(session, commitment, size)
        return reading.proofs_at(session, with_cosignatures(session, checkpoint), [index])[0]
    except NotInLog as error:
        if size is not None:
            raise NotFound(f"There is no signed tree of {size} leaves that holds this entry.") from error
        raise CheckpointPending("The entry is written and not in a signed tree yet. Ask again in a moment.") from error


def _states_claims(entry: CustodyEntry) -> bool:
    return entry.body is not None and json.loads(entry.body)["type"] == ClaimsRead.TYPE


def _is_of_witness(entry: CustodyEntry) -> bool:
    """A testimony, or what else names one: a consent of its witness, a request to be told who they are."""
    data: dict[str, Any] = {} if entry.body is None else json.loads(entry.body)["data"]
    return data.get("kind") == TESTIMONY or data.get("testimony") is not None


def may_open(grant: Grant) -> bool:
    """Every role in a case reads its metadata; the organisation's auditor reads entries without content."""
    return not isinstance(grant.role, OrganisationRole)
