"""A small HTTP server of this machine whose answers a test decides."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """``cut``: the connection ends before the whole body was sent. ``trickle_s``: a pause after every byte."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    trickle_s: float = 0.0


@dataclass
class WebServer:
    """``answer(path, body)`` decides; ``requests`` are what came."""

    base_url: str
    requests: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def web_server(answer: Callable[[str, bytes], Reply]) -> Iterator[WebServer]:
    """Serve POST on a free port until the block ends."""
    stop = threading.Event()
    served = WebServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            served.requests.append((self.path, body))
            reply = answer(self.path, body)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self._send(reply)
            self.close_connection = reply.cut

        def _send(self, reply: Reply) -> None:
            whole = reply.body[: len(reply.body) // 2] if reply.cut else reply.body
            try:
                if not reply.trickle_s:
                    self.wfile.write(whole)
                    return
                for byte in whole:
                    if stop.wait(reply.trickle_s):
                        return
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
            except OSError:
                return  # The client went away, as it should.

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


ENDLESS_HEADERS = {
    "header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "interim responses": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}
"""What such a server sends first, and then again and again."""


@contextmanager
def dribbling(beginning: bytes, again: bytes) -> Iterator[str]:
    """The address of a server that never comes to the end of its answer's header, and is never silent for long."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(beginning)
                while True:
                    connection.sendall(again)
                    time.sleep(0.05)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join(5)
        assert not thread.is_alive(), "the connection was closed"
