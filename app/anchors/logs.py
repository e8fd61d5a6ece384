"""Which log is the one that is being written to."""

from app.ledger import log
from app.ledger.reading import Reader


def current_log(session: Reader) -> int:
    return log.installation(session).log_id
