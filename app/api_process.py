"""``exhibit api``: serves HTTP with the application's rights. It never reads the log's signing key."""

import argparse
import gc
import os
import socket

import uvicorn

from app.http_protocol import DeadlineProtocol
from app.kernel.database_roles import APP_GROUP, application_url, check_role
from app.kernel.settings import Settings
from app.processes import begin_daemon

STOP_WITHIN_S = 10


class Server(uvicorn.Server):
    """Leaves what the start made out of garbage collections: looking through all of it held start and requests up."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.enable()


def run_api(settings: Settings, options: argparse.Namespace) -> int:
    """Serve until SIGTERM, on a socket that the parent holds (``listening_fd``) or on one of our own."""
    begin_daemon(options)
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
    sockets = None if options.listening_fd is None else [socket.socket(fileno=options.listening_fd)]
    gc.disable()  # Until the application is imported and has started.
    Server(config).run(sockets=sockets)
    return 0
