"""The ledger's public face: its key, its newest signed tree head, and the proof of one entry."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.anchors.publication import with_cosignatures
from app.api.http import Public, Requires, Shape, reading, services
from app.api.problems import problem_responses
from app.api.public_log import NoSuchLog
from app.api.waiting import LedgerRoute
from app.exports import custody_service
from app.exports.errors import CheckpointPending
from app.kernel.errors import AppError, Invalid
from app.kernel.settings import Settings
from app.ledger import published
from app.ledger.checkpoint import VerifierKey
from app.ledger.keys import VKEY_NAME, published_directory, read_verifier_key
from app.ledger.published import NotSigned
from app.ledger.reading import Reader, SignedCheckpoint, checkpoint_of, key_periods, latest_checkpoint

router = APIRouter(route_class=LedgerRoute, prefix="/v1/ledger", tags=["Ledger"])

Auditor = Annotated[Actor, Depends(Requires(Operation.READ_CUSTODY))]
Depositor = Annotated[Actor, Depends(Requires(Operation.TAKE_RECEIPT))]
Commitment = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="The entry's commitment, from its receipt.")]
SIZE_LIMIT = 2**63 - 1
OfLog = Annotated[
    int | None,
    Query(alias="log", ge=1, le=32767, description="Which log of this server; without it the current one."),
]
SignedSize = Annotated[int, Path(ge=1, le=SIZE_LIMIT, description="A size that was signed.")]
AtSize = Annotated[
    int | None,
    Query(ge=1, le=SIZE_LIMIT, description="A size that was signed; without it the newest."),
]


class LedgerKey(Shape):
    """Pin this key: note it once, from this installation, and check every later export against it."""

    origin: str = Field(description="The log's name, in every entry and checkpoint.", examples=["log.example.org/2026"])
    vkey: str = Field(description="The public key as `name+hash+base64`, for `--key` and Go's `note.NewVerifier`.")
    prefix: str = Field(description="Below it are the log's `/checkpoint` and `/tile/…`.", examples=["/logs/1"])


class SizeNotSigned(AppError):
    code = "size_not_signed"
    status = 404
    title = "The log never signed a tree of this size"
    advice = "Name a size that a checkpoint bears: take it from the checkpoint you hold, or from the newest one."


class SizesReversed(Invalid):
    code = "sizes_reversed"
    title = "'old' is the smaller size, 'new' the larger one"


class LedgerKeyPeriod(Shape):
    """A key, and which checkpoints bear its signature."""

    origin: str = Field(description="The log's name.", examples=["log.example.org/2026"])
    key_id: str = Field(description="As in the key and in signature lines.", examples=["c2a1f00d"])
    vkey: str = Field(description="The public key as `name+hash+base64`.")
    first_size: int = Field(description="Every checkpoint of at least so many leaves bears its signature …")
    last_size: int | None = Field(description="… up to this size; null while it signs.")


class LedgerKeys(Shape):
    """Every key that ever signed, of every log of this installation, oldest first."""

    keys: list[LedgerKeyPeriod]


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
    with reading(request) as session:
        newest_log = published.newest_log(session)
    return LedgerKey(origin=key.name, vkey=key.encode(), prefix=f"/logs/{newest_log}")


@router.get(
    "/keys",
    name="getLedgerKeys",
    summary="All keys that ever signed",
    response_model=LedgerKeys,
    dependencies=[Depends(Public())],
)
def get_ledger_keys(request: Request) -> LedgerKeys:
    """The history of the log's keys. While a key is being replaced, checkpoints bear two signatures."""
    with reading(request) as session:
        periods = key_periods(session)
    return LedgerKeys(
        keys=[
            LedgerKeyPeriod(
                origin=each.vkey.name,
                key_id=each.vkey.key_id.hex(),
                vkey=each.vkey.encode(),
                first_size=each.first_size,
                last_size=each.last_size,
            )
            for each in periods
        ]
    )


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
        checkpoint = _signed(session, None)
    return PlainTextResponse(checkpoint.note, headers={"Cache-Control": "no-cache"})


@router.get(
    "/checkpoints/{size}",
    name="getLedgerCheckpointOfSize",
    summary="The signed tree head of a size",
    response_class=PlainTextResponse,
    responses=problem_responses(404, 422),
    dependencies=[Depends(Public())],
)
def get_ledger_checkpoint_of_size(size: SignedSize, request: Request, log_id: OfLog = None) -> PlainTextResponse:
    """With the lines of all witnesses that cosigned it, at its end. Only some sizes were signed: those of `tree_size`
    in receipts, proofs and exports are. Each log has its own; `log` is the number in the prefix `/logs/<n>`.
    """
    with reading(request) as session:
        checkpoint = with_cosignatures(session, _signed(session, size, log_id))
    return PlainTextResponse(checkpoint.note, headers={"Cache-Control": "no-cache"})


@router.get(
    "/consistency",
    name="getLedgerConsistency",
    summary="That the log only grew",
    response_class=PlainTextResponse,
    responses=problem_responses(404, 422, 503),
    dependencies=[Depends(Public())],
)
def get_ledger_consistency(
    request: Request,
    old: Annotated[int, Query(ge=0, le=SIZE_LIMIT, description="A size that was signed, or 0: the empty tree.")],
    new: AtSize = None,
    log_id: OfLog = None,
) -> PlainTextResponse:
    """The proof that the signed tree of `new` leaves begins with that of `old`: keep a checkpoint, ask later.

    The text is the body of a C2SP witness's add-checkpoint: `old <size>`, hashes in base64, an empty line, the newer
    checkpoint. A proof stays within one log; `log` is the number in the prefix `/logs/<n>`.
    """
    with reading(request) as session:
        checkpoint = _signed(session, new, log_id)
        if old > checkpoint.size:
            raise SizesReversed(f"The newer tree has {checkpoint.size} leaves.")
        try:
            file = published.consistency(session, old, checkpoint)
        except NotSigned as error:
            raise SizeNotSigned(f"No tree of {old} leaves was signed.") from error
    return PlainTextResponse(file.encode(), headers={"Cache-Control": "no-cache"})


def _signed(session: Reader, size: int | None, log_id: int | None = None) -> SignedCheckpoint:
    """Of the current log, unless another is named. Raises NoSuchLog, SizeNotSigned, CheckpointPending."""
    if log_id is not None and log_id > (newest_log := published.newest_log(session)):
        raise NoSuchLog(f"The newest is log {newest_log}.")
    if size is not None:
        checkpoint = checkpoint_of(session, size, log_id=log_id)
        if checkpoint is None:
            raise SizeNotSigned(f"No tree of {size} leaves was signed.")
        return checkpoint
    checkpoint = latest_checkpoint(session, log_id=log_id)
    if checkpoint is None:
        raise CheckpointPending("Nothing has been signed yet: is the ledger's integrator running?")
    return checkpoint


@router.get(
    "/entries/{commitment}/proof",
    name="getEntryProof",
    summary="An entry's inclusion proof",
    response_class=PlainTextResponse,
    responses=problem_responses(401, 403, 404, 422, 503),
)
def get_entry_proof(commitment: Commitment, request: Request, actor: Auditor, size: AtSize = None) -> PlainTextResponse:
    """A C2SP tlog-proof against a signed tree, for those who may read the entry's custody log."""
    with reading(request) as session:
        proof = custody_service.get_proof(session, actor, commitment, size)
    return PlainTextResponse(proof.encode(), headers={"Cache-Control": "no-store"})


@router.get(
    "/entries/{commitment}/receipt",
    name="getEntryReceipt",
    summary="An entry's signed receipt",
    response_class=PlainTextResponse,
    responses=problem_responses(401, 403, 404, 422, 503),
)
def get_entry_receipt(
    commitment: Commitment, request: Request, actor: Depositor, size: AtSize = None
) -> PlainTextResponse:
    """To keep: the entry's exact line (hash, size, time, stream, number) and its proof under the log's signature.

    For whoever did the act, and those who may read the custody log. `verify_custody.py` checks it offline, and so do
    stock tools, line by line (docs/custody.md). It opens no sealed field.
    """
    with reading(request) as session:
        receipt = custody_service.get_receipt(session, actor, commitment, size)
    return PlainTextResponse(
        receipt.encode(),
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="receipt-{commitment[:16]}.txt"',
        },
    )
