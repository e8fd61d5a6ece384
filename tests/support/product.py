"""The product as an operator runs it: ``exhibit serve`` with all its processes, reached over HTTP."""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.kernel.settings import Settings
from tests.support.databases import TestDatabase

READY_WITHIN_S = 60.0
READY = re.compile(r"Exhibit is ready at (http://\S+)")


SMALLEST = {"EXHIBIT_API_PROCESSES": "1", "EXHIBIT_WORKER_PROCESSES": "1", "EXHIBIT_WORKER_CONCURRENCY": "2"}
AS_SHIPPED = {
    f"EXHIBIT_{name.upper()}": str(Settings.model_fields[name].default)
    for name in ("api_processes", "worker_processes", "worker_concurrency")
}


@dataclass
class Product:
    """A running ``exhibit serve``; seconds it took until it said that it is ready."""

    data_dir: Path
    base_url: str
    ready_s: float
    environment: Mapping[str, str] = field(repr=False)
    process: subprocess.Popen[str] = field(repr=False)

    @property
    def admin_token(self) -> str:
        return (self.data_dir / "bootstrap-token").read_text().strip()

    def children(self) -> dict[str, int]:
        """The product's processes by the names of their logs, with their pids."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in listed:
            arguments = Path("/proc", pid, "cmdline").read_text().split("\0")
            if "app.cli" in arguments and "--log-file" in arguments:  # Without it: forked, and not yet itself.
                found[Path(arguments[arguments.index("--log-file") + 1]).stem] = int(pid)
        return found

    def stop(self) -> int:
        """Stop it as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        finally:
            self._close()

    def kill(self) -> None:
        """Kill the parent without warning; its children learn of it by themselves."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def start_product(data_dir: Path, database: TestDatabase | None = None, /, **settings: str) -> Product:
    """Start it on a free port; on the test's database, or on its own embedded server when none is given.

    With one API process and one worker, where a setting does not ask for more: a second one costs 2 s of work to
    start. Benchmarks ask for what is shipped.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXHIBIT_")}
    environment.pop("DATABASE_URL", None)
    environment |= {"EXHIBIT_DATA": str(data_dir), "EXHIBIT_PORT": "0"} | SMALLEST
    if database is not None:
        environment["DATABASE_URL"] = database.owner_url
        environment["EXHIBIT_APP_DATABASE_URL"] = database.app_url
        environment["EXHIBIT_INTEGRATOR_DATABASE_URL"] = database.integrator_url
    environment |= settings
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        base_url = _await_ready(process, started + READY_WITHIN_S, data_dir)
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        raise
    return Product(data_dir, base_url, time.monotonic() - started, environment, process)


def _await_ready(process: subprocess.Popen[str], deadline: float, data_dir: Path) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not waiting.select(timeout=0.5):
                continue
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"exhibit serve ended: {process.stderr.read()}")
            found = READY.search(line)
            if found:
                return found[1]
    logs = "\n".join(file.read_text()[-2000:] for file in sorted((data_dir / "logs").glob("*.log")))
    raise AssertionError(f"exhibit serve is not ready within {READY_WITHIN_S:g} s\n{logs}")
