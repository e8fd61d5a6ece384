"""The log as static resources for everybody, exactly as c2sp.org/tlog-tiles: checkpoint, tiles, entry bundles.

Whoever has the log's key checks all of it with stock tools. Leaves are commitments under random labels: they tell the
log's size and pace, and nothing of any case. Any web page may read it: there is nothing to protect.
"""

import gzip
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import PlainTextResponse, Response

from app.anchors.publication import published_checkpoint
from app.api.http import Public, reading, services
from app.api.problems import problem_responses
from app.exports.errors import CheckpointPending
from app.kernel.errors import AppError
from app.ledger import published
from app.ledger.published import FIRST_LOG
from app.ledger.reading import NotInLog
from app.ledger.tiles import Tile, TilePathInvalid, parse_tile_path

router = APIRouter(tags=["Public log"])

FOR_EVERYBODY = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
FOR_EVER = "public, max-age=31536000, immutable"
GZIP_LEVEL = 6
OCTETS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}

TileIndex = Annotated[
    str,
    Path(
        description="`<N>` in groups of three digits, all but the last behind an `x`; with `.p/<W>` when the tile is "
        "cut at the signed size. Each tile has one spelling.",
        examples=["x001/x234/067", "000.p/112"],
    ),
]


LogNumber = Annotated[int, Path(ge=1, le=32767, description="Which log of this server, from 1.", examples=[1])]
TileLevel = Annotated[str, Path(description="`<L>`, from 0: each level is eight of the tree's.", examples=["0"])]


class NoSuchTile(AppError):
    code = "no_such_tile"
    status = 404
    title = "The signed tree has no such tile"
    advice = "Ask for tiles of the tree that the newest checkpoint signs, with the width that its size gives."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={**FOR_EVERYBODY, "Cache-Control": "no-store"})


class NoSuchLog(AppError):
    code = "no_such_log"
    status = 404
    title = "This server has no log of that number"
    advice = "Use a number from 1 to that of the newest log: most servers have log 1 alone."


@router.get(
    "/checkpoint",
    name="getCheckpoint",
    summary="The newest signed tree head, where log clients look for it",
    response_class=PlainTextResponse,
    responses=problem_responses(503),
    dependencies=[Depends(Public())],
)
def get_checkpoint(request: Request) -> PlainTextResponse:
    """A C2SP checkpoint in a signed note: that of log 1, at whose addresses no other log ever stands.

    The lines of the witnesses that cosigned it stand at its end. Where a witness policy is set, it is the newest tree
    that has the policy's quorum; of a log that has ended, the newest.
    Another log exists only after a restore from a backup; then `Link` names the one that followed.
    """
    return _checkpoint(request, FIRST_LOG)


@router.get(
    "/logs/{log_id}/checkpoint",
    name="getCheckpointOfLog",
    summary="The newest signed tree head of one log",
    response_class=PlainTextResponse,
    responses=problem_responses(404, 422, 503),
    dependencies=[Depends(Public())],
)
def get_checkpoint_of_log(log_id: LogNumber, request: Request) -> PlainTextResponse:
    """`/logs/<n>` is the prefix of log n for ever, as c2sp.org/tlog-tiles means it. That of log 1 is `/`, too."""
    return _checkpoint(request, log_id)


@router.get(
    "/tile/entries/{index:path}",
    name="getEntryBundle",
    summary="The leaves under a tile of level 0",
    response_class=Response,
    responses={**OCTETS, **problem_responses(404)},
    dependencies=[Depends(Public())],
)
def get_entry_bundle(index: TileIndex, request: Request) -> Response:
    """Each leaf (`custody-leaf/v1 <label> <commitment>`) behind its length in two bytes, big-endian.

    Compressed with gzip for those who accept it: hexadecimal digits take half the room.
    """
    return _bundle(request, FIRST_LOG, f"/tile/entries/{index}")


@router.get(
    "/logs/{log_id}/tile/entries/{index:path}",
    name="getEntryBundleOfLog",
    summary="The leaves under a tile of level 0 of one log",
    response_class=Response,
    responses={**OCTETS, **problem_responses(404, 422)},
    dependencies=[Depends(Public())],
)
def get_entry_bundle_of_log(log_id: LogNumber, index: TileIndex, request: Request) -> Response:
    """As `/tile/entries/…`."""
    return _bundle(request, log_id, f"/logs/{log_id}/tile/entries/{index}")


@router.get(
    "/tile/{level}/{index:path}",
    name="getTile",
    summary="A tile of the log's hashes",
    response_class=Response,
    responses={**OCTETS, **problem_responses(404)},
    dependencies=[Depends(Public())],
)
def get_tile(level: TileLevel, index: TileIndex, request: Request) -> Response:
    """Up to 256 hashes of 32 bytes, one after the other. Not compressed: hashes do not become smaller."""
    return _octets(_content(request, FIRST_LOG, f"/tile/{level}/{index}"))


@router.get(
    "/logs/{log_id}/tile/{level}/{index:path}",
    name="getTileOfLog",
    summary="A tile of one log's hashes",
    response_class=Response,
    responses={**OCTETS, **problem_responses(404, 422)},
    dependencies=[Depends(Public())],
)
def get_tile_of_log(log_id: LogNumber, level: TileLevel, index: TileIndex, request: Request) -> Response:
    """As `/tile/…`."""
    return _octets(_content(request, log_id, f"/logs/{log_id}/tile/{level}/{index}"))


def _checkpoint(request: Request, log_id: int) -> PlainTextResponse:
    with reading(request) as session:
        newest_log = published.newest_log(session)
        policy = services(request).witness_policy if log_id == newest_log else None
        checkpoint = published_checkpoint(session, policy, log_id=log_id)
    if log_id > newest_log:
        raise NoSuchLog(f"The newest is log {newest_log}.")
    if checkpoint is None and policy is not None:
        raise CheckpointPending("No tree has the witnesses' quorum yet: /readyz tells how they answer.")
    if checkpoint is None:
        raise CheckpointPending("Nothing has been signed yet: is the ledger's integrator running?")
    headers = {**FOR_EVERYBODY, "Cache-Control": "no-cache"}
    if log_id < newest_log:
        headers["Link"] = f'</logs/{log_id + 1}/checkpoint>; rel="successor-version"'
    return PlainTextResponse(checkpoint.note, headers=headers)


def _bundle(request: Request, log_id: int, path: str) -> Response:
    content = _content(request, log_id, path)
    if not _accepts_gzip(request.headers.get("Accept-Encoding", "")):
        return _octets(content, Vary="Accept-Encoding")
    packed = gzip.compress(content, GZIP_LEVEL, mtime=0)
    return _octets(packed, Vary="Accept-Encoding", **{"Content-Encoding": "gzip"})


def _octets(content: bytes, **headers: str) -> Response:
    headers = {**FOR_EVERYBODY, "Cache-Control": FOR_EVER, **headers}
    return Response(content, media_type="application/octet-stream", headers=headers)


def _content(request: Request, log_id: int, path: str) -> bytes:
    tile = _tile(request, path)
    with reading(request) as session:
        try:
            return published.read_tile(session, tile, log_id=log_id)
        except NotInLog as error:
            raise NoSuchTile("Read the checkpoint: a tile exists up to the size that it signs.") from error


def _tile(request: Request, path: str) -> Tile:
    """The tile of a path, when that was sent letter by letter: no percent sign, no zero before the log's number."""
    try:
        tile = parse_tile_path(path.partition("/tile/")[2])
        sent: bytes = request.scope["raw_path"]
        if not sent.endswith(path.encode("ascii")):
            raise TilePathInvalid("a second spelling of the same path")
    except TilePathInvalid as error:
        raise NoSuchTile(
            "A tile's path is /tile/<L>/<N>[.p/<W>], in its one spelling (c2sp.org/tlog-tiles)."
        ) from error
    return tile


def _accepts_gzip(accepted: str) -> bool:
    for choice in accepted.lower().split(","):
        coding, _, quality = choice.replace(" ", "").partition(";")
        if coding in ("gzip", "*"):
            return quality not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
