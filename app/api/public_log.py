"""The log as static resources for everybody, exactly as c2sp.org/tlog-tiles: checkpoint, tiles, entry bundles.

Whoever has the log's key checks all of it with stock tools. Leaves are commitments under random labels: they tell the
log's size and pace, and nothing of any case. Any web page may read it: there is nothing to protect.
"""

import gzip
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import PlainTextResponse, Response

from app.api.http import Public, reading
from app.api.problems import problem_responses
from app.exports.errors import CheckpointPending
from app.kernel.errors import AppError
from app.ledger import published
from app.ledger.reading import NotInLog, latest_checkpoint
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


class NoSuchTile(AppError):
    code = "no_such_tile"
    status = 404
    title = "The signed tree has no such tile"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={**FOR_EVERYBODY, "Cache-Control": "no-store"})


@router.get(
    "/checkpoint",
    name="getCheckpoint",
    summary="The newest signed tree head, where log clients look for it",
    response_class=PlainTextResponse,
    responses=problem_responses(503),
    dependencies=[Depends(Public())],
)
def get_checkpoint(request: Request) -> PlainTextResponse:
    """A C2SP checkpoint in a signed note."""
    with reading(request) as session:
        checkpoint = latest_checkpoint(session)
    if checkpoint is None:
        raise CheckpointPending("Nothing has been signed yet: is the ledger's integrator running?")
    return PlainTextResponse(checkpoint.note, headers={**FOR_EVERYBODY, "Cache-Control": "no-cache"})


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
    content = _content(request, f"entries/{index}")
    headers = {**FOR_EVERYBODY, "Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if _accepts_gzip(request.headers.get("Accept-Encoding", "")):
        content, headers["Content-Encoding"] = gzip.compress(content, GZIP_LEVEL, mtime=0), "gzip"
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get(
    "/tile/{level}/{index:path}",
    name="getTile",
    summary="A tile of the log's hashes",
    response_class=Response,
    responses={**OCTETS, **problem_responses(404)},
    dependencies=[Depends(Public())],
)
def get_tile(
    level: Annotated[str, Path(description="`<L>`, from 0: each level is eight of the tree's.", examples=["0"])],
    index: TileIndex,
    request: Request,
) -> Response:
    """Up to 256 hashes of 32 bytes, one after the other. Not compressed: hashes do not become smaller."""
    headers = {**FOR_EVERYBODY, "Cache-Control": FOR_EVER}
    return Response(_content(request, f"{level}/{index}"), media_type="application/octet-stream", headers=headers)


def _content(request: Request, path: str) -> bytes:
    tile = _tile(request, path)
    with reading(request) as session:
        try:
            return published.read_tile(session, tile)
        except NotInLog as error:
            raise NoSuchTile("Read the checkpoint: a tile exists up to the size that it signs.") from error


def _tile(request: Request, path: str) -> Tile:
    try:
        tile = parse_tile_path(path)
        sent: bytes = request.scope["raw_path"]
        if not sent.endswith(f"/tile/{path}".encode("ascii")):
            raise TilePathInvalid("percent-encoded: a second spelling of the same path")
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
