"""Which files of a directory are originals, and which are known copies of them.

``copies.csv`` (columns ``file`` and ``of``, paths from the directory; ``of`` empty: it is of none) says it; else
subdirectories do: files in the directory itself are originals, those in a subdirectory are copies of the original that
it is named like, with or without its ending; those in ``unrelated`` are of none.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from app.kernel.errors import Misconfigured

TABLE = "copies.csv"
UNRELATED = "unrelated"


@dataclass(frozen=True)
class Files:
    """Paths from the directory, as text, in order."""

    originals: list[str]
    copies: dict[str, frozenset[str]]
    """What is asked about → the originals that are in it."""
    links: list[str]
    """Symbolic links, which are left out: what is measured lies in the directory."""


def escaped(name: str) -> str:
    r"""A file's name as it may be shown: what does not print, and bytes that are no UTF-8, as ``\n``, ``\x1b`` or
    ``\udcff``; a backslash doubled. Different names stay different."""
    return "".join(char if char.isprintable() and char != "\\" else ascii(char)[1:-1] for char in name)


def read_files(directory: Path) -> Files:
    """Raises Misconfigured: no directory, nothing in it, or what is said of copies fits no file."""
    if not directory.is_dir():
        raise Misconfigured(f"{escaped(str(directory))}: no directory.")
    meant = [path for path in sorted(directory.rglob("*"), key=str) if _is_meant(path, directory)]
    links = [str(path.relative_to(directory)) for path in meant if path.is_symlink()]
    found = [str(path.relative_to(directory)) for path in meant if path.is_file() and not path.is_symlink()]
    if not found:
        raise Misconfigured(f"{escaped(str(directory))}: holds no files.")
    originals, copies = _by_table(directory / TABLE, found) if (directory / TABLE).is_file() else _by_place(found)
    return Files(originals, copies, links)


def _is_meant(path: Path, directory: Path) -> bool:
    """Nothing hidden."""
    parts = path.relative_to(directory).parts
    return path != directory / TABLE and not any(part.startswith(".") for part in parts)


def _by_table(table: Path, found: list[str]) -> tuple[list[str], dict[str, frozenset[str]]]:
    known, copies = set(found), dict[str, frozenset[str]]()
    for number, row in enumerate(_rows(table), 2):
        names = [name for name in (row["file"], row["of"]) if name]
        missing = [escaped(name) for name in names if name not in known]
        if missing or not row["file"]:
            raise Misconfigured(f"{TABLE}, line {number}: there is no file {', '.join(missing) or '(empty)'}.")
        copies[row["file"]] = copies.get(row["file"], frozenset()) | ({row["of"]} if row["of"] else set())
    originals = [name for name in found if name not in copies]
    stray = sorted({name for of in copies.values() for name in of} - set(originals))
    if stray:
        raise Misconfigured(f"{TABLE}: {escaped(stray[0])} is said to be a copy and an original.")
    return originals, copies


def _rows(table: Path) -> list[dict[str, str]]:
    """Raises Misconfigured: no CSV in UTF-8, or other columns."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"file", "of"} <= set(rows.fieldnames or ()):
                raise Misconfigured(f"{TABLE}: needs the columns file and of.")
            return list(rows)
    except UnicodeDecodeError:
        raise Misconfigured(f"{TABLE}: is not in UTF-8.") from None
    except csv.Error as error:
        raise Misconfigured(f"{TABLE}: is no CSV that can be read: {error}.") from None


def _by_place(found: list[str]) -> tuple[list[str], dict[str, frozenset[str]]]:
    originals = [name for name in found if "/" not in name]
    copies: dict[str, frozenset[str]] = {}
    for name in found:
        folder = name.partition("/")[0] if "/" in name else None
        if folder == UNRELATED:
            copies[name] = frozenset()
        elif folder is not None:
            copies[name] = frozenset({_original_named(folder, originals)})
    return originals, copies


def _original_named(folder: str, originals: list[str]) -> str:
    named = [name for name in originals if folder in (name, Path(name).stem)]
    if len(named) != 1:
        how = "no file beside it" if not named else f"{len(named)} files"
        raise Misconfigured(f"{escaped(folder)}/: named like {how}; what is of no original belongs into {UNRELATED}/.")
    return named[0]
