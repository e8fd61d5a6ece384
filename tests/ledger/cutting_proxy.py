"""A relay to PostgreSQL that breaks the connection at a chosen statement, before it or after it took effect."""

import select
import socket
import threading
from types import TracebackType
from typing import Literal, Self

from sqlalchemy.engine import make_url

CHUNK_BYTES = 65536


class CuttingProxy:
    """Relays until a client sends ``trigger``; then cuts, once: the request unsent, or sent and its answer withheld."""

    def __init__(self, database_url: str, trigger: bytes, lost: Literal["request", "answer"]) -> None:
        url = make_url(database_url)
        self._target = (url.host or "127.0.0.1", url.port or 5432)
        self._trigger, self._lost = trigger, lost
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        self.has_cut = threading.Event()
        self.is_armed = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # Closed: the test is over.
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(CHUNK_BYTES)
                    if not data:
                        return
                    if ready is server:
                        client.sendall(data)
                    elif self._is_to_cut(data):
                        if self._lost == "answer":
                            server.sendall(data)
                            server.recv(CHUNK_BYTES)
                        self.has_cut.set()
                        return
                    else:
                        server.sendall(data)

    def _is_to_cut(self, data: bytes) -> bool:
        return self.is_armed and not self.has_cut.is_set() and self._trigger in data
