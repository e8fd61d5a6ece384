"""A witness that is nobody's code of ours (tests/interop/gowitness), as a process with its state on disk."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class GoWitness:
    """One witness process; ``stop`` and ``start`` keep its address and state."""

    program: Path
    directory: Path
    name: str
    log_key: Path
    address: str = "127.0.0.1:0"
    process: subprocess.Popen[str] | None = None
    state_name: str = "state"

    @property
    def vkey(self) -> str:
        return self._run("-vkey").strip()

    @property
    def state(self) -> Path:
        return self.directory / self.state_name

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def holds(self, size: int) -> bool:
        """Whether it cosigned the tree of this size last."""
        return self.state.exists() and self.state.read_text().split()[0] == str(size)

    def answers(self) -> list[str]:
        """The status of every answer so far."""
        return [line.split()[0] for line in (self.directory / "log").read_text().splitlines()]

    def start(self) -> None:
        with (self.directory / "log").open("a") as log:
            self.process = subprocess.Popen(self._command(), stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().removeprefix("http://")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def _command(self, *more: str) -> list[str]:
        own = ["-name", self.name, "-seed", str(self.directory / "seed"), "-log", str(self.log_key)]
        return [str(self.program), *own, "-state", str(self.state), "-listen", self.address, *more]

    def _run(self, *more: str) -> str:
        return subprocess.run(self._command(*more), capture_output=True, text=True, check=True, timeout=30).stdout


def witness_policy(witnesses: Sequence[GoWitness]) -> str:
    """A policy of 2 of the 3."""
    lines = [f"witness w{n} {each.vkey} {each.url}" for n, each in enumerate(witnesses, start=1)]
    return "\n".join([*lines, "group two-of-three 2 w1 w2 w3", "quorum two-of-three", ""])


def checked_by_go(program: Path, log_key: Path, note: str, *witnesses: GoWitness) -> subprocess.CompletedProcess[str]:
    """Whether Go's ``note.Open`` finds the log's and all these witnesses' signatures on the note."""
    keys = [option for witness in witnesses for option in ("-check", witness.vkey)]
    command = [str(program), "-log", str(log_key), *keys]
    return subprocess.run(command, input=note, capture_output=True, text=True, check=False, timeout=30)


def wait_for(is_so: Callable[[], Any], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
