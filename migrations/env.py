"""Runs migrations as the database's owner, on a connection given by the caller or on a URL; one transaction for all.

The caller passes ``config.attributes["connection"]``; the command line reads ``-x url=…`` or ``DATABASE_URL``.
"""

import os
from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from app import tables
from app.kernel.database import Base, driver_url
from app.kernel.errors import Misconfigured

LOCK_TIMEOUT = "5s"
"""A migration that cannot get its lock fails, rather than queue every request behind itself."""

MIGRATION_LOCK = 0x45584D49
"""Advisory lock: of several processes that start at once, one migrates and the others find it done."""

FOREIGN_PREFIXES = ("procrastinate_",)
"""Tables that a library keeps; its own SQL makes them, no model of ours describes them."""


def main() -> None:
    if context.is_offline_mode():
        raise Misconfigured("migrations need a live database: they look at roles and run checks")
    given = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    engine = create_engine(driver_url(_url()), poolclass=pool.NullPool)
    with engine.connect() as connection:
        migrate(connection)
        connection.commit()


def migrate(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.execute(text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": LOCK_TIMEOUT})
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=_is_ours,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


def _url() -> str:
    url = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("DATABASE_URL")
    if not url:
        raise Misconfigured("say which database: DATABASE_URL=postgresql://… or alembic -x url=postgresql://…")
    return url


def _is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    return not (kind == "table" and name is not None and name.startswith(FOREIGN_PREFIXES))


assert tables.MODULES, "the metadata is complete only once every module with tables is imported"
main()
