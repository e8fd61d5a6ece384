"""``exhibit ledger purge``: what was erased, out of the database's files too."""

import argparse
import sys

import psycopg

from app.erasure.purging import purge
from app.kernel.database_roles import libpq_url
from app.kernel.embedded_postgres import start_postgres
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings


def purge_ledger(settings: Settings, _: argparse.Namespace) -> int:
    """0 when nothing was left, 1 when something outside our rights was. An embedded server is left as it was found.

    Raises Misconfigured when the database cannot be reached, or something keeps erased rows alive.
    """
    postgres = None if settings.database_url else start_postgres(settings.data)
    owner_url = settings.database_url or (postgres.owner_url if postgres else "")
    try:
        with psycopg.connect(libpq_url(owner_url), autocommit=True) as connection:
            is_whole = purge(connection, _tell)
    except psycopg.errors.LockNotAvailable as error:
        raise Misconfigured("A table is in use all the time. Run this in a quiet hour; it may be repeated.") from error
    except psycopg.OperationalError as error:
        raise Misconfigured(f"The database cannot be reached, or stopped: {type(error).__name__}") from error
    finally:
        if postgres is not None and not postgres.adopted:
            postgres.stop()
    _tell("Purged." if is_whole else "Purged in part: see above.")
    return 0 if is_whole else 1


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
