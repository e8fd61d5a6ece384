"""The log checked from its public tiles alone, as a stranger does it: no database, no secret, no trust in the server.

From all leaves the root is computed anew and compared with the signed one; every hash tile that the size calls for,
full and partial, is compared with the hashes computed; each leaf has its one form, and no label is used twice (so no
stream has two histories). What was kept of an earlier run must be the beginning of what is served now: a log that was
cut back or forked is found, whoever it was shown to.

Memory: 48 bytes a leaf for the labels (50 MB a million), and some tiles.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.ledger.audit_report import AuditReport, Fault, Progress, silent
from app.ledger.checkpoint import Checkpoint, NoteInvalid, NotTrusted, VerifierKey, open_note, parse_checkpoint
from app.ledger.event import LEAF_PREFIX
from app.ledger.merkle import HASH_SIZE_BYTES, Frontier, leaf_hash
from app.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, BundleInvalid, Tile, parse_bundle

OTHER_KEY_HINT = (
    "Was the log's key replaced? GET /v1/ledger/keys lists all: make sure of the other one over a second channel, and "
    "give --key twice. Has the log ended? The one that continues it is at /logs/<n>, with a key and --state of its own"
)
"""An innocent cause to rule out first; nothing that an unknown key signed is believed for it."""
LABEL_SIZE_BYTES = 32
BUNDLES_BETWEEN_SAVES = 64
_LEAF = re.compile(rf"{LEAF_PREFIX} (?P<label>[0-9a-f]{{64}}) [0-9a-f]{{64}}".encode("ascii"))


class NotServed(LookupError):
    """The server says that there is no such resource (404)."""


class CannotCheck(Exception):
    """The server did not answer, or what was kept of an earlier run cannot be read: neither sound nor unsound."""


Fetch = Callable[[str], bytes]
"""The content below the log's address. Raises NotServed, CannotCheck."""


@dataclass
class Progressed:
    """How far a monitor has come: a whole number of bundles, the growing tree over them, and their labels.

    ``pending`` holds, for each tile level, the hashes that will begin the next tile.
    """

    frontier: Frontier = field(default_factory=Frontier)
    pending: dict[int, list[bytes]] = field(default_factory=dict)
    labels: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        return self.frontier.size


Save = Callable[[Progressed], None]
"""To be written down at once: what it is given goes on growing."""


class _Stop(Exception):
    """Nothing that follows could be checked; the fault is in the report."""


def open_served(note: bytes, vkeys: Sequence[VerifierKey]) -> Checkpoint:
    """The tree head that one of the pinned keys signed. Raises NoteInvalid."""
    try:
        checkpoint = parse_checkpoint(open_note(note.decode("utf-8"), vkeys).text)
    except UnicodeDecodeError as error:
        raise NoteInvalid("a note is valid UTF-8") from error
    except NotTrusted as error:
        raise NoteInvalid(f"{error}. {OTHER_KEY_HINT}") from error
    if checkpoint.origin not in {key.name for key in vkeys}:
        raise NoteInvalid(f"checkpoint of {checkpoint.origin!r}, pinned is {vkeys[0].name!r}")
    return checkpoint


def monitor(
    fetch: Fetch,
    note: bytes,
    vkeys: Sequence[VerifierKey],
    *,
    kept: Sequence[Checkpoint] = (),
    done: Progressed | None = None,
    save: Save | None = None,
    seen: Callable[[Checkpoint, bool], None] | None = None,
    progress: Progress = silent,
) -> AuditReport:
    """Check the log whose ``/checkpoint`` answered ``note`` against the pinned keys and all that it once signed.

    ``kept``: signed trees seen in earlier runs. ``done``: leaves that one of them checked and that are not fetched
    again; it ends at or before the newest of ``kept``. ``save`` is called now and then with what may be handed in as
    ``done`` the next time; ``seen`` before anything else is fetched, with what was signed and whether it contradicts
    what was kept: to be written down, for a signature binds from the moment it is shown. Raises CannotCheck.
    """
    report = AuditReport()
    try:
        signed = open_served(note, vkeys)
    except NoteInvalid as error:
        report.add(Fault("checkpoint", f"the one that is served: {error}"))
        return report
    report.checkpoints = 1
    for earlier in kept:
        _compare_heads(signed, earlier, report)
    if seen is not None:
        seen(signed, not report.is_sound)
    if not report.is_sound:
        return report
    roots = {earlier.size: earlier.root for earlier in kept}
    walk = _Walk(fetch, signed, roots, report, progress, done or Progressed())
    try:
        walk.run(save)
    except _Stop:
        report.leaves = walk.at.size
        return report
    report.leaves = signed.size
    if report.is_sound:
        report.size, report.root = signed.size, signed.root.hex()
    return report


def _compare_heads(signed: Checkpoint, kept: Checkpoint, report: AuditReport) -> None:
    if signed.origin != kept.origin:
        report.add(Fault("fork", f"the log of {kept.origin!r} was kept, {signed.origin!r} is served"))
    elif signed.size < kept.size:
        report.add(Fault("rollback", f"{kept.size} leaves were signed once, the log now ends at {signed.size}"))
    elif signed.size == kept.size and signed.root != kept.root:
        detail = f"two signed trees of {signed.size} leaves: kept {kept.root.hex()}, served {signed.root.hex()}"
        report.add(Fault("fork", detail))


@dataclass
class _Walk:
    """One run over all leaves of the signed tree, in order."""

    fetch: Fetch
    signed: Checkpoint
    kept: dict[int, bytes]
    report: AuditReport
    progress: Progress
    at: Progressed

    def run(self, save: Save | None) -> None:
        self._compare_kept()  # A tree that was signed may end right where the earlier run did.
        for number, (index, width) in enumerate(self._bundles()):
            if (
                save is not None
                and self.report.is_sound
                and (number % BUNDLES_BETWEEN_SAVES == 0 or width < TILE_WIDTH)
            ):
                save(self.at)  # Whole bundles only: what is partial now is fetched again the next time.
            for place, leaf in enumerate(self._leaves(index, width), start=index * TILE_WIDTH):
                self._add(place, leaf)
            self.progress("leaves", self.at.size)
        self._check_partial_tiles()
        self._check_root()
        self._check_labels()
        if save is not None and self.report.is_sound and self.at.size % TILE_WIDTH == 0:
            save(self.at)

    def _bundles(self) -> Iterator[tuple[int, int]]:
        """(index, width) of each bundle not yet checked; the last may be partial."""
        for start in range(self.at.size, self.signed.size, TILE_WIDTH):
            yield start // TILE_WIDTH, min(TILE_WIDTH, self.signed.size - start)

    def _leaves(self, index: int, width: int) -> list[bytes]:
        tile = Tile(None, index, width)
        try:
            leaves = parse_bundle(self._get(tile))
        except BundleInvalid as error:
            fault = Fault("leaf", f"/tile/{tile.encode()}: {error}", log_index=index * TILE_WIDTH)
            raise self._stopped(fault) from error
        if len(leaves) != width:
            detail = f"/tile/{tile.encode()} holds {len(leaves)} entries, the signed size gives {width}"
            raise self._stopped(Fault("leaf", detail, log_index=index * TILE_WIDTH + min(len(leaves), width)))
        return leaves

    def _add(self, index: int, leaf: bytes) -> None:
        form = _LEAF.fullmatch(leaf)
        if form is None:
            self.report.add(Fault("leaf", f"not of the one form of a leaf: {leaf[:160]!r}", log_index=index))
        self.at.labels += bytes.fromhex(form["label"].decode()) if form else index.to_bytes(LABEL_SIZE_BYTES, "big")
        for level, place, digest in self.at.frontier.append(leaf_hash(leaf)):
            if level % TILE_HEIGHT == 0:
                self._extend(level // TILE_HEIGHT, place // TILE_WIDTH, digest)
        self._compare_kept()

    def _extend(self, level: int, index: int, digest: bytes) -> None:
        """One more hash of this tile; when it is full it is compared with the one that is served."""
        hashes = self.at.pending.setdefault(level, [])
        hashes.append(digest)
        if len(hashes) == TILE_WIDTH:
            self._compare_tile(Tile(level, index), hashes)
            hashes.clear()

    def _check_partial_tiles(self) -> None:
        for level, hashes in sorted(self.at.pending.items()):
            if hashes:
                index = (self.signed.size >> level * TILE_HEIGHT) // TILE_WIDTH
                self._compare_tile(Tile(level, index, len(hashes)), hashes)

    def _compare_tile(self, tile: Tile, hashes: list[bytes]) -> None:
        served, expected = self._get(tile), b"".join(hashes)
        if served == expected:
            return
        first = tile.first << tile.node_level
        if len(served) != len(expected):
            held = f"{len(served) / HASH_SIZE_BYTES:g}"
            detail = f"/tile/{tile.encode()} holds {held} hashes, the signed size gives {tile.width}"
        else:
            place = next(n for n in range(tile.width) if served[n * 32 : n * 32 + 32] != hashes[n])
            first += place << tile.node_level
            detail = f"/tile/{tile.encode()}: hash {place} is not that of the leaves below it"
        self.report.add(Fault("node", detail, log_index=first))

    def _get(self, tile: Tile) -> bytes:
        """The tile; of a partial one that a server no longer keeps, the beginning of the full one (tlog-tiles)."""
        try:
            return self.fetch(f"tile/{tile.encode()}")
        except NotServed:
            if not tile.is_full:
                whole = Tile(tile.level, tile.index)
                try:
                    return _beginning(self.fetch(f"tile/{whole.encode()}"), tile)
                except (NotServed, BundleInvalid):
                    pass
        detail = f"/tile/{tile.encode()} is not served, though the signed size calls for it"
        raise self._stopped(
            Fault("leaf" if tile.level is None else "node", detail, log_index=tile.first << tile.node_level)
        )

    def _compare_kept(self) -> None:
        expected = self.kept.get(self.at.size)
        if expected is None:
            return
        root = self.at.frontier.root()
        if root != expected:
            detail = f"the first {self.at.size} leaves now give {root.hex()}; {expected.hex()} was signed and kept"
            self.report.add(Fault("fork", detail, log_index=self.at.size - 1))

    def _check_root(self) -> None:
        root = self.at.frontier.root()
        if root != self.signed.root:
            detail = f"of size {self.signed.size}: signed root {self.signed.root.hex()}, the leaves give {root.hex()}"
            self.report.add(Fault("checkpoint", detail))

    def _check_labels(self) -> None:
        for first, second in repeated_labels(self.at.labels):
            label = self.at.labels[first * LABEL_SIZE_BYTES : (first + 1) * LABEL_SIZE_BYTES].hex()
            detail = f"label {label} is used twice, before by leaf {first}: one stream with two histories"
            self.report.add(Fault("label_repeated", detail, log_index=second))

    def _stopped(self, fault: Fault) -> _Stop:
        self.report.add(fault)
        return _Stop()


def _beginning(full: bytes, tile: Tile) -> bytes:
    if tile.level is not None:
        return full[: tile.width * HASH_SIZE_BYTES]
    leaves = parse_bundle(full)[: tile.width]
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def repeated_labels(labels: bytes | bytearray) -> list[tuple[int, int]]:
    """(earlier, later) leaf of each label that stands twice among these, 32 bytes each.

    Sorted by their first 8 bytes; those that share them (none, unless somebody made it so) are compared whole.
    """
    heads = np.frombuffer(labels, dtype=">u8")[:: LABEL_SIZE_BYTES // 8]
    order = np.argsort(heads, kind="stable")
    ordered = heads[order]
    suspects = np.flatnonzero(ordered[1:] == ordered[:-1])
    seen: dict[bytes, int] = {}
    found = []
    for place in sorted({int(order[at + step]) for at in suspects for step in (0, 1)}):
        label = bytes(labels[place * LABEL_SIZE_BYTES : (place + 1) * LABEL_SIZE_BYTES])
        if label in seen:
            found.append((seen[label], place))
        seen[label] = place
    return found
