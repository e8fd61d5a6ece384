"""The ledger's public face: its key, its newest signed tree head, and the proof of one entry."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import PlainTextResponse
from pydantic import Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Public, Requires, Shape, reading, services
from app.api.problems import problem_responses
from app.exports import custody_service
from app.exports.errors import CheckpointPending
from app.kernel.settings import Settings
from app.ledger.checkpoint import VerifierKey
from app.ledger.keys import VKEY_NAME, published_directory, read_verifier_key
from app.ledger.reading import latest_checkpoint

router = APIRouter(prefix="/v1/ledger", tags=["Ledger"])

Auditor = Annotated[Actor, Depends(Requires(Operation.READ_CUSTODY))]
Commitment = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="The entry's commitment, from its receipt.")]


class LedgerKey(Shape):
    """Pin this key: note it once, from this installation, and check every later export against it."""

    origin: str = Field(description="The log's name, in every entry and checkpoint.", examples=["log.example.org/2026"])
    vkey: str = Field(description="The public key as `name+hash+base64`, for `--key` and Go's `note.NewVerifier`.")


def published_key(settings: Settings) -> VerifierKey:
    """The log's public key as its integrator published it. Raises CheckpointPending before the first start of one."""
    path = published_directory(settings.data) / VKEY_NAME
    if not path.exists():
        raise CheckpointPending("The ledger's integrator has not published its key yet: is it running?")
    return read_verifier_key(path)


@router.get(
    "/key",
    name="getLedgerKey",
    summary="The log's public key",
    response_model=LedgerKey,
    responses=problem_responses(503),
    dependencies=[Depends(Public())],
)
def get_ledger_key(request: Request) -> LedgerKey:
    """Anybody may have it. Compare it over a second channel: an export is only as trustworthy as this key."""
    key = published_key(services(request).settings)
    return LedgerKey(origin=key.name, vkey=key.encode())


@router.get(
    "/checkpoint",
    name="getLedgerCheckpoint",
    summary="The newest signed tree head",
    response_class=PlainTextResponse,
    responses=problem_responses(503),
    dependencies=[Depends(Public())],
)
def get_ledger_checkpoint(request: Request) -> PlainTextResponse:
    """A C2SP checkpoint in a signed note. It tells the log's size and root hash, and nothing of any case."""
    with reading(request) as session:
        checkpoint = latest_checkpoint(session)
    if checkpoint is None:
        raise CheckpointPending("Nothing has been signed yet: is the ledger's integrator running?")
    return PlainTextResponse(checkpoint.note, headers={"Cache-Control": "no-cache"})


@router.get(
    "/entries/{commitment}/proof",
    name="getEntryProof",
    summary="An entry's inclusion proof",
    response_class=PlainTextResponse,
    responses=problem_responses(401, 403, 404, 422, 503),
)
def get_entry_proof(commitment: Commitment, request: Request, actor: Auditor) -> PlainTextResponse:
    """A C2SP tlog-proof against the newest signed tree, for those who may read the entry's custody log."""
    with reading(request) as session:
        proof = custody_service.get_proof(session, actor, commitment)
    return PlainTextResponse(proof.encode(), headers={"Cache-Control": "no-store"})
