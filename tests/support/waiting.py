"""To see that an act waits for a lock, however busy the machine is."""

import time
from concurrent.futures import Future
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_IS_WAITED_FOR = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)


def until_it_waits_for(session: Session, act: Future[Any]) -> None:
    """Returns when another transaction waits for a lock of this session's; fails when the act ends without."""
    while not session.scalar(_IS_WAITED_FOR):
        assert not act.done(), f"it did not wait: {act.result()}"
        time.sleep(0.005)
