"""The tree against the RFC's own definitions, written down here once more and naively."""

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofInvalid,
    consistency_proof,
    consistency_ranges,
    cover,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    nodes_of,
    root,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(1, 301)

# From the Certificate Transparency project's test data, known to every implementation.
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


@cache
def _mth(start: int, end: int) -> bytes:
    """RFC 6962, section 2.1: of the leaves ``start`` up to ``end``. Remembered, not cleverer."""
    if start == end:
        return hashlib.sha256(b"").digest()
    if end - start == 1:
        return hashlib.sha256(b"\x00" + LEAVES[start]).digest()
    k = _split(end - start)
    return hashlib.sha256(b"\x01" + _mth(start, start + k) + _mth(start + k, end)).digest()


def _path(m: int, start: int, end: int) -> list[bytes]:
    """RFC 6962, section 2.1.1; ``m`` counts from ``start``."""
    if end - start == 1:
        return []
    k = _split(end - start)
    if m < k:
        return [*_path(m, start, start + k), _mth(start + k, end)]
    return [*_path(m - k, start + k, end), _mth(start, start + k)]


def _subproof(m: int, start: int, end: int, is_whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2; ``m`` counts from ``start``."""
    if m == end - start:
        return [] if is_whole else [_mth(start, end)]
    k = _split(end - start)
    if m <= k:
        return [*_subproof(m, start, start + k, is_whole), _mth(start + k, end)]
    return [*_subproof(m - k, start + k, end, False), _mth(start, start + k)]


LEAVES = [f"leaf {number}".encode() for number in range(max(SIZES))]


def _nodes() -> dict[tuple[int, int], bytes]:
    frontier = Frontier()
    return {(level, index): h for leaf in LEAVES for level, index, h in frontier.append(leaf_hash(leaf))}


NODES = _nodes()
ROOTS = {size: _mth(0, size) for size in (0, *SIZES)}


def _lookup(level: int, index: int) -> bytes:
    return NODES[level, index]


def test_frontier_given_the_known_leaves_gives_the_known_roots() -> None:
    frontier = Frontier()
    roots = []
    for leaf in CT_LEAVES:
        list(frontier.append(leaf_hash(leaf)))
        roots.append(frontier.root().hex())

    assert roots == CT_ROOTS


def test_frontier_at_every_size_has_the_rfcs_root() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT == ROOTS[0]
    for size in SIZES:
        list(frontier.append(leaf_hash(LEAVES[size - 1])))
        assert frontier.root() == ROOTS[size] == root(size, _lookup)
        assert frontier.peaks == [NODES[node] for node in cover(0, size)]


def test_stored_nodes_are_exactly_the_complete_subtrees() -> None:
    expected = {
        (level, index): _mth(index << level, (index + 1) << level)
        for level in range(9)
        for index in range(len(LEAVES) >> level)
    }

    assert expected == NODES


@pytest.mark.thorough
def test_inclusion_proof_of_every_leaf_at_every_size_is_the_rfcs_path_and_verifies() -> None:
    for size in SIZES:
        for index in range(size):
            proof = inclusion_proof(index, size, _lookup)
            assert proof == _path(index, 0, size)
            verify_inclusion(index, size, leaf_hash(LEAVES[index]), proof, ROOTS[size])


@pytest.mark.thorough
def test_consistency_proof_between_any_two_sizes_is_the_rfcs_proof_and_verifies() -> None:
    for new in SIZES:
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, _lookup)
            assert proof == _subproof(old, 0, new, True)
            verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


def test_inclusion_proof_of_every_leaf_is_refused_for_its_neighbour_and_for_another_leaf() -> None:
    for size in range(2, 301):
        for index in {0, size - 1, size // 2, size // 3}:
            proof = inclusion_proof(index, size, _lookup)
            for at, leaf in ((index, b"other"), ((index + 1) % size, LEAVES[index])):
                with pytest.raises(ProofInvalid):
                    verify_inclusion(at, size, leaf_hash(leaf), proof, ROOTS[size])


def test_nodes_of_names_every_node_that_a_proof_reads() -> None:
    read: list[tuple[int, int]] = []

    def recording(level: int, index: int) -> bytes:
        read.append((level, index))
        return NODES[level, index]

    for size in (1, 2, 7, 64, 100, 255, 300):
        for index in range(0, size, 7):
            read.clear()
            inclusion_proof(index, size, recording)
            assert read == nodes_of(inclusion_ranges(index, size))


def test_verify_inclusion_when_anything_differs_is_refused() -> None:
    size, index = 137, 41
    proof = inclusion_proof(index, size, _lookup)
    good = (index, size, leaf_hash(LEAVES[index]), proof, ROOTS[size])
    wrong = [
        (index + 1, *good[1:]),
        (index, 300, *good[2:]),
        (size, *good[1:]),
        (-1, *good[1:]),
        (*good[:2], leaf_hash(b"other"), *good[3:]),
        (*good[:3], proof[:-1], good[4]),
        (*good[:3], [*proof, proof[-1]], good[4]),
        (*good[:3], [proof[1], proof[0], *proof[2:]], good[4]),
        (*good[:3], [proof[0][:31], *proof[1:]], good[4]),
        (*good[:4], ROOTS[size - 1]),
    ]
    for arguments in wrong:
        with pytest.raises(ProofInvalid):
            verify_inclusion(*arguments)


def test_verify_consistency_when_anything_differs_is_refused() -> None:
    for old, new in ((7, 137), (64, 137), (136, 137), (1, 2)):
        proof = consistency_proof(old, new, _lookup)
        forged = hashlib.sha256(ROOTS[old]).digest()
        for arguments in (
            (old, new, forged, ROOTS[new], proof),
            (old, new, ROOTS[old], forged, proof),
            (old, new, ROOTS[old], ROOTS[new], [*proof, proof[-1]]),
            (old, new, ROOTS[old], ROOTS[new], proof[:-1]),
            (new, old, ROOTS[new], ROOTS[old], proof),
            (0, new, ROOTS[0], ROOTS[new], []),
        ):
            with pytest.raises(ProofInvalid):
                verify_consistency(*arguments)


def test_verify_consistency_of_equal_sizes_demands_equal_roots() -> None:
    verify_consistency(5, 5, ROOTS[5], ROOTS[5], [])
    with pytest.raises(ProofInvalid):
        verify_consistency(5, 5, ROOTS[5], ROOTS[6], [])


def test_ranges_outside_the_tree_are_refused() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_ranges(index, size)
    for old, new in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_ranges(old, new)


@given(st.lists(st.integers(min_value=0, max_value=70), max_size=6))
def test_frontier_when_extended_by_batches_then_it_completes_what_appending_one_by_one_does(batches: list[int]) -> None:
    one_by_one, at_once = Frontier(), Frontier()
    for place, count in enumerate(batches):
        hashes = [leaf_hash(b"%d of %d" % (number, place)) for number in range(count)]
        completed = {(level, index): h for each in hashes for level, index, h in one_by_one.append(each) if level}
        runs = at_once.extend(hashes)
        assert {(level, first + n): h for level, first, row in runs for n, h in enumerate(row)} == completed
        assert sum(len(row) for _, _, row in runs) == len(completed)
        assert at_once == one_by_one
