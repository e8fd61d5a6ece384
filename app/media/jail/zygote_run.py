"""One run of the zygote, as the worker sees it: started with nothing of ours, asked, listened to, ended."""

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
    """One run of the zygote process and the socket to it."""

    def __init__(self, module: str) -> None:
        """Starts it and waits until its decoders are loaded. Raises JailUnavailable."""
        self.users = 0
        """Files that it is decoding; the Decoder counts them, under its lock."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing of our environment: it may hold passwords, and the zygote needs none of it. One thread for the
        # linear algebra of numpy, because only a process with one thread can be forked safely.
        environment = {"PYTHONPATH": str(_SOURCE_ROOT), "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                # -P: no module comes from the directory that the worker happens to be in.
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._control.settimeout(START_TIMEOUT_S)
        try:
            greeting = self._control.recv(wire.MAX_HEADER_BYTES)
            if not greeting:
                raise JailUnavailable("the decoding process ended while it started")
            said = wire.parse_object(greeting)
            versions, walls = said.get("versions"), said.get("walls")
            if not isinstance(versions, dict) or not isinstance(walls, list):
                raise wire.BrokenMessage("the greeting names no versions or no walls")
            self.versions = {str(name): str(value) for name, value in versions.items()}
            self.walls = tuple(map(str, walls))
        except (OSError, wire.BrokenMessage) as error:
            self.end()
            raise JailUnavailable("the decoding process did not start") from error
        except JailUnavailable:
            self.end()
            raise
        self._control.settimeout(STATUS_TIMEOUT_S)

    def is_living(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Request, descriptors: list[int]) -> None:
        """Hands over one file. A packet goes as a whole, so threads need no lock. Raises ZygoteDied."""
        try:
            socket.send_fds(self._control, [request.to_bytes()], descriptors)
        except OSError as error:
            raise ZygoteDied from error

    def end(self) -> None:
        """Kills it; its children die with it. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        self._control.close()


def read_status(status: socket.socket, timeout_s: float) -> bytes | None:
    """How the child ended; empty when the zygote ended without a word, None when nothing came in time."""
    status.settimeout(timeout_s)
    try:
        return status.recv(32)
    except TimeoutError:
        return None
    except ConnectionResetError:
        return b""
