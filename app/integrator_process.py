"""``exhibit integrator``: integrates and signs. The only process that reads the log's signing key.

It imports the ledger and nothing of the web, the jobs or the pictures (an import contract): little code stands beside
the key, and the process starts in half the time.
"""

import argparse

from app.kernel.database_roles import INTEGRATOR_GROUP, check_role, integrator_url
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.ledger import integrator
from app.ledger.keys import CommandSigner, KeyDirectory, keys_directory, published_directory
from app.ledger.record import RECORD_NAME, SignedRecord
from app.processes import begin_daemon, stop_on_signals


def run_integrator(settings: Settings, options: argparse.Namespace) -> int:
    """Integrate and sign until SIGTERM."""
    begin_daemon(options)
    url = integrator_url(settings)
    check_role(url, INTEGRATOR_GROUP)
    directory = keys_directory(settings.data)
    keys = KeyDirectory(directory, published_directory(settings.data), command_signer(settings))
    keys.signers()  # What is wrong with them is told at the start.
    record = SignedRecord(directory / RECORD_NAME)
    integrator.run(url, keys, settings.checkpoint_period_s, stop_on_signals(), record=record)
    return 0


def command_signer(settings: Settings) -> CommandSigner | None:
    """Raises Misconfigured when only one of the two settings is there, or the key is none."""
    command, public_key = settings.signer_command, settings.signer_public_key
    if command is None and public_key is None:
        return None
    if command is None or public_key is None:
        raise Misconfigured("Set both EXHIBIT_SIGNER_COMMAND and EXHIBIT_SIGNER_PUBLIC_KEY, or neither.")
    return CommandSigner(command, bytes.fromhex(public_key))
