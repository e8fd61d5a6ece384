"""What every route shares: who calls, the unit of work and its answer, ETags. Cursors: ``paging``."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin
from uuid import UUID

from anyio import CapacityLimiter
from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from app.access import idempotency
from app.access.actors import Actor, authenticate, note_use, require_scope
from app.access.rules import Operation
from app.api.paging import BadCursor, list_mark
from app.api.threads import session_of
from app.api.waiting import CheckpointWatch
from app.blobs.store import BlobStore
from app.fingerprints.following import FollowingIndex
from app.fingerprints.similar_files import QueryFiles
from app.fingerprints.similar_index import Adopter
from app.kernel.database import read_session, without_transaction
from app.kernel.errors import Invalid, PreconditionRequired, Unauthenticated
from app.kernel.settings import Settings
from app.ledger.log import Receipt
from app.ledger.policy import Policy
from app.unit_of_work import UnitOfWork, unit_of_work
from app.vault.sealing import VaultKey

Item = TypeVar("Item")


@dataclass(frozen=True)
class Services:
    """What the composition root hands to the routes."""

    settings: Settings
    sessions: sessionmaker[Session]
    blobs: BlobStore
    packages: BlobStore
    """Finished exports."""
    url_key: bytes
    """Signs short-lived content addresses (HMAC-SHA-256); known to API processes only."""
    vault_key: VaultKey
    """Wraps the key of each sealed identity; known to API processes only."""
    checkpoints: CheckpointWatch
    witness_policy: Policy | None
    """Whose cosignatures a published checkpoint needs; None: nobody's."""
    index: FollowingIndex
    """Of hashes, for searches in this process."""
    adopter: Adopter
    """Keeps that index by the worker's file."""
    query_files: QueryFiles
    """Files that are searched with."""
    threads: CapacityLimiter
    """How many requests are worked on at once; the others wait in the order in which they came."""


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


# --- shapes -----------------------------------------------------------------------------------------------------------


class Shape(BaseModel):
    """An answer's JSON shape."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Input(BaseModel):
    """A request's JSON shape: unknown fields, wrong types and NUL characters are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _in_four_digits(moment: datetime) -> datetime:
    if not 1000 < moment.year < 9999:
        raise ValueError("a year from 1001 to 9998 is needed: entries write it in UTC with four digits")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_four_digits)]
"""A time with its zone that an entry can hold: moved to UTC it stays within four-digit years."""


_LETTERS_THAT_ARE_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Fillers of Hangul and the empty Braille cell: letters and symbols by their class, and nothing to the eye."""


def _with_something_to_read(text: str) -> str:
    if not any(unicodedata.category(each)[0] in "LNPS" and each not in _LETTERS_THAT_ARE_BLANK for each in text):
        raise ValueError("it says nothing: a letter, digit or sign is needed, not only blanks or what is not seen")
    return text


Readable = AfterValidator(_with_something_to_read)
"""Of texts that must say something: not of blanks, controls, zero-width characters and bare marks alone."""

_RUNS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_RUNNING = frozenset({"javascript", "vbscript", "livescript", "data", "blob", "filesystem", "view-source", "jar"})
"""Schemes of what is no place but a thing that a program runs or shows: a page that links it attacks its reader."""


def _naming_a_place(text: str) -> str:
    # As browsers read it: without what is not seen, wherever that stands.
    seen = "".join(each for each in text if unicodedata.category(each)[0] not in "CZ")
    scheme = _RUNS.match(seen)
    if scheme is not None and scheme[0][:-1].lower() in _RUNNING:
        raise ValueError(f"'{scheme[0]}' begins a program, no address: write it into a text that is about it")
    return text


NamesPlace = AfterValidator(_naming_a_place)
"""Of addresses as they were told (`t.me/x`, `tg://…`, a telephone number): anything but a program for browsers."""

_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _read_as_written(text: str) -> str:
    if any(each in _TURNS or unicodedata.category(each) == "Cc" for each in text):
        raise ValueError("a name holds no controls, and nothing that turns the direction of reading")
    return text


ReadAsWritten = AfterValidator(_read_as_written)
"""Of the names of people and their tokens, by which others decide whom to trust."""
WrittenText = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$"), Readable]
"""What people write: reasons, rationales, notes."""


Email = Annotated[str, StringConstraints(min_length=3, max_length=320, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


class ReceiptShape(Shape):
    """Where an act stands in the custody ledger: keep it, and ask later for the proof that it is there."""

    stream: UUID
    seq: int = Field(description="Number of the entry in its stream, from 1.", examples=[7])
    type: str = Field(examples=["evidence.collected"])
    commitment: str = Field(description="SHA-256 of the entry's line.", examples=["9f86d081884c7d65…"])
    label: str = Field(description="The entry's public one-time label.", examples=["60303ae22b998861…"])
    log_index: int | None = Field(None, description="Its leaf in the public log, from 0; with `?wait=checkpoint`.")
    tree_size: int | None = Field(None, description="The smallest signed tree that holds it; with `?wait=checkpoint`.")


class Changed(Shape):
    """An answer to a change: the resource and the receipts of the entries that recorded it."""

    receipts: list[ReceiptShape] = Field(default_factory=list, description="One per custody entry written.")


Erased: list[str] = Field(
    default_factory=list,
    description="Fields whose value was erased: a text reads `[erased]`, anything else is empty. Not: unknown.",
    examples=[["title"]],
)
"""The member ``erased`` of every shape that shows what people wrote."""


class Page(Shape, Generic[Item]):
    """One page of a list; ``next_cursor`` is null on the last one."""

    items: list[Item]
    next_cursor: str | None
    limit: int


READING_METHODS = frozenset({"GET", "HEAD"})

# --- who calls --------------------------------------------------------------------------------------------------------

bearer = HTTPBearer(auto_error=False, description="An opaque token: from `POST /v1/sessions` or `POST /v1/tokens`.")


class Requires:
    """The declared access rule of one operation, as a dependency. An operation without one does not start.

    It authenticates and checks the token's scope; membership and role are checked by the service's first line, so that
    worker and command line cannot skip them.
    """

    def __init__(self, operation: Operation) -> None:
        self.operation = operation

    async def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Actor:
        if credentials is None:
            raise Unauthenticated()
        if session_of(request) is not None:
            return self._admit(request, credentials.credentials)
        return await run_in_threadpool(self._admit, request, credentials.credentials)

    def _admit(self, request: Request, secret: str) -> Actor:
        """In a thread that may wait for the database. Its transaction is that of the first block of the operation."""
        shared = session_of(request)
        if shared is not None:
            if request.method in READING_METHODS:
                without_transaction(shared)
            actor = _known(shared, secret)
        else:
            with read_session(services(request).sessions) as session:
                actor = _known(session, secret)
        require_scope(actor, self.operation)
        check_query(request)
        return actor


def _known(session: Session, secret: str) -> Actor:
    actor = authenticate(session, secret)
    if note_use(session, actor):
        session.commit()
    return actor


class Public:
    """The declared rule of an operation that anybody may call."""

    operation = Operation.PUBLIC

    async def __call__(self, request: Request) -> None:
        check_query(request)


class UnknownParameter(Invalid):
    code = "unknown_parameter"
    title = "The operation has no such query parameter"


def check_query(request: Request) -> None:
    """A misspelt filter must not answer with everything, nor a cursor of another list with some of it.

    Raises UnknownParameter, also for a parameter given twice, and BadCursor.
    """
    known = _query_parameters(request.scope["route"])
    given = [name for name, _ in request.query_params.multi_items()]
    if not known.keys() >= set(given):
        raise UnknownParameter(f"Known here: {', '.join(sorted(known)) or 'none'}.")
    once = [name for name in given if not known[name]]
    if len(set(once)) < len(once):
        raise UnknownParameter("A parameter is given more than once; each is taken once, but where a list is told.")
    cursor = request.query_params.get("cursor")
    if cursor is not None and cursor.partition(".")[0] != list_mark(request):
        raise BadCursor("This cursor was not given by this list.")


_query_parameters_of: dict[Callable[..., Any], dict[str, bool]] = {}


def _query_parameters(route: APIRoute) -> dict[str, bool]:
    """The names of a route's query parameters, wherever in its dependencies they are declared, and whether they may be
    given several times; worked out once."""
    known = _query_parameters_of.get(route.endpoint)
    if known is None:
        known = _query_parameters_of[route.endpoint] = _declared_query_parameters(route)
    return known


def _declared_query_parameters(route: APIRoute) -> dict[str, bool]:
    names: dict[str, bool] = {}
    pending = [route.dependant]
    while pending:
        dependant = pending.pop()
        names |= {each.alias: _takes_several(each.field_info.annotation) for each in dependant.query_params}
        pending.extend(dependant.dependencies)
    return names


def _takes_several(annotation: Any) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


# --- reading and changing ---------------------------------------------------------------------------------------------


def _sessions(request: Request) -> Callable[[], Session]:
    """The thread's one session, closed after each block that uses it, or a new one."""
    shared = session_of(request)
    return services(request).sessions if shared is None else lambda: shared


@contextmanager
def reading(request: Request) -> Iterator[Session]:
    with read_session(_sessions(request)) as session:
        if request.method in READING_METHODS:
            without_transaction(session)
        yield session


@contextmanager
def working(request: Request) -> Iterator[UnitOfWork]:
    """A unit of work that stamps its entries with the request's id."""
    shared = session_of(request)
    if shared is not None and request.method in READING_METHODS:
        shared.rollback()  # A download is an act: who asks was read without a transaction, the act needs one.
    with unit_of_work(_sessions(request), request_id=request.state.request_id) as uow:
        yield uow


IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description='The `ETag` of the version that you read, such as `"3"`.'),
]


def commit(
    uow: UnitOfWork,
    build: Callable[[list[ReceiptShape]], Changed],
    *,
    actor: Actor | None = None,
    key: str | None = None,
    status: int = 200,
    version: int | None = None,
    location: str | None = None,
    holds_secret: bool = False,
) -> JSONResponse:
    """Commit the unit of work and answer with the changed resource and its receipts.

    With an Idempotency-Key the answer is stored in the same transaction. ``version`` becomes the ETag.
    """
    headers = {}
    if version is not None:
        headers["ETag"] = etag(version)
    if location is not None:
        headers["Location"] = location
    answers: list[idempotency.Answer] = []

    def keep_answer(receipts: list[Receipt]) -> None:
        body = build([ReceiptShape.model_validate(receipt) for receipt in receipts]).model_dump(
            mode="json", by_alias=True
        )
        answers.append(idempotency.Answer(status, body, headers))
        if key is not None and actor is not None:
            idempotency.keep(uow.session, actor.account_id, key, answers[0], holds_secret=holds_secret)

    uow.commit(keep_answer)
    cache = {"Cache-Control": "no-store"} if holds_secret else {}
    return JSONResponse(answers[0].body, status, {**headers, **cache})


def etag(version: int) -> str:
    return f'"{version}"'


def required_version(if_match: str | None) -> int:
    """The version an ``If-Match`` names. Raises PreconditionRequired (428) without one, Invalid for another form."""
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag of the version that you read.")
    text = if_match.strip()
    if len(text) < 3 or text[0] != '"' or text[-1] != '"' or not text[1:-1].isdecimal() or len(text) > 12:
        raise Invalid('If-Match must be one strong ETag of this API, such as "3".')
    return int(text[1:-1])


def with_version(response: Response, version: int) -> None:
    response.headers["ETag"] = etag(version)
