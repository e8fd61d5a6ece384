"""Idempotency-Key: the first answer to a creating request is kept, and given again when the request is repeated."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.models import StoredAnswer
from app.kernel.errors import Conflict, Invalid
from app.kernel.primitives import Sha256Hex, new_id, utc_now


class IdempotencyKeyReused(Invalid):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"
    advice = "Choose a new Idempotency-Key for a new request; repeat one only with the very same request."


class SecretAlreadyShown(Conflict):
    code = "secret_already_shown"
    title = "The answer held a secret and is not repeated"
    advice = (
        "The secret is shown once and is not repeated: revoke what was made, and make a new one with a new "
        "Idempotency-Key."
    )


class AnswerErased(Conflict):
    code = "answer_erased"
    title = "The answer held what was erased since"
    advice = "Do not send it again: it was done. Read what it made, then go on from there."


KEPT_FOR = timedelta(days=7)
"""After this a key is free again, and its answer is forgotten with the account's next keyed request."""


@dataclass(frozen=True)
class Answer:
    """A status (HTTP), a JSON body and the headers worth repeating."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


def claim(session: Session, account_id: UUID, key: str, *, operation: str, request_sha256: Sha256Hex) -> Answer | None:
    """Take the key for this request, or give the answer that it already has.

    A second request with the key waits here until the first one's transaction ends. Raises IdempotencyKeyReused when
    the key was used for another request, SecretAlreadyShown.
    """
    now = utc_now()
    session.execute(
        delete(StoredAnswer).where(StoredAnswer.account_id == account_id, StoredAnswer.created_at < now - KEPT_FOR)
    )
    taken = session.scalar(
        insert(StoredAnswer)
        .values(
            id=new_id(),
            account_id=account_id,
            key=key,
            operation=operation,
            request_sha256=request_sha256,
            holds_secret=False,
            created_at=now,
        )
        .on_conflict_do_nothing(constraint="uq_stored_answers_key")
        .returning(StoredAnswer.id)
    )
    if taken is not None:
        return None
    stored = session.scalars(
        select(StoredAnswer).where(StoredAnswer.account_id == account_id, StoredAnswer.key == key)
    ).one()
    if (stored.operation, stored.request_sha256) != (operation, request_sha256):
        raise IdempotencyKeyReused("The key was used for a different request. Choose a new key for a new request.")
    if stored.is_erased:
        raise AnswerErased("The request was done, and its answer is gone. Read what it made, then go on from there.")
    if stored.holds_secret:
        raise SecretAlreadyShown("The first answer held a secret, which is shown once. Revoke it and make a new one.")
    if stored.status is None or stored.body is None:
        raise RuntimeError("an idempotency key was committed without its answer")
    return Answer(stored.status, stored.body, stored.headers)


def keep(session: Session, account_id: UUID, key: str, answer: Answer, *, holds_secret: bool) -> None:
    """Store the answer under the claimed key, in the same transaction as the change (a secret's body is not stored)."""
    session.execute(
        update(StoredAnswer)
        .where(StoredAnswer.account_id == account_id, StoredAnswer.key == key)
        .values(
            status=answer.status,
            body=None if holds_secret else answer.body,
            headers={} if holds_secret else dict(answer.headers),
            holds_secret=holds_secret,
        )
    )


def forget_answers(session: Session, ids: Collection[UUID]) -> None:
    """Empty every kept answer that names one of these objects: it may hold a value that is being erased.

    An answer to a change names its objects' streams, in the receipts at the latest.
    """
    body = cast(StoredAnswer.body, Text)
    names_one: list[ColumnElement[bool]] = [body.contains(str(each)) for each in ids]
    session.execute(update(StoredAnswer).where(or_(*names_one)).values(body=None, headers={}, is_erased=True))
