"""What every table shares: names of constraints, types for times and digests, engines and sessions."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Engine,
    FetchedValue,
    LargeBinary,
    MetaData,
    Text,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    inspect,
    literal,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.types import TypeDecorator

from app.kernel.cursors import LazyCursor

TESTED_AFTER_IDLE_S = 1.0

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of all tables. Relationships are not used for loading: services say which rows they read."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Erasable:
    """A table whose rows hold what people wrote. ``erased`` names the columns whose value is gone: a text then reads
    :data:`ERASED`, anything else is empty. Only an entry of a custodian or an administrator puts a name there.
    """

    erased: Mapped[list[str]] = mapped_column(
        ARRAY(Text), default=list, server_default=text("'{}'::text[]"), sort_order=1000
    )


class Acted:
    """A table whose rows stand from the act, the transaction, that adds them: a trigger writes its number into ``act``.

    ``app.ledger.positions`` says which acts a ledger position holds. 0: from before acts were numbered.
    """

    act: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue(), sort_order=1001)


class Versioned(Acted):
    """A table of the versions of another one's rows, written by triggers. A version stands until ``until_act``."""

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, sort_order=-1)
    until_act: Mapped[int | None] = mapped_column(BigInteger, sort_order=1002)


ERASED = "[erased]"
"""What a text column reads once its value was erased; followed by the row's id where it must be unique."""


class UtcTime(TypeDecorator[datetime]):
    """``timestamptz`` that takes and gives aware datetimes in UTC; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone does not name a moment")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


class HexDigest(TypeDecorator[str]):
    """A SHA-256 digest: 32 bytes in the database, 64 lower-case hexadecimal digits in Python."""

    impl = LargeBinary(32)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else bytes(value).hex()


def is_one_of(column: Any, digests: Collection[str]) -> ColumnElement[bool]:
    """Whether a digest is among these, however many: as one parameter, of which a statement can have 65,535."""
    among: ColumnElement[bool] = column == any_(literal(list(digests), ARRAY(HexDigest)))
    return among


def is_among(column: Any) -> ColumnElement[bool]:
    """The same in a statement that is made once: the digests are its parameter ``digests``, a list."""
    among: ColumnElement[bool] = column == any_(bindparam("digests", type_=ARRAY(HexDigest)))
    return among


def window_is_over(column: Any, window_s: int) -> ColumnElement[bool]:
    """Whether what was noted at this time lies further back than a window, by the database's own clock alone: one that
    ran ahead on some machine, and was set right, must not keep a window open until it comes to that time again."""
    now = func.clock_timestamp()
    return or_(column <= now - timedelta(seconds=window_s), column > now)


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """A check that a text column holds one of the domain's words; its name is ``<column>_word``."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=f"{column}_word")


def values_of(row: Base, *, but: Collection[str] = ()) -> dict[str, Any]:
    """A row's columns by their names, for another row that is like it."""
    return {each.key: getattr(row, each.key) for each in inspect(type(row)).column_attrs if each.key not in but}


def driver_url(database_url: str) -> str:
    """The same URL for psycopg 3, whatever scheme the operator wrote (``postgres``, ``postgresql``)."""
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("DATABASE_URL must be a PostgreSQL URL: postgresql://user:password@host:port/database")
    return f"postgresql+psycopg://{rest}"


def open_engine(database_url: str, *, pool_size: int, **options: Any) -> Engine:
    """An engine whose sessions speak UTC and whose commits are durable before they are acknowledged."""
    engine = create_engine(
        driver_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # The one used last knows the tables; one that idled may have been cut, and is asked first.
        hide_parameters=True,  # An exception's text must not carry names or addresses into a log.
        connect_args={
            "cursor_factory": LazyCursor,
            "options": "-c timezone=utc -c synchronous_commit=on -c lock_timeout=10s",
            # A connection that was cut silently is found out within a minute, and with it the locks it held.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
        **options,
    )
    _test_idle_connections(engine)
    return engine


def _test_idle_connections(engine: Engine) -> None:
    """Ask a connection whether it still stands when it was idle for a while, and not before every use: on a busy
    server that were one question in five. One that fails is replaced, and every other one with it."""

    @event.listens_for(engine, "checkin")
    def note(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get("idle_since", 0.0) < TESTED_AFTER_IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError("the connection was lost while it was idle") from error


def session_factory(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False, autoflush=False)


def without_transaction(session: Session) -> None:
    """Each question of a session that begins now is a transaction of its own, until it is rolled back or closed.

    For reading. What several questions see is the same as in a transaction, where each has its own snapshot, too; the
    two round trips that begin and end one are saved.
    """
    if not session.in_transaction():
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


@contextmanager
def read_session(sessions: Callable[[], Session]) -> Iterator[Session]:
    """A session for reading: whatever happens in it, nothing is committed."""
    with sessions() as session:
        yield session
        session.rollback()
