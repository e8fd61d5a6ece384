"""The streams of the package as they were before its own entries, as ``export.created`` has counted and hashed them."""

from collections.abc import Iterator

from app.exports.dossier import Dossier
from app.kernel.primitives import canonical_json

PATH = "data/ledger/streams.json"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    yield PATH, [canonical_json([span.document() for span in dossier.before])]
