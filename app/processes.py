"""One parent for the product's processes: starts them, restarts those that die, stops all of them in order."""

import argparse
import ctypes
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from app.kernel.errors import Misconfigured
from app.kernel.logs import configure_logs

logger = structlog.get_logger("exhibit.processes")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LIVED_LONG_S = 60.0
"""A process that lived this long and dies is started at once: the fault is a new one."""

STOP_WITHIN_S = 20.0
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One process of the product, as it should be: its command's arguments after ``python -m app.cli``."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    descriptors: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    wait_s: float = FIRST_WAIT_S
    started_at: float = 0.0
    start_again_at: float = 0.0

    def start(self) -> None:
        command = [sys.executable, "-m", "app.cli", *self.arguments, "--parent", str(os.getpid())]
        # A session of its own: a Ctrl-C on the terminal reaches only the parent, which stops its children in order.
        self.process = subprocess.Popen(
            command, env=self.environment, pass_fds=self.descriptors, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.started_at = time.monotonic()

    def keep_running(self) -> None:
        """Start it when it is not running, with a growing pause between its deaths."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            logger.warning("process_died", name=self.name, status=self.process.returncode)
            self.wait_s = FIRST_WAIT_S if now - self.started_at > LIVED_LONG_S else min(self.wait_s * 2, LONGEST_WAIT_S)
            self.start_again_at = now + self.wait_s
            self.process = None
        if self.process is None and now >= self.start_again_at:
            self.start()

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def await_stop(self, deadline: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            logger.warning("process_killed", name=self.name)
            self.process.kill()
            self.process.wait()


def stop_in_groups(groups: Sequence[Sequence[Child]]) -> None:
    """Stop each group together, one group after the other; what does not stop in time is killed."""
    for group in groups:
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in group:
            child.ask_to_stop()
        for child in group:
            child.await_stop(deadline)


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def set_it(_signal: int, _frame: object) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, set_it)
    return stop


def begin_daemon(options: argparse.Namespace) -> None:
    """What every process does first: follow its parent, when it has one, and log to where it was told.

    What its imports made stays, and is left out of its garbage collections.
    """
    follow_parent(options.parent)
    configure_logs(options.log_file)
    gc.freeze()


def follow_parent(parent_pid: int | None) -> None:
    """Be told to stop (SIGTERM) when the parent dies, however it dies. Without a parent to follow, nothing happens."""
    if parent_pid is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    else:
        threading.Thread(target=_watch_parent, args=[parent_pid], daemon=True).start()
    if os.getppid() != parent_pid:  # It died before the lines above took hold.
        sys.exit(1)


def _watch_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """The API's listening socket. The parent holds it, so that callers wait, unrefused, while the API starts anew.

    Raises Misconfigured when the address is taken or is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(2048)
    except OSError as error:
        raise Misconfigured(
            f"Cannot listen on {host} port {port} ({error.strerror}): stop what listens there, or set EXHIBIT_PORT "
            "or EXHIBIT_HOST."
        ) from error
    return opened
