"""A small HTTP server of this machine whose answers a test decides."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
