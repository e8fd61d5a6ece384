"""Statements are compiled once for a test process, and not again for the database of each test."""

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import Dialect

from app.kernel import database

_first: Engine | None = None


def share_compiled_statements() -> None:
    """Engines of this process share the first one's dialect and cache: half of a service test was compiling.

    The dialect holds what was learnt of the server, and a process's tests use one server. An engine that asks for an
    isolation level has a dialect of its own, because that is where the level is kept.
    """
    database.create_engine = _create_engine  # type: ignore[attr-defined, assignment]


def _create_engine(url: str, **options: Any) -> Engine:
    global _first
    engine = create_engine(url, **options)
    if "isolation_level" not in options:
        if _first is None or _first.dialect.server_version_info is None:  # It never connected, and has learnt nothing.
            _first = engine
        else:
            _share(engine, _first)
    return engine


def _share(engine: Engine, first: Engine) -> None:
    dialect: Dialect = first.dialect
    engine.dialect = engine.pool._dialect = dialect
    engine._compiled_cache = first._compiled_cache
