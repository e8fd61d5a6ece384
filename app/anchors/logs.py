"""Which log is the one that is being written to."""

from app.ledger.reading import Reader


def current_log(_session: Reader) -> int:
    return 1
