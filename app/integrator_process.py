"""``exhibit integrator``: integrates and signs. The only process that reads the log's signing key.

It imports the ledger and nothing of the web, the jobs or the pictures (an import contract): little code stands beside
the key, and the process starts in half the time.
"""

import argparse

from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import INTEGRATOR_GROUP, check_role, integrator_url
from app.kernel.settings import Settings
from app.ledger import integrator, log
from app.ledger.keys import (
    RECORD_NAME,
    SignedRecord,
    keys_directory,
    load_or_create_signer,
    publish_verifier_key,
    published_directory,
)
from app.processes import begin_daemon, stop_on_signals


def run_integrator(settings: Settings, options: argparse.Namespace) -> int:
    """Integrate and sign until SIGTERM."""
    begin_daemon(options)
    url = integrator_url(settings)
    check_role(url, INTEGRATOR_GROUP)
    directory, published = keys_directory(settings.data), published_directory(settings.data)
    signer = load_or_create_signer(directory / "log.key")
    origin = _origin(url)
    publish_verifier_key(directory, origin, signer)
    published.mkdir(exist_ok=True)
    publish_verifier_key(published, origin, signer)
    record = SignedRecord(directory / RECORD_NAME)
    integrator.run(url, signer, settings.checkpoint_period_s, stop_on_signals(), record=record)
    return 0


def _origin(url: str) -> str:
    engine = open_engine(url, pool_size=1)
    try:
        with session_factory(engine)() as session:
            return log.installation(session).origin
    finally:
        engine.dispose()
