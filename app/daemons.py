"""The three processes of the product: API and worker with the application's rights, the integrator with its own.

Only the integrator's process reads the log's signing key.
"""

import os
import socket

import uvicorn

from app.http_protocol import DeadlineProtocol
from app.job_table import JOBS, open_resources
from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import APP_GROUP, INTEGRATOR_GROUP, application_url, check_role, integrator_url
from app.kernel.errors import Misconfigured
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
from app.media.jail.decoder import JailUnavailable
from app.processes import stop_on_signals
from app.worker import WorkerLimits, run_worker

STOP_WITHIN_S = 10


def run_api(settings: Settings, *, listening_fd: int | None) -> None:
    """Serve HTTP until SIGTERM, on a socket that the parent holds or on one of our own."""
    url = application_url(settings)
    check_role(url, APP_GROUP)
    # For the application's factory. Set here, it is in no listing of this process's environment.
    os.environ["EXHIBIT_APP_DATABASE_URL"] = url
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        http=DeadlineProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    sockets = None if listening_fd is None else [socket.socket(fileno=listening_fd)]
    uvicorn.Server(config).run(sockets=sockets)


def run_job_worker(settings: Settings) -> None:
    """Work on background jobs until SIGTERM."""
    url = application_url(settings)
    check_role(url, APP_GROUP)
    limits = WorkerLimits(settings.worker_concurrency, settings.job_attempts)
    engine = open_engine(url, pool_size=settings.worker_concurrency + 2)
    try:
        with open_resources(settings) as resources:
            run_worker(url, session_factory(engine), JOBS, resources, limits)
    except JailUnavailable as error:
        raise Misconfigured(f"The decoder cannot be confined, so nothing is decoded: {error}") from error
    finally:
        engine.dispose()


def run_integrator(settings: Settings) -> None:
    """Integrate and sign until SIGTERM."""
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


def _origin(url: str) -> str:
    engine = open_engine(url, pool_size=1)
    try:
        with session_factory(engine)() as session:
            return log.installation(session).origin
    finally:
        engine.dispose()
