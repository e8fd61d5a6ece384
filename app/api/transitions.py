"""``POST /v1/evidence/{id}/transitions``: the one door through which an item's state changes."""

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import (
    Changed,
    IfMatch,
    Input,
    ReceiptShape,
    Requires,
    commit,
    reading,
    required_version,
    services,
    working,
)
from app.api.incident_shapes import LongText
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.signing_shapes import ENVELOPE_EXAMPLE, EnvelopeInput
from app.api.threads import takes_long
from app.api.waiting import LedgerRoute
from app.kernel.primitives import Sha256Hex
from app.media.items import find_evidence
from app.media.models import Evidence
from app.media.rules import OPERATIONS, DeclineReason, State, Transition
from app.media.service import decline_lead
from app.unit_of_work import UnitOfWork
from app.verification import leases, service
from app.verification.models import Review
from app.verification.rules import Adjudication, Outcome, ReviewKind

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence/{evidence_id}", tags=["Verification"])

OPERATION_ID = "moveEvidence"

Mover = Annotated[Actor, Depends(Requires(Operation.MOVE_EVIDENCE))]
"""Checks the token's scope, which is the same for every event; the role that an event needs, its service checks."""


class _Part(Input):
    model_config = ConfigDict(strict=False)


class _Event(_Part):
    event: str


class Decline(_Event):
    """A lead that is not taken."""

    event: Literal["decline"]
    reason_code: DeclineReason
    reason: LongText | None = None


class OpenVerification(_Event):
    event: Literal["open_verification"]
    lease_holder_id: UUID | None = Field(
        None, description="A member who may verify, named by a coordinator; without it, you."
    )


class VerdictInput(_Part):
    outcome: Outcome
    rationale: LongText
    incident_id: UUID | None = Field(None, description="The incident for which it holds; the item must be linked.")
    self_review: bool = Field(
        False,
        description="That you will review it yourself, since nobody else in the case may: where the installation "
        "allows it (`self_review_not_allowed`, 409). The verdict says `self_reviewed` for ever.",
    )
    envelope: EnvelopeInput | None = Field(
        None,
        description="The same verdict, signed with your own key: the statement of `POST …/verdicts/statement` in a "
        "DSSE envelope. Without it the verdict's `signature_mode` is `none`.",
    )


class Submit(_Event):
    event: Literal["submit"]
    verdict: VerdictInput


class Withdraw(_Event):
    event: Literal["withdraw"]


class RequestChanges(_Event):
    event: Literal["request_changes"]
    comment: LongText


class Concur(_Event):
    event: Literal["concur"]
    comment: LongText | None = None


class Dissent(_Event):
    event: Literal["dissent"]
    comment: LongText


class Adjudicate(_Event):
    event: Literal["adjudicate"]
    outcome: Adjudication
    comment: LongText


class SignOff(_Event):
    event: Literal["sign_off"]
    comment: LongText | None = None


class Return(_Event):
    event: Literal["return"]
    reason: LongText


class Reopen(_Event):
    event: Literal["reopen"]
    reason: LongText


class EndBlind(_Event):
    """Nobody can verify it second: the round goes on as an ordinary peer review."""

    event: Literal["end_blind"]
    reason: LongText


TransitionInput = Annotated[
    Decline
    | OpenVerification
    | Submit
    | Withdraw
    | RequestChanges
    | Concur
    | Dissent
    | Adjudicate
    | SignOff
    | Return
    | Reopen
    | EndBlind,
    Body(
        discriminator="event",
        openapi_examples={
            "open_verification": {"value": {"event": "open_verification"}},
            "submit": {
                "value": {
                    "event": "submit",
                    "verdict": {"outcome": "verified", "rationale": "Place and date are established independently."},
                }
            },
            "submit_signed": {
                "value": {
                    "event": "submit",
                    "verdict": {"outcome": "verified", "rationale": "The steps fit.", "envelope": ENVELOPE_EXAMPLE},
                }
            },
            "concur": {"value": {"event": "concur", "comment": "I found the same tower."}},
            "dissent": {"value": {"event": "dissent", "comment": "The shadows do not fit the hour."}},
            "adjudicate": {"value": {"event": "adjudicate", "outcome": "back", "comment": "Redo the chronolocation."}},
            "sign_off": {"value": {"event": "sign_off"}},
            "end_blind": {"value": {"event": "end_blind", "reason": "Both other verifiers have left the case."}},
            "reopen": {"value": {"event": "reopen", "reason": "A longer video has come in."}},
        },
    ),
]


class Transitioned(Changed):
    """Where the item stands now."""

    evidence_id: UUID
    event: str
    state: State
    version: int
    round: int
    verdict_id: UUID | None = None
    review_id: UUID | None = None
    lease_holder: UUID | None = None


@router.post(
    "/transitions",
    name=OPERATION_ID,
    summary="Move an item to its next state",
    response_model=Transitioned,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
@takes_long
def move_evidence(
    evidence_id: UUID,
    body: TransitionInput,
    request: Request,
    actor: Mover,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """The verdict or review goes with its event.

    From `lead`: `decline` (collector, coordinator). `preserved`: `open_verification` (verifier, coordinator; labels are
    set). `in_verification`: `submit` (the lease's holder; every required dimension has a finding, every match is
    decided). `awaiting_peer_review`: `withdraw` (the verdict's author), `request_changes`, `concur`, `dissent`
    (verifier, researcher; no author of it; in a blind round after the second verdict, see
    `POST …/second-verdicts`), `end_blind` (researcher, coordinator; no author of it: where nobody can verify a blind
    round second, it goes on as an ordinary peer review, and its `blind` says `ended`). `disputed`:
    `adjudicate` (researcher, a third person).
    `awaiting_sign_off`: `sign_off` (researcher; no author, no reviewer of it; `recycled_unanswered`, 409, where a
    question was opened since), `return` (researcher). `signed_off`:
    `reopen` (researcher, coordinator). The whole table is "An evidence item's states" in `docs/domain.md`, in the
    source. Which of these your roles permit now, the item's `possible_events` says.
    """
    version = required_version(if_match)
    digest = request_digest(str(evidence_id), version, body)
    check = None
    if isinstance(body, SignOff):
        answer = _stored_answer(request, actor, evidence_id, body, key, digest)
        if answer is not None:
            return answer
        check = _confirmed_bytes(request, actor, evidence_id, version)
    with working(request) as uow:
        answer = _replay(uow, actor, evidence_id, body, key, digest)
        if answer is not None:
            return answer
        evidence, made = _apply(uow, actor, evidence_id, version, body, request, check)
        return commit(uow, _answer(evidence, body.event, made), actor=actor, key=key, version=evidence.version)


def _replay(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, body: _Event, key: str | None, digest: Sha256Hex
) -> JSONResponse | None:
    return replay(
        uow,
        actor,
        key,
        operation=OPERATION_ID,
        request_sha256=digest,
        authorise=lambda: find_evidence(uow.session, actor, evidence_id, OPERATIONS[Transition(body.event)]),
    )


def _stored_answer(
    request: Request, actor: Actor, evidence_id: UUID, body: _Event, key: str | None, digest: Sha256Hex
) -> JSONResponse | None:
    """The first answer to this request, looked for before a file is read for it; the claim is not kept here."""
    with working(request) as uow:
        return _replay(uow, actor, evidence_id, body, key, digest)


def _confirmed_bytes(request: Request, actor: Actor, evidence_id: UUID, version: int) -> service.IntegrityCheck:
    """Read the stored file anew, with no transaction open while its bytes move.

    Raises IntegrityMismatch, IntegrityNotVerifiable; that the check failed is on record then.
    """
    with reading(request) as session:
        sha256 = service.bytes_to_check(session, actor, evidence_id, version=version)
    check = service.IntegrityCheck(sha256, services(request).blobs.reread(sha256))
    if check.refusal is not None:
        with working(request) as uow:
            service.record_failed_check(uow, actor, evidence_id, check=check)
            uow.commit()
        raise check.refusal
    return check


Made = dict[str, UUID]


def _apply(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    version: int,
    body: Any,
    request: Request,
    check: service.IntegrityCheck | None,
) -> tuple[Evidence, Made]:
    """Call the service of the event; the item, and the id of the verdict or review that it made."""
    match body:
        case Decline():
            declined = decline_lead(
                uow, actor, evidence_id, version=version, reason_code=body.reason_code, reason=body.reason
            )
            return declined, {}
        case OpenVerification():
            opened = leases.open_verification(
                uow,
                actor,
                evidence_id,
                version=version,
                ttl_s=services(request).settings.lease_ttl_s,
                holder_id=body.lease_holder_id,
            )
            return opened, {}
        case Submit(verdict=given):
            evidence, verdict = service.submit(
                uow,
                actor,
                evidence_id,
                version=version,
                outcome=given.outcome,
                rationale=given.rationale,
                incident_id=given.incident_id,
                self_reviewed=given.self_review,
                envelope=None if given.envelope is None else given.envelope.model_dump(),
            )
            return evidence, {"verdict_id": verdict.id}
        case Withdraw():
            evidence, verdict = service.withdraw(uow, actor, evidence_id, version=version)
            return evidence, {"verdict_id": verdict.id}
    evidence, review = _judge(uow, actor, evidence_id, version, body, check)
    return evidence, {"verdict_id": review.verdict_id, "review_id": review.id}


def _judge(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    version: int,
    body: Any,
    check: service.IntegrityCheck | None,
) -> tuple[Evidence, Review]:
    match body:
        case RequestChanges() | Concur() | Dissent():
            kind = ReviewKind(body.event)
            return service.review(uow, actor, evidence_id, version=version, kind=kind, comment=body.comment)
        case Adjudicate():
            return service.adjudicate(
                uow, actor, evidence_id, version=version, outcome=body.outcome, comment=body.comment
            )
        case SignOff() if check is not None:
            return service.sign_off(uow, actor, evidence_id, version=version, check=check, comment=body.comment)
        case Return():
            return service.return_item(uow, actor, evidence_id, version=version, reason=body.reason)
        case EndBlind():
            return service.end_blind(uow, actor, evidence_id, version=version, reason=body.reason)
        case Reopen():
            return service.reopen(uow, actor, evidence_id, version=version, reason=body.reason)
    raise AssertionError(f"no service for {type(body).__name__}")


def _answer(evidence: Evidence, event: str, made: Made) -> Callable[[list[ReceiptShape]], Changed]:
    return lambda receipts: Transitioned(
        evidence_id=evidence.id,
        event=event,
        state=State(evidence.state),
        version=evidence.version,
        round=evidence.round,
        lease_holder=evidence.lease_holder,
        receipts=receipts,
        **made,
    )
