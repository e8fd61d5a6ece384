"""Idempotency-Key: a request that is repeated is done once, and its first answer is given again."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.access import idempotency
from app.access.actors import Actor
from app.kernel.primitives import MAX_SAFE_INTEGER, Sha256Hex, canonical_json
from app.media.closing import closed_among
from app.testimonies import closing as testimony_closing
from app.unit_of_work import UnitOfWork

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Repeat a request with the same key and it is done once; the first answer is given again.",
    ),
]


def request_digest(*parts: Any) -> Sha256Hex:
    """The identity of a request for its Idempotency-Key: models, ids and digests that make it what it is."""
    values = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return Sha256Hex(hashlib.sha256(canonical_json(_with_safe_numbers(values))).hexdigest())


def _with_safe_numbers(value: Any) -> Any:
    """Numbers that canonical JSON has no form for, fractions and those beyond 2^53, as their digits."""
    if isinstance(value, dict):
        return {key: _with_safe_numbers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_safe_numbers(member) for member in value]
    is_unsafe = isinstance(value, float) or (isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER)
    return repr(value) if is_unsafe else value


def replay(
    uow: UnitOfWork,
    actor: Actor,
    key: str | None,
    *,
    operation: str,
    request_sha256: Sha256Hex,
    authorise: Callable[[], object],
    tells_closed: bool = False,
) -> JSONResponse | None:
    """Claim the Idempotency-Key, or give the stored first answer. None: go ahead.

    ``authorise`` raises what the operation would, for one who may not do this (any more): a stored answer is no way
    around a role that was taken away. Nor around a consent that has ended by its date: a withdrawal empties the kept
    answers (AnswerErased), a date cannot. ``tells_closed``: of what records consents, whose answers hold no content.
    """
    if key is None:
        return None
    authorise()
    answer = idempotency.claim(uow.session, actor.account_id, key, operation=operation, request_sha256=request_sha256)
    if answer is None:
        return None
    if not tells_closed:
        _require_open(uow.session, answer)
    return JSONResponse(answer.body, answer.status, {**answer.headers, "Idempotency-Replayed": "true"})


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _require_open(session: Session, answer: idempotency.Answer) -> None:
    """Raises AnswerErased for an answer that names an item or a testimony which is closed by now."""
    named = {UUID(each) for each in _UUID.findall(json.dumps(answer.body))}
    if closed_among(session, named) or testimony_closing.closed_among(session, named):
        raise idempotency.AnswerErased("Consent to what it holds is over, so it is not shown again. It was done.")
