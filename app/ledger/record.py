"""``log.signed``: every tree that was ever signed, kept beside the key and outside the database; only ever added to.

One line a tree: ``<origin> <size> <root, hex> <entries>``; ``entries`` are the ids of the queue's entries that the tree
added to the one before, as ranges (``12-40,42``), or ``-``. A line is on disk before the database commits the tree, and
nobody sees a tree before that commit. So whatever was published stands here; and the last line may be of a tree that
no database holds yet (``app.ledger.integrator`` says what follows from it).

The file is never read as a whole: only its last line counts.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from app.kernel.errors import Misconfigured

RECORD_NAME = "log.signed"
BLOCK_BYTES = 4096
TORN = b"?"
"""Ends a line that a crash cut off, when the next one is written: what stood there was never signed for anybody."""


class LogBehindRecord(Exception):
    """The database lacks a tree that was signed, as after a restore: going on would fork the log."""

    def __init__(self, reason: str, signed: "SignedTree", held_size: int) -> None:
        super().__init__(reason)
        self.signed = signed
        self.held_size = held_size


@dataclass(frozen=True)
class SignedTree:
    """One line of the record. ``origin`` None: written by a release that had one log."""

    origin: str | None
    size: int
    root: str
    entry_ids: tuple[int, ...] = ()

    def encode(self) -> bytes:
        return f"{self.origin} {self.size} {self.root} {_write_ranges(self.entry_ids)}\n".encode()


class SignedRecord:
    """The file. Several integrators on one machine share it: ``held`` keeps the others out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """From the check of the last line to the commit of the next one, no other process of this machine writes."""
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def last(self) -> SignedTree | None:
        """The newest tree; None when there is no line. Raises Misconfigured when the line is none of this format."""
        try:
            with self.path.open("rb") as file:
                position = file.seek(0, os.SEEK_END)
                tail = b""
                while position:
                    step = min(BLOCK_BYTES, position)
                    position = file.seek(position - step)
                    tail = file.read(step) + tail
                    lines = tail.split(b"\n")[1 if position else 0 : -1]  # What follows the last newline is cut off.
                    whole = [line for line in lines if not line.endswith(TORN)]
                    if whole:
                        return self._parse(whole[-1])
        except FileNotFoundError:
            pass
        return None

    def add(self, tree: SignedTree) -> None:
        """On disk when this returns."""
        is_new = not self.path.exists() or not self.path.stat().st_size
        with open(os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            cut_off = b"" if is_new or _ends_whole(file.fileno()) else TORN + b"\n"
            line = cut_off + tree.encode()
            if file.write(line) != len(line):
                raise OSError(f"{self.path}: a line was written in part")
            os.fsync(file.fileno())
        if is_new:
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _parse(self, line: bytes) -> SignedTree:
        try:
            words = line.decode().split(" ")
            if len(words) == 2:
                return SignedTree(None, int(words[0]), bytes.fromhex(words[1]).hex())
            origin, size, root, entries = words
            return SignedTree(origin, int(size), bytes.fromhex(root).hex(), _read_ranges(entries))
        except ValueError as error:
            raise Misconfigured(
                f"{self.path}: the last line is not what the integrator writes there. Restore the file; it tells what "
                "was signed, and is never edited."
            ) from error


def _ends_whole(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _write_ranges(numbers: Sequence[int]) -> str:
    if not numbers:
        return "-"
    gaps = [place for place, (one, following) in enumerate(pairwise(numbers), start=1) if following != one + 1]
    starts, ends = [0, *gaps], [*gaps, len(numbers)]
    runs = [(numbers[start], numbers[end - 1]) for start, end in zip(starts, ends, strict=True)]
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _read_ranges(text: str) -> tuple[int, ...]:
    if text == "-":
        return ()
    numbers: list[int] = []
    for run in text.split(","):
        first, _, last = run.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)
