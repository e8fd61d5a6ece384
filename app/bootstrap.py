"""Set-up of a data directory and its database: everything between an empty directory and the first request.

Every step may be repeated: a start that was cut off anywhere is finished by the next one.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import OperationalError, ProgrammingError

from app.access.service import bootstrap_administrator
from app.kernel.database import driver_url, open_engine, session_factory
from app.kernel.database_roles import APP_GROUP, INTEGRATOR_GROUP, RoleUrls, ensure_login_roles
from app.kernel.embedded_postgres import PostgresServer, start_postgres
from app.kernel.errors import Misconfigured
from app.kernel.private_files import ensure_private_directory, write_secret
from app.kernel.settings import Settings
from app.ledger import log
from app.migration import migrate
from app.unit_of_work import unit_of_work
from app.verification.self_review import declare_setting


@dataclass(frozen=True)
class Installation:
    """A database that is ready for the product's processes; ``postgres`` when it is our own server."""

    urls: RoleUrls = field(repr=False)
    postgres: PostgresServer | None
    bootstrap_token: str | None = field(repr=False)
    """The first administrator's token, when this start created it."""


@contextmanager
def only_instance(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for one ``exhibit serve``. Raises Misconfigured when another one runs on it."""
    ensure_private_directory(data_dir)
    with os.fdopen(os.open(data_dir / "instance.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misconfigured(
                f"Another Exhibit (process {lock.read().strip()}) runs on {data_dir.resolve()}: stop it first, "
                "or name another directory in EXHIBIT_DATA."
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def prepare(settings: Settings) -> Installation:
    """Database, schema, roles, the log's identity, the first administrator. Raises Misconfigured."""
    ensure_private_directory(settings.data)
    postgres = None if settings.database_url else start_postgres(settings.data)
    owner_url = settings.database_url or (postgres.owner_url if postgres else "")
    try:
        _migrate(owner_url)
        urls = ensure_login_roles(settings, owner_url)
        token = _found(settings, urls)
    except BaseException:
        if postgres is not None and not postgres.adopted:
            postgres.stop()
        raise
    return Installation(urls, postgres, token)


def _migrate(owner_url: str) -> None:
    """Raises Misconfigured for what an operator can mend: a wrong URL, a server that is down, a role without rights."""
    try:
        driver_url(owner_url)
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    try:
        migrate(owner_url)
    except OperationalError as error:
        raise Misconfigured(f"The database of DATABASE_URL cannot be used: {str(error.orig).strip()}") from error
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise Misconfigured(
            f"The role of DATABASE_URL may not set up the database ({error.orig.diag.message_primary}). It must own "
            f"the database, and have CREATEROLE unless the roles {APP_GROUP} and {INTEGRATOR_GROUP} exist."
        ) from error


def _found(settings: Settings, urls: RoleUrls) -> str | None:
    """The log's identity and the first administrator; the token when it is new.

    The token's file is written before the commit: a crash between them leaves a token that does not work and is
    replaced by the next start, never an administrator whom nobody can sign in as.
    """
    engine = open_engine(urls.app, pool_size=2)
    try:
        with unit_of_work(session_factory(engine)) as uow:
            log.initialise(uow.session, settings.log_origin)
            token = bootstrap_administrator(uow, ttl_s=settings.token_ttl_s)
            declare_setting(uow, is_allowed=settings.self_review)
            if token is not None:
                write_secret(settings.data / "bootstrap-token", token)
            uow.commit()
    finally:
        engine.dispose()
    return token
