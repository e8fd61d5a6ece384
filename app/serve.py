"""``exhibit serve``: set-up, then API, workers and integrator under one parent, until Ctrl-C or SIGTERM."""

import argparse
import os
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from app.accepting import shared_numbers
from app.bootstrap import only_instance, prepare
from app.kernel.database import open_engine
from app.kernel.database_roles import RoleUrls
from app.kernel.embedded_postgres import PostgresServer, start_postgres
from app.kernel.logs import configure_logs
from app.kernel.settings import Settings
from app.ledger.halting import check_record
from app.ledger.keys import VKEY_NAME, keys_directory, published_directory
from app.ledger.record import RECORD_NAME, SignedRecord
from app.processes import Child, listen, stop_in_groups, stop_on_signals

READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.25


def serve(settings: Settings, _: argparse.Namespace) -> int:
    """Run everything. Raises Misconfigured when the set-up cannot work."""
    with only_instance(settings.data):
        configure_logs(settings.data / "logs" / "serve.log")
        stop = stop_on_signals()
        with listen(settings.host, settings.port) as listening, shared_numbers(settings.api_processes) as shares_fd:
            host, port = listening.getsockname()[:2]
            base_url = f"http://{_reachable(host)}:{port}"
            installation = prepare(settings)
            children = _children(settings, listening.fileno(), shares_fd)
            postgres = installation.postgres
            _show_token(settings, installation.bootstrap_token)
            announcement = Announcement(settings, base_url)
            try:
                _check_ledger(settings, installation.urls)
                while not stop.is_set():
                    postgres = _keep_database_running(settings, postgres)
                    for child in children:
                        child.keep_running()
                    announcement.make_when_ready()
                    stop.wait(LOOK_EVERY_S)
            finally:
                _say("Stopping: requests and jobs under way may end first.")
                # The integrator last, so that what the others wrote is signed; the database after all of them.
                stop_in_groups([children[:-1], children[-1:]])
                if postgres is not None:
                    postgres.stop()
    return 0


def _check_ledger(settings: Settings, urls: RoleUrls) -> None:
    """Before the first request: does the database hold all that its ledger signed? Else nothing can be written."""
    engine = open_engine(urls.integrator, pool_size=1)
    try:
        with engine.connect() as connection:
            reason = check_record(connection, SignedRecord(keys_directory(settings.data) / RECORD_NAME))
    finally:
        engine.dispose()
    if reason is not None:
        _say(f"THE LEDGER IS HALTED: {reason}. Nothing can be written, nor read where reading is an entry.")
        _say("Recover what is missing, or begin a new log: exhibit ledger start-new-log (docs/deployment.md, Restore).")


def _children(settings: Settings, listening_fd: int, shares_fd: int) -> list[Child]:
    """The processes as they should run. The owner's password is not in their environment: they never need it."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["EXHIBIT_DATA"] = str(settings.data.resolve())
    # The matrices of a hash are small: threads of the linear algebra would only wait for each other (measured: 2.5 ×).
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")

    def child(command: str, *arguments: str, name: str = "", descriptors: tuple[int, ...] = ()) -> Child:
        log_file = str(settings.data.resolve() / "logs" / f"{name or command}.log")
        return Child(name or command, [command, *arguments, "--log-file", log_file], environment, descriptors)

    def api(share: int) -> Child:
        """All accept from the one socket; each has a log of its own, because two cannot rotate one file."""
        shared = ["--listening-fd", str(listening_fd), "--shares-fd", str(shares_fd), "--share", str(share)]
        return child("api", *shared, name=f"api-{share + 1}", descriptors=(listening_fd, shares_fd))

    return [
        *(api(number) for number in range(settings.api_processes)),
        *(child("worker", name=f"worker-{number}") for number in range(1, settings.worker_processes + 1)),
        child("integrator"),
    ]


def _keep_database_running(settings: Settings, postgres: PostgresServer | None) -> PostgresServer | None:
    """Start our own server again, on the port its users know, when it has died."""
    if postgres is None or postgres.is_running():
        return postgres
    return start_postgres(settings.data, port=postgres.port)


def _reachable(host: str) -> str:
    """A host name for the URL: an address that means "all" is reached by loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"[{host}]" if ":" in host else host


def _is_ready(base_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/readyz", timeout=1) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@dataclass
class Announcement:
    """Says once that all is ready; when that takes long, says first where to look."""

    settings: Settings
    base_url: str
    is_made: bool = False
    warn_at: float | None = field(default_factory=lambda: time.monotonic() + READY_WITHIN_S)

    def make_when_ready(self) -> None:
        if self.is_made:
            return
        # The integrator publishes the log's key when it starts for the first time.
        if (published_directory(self.settings.data) / VKEY_NAME).exists() and _is_ready(self.base_url):
            _say(f"Exhibit is ready at {self.base_url} (documentation: {self.base_url}/docs). Stop it with Ctrl-C.")
            self.is_made = True
        elif self.warn_at is not None and time.monotonic() > self.warn_at:
            _say(f"Exhibit is not ready yet: see {self.base_url}/readyz and the logs in {self.settings.data / 'logs'}.")
            self.warn_at = None


def _show_token(settings: Settings, token: str | None) -> None:
    if token is not None:
        _say(f"The first administrator's token, shown once: {token}")
        _say(f"It is also in {settings.data / 'bootstrap-token'}; delete that file once you have kept it elsewhere.")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
