"""Consents to what an item shows or comes from, and their withdrawal."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, dated, position_at
from app.api.evidence_shapes import Line, Prose
from app.api.http import Changed, Erased, Input, Moment, ReceiptShape, Requires, commit, reading, working
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.consent import service
from app.consent.models import Consent
from app.consent.rules import ConsentAct, ConsentScope, Obtained, SubjectKind
from app.kernel.primitives import encode_cursor
from app.media.items import find_evidence

router = APIRouter(prefix="/v1", tags=["Sources"], route_class=LedgerRoute)

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Recorder = Annotated[Actor, Depends(Requires(Operation.RECORD_CONSENT))]
Withdrawer = Annotated[Actor, Depends(Requires(Operation.WITHDRAW_CONSENT))]
CONSENT_EXAMPLE: dict[str, Any] = {
    "subject": "S-3",
    "subject_kind": "source",
    "scopes": ["verification", "legal_proceedings"],
    "obtained": "recorded",
    "given_on": "2026-07-14",
}
_PERSON = "00e1c2a4-5d0f-4c3e-9f5b-6a7d8c9e0f12"


class ConsentInput(Input):
    """All that this person consents to from now on: it supersedes what they consented to before."""

    model_config = ConfigDict(strict=False, json_schema_extra={"examples": [CONSENT_EXAMPLE]})

    subject_id: UUID | None = Field(
        None, description="A person of whom something is recorded here; without it: another person."
    )
    subject: Line = Field(description="What you call them: a pseudonym, no name. Sealed in the ledger.")
    subject_kind: SubjectKind
    scopes: list[ConsentScope] = Field(
        min_length=1,
        max_length=len(ConsentScope),
        description="`verification` (kept and examined here, always among them), `partners`, `legal_proceedings`, "
        "`publication`.",
    )
    obtained: Obtained = Field(description="How it was given.")
    given_on: date
    valid_until: Moment | None = Field(None, description="Without it: until it is withdrawn.")
    note: Prose | None = Field(None, description="Sealed in the ledger, and kept nowhere else.")

    def stated(self) -> service.GivenConsent:
        return service.GivenConsent(
            subject_id=self.subject_id,
            subject=self.subject,
            subject_kind=self.subject_kind,
            scopes=frozenset(self.scopes),
            obtained=self.obtained,
            given_on=self.given_on,
            valid_until=self.valid_until,
            note=self.note,
        )


class WithdrawalInput(Input):
    """What a person no longer consents to; `verification` takes everything else with it."""

    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [{"subject_id": _PERSON, "withdrawn_on": "2026-09-02", "reason": "Moved back."}]
        },
    )

    subject_id: UUID = Field(description="As the consents name them.")
    scopes: list[ConsentScope] | None = Field(
        None, min_length=1, max_length=len(ConsentScope), description="Without it: all of it."
    )
    withdrawn_on: date
    reason: Prose | None = Field(None, description="If they gave one: nobody has to. Sealed in the ledger.")

    def stated(self) -> service.Withdrawal:
        return service.Withdrawal(
            subject_id=self.subject_id,
            scopes=None if self.scopes is None else frozenset(self.scopes),
            withdrawn_on=self.withdrawn_on,
            reason=self.reason,
        )


class ConsentShape(Changed):
    """One act of one person, never edited. What stands is each person's last word on each scope."""

    id: UUID
    number: int = Field(description="Counts the acts about this item or testimony, from 1.")
    act: ConsentAct
    subject_id: UUID
    subject_kind: SubjectKind
    subject: str | None = Field(description="The pseudonym.")
    scopes: list[ConsentScope]
    obtained: Obtained | None
    stated_on: date = Field(description="When they gave or withdrew it.")
    valid_until: datetime | None
    reason: str | None
    recorded_by: UUID
    recorded_at: datetime
    closed_at: datetime | None = Field(
        None, description="With the answer to a change: from when on nothing of it is shown to anybody; null: no end."
    )
    erased: list[str] = Erased


@router.post(
    "/evidence/{evidence_id}/consents",
    name="giveConsent",
    status_code=201,
    summary="Record a consent",
    response_model=ConsentShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def give_consent(
    evidence_id: UUID, body: ConsentInput, request: Request, actor: Recorder, key: IdempotencyKey = None
) -> JSONResponse:
    """Of somebody who gave the item, is shown in it, or has rights in it. Nobody's being recorded means that the item
    is held on another ground; once somebody's is, it is closed when that ends."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="giveConsent",
            request_sha256=request_digest(str(evidence_id), body),
            authorise=lambda: find_evidence(uow.session, actor, evidence_id, Operation.RECORD_CONSENT),
            tells_closed=True,
        )
        if answer is not None:
            return answer
        evidence, made = service.give_item_consent(uow, actor, evidence_id, body.stated())
        return commit(
            uow, lambda receipts: consent_shape(made, evidence.closed_at, receipts), actor=actor, key=key, status=201
        )


@router.post(
    "/evidence/{evidence_id}/consents/withdrawals",
    name="withdrawConsent",
    status_code=201,
    summary="Record that a consent is withdrawn",
    response_model=ConsentShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def withdraw_consent(
    evidence_id: UUID, body: WithdrawalInput, request: Request, actor: Withdrawer, key: IdempotencyKey = None
) -> JSONResponse:
    """At once, by whoever hears it, in closed cases too. When `verification` goes, nothing of the item is shown any
    more: no content, preview, frame, comparison, match, search, link or sealed field, to nobody; coordinators and
    custodians read its metadata, and a custodian erases. The custody log keeps that it was there."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="withdrawConsent",
            request_sha256=request_digest(str(evidence_id), body),
            authorise=lambda: find_evidence(uow.session, actor, evidence_id, Operation.WITHDRAW_CONSENT),
            tells_closed=True,
        )
        if answer is not None:
            return answer
        evidence, made = service.withdraw_item_consent(uow, actor, evidence_id, body.stated())
        return commit(
            uow, lambda receipts: consent_shape(made, evidence.closed_at, receipts), actor=actor, key=key, status=201
        )


@router.get(
    "/evidence/{evidence_id}/consents",
    name="listConsents",
    summary="List an item's consents and withdrawals",
    response_model=DatedPage[ConsentShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_consents(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In the order in which they were recorded; with `as_of`, those that had been by then."""
    parts = read_cursor(cursor, int)
    after = 0 if parts is None else int(parts[0])
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_item_consents(session, actor, evidence_id, after=after, limit=limit + 1, at=at)
        answer = page(request, response, rows, limit, consent_shape, lambda row: encode_cursor(row.number))
        return dated(answer, at)


def consent_shape(
    row: Consent, closed_at: datetime | None = None, receipts: list[ReceiptShape] | None = None
) -> ConsentShape:
    stated = {name: getattr(row, name) for name in ConsentShape.model_fields if hasattr(row, name)}
    return ConsentShape(**stated, subject=row.pseudonym, closed_at=closed_at, receipts=receipts or [])
