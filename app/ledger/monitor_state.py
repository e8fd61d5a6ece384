"""What a monitor remembers between runs, in a directory of its own: trees that were signed, and how far it has checked.

``checkpoints/<size>-<root>`` are the signed notes as they were served: with one of them a log that was cut back or
forked is shown to have lied. ``conflicts/`` holds the notes that do not fit them. ``labels`` and ``tree.json`` are the
leaves checked so far; they only save work, and can be deleted.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.ledger.checkpoint import Checkpoint, NoteInvalid, VerifierKey
from app.ledger.merkle import HASH_SIZE_BYTES, Frontier
from app.ledger.monitor import LABEL_SIZE_BYTES, CannotCheck, Progressed, open_served
from app.ledger.tiles import TILE_WIDTH


@dataclass(frozen=True)
class MonitorState:
    """The directory, held by one run at a time."""

    directory: Path

    def kept(self, vkeys: Sequence[VerifierKey]) -> list[Checkpoint]:
        """The trees signed so far. Raises CannotCheck for one that no pinned key signed: it is another log's state."""
        found = []
        for path in sorted((self.directory / "checkpoints").iterdir()):
            try:
                found.append(open_served(path.read_bytes(), vkeys))
            except NoteInvalid as error:
                raise CannotCheck(f"{path}: {error}") from error
        return found

    def keep(self, note: bytes, checkpoint: Checkpoint, *, is_conflict: bool) -> None:
        """Write a signed note down before anything else is asked of the server that showed it."""
        place = self.directory / ("conflicts" if is_conflict else "checkpoints")
        path = place / f"{checkpoint.size:020d}-{checkpoint.root.hex()[:16]}"
        if not path.exists():
            _write_whole(path, note)

    def forget_before(self, size: int) -> None:
        """The notes of trees that a later one was shown to begin with; the newest two stay."""
        paths = sorted((self.directory / "checkpoints").iterdir())
        for path in paths[:-2]:
            if int(path.name.partition("-")[0]) < size:
                path.unlink()

    def load(self) -> Progressed | None:
        """What an earlier run has checked, if anything. Raises CannotCheck when the files do not fit each other."""
        try:
            stored = json.loads((self.directory / "tree.json").read_text(encoding="ascii"))
            frontier = Frontier(stored["size"], [bytes.fromhex(peak) for peak in stored["peaks"]])
            pending = {
                int(level): [bytes.fromhex(each) for each in stored["pending"][level]] for level in stored["pending"]
            }
            with (self.directory / "labels").open("rb") as file:
                labels = bytearray(file.read(frontier.size * LABEL_SIZE_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CannotCheck(
                f"{self.directory}: delete tree.json and labels to check all leaves anew ({error})"
            ) from error
        hashes = [*frontier.peaks, *(each for level in pending.values() for each in level)]
        is_whole = len(labels) == frontier.size * LABEL_SIZE_BYTES and frontier.size % TILE_WIDTH == 0
        if (
            not is_whole
            or len(frontier.peaks) != frontier.size.bit_count()
            or set(map(len, hashes)) - {HASH_SIZE_BYTES}
        ):
            raise CannotCheck(f"{self.directory}: delete tree.json and labels to check all leaves anew (cut off)")
        return Progressed(frontier, pending, labels)

    def save(self, at: Progressed) -> None:
        """Labels first, synced; what names their number is replaced after that, in one step."""
        path = self.directory / "labels"
        with path.open("r+b" if path.exists() else "wb") as file:
            start = min(file.seek(0, os.SEEK_END), len(at.labels))
            file.seek(start)
            file.write(memoryview(at.labels)[start:])
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        stored = {
            "size": at.frontier.size,
            "peaks": [peak.hex() for peak in at.frontier.peaks],
            "pending": {str(level): [each.hex() for each in hashes] for level, hashes in at.pending.items() if hashes},
        }
        _write_whole(self.directory / "tree.json", json.dumps(stored).encode("ascii"))

    def forget_progress(self) -> None:
        (self.directory / "tree.json").unlink(missing_ok=True)
        (self.directory / "labels").unlink(missing_ok=True)


@contextmanager
def open_state(directory: Path) -> Iterator[MonitorState]:
    """Raises CannotCheck when another run holds it, or it cannot be written."""
    try:
        for name in ("checkpoints", "conflicts"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise CannotCheck(f"{directory}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotCheck(f"{directory} is in use by another run") from error
        yield MonitorState(directory)


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
