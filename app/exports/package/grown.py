"""From the checkpoint that was time-stamped to the package's own: that the older tree is the newer one's beginning."""

from collections.abc import Iterator

from app.exports.dossier import Dossier, time_stamps
from app.kernel.database import read_session
from app.ledger.reading import consistency_proof
from app.ledger.witness_request import AddCheckpoint

PATH = "data/ledger/checkpoints/"
CONSISTENCY = "data/ledger/consistency/"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    """``checkpoints/<size>`` and ``consistency/<old>-<new>``, the body of a witness's add-checkpoint call."""
    found = time_stamps(dossier)
    own = dossier.inputs.tree_size
    if found is None or found[0].size == own:
        return
    old = found[0].size
    yield f"{PATH}{old}", [(dossier.inputs.anchored or found[0].note).encode()]
    with read_session(dossier.sessions) as session:
        hashes = tuple(consistency_proof(session, old, own, log_id=dossier.log_id))
    body = AddCheckpoint(old, hashes, dossier.inputs.checkpoint)
    yield f"{CONSISTENCY}{old}-{own}", [body.encode().encode()]
