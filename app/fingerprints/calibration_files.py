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


def read_files(directory: Path) -> Files:
    """Raises Misconfigured: no directory, nothing in it, or what is said of copies fits no file."""
    if not directory.is_dir():
        raise Misconfigured(f"{directory}: no directory.")
    found = sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if _is_meant(path, directory))
    if not found:
        raise Misconfigured(f"{directory}: holds no files.")
    return _by_table(directory, found) if (directory / TABLE).is_file() else _by_place(found)


def _is_meant(path: Path, directory: Path) -> bool:
    """No links: what is measured lies in the directory. Nothing hidden."""
    parts = path.relative_to(directory).parts
    is_hidden = any(part.startswith(".") for part in parts)
    return path.is_file() and not path.is_symlink() and not is_hidden and path != directory / TABLE


def _by_table(directory: Path, found: list[str]) -> Files:
    known, copies = set(found), dict[str, frozenset[str]]()
    with (directory / TABLE).open(encoding="utf-8-sig", newline="") as table:
        rows = csv.DictReader(table)
        if not {"file", "of"} <= set(rows.fieldnames or ()):
            raise Misconfigured(f"{TABLE}: needs the columns file and of.")
        for number, row in enumerate(rows, 2):
            names = [name for name in (row["file"], row["of"]) if name]
            missing = [name for name in names if name not in known]
            if missing or not row["file"]:
                raise Misconfigured(f"{TABLE}, line {number}: there is no file {', '.join(missing) or '(empty)'}.")
            copies[row["file"]] = copies.get(row["file"], frozenset()) | ({row["of"]} if row["of"] else set())
    originals = [name for name in found if name not in copies]
    stray = sorted({name for of in copies.values() for name in of} - set(originals))
    if stray:
        raise Misconfigured(f"{TABLE}: {stray[0]} is said to be a copy and an original.")
    return Files(originals, copies)


def _by_place(found: list[str]) -> Files:
    originals = [name for name in found if "/" not in name]
    copies: dict[str, frozenset[str]] = {}
    for name in found:
        folder = name.partition("/")[0] if "/" in name else None
        if folder == UNRELATED:
            copies[name] = frozenset()
        elif folder is not None:
            copies[name] = frozenset({_original_named(folder, originals)})
    return Files(originals, copies)


def _original_named(folder: str, originals: list[str]) -> str:
    named = [name for name in originals if folder in (name, Path(name).stem)]
    if len(named) != 1:
        how = "no file beside it" if not named else f"{len(named)} files"
        raise Misconfigured(f"{folder}/: named like {how}; what is of no original belongs into {UNRELATED}/.")
    return named[0]
