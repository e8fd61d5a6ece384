"""For every entry the proof that the signed tree holds it: C2SP tlog-proof, with its leaf as ``extra``."""

from collections.abc import Iterator

from app.exports.custody_streams import each_proof
from app.exports.dossier import Dossier

PATH = "data/ledger/proofs/"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    """``<stream>/<seq, six digits>.tlog-proof``."""
    for stream, seq, proof in each_proof(dossier.sessions, dossier.spans, dossier.checkpoint):
        yield f"{PATH}{stream}/{seq:06d}.tlog-proof", [proof.encode().encode()]
