"""The Merkle tree of RFC 6962, section 2.1: hashes, roots, proofs, and growth by complete subtrees. Pure.

A node is named by (level, index): the complete subtree over the leaves ``index * 2**level`` up to
``(index + 1) * 2**level``. Hashes are 32 raw bytes. The hash of any other range is folded from such nodes.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

HASH_SIZE_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = tuple[int, int]
Range = tuple[int, int]
Lookup = Callable[[int, int], bytes]
"""(level, index) → the hash of that complete subtree."""


class ProofInvalid(ValueError):
    """A proof does not lead to the root; the message says what was expected and what was got."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two smaller than ``size`` (at least 2): where RFC 6962 splits a tree."""
    return 1 << (size - 1).bit_length() - 1


def cover(start: int, end: int) -> list[Node]:
    """The complete subtrees that make up the leaves ``start`` up to ``end``, from left to right."""
    nodes = []
    while start < end:
        room = (end - start).bit_length() - 1
        level = room if start == 0 else min(room, (start & -start).bit_length() - 1)
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: list[bytes]) -> bytes:
    """The root over complete subtrees of falling size, from left to right."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def range_hash(start: int, end: int, lookup: Lookup) -> bytes:
    """MTH(D[start:end]) for a range that RFC 6962's splitting can meet."""
    return fold([lookup(level, index) for level, index in cover(start, end)])


def root(size: int, lookup: Lookup) -> bytes:
    return range_hash(0, size, lookup)


@dataclass
class Frontier:
    """A growing tree: its size and the hashes of its complete subtrees, largest first. All that appending needs."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, hash_of_leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add one leaf; yields (level, index, hash) of the leaf and of each subtree that it completes."""
        level, index, current = 0, self.size, hash_of_leaf
        yield level, index, current
        while index & 1:
            current = node_hash(self.peaks.pop(), current)
            level, index = level + 1, index >> 1
            yield level, index, current
        self.peaks.append(current)
        self.size += 1

    def extend(self, hashes_of_leaves: list[bytes]) -> list[tuple[int, int, list[bytes]]]:
        """Add leaves, as ``append`` one by one and several times as fast: level by level, lowest first.

        Gives (level, index of the first, hashes) of the subtrees that they complete, leaves left out: on each level
        they stand side by side.
        """
        completed, level, row, peaks = [], 0, hashes_of_leaves, list[bytes]()
        while row or self.size >> level:
            if self.size >> level & 1:
                row = [self.peaks.pop(), *row]
            if len(row) & 1:
                peaks.append(row[-1])
            row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
            level += 1
            if row:
                completed.append((level, self.size >> level, row))
        self.peaks = peaks[::-1]
        self.size += len(hashes_of_leaves)
        return completed

    def root(self) -> bytes:
        return fold(self.peaks)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose hashes are PATH(index, D[size]), RFC 6962, section 2.1.1: from the leaf's sibling upwards."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    start, end, ranges = 0, size, list[Range]()
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges whose hashes are PROOF(old, D[new]), RFC 6962, section 2.1.2. Empty for equal sizes."""
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof leads from {old} to {new}")
    start, end, is_whole, ranges = 0, new, True, list[Range]()
    while end != old:
        middle = start + split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, is_whole = middle, False
    if not is_whole:
        ranges.append((start, end))
    return ranges[::-1]


def nodes_of(ranges: list[Range]) -> list[Node]:
    """Every complete subtree that a proof over these ranges reads: what to fetch, in one query."""
    return [node for start, end in ranges for node in cover(start, end)]


def inclusion_proof(index: int, size: int, lookup: Lookup) -> list[bytes]:
    return [range_hash(start, end, lookup) for start, end in inclusion_ranges(index, size)]


def consistency_proof(old: int, new: int, lookup: Lookup) -> list[bytes]:
    return [range_hash(start, end, lookup) for start, end in consistency_ranges(old, new)]


def verify_inclusion(index: int, size: int, hash_of_leaf: bytes, proof: list[bytes], expected_root: bytes) -> None:
    """RFC 9162, section 2.1.3.2. Raises ProofInvalid."""
    ranges = _ranges_or_invalid(inclusion_ranges, index, size)
    _check_shape(proof, len(ranges))
    current = hash_of_leaf
    for (start, _), sibling in zip(ranges, proof, strict=True):
        current = node_hash(current, sibling) if start > index else node_hash(sibling, current)
    _check_root("root of the tree", expected_root, current)


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> None:
    """RFC 9162, section 2.1.4.2: the tree of ``new`` leaves begins with the tree of ``old``. Raises ProofInvalid."""
    ranges = _ranges_or_invalid(consistency_ranges, old, new)
    _check_shape(proof, len(ranges))
    steps = list(zip(ranges, proof, strict=True))
    if steps and steps[0][0][1] == old:  # The first range ends where the old tree ends: it belongs to both.
        older = newer = steps.pop(0)[1]
    else:
        older = newer = old_root  # The old tree is itself a complete subtree, and not repeated in the proof.
    for (start, _), sibling in steps:
        if start < old:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
        else:
            newer = node_hash(newer, sibling)
    _check_root(f"root of the first {old} leaves", old_root, older)
    _check_root(f"root of all {new} leaves", new_root, newer)


def _ranges_or_invalid(ranges: Callable[[int, int], list[Range]], first: int, second: int) -> list[Range]:
    try:
        return ranges(first, second)
    except ValueError as error:
        raise ProofInvalid(str(error)) from error


def _check_shape(proof: list[bytes], expected: int) -> None:
    if len(proof) != expected:
        raise ProofInvalid(f"proof has {len(proof)} hashes, expected {expected}")
    if any(len(each) != HASH_SIZE_BYTES for each in proof):
        raise ProofInvalid(f"a hash in the proof is not of {HASH_SIZE_BYTES} bytes")


def _check_root(what: str, expected: bytes, got: bytes) -> None:
    if expected != got:
        raise ProofInvalid(f"{what}: expected {expected.hex()}, got {got.hex()}")
