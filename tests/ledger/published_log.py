"""A log as static files, as a server would publish it: to be checked from outside, and to be tampered with."""

import hashlib
from collections.abc import Sequence

from app.ledger.checkpoint import Checkpoint, Signer, VerifierKey, sign_checkpoint
from app.ledger.event import leaf
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.monitor import NotServed
from app.ledger.tiles import encode_bundle, tiles_of
from tests.ledger.acts import SIGNER

ORIGIN = "log.example.org/2026"
VKEY = VerifierKey(ORIGIN, SIGNER.public_key)


def make_leaves(count: int) -> list[bytes]:
    """Leaves of one form with labels of their own."""
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2 * count)]
    return [leaf(digests[2 * number], digests[2 * number + 1]) for number in range(count)]


def files_of(leaves: Sequence[bytes], *, signer: Signer = SIGNER, origin: str = ORIGIN) -> dict[str, bytes]:
    """Path → content: the checkpoint, every tile and every bundle of these leaves."""
    frontier, nodes = Frontier(), dict[tuple[int, int], bytes]()
    for each in leaves:
        for level, index, digest in frontier.append(leaf_hash(each)):
            nodes[level, index] = digest
    note = sign_checkpoint(Checkpoint(origin, len(leaves), frontier.root()), signer)
    files = {"checkpoint": note.encode()}
    for tile in tiles_of(len(leaves)):
        if tile.level is None:
            content = encode_bundle(leaves[tile.first : tile.end])
        else:
            content = b"".join(nodes[tile.node_level, index] for index in range(tile.first, tile.end))
        files[f"tile/{tile.encode()}"] = content
    return files


class Server:
    """Answers from files, and remembers what was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, list[str]()

    def fetch(self, path: str) -> bytes:
        self.asked.append(path)
        try:
            return self.files[path]
        except KeyError as error:
            raise NotServed(path) from error
