"""``exhibit migrate`` and ``exhibit create-admin``: the set-up alone, for those who run the processes one by one."""

import argparse
import sys

from app.bootstrap import prepare
from app.kernel.errors import Misconfigured
from app.kernel.logs import configure_logs
from app.kernel.settings import Settings


def migrate(settings: Settings, _: argparse.Namespace) -> int:
    """Bring schema, roles and the log's identity to this release."""
    _prepare_once(settings)
    return 0


def create_admin(settings: Settings, _: argparse.Namespace) -> int:
    """Write the first administrator's token to standard output. Raises Misconfigured when there is an account."""
    token = _prepare_once(settings)
    if token is None:
        raise Misconfigured("There is an account already: its administrator creates the others.")
    sys.stdout.write(f"{token}\n")
    return 0


def _prepare_once(settings: Settings) -> str | None:
    """Set up as ``serve`` does, and leave an embedded server as it was found; the administrator's token when new."""
    configure_logs()
    installation = prepare(settings)
    if installation.postgres is not None and not installation.postgres.adopted:
        installation.postgres.stop()
    return installation.bootstrap_token
