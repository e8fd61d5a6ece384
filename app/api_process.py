"""``exhibit api``: serves HTTP with the application's rights. It never reads the log's signing key."""

import argparse
import gc
import os
import socket

import uvicorn

from app.accepting import Connections, Share, SharedListener
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


class SharingServer(Server):
    """Accepts from a socket that it shares with other processes, in its turn."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, share: Share) -> None:
        super().__init__(config)
        self._listening = listening
        self._share = share
        self.server_state.connections = Connections(share)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._listener = SharedListener(self._listening, self._share, self._make_protocol)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._listener.close()
        await super().shutdown(sockets)

    def _make_protocol(self) -> DeadlineProtocol:
        return DeadlineProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


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
    gc.disable()  # Until the application is imported and has started.
    _server(config, options).run()
    return 0


def _server(config: uvicorn.Config, options: argparse.Namespace) -> Server:
    if options.listening_fd is None:
        return Server(config)
    share = Share(options.shares_fd, options.share)
    return SharingServer(config, socket.socket(fileno=options.listening_fd), share)
