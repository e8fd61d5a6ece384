"""The ledger's guards, the migrations and the matching hold on the system's older PostgreSQL too (Debian 12: 15)."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.kernel.postgres_binaries import run_as, unprivileged_account

pytestmark = pytest.mark.interop

SUPPORTED = range(15, 18)
"""Major versions that are older than the embedded one."""
PASSWORD = "only-for-tests"
PARTS = (
    *("tests/ledger/test_log.py", "tests/ledger/test_guards.py", "tests/architecture/test_migrations.py"),
    "tests/fingerprints/test_match_rounds.py",
)


@pytest.fixture
def older_server(open_directory: Path) -> Iterator[str]:
    """The owner's URL on a cluster of the system's PostgreSQL, which .ci/run installs."""
    installed = [Path(f"/usr/lib/postgresql/{major}/bin") for major in SUPPORTED]
    programs = next((found for found in installed if (found / "initdb").exists()), None)
    assert programs is not None, "an older PostgreSQL is missing: apt-get install postgresql"
    account = unprivileged_account()
    as_account = run_as(account)
    home = open_directory / "older"
    home.mkdir(mode=0o700)
    secret = home / "password"
    secret.write_text(PASSWORD)
    if account is not None:
        os.chown(home, account.uid, account.gid)
        os.chown(secret, account.uid, account.gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cluster = str(home / "cluster")
    options = ["--username=exhibit_owner", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8"]
    initdb = [str(programs / "initdb"), "-D", cluster, *options, "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=home, **as_account)
    settings = (
        f"-p {port} -c fsync=off -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200"
    )
    pg_ctl = [str(programs / "pg_ctl"), "-D", cluster, "-w"]
    start = [*pg_ctl, "-o", settings, "-l", str(home / "log"), "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=home, **as_account)
    try:
        yield f"postgresql://exhibit_owner:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        stop = [*pg_ctl, "-m", "immediate", "stop"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=home, **as_account)


def test_ledger_migrations_and_matching_when_run_on_an_older_server_then_they_pass(older_server: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EXHIBIT_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *PARTS]
    done = subprocess.run(
        command,
        env={**environment, "EXHIBIT_TEST_DATABASE_URL": older_server},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 50
