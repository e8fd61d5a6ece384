"""The signed tree head that all proofs of the package lead to, with its cosignatures."""

from collections.abc import Iterator

from app.exports.dossier import Dossier

PATH = "data/ledger/checkpoint"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    yield PATH, [dossier.inputs.checkpoint.encode()]
