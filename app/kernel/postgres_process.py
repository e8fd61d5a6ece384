"""What can be learnt of PostgreSQL's processes from outside: ``postmaster.pid``, command lines, working directories."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Postmaster:
    """The content of ``postmaster.pid``: line 1 the pid, line 4 the port, line 8 the status."""

    pid: int
    port: int | None
    status: str

    @property
    def is_ready(self) -> bool:
        return self.status == "ready"


def read_postmaster(cluster: Path) -> Postmaster | None:
    """The file's content; ``None`` when there is none, or it is just being written."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        pid = abs(int(lines[0]))
    except (FileNotFoundError, IndexError, ValueError):
        return None
    port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else None
    status = lines[7].strip() if len(lines) > 7 else ""
    return Postmaster(pid, port, status)


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; empty when it is gone (or a zombie)."""
    if PROC.is_dir():
        try:
            raw = (PROC / str(pid) / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [os.fsdecode(part) for part in raw.split(b"\0")[:-1]]
    listed = subprocess.run(["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False)
    return listed.stdout.split()


def processes_within(directory: Path) -> list[int]:
    """Processes whose working directory this is: a server's processes all work in their cluster.

    Where ``/proc`` is missing, the answer is read from ``lsof``.
    """
    if not PROC.is_dir():
        listed = subprocess.run(["lsof", "-t", "-a", "-d", "cwd", str(directory)], capture_output=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]
    wanted = directory.resolve()
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit() and _works_in(entry, wanted)]


def _works_in(process: Path, directory: Path) -> bool:
    try:
        return Path(os.readlink(process / "cwd")) == directory
    except OSError:  # It has ended, or belongs to somebody else: then it cannot be ours.
        return False
