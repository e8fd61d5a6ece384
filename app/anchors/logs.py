"""Which log is the one that is being written to."""

from sqlalchemy import text

from app.ledger.reading import Reader

_CURRENT = text("SELECT coalesce(max(id), 1) FROM ledger_logs")


def current_log(session: Reader) -> int:
    """Its number; 1 before there is any."""
    return int(session.execute(_CURRENT).scalar_one())
