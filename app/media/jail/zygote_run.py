"""One run of the two zygotes, as the worker sees it: started with nothing of ours, asked, listened to, ended."""

import socket
import subprocess
import sys
from pathlib import Path

from app.media.jail import wire
from app.media.jail.request import Request

START_TIMEOUT_S = 60.0
STATUS_TIMEOUT_S = 10.0

_SOURCE_ROOT = Path(__file__).resolve().parents[3]


class JailUnavailable(Exception):
    """Nothing can be decoded now. It says nothing about the file: try the job again later."""


class ZygoteDied(Exception):
    """The zygote ended while a file was being decoded."""


class Zygote:
    """One run of the zygote for pictures, which is the parent of the one for films, and the sockets to both."""

    def __init__(self, module: str) -> None:
        """Starts them and waits until their decoders are loaded. Raises JailUnavailable."""
        self.users = 0
        """Files that it is decoding; the Decoder counts them, under its lock."""
        self._pictures, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._films, theirs_of_films = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing of our environment: it may hold passwords, and the zygote needs none of it. One thread for the
        # linear algebra of numpy, because only a process with one thread can be forked safely.
        environment = {"PYTHONPATH": str(_SOURCE_ROOT), "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
        with theirs, theirs_of_films:
            numbers = [theirs.fileno(), theirs_of_films.fileno()]
            self._process = subprocess.Popen(
                # -P: no module comes from the directory that the worker happens to be in.
                [sys.executable, "-P", "-m", module, *map(str, numbers)],
                pass_fds=numbers,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        try:
            (_, walls), (self.versions, of_films) = map(_greeting_of, (self._pictures, self._films))
            self.walls = tuple(name for name in walls if name in of_films)
        except (OSError, wire.BrokenMessage) as error:
            self.end()
            raise JailUnavailable("the decoding process did not start") from error
        except JailUnavailable:
            self.end()
            raise

    def is_living(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Request, descriptors: list[int], *, is_film: bool) -> None:
        """Hands over one file. A packet goes as a whole, so threads need no lock. Raises ZygoteDied."""
        try:
            socket.send_fds(self._films if is_film else self._pictures, [request.to_bytes()], descriptors)
        except OSError as error:
            raise ZygoteDied from error

    def end(self) -> None:
        """Kills both; their children die with them. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        self._pictures.close()
        self._films.close()


def _greeting_of(control: socket.socket) -> tuple[dict[str, str], list[str]]:
    """Versions and walls. Raises JailUnavailable, OSError, BrokenMessage."""
    control.settimeout(START_TIMEOUT_S)
    greeting = control.recv(wire.MAX_HEADER_BYTES)
    if not greeting:
        raise JailUnavailable("the decoding process ended while it started")
    said = wire.parse_object(greeting)
    versions, walls = said.get("versions"), said.get("walls")
    if not isinstance(versions, dict) or not isinstance(walls, list):
        raise wire.BrokenMessage("the greeting names no versions or no walls")
    control.settimeout(STATUS_TIMEOUT_S)
    return {str(name): str(value) for name, value in versions.items()}, list(map(str, walls))


def read_status(status: socket.socket, timeout_s: float) -> bytes | None:
    """How the child ended; empty when the zygote ended without a word, None when nothing came in time."""
    status.settimeout(timeout_s)
    try:
        return status.recv(32)
    except TimeoutError:
        return None
    except ConnectionResetError:
        return b""
