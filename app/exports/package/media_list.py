"""The digests of the originals in the package, as ``export.created`` has counted and hashed them."""

from collections.abc import Iterator

from app.exports.dossier import Dossier
from app.kernel.primitives import canonical_json

PATH = "data/ledger/media.json"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    yield PATH, [canonical_json([each.sha256 for each in dossier.media])]
