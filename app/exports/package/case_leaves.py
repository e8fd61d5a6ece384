"""All leaves of the signed tree: line i is leaf i. They show that no stream goes on unseen."""

from collections.abc import Iterator

from app.exports.custody_streams import each_leaf
from app.exports.dossier import Dossier

PATH = "data/ledger/leaves.txt"


def write(dossier: Dossier) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Left out of a log above a set size."""
    if dossier.inputs.has_leaves:
        yield PATH, (leaf.leaf + b"\n" for leaf in each_leaf(dossier.sessions, dossier.checkpoint))
