"""``exhibit serve`` as an operator meets it: first start, second start, deaths of its processes, refusals."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.kernel.database_roles import libpq_url
from app.kernel.embedded_postgres import start_postgres
from app.kernel.postgres_process import read_postmaster
from tests.support.product import AS_SHIPPED, Product, start_product

DEADLINE_S = 40.0


def wait_for(condition: Callable[[], Any], *, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        time.sleep(0.1)


def is_ready(product: Product) -> bool:
    try:
        return httpx.get(f"{product.base_url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def me(product: Product) -> int:
    headers = {"Authorization": f"Bearer {product.admin_token}"}
    return httpx.get(f"{product.base_url}/v1/me", headers=headers).status_code


@dataclass
class Installation:
    """A data directory with a database of its own, and the product that runs on it now: a start takes its time."""

    product: Product

    @property
    def data(self) -> Path:
        return self.product.data_dir

    def start_again(self) -> None:
        """With one API process: that two are started and end with their parent is seen at the first start."""
        self.product = start_product(self.data)


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """For all tests of this file, each of which leaves a product that is ready; the last damages its ledger."""
    with tempfile.TemporaryDirectory(prefix="exhibit-") as name:
        Path(name).chmod(0o711)
        made = Installation(start_product(Path(name) / "data", **AS_SHIPPED))
        yield made
        made.product.stop()


@pytest.fixture
def running(installation: Installation) -> Product:
    return installation.product


def postmaster(installation: Installation) -> int | None:
    found = read_postmaster(installation.data / "postgres" / "cluster")
    return None if found is None else found.pid


def has_ended(pid: int | None) -> bool:
    """Gone, or a zombie: an orphan's end is taken notice of by whoever adopted it, in its own time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def connections_held(product: Product) -> dict[str, int]:
    """How many accepted connections each API process holds."""
    port = f":{int(product.base_url.rpartition(':')[2]):04X}"
    listed = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{line[9]}]" for line in listed if line[1].endswith(port) and line[3] == "01"}
    return {
        name: len(established & {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()})
        for name, pid in product.children().items()
        if name.startswith("api-")
    }


def held_of_new_connections(product: Product, count: int) -> list[int]:
    """How many of so many callers who stay each API process took, the fewest first."""
    host, port = product.base_url.removeprefix("http://").split(":")
    wait_for(lambda: sum(connections_held(product).values()) == 0, what="the end of earlier connections")
    with ExitStack() as kept:
        for _ in range(count):
            kept.enter_context(socket.create_connection((host, int(port)), timeout=10))
        wait_for(lambda: sum(connections_held(product).values()) == count, what="all connections taken")
        return sorted(connections_held(product).values())


def test_serve_when_callers_keep_their_connections_then_api_processes_hold_as_many_within_one(
    running: Product,
) -> None:
    wait_for(lambda: 0 not in held_of_new_connections(running, 4), what="the second process, which may start later")
    assert held_of_new_connections(running, 15) == [7, 8]


@pytest.mark.thorough
def test_serve_when_parent_is_killed_then_children_end_and_the_next_start_adopts_the_database(
    installation: Installation,
) -> None:
    product = installation.product
    children = product.children()
    assert sorted(children) == ["api-1", "api-2", "integrator", "worker-1", "worker-2"]
    product.kill()
    try:
        wait_for(
            lambda: not [pid for pid in children.values() if Path("/proc", str(pid)).exists()], what="children's end"
        )
        orphan = start_postgres(installation.data)
        assert orphan.adopted
    finally:
        installation.start_again()
    assert me(installation.product) == 200
    assert postmaster(installation) == orphan.pid


def test_serve_when_started_twice_on_its_own_database_then_keeps_everything(installation: Installation) -> None:
    first, key_file = installation.product, installation.data / "published" / "log.vkey"
    token, key = first.admin_token, key_file.read_text()
    database = postmaster(installation)  # One that was adopted, after the test above.
    assert me(first) == 200
    try:
        assert first.stop() == 0
        assert postmaster(installation) is None
        assert has_ended(database)
    finally:
        installation.start_again()
    assert (installation.product.admin_token, key_file.read_text()) == (token, key)
    assert me(installation.product) == 200


@pytest.mark.thorough
def test_serve_when_a_process_or_the_database_is_killed_then_is_ready_again(running: Product) -> None:
    for name, pid in running.children().items():
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: running.children().get(name, pid) != pid, what=f"a new {name}")  # noqa: B023
    pid = int((running.data_dir / "postgres" / "cluster" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_ready(running) and me(running) == 200, what="readiness")


@pytest.mark.thorough
def test_serve_when_data_directory_is_in_use_then_refuses_with_words(running: Product) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"],
        env=dict(running.environment),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert f"Another Exhibit (process {running.process.pid}) runs on" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_when_running_then_no_secret_is_in_command_lines_or_the_childrens_environment(running: Product) -> None:
    secrets = [
        (running.data_dir / "secrets" / "postgres-owner").read_text().strip(),
        *((running.data_dir / "secrets" / name).read_text().split(":")[2].split("@")[0] for name in URLS),
        running.admin_token,
    ]
    assert min(len(secret) for secret in secrets) > 30
    for pid in (running.process.pid, *running.children().values()):
        seen = Path("/proc", str(pid), "cmdline").read_text() + Path("/proc", str(pid), "environ").read_text()
        assert not [secret for secret in secrets if secret in seen]
    for file in ("bootstrap-token", "ledger/log.key", *(f"secrets/{name}" for name in URLS)):
        assert (running.data_dir / file).stat().st_mode & 0o077 == 0, file


URLS = ("app-database-url", "integrator-database-url")


@pytest.mark.thorough
def test_serve_when_port_is_taken_then_refuses_with_words(running: Product, tmp_path: Path) -> None:
    port = running.base_url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"],
        env=dict(running.environment) | {"EXHIBIT_PORT": port, "EXHIBIT_DATA": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "EXHIBIT_PORT" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("EXHIBIT_PORT", "abc"), pytest.param("EXHIBIT_CHECKPOINT_PERIOD_S", "-1", marks=pytest.mark.thorough)],
)
def test_serve_when_a_setting_is_wrong_then_names_it(tmp_path: Path, name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"],
        env=dict(os.environ) | {"EXHIBIT_DATA": str(tmp_path / "data"), name: value},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert name.removeprefix("EXHIBIT_") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.thorough
def test_ledger_verify_when_log_is_whole_then_says_so_and_when_an_entry_is_gone_then_names_it(
    running: Product,
) -> None:
    command = [sys.executable, "-m", "app.cli", "ledger", "verify"]

    def verify() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=dict(running.environment), capture_output=True, text=True, check=False)

    wait_for(lambda: verify().returncode == 0, what="a whole log")
    assert verify().stdout.startswith("database exhibit on ")
    with psycopg.connect(libpq_url(start_postgres(running.data_dir).owner_url)) as owner:
        owner.execute("ALTER TABLE ledger_bodies DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ledger_bodies WHERE commitment = (SELECT commitment FROM ledger_entries LIMIT 1)")
    done = verify()
    assert done.returncode == 1
    assert "body_missing" in done.stdout
