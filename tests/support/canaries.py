"""Canaries: a listener that nobody may call, and a file that nobody may open. Each sings when somebody does."""

import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_IN_ACCESS, _IN_OPEN = 0x1, 0x20
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Canaries:
    port: int
    """On the loopback address, TCP and UDP."""
    file: Path
    visitors: list[object] = field(default_factory=list)
    _watch: int = -1

    def heard(self) -> list[object]:
        """Whoever came, since the last question."""
        try:
            os.read(self._watch, 4096)
            self.visitors.append(self.file)
        except BlockingIOError:
            pass
        heard = list(self.visitors)
        self.visitors.clear()
        return heard


@contextmanager
def canaries(file: Path) -> Iterator[Canaries]:
    """Watches the file, which must exist, and listens."""
    watch = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if watch < 0 or _libc.inotify_add_watch(watch, os.fsencode(file), _IN_ACCESS | _IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as calls, socket.socket(type=socket.SOCK_DGRAM) as packets:
        calls.settimeout(0.05)
        packets.settimeout(0.05)
        port = calls.getsockname()[1]
        packets.bind(("127.0.0.1", port))
        made = Canaries(port, file, _watch=watch)
        threads = [
            threading.Thread(target=_listen, args=(calls, made, over)),
            threading.Thread(target=_receive, args=(packets, made, over)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield made
        finally:
            over.set()
            for thread in threads:
                thread.join()
            os.close(watch)


def _listen(calls: socket.socket, made: Canaries, over: threading.Event) -> None:
    while not over.is_set():
        try:
            connection, address = calls.accept()
        except TimeoutError:
            continue
        connection.close()
        made.visitors.append(address)


def _receive(packets: socket.socket, made: Canaries, over: threading.Event) -> None:
    while not over.is_set():
        try:
            made.visitors.append(packets.recvfrom(64)[1])
        except TimeoutError:
            continue
