"""A monitor finds every lie that a log can tell through its public tiles, and names the leaf."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ledger.audit_report import AuditReport
from app.ledger.checkpoint import Checkpoint, VerifierKey, open_checkpoint, sign_checkpoint
from app.ledger.event import leaf
from app.ledger.monitor import CannotCheck, Progressed, monitor, repeated_labels
from app.ledger.monitor_state import MonitorState, open_state
from app.ledger.tiles import encode_bundle, parse_bundle
from tests.ledger.acts import OTHER_SIGNER, SIGNER
from tests.ledger.published_log import ORIGIN, VKEY, Server, files_of, make_leaves
from tests.support.examples import examples

SIZE = 600
LEAVES = make_leaves(SIZE)
HONEST = files_of(LEAVES)

Files = dict[str, bytes]


def check(files: Files, **options: object) -> AuditReport:
    return monitor(Server(files).fetch, files["checkpoint"], [VKEY], **options)  # type: ignore[arg-type]


def keeping(states: list[Progressed]) -> Callable[[Progressed], None]:
    return lambda at: states.append(copy.deepcopy(at))


def head(files: Files) -> Checkpoint:
    return open_checkpoint(files["checkpoint"].decode(), VKEY)


def with_leaf(index: int, other: bytes) -> Files:
    """Everything made anew and signed, but for one leaf."""
    return files_of([*LEAVES[:index], other, *LEAVES[index + 1 :]])


def _flip(path: str, at: int = -1) -> Callable[[], Files]:
    content = bytearray(HONEST[path])
    content[at] ^= 1
    return lambda: {**HONEST, path: bytes(content)}


def _bundle(path: str, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[], Files]:
    return lambda: {**HONEST, path: encode_bundle(change(parse_bundle(HONEST[path])))}


def _without(path: str) -> Callable[[], Files]:
    return lambda: {name: content for name, content in HONEST.items() if name != path}


def _swapped(leaves: list[bytes]) -> list[bytes]:
    return [leaves[1], leaves[0], *leaves[2:]]


def _resigned(**changes: object) -> Callable[[], Files]:
    signed = head(HONEST)
    forged = Checkpoint(*{"origin": ORIGIN, "size": signed.size, "root": signed.root, **changes}.values())  # type: ignore[arg-type]
    return lambda: {**HONEST, "checkpoint": sign_checkpoint(forged, SIGNER).encode()}


def _note(old: str, new: str) -> Callable[[], Files]:
    return lambda: {**HONEST, "checkpoint": HONEST["checkpoint"].decode().replace(old, new, 1).encode()}


REPEATED = leaf(LEAVES[3].split()[1].decode(), "ab" * 32)

# What is served → (kind of a fault that must be found, the leaf that it names or None).
TILE_TAMPERINGS: dict[str, tuple[Callable[[], Files], str, int | None]] = {
    "leaf's commitment changed in its bundle": (
        _bundle("tile/entries/000", lambda all_: [*all_[:7], leaf("cd" * 32, "ab" * 32), *all_[8:]]),
        "node",
        7,
    ),
    "leaf changed, tiles fitting, old signature kept": (
        lambda: with_leaf(300, leaf("cd" * 32, "ab" * 32)) | {"checkpoint": HONEST["checkpoint"]},
        "checkpoint",
        None,
    ),
    "leaves of a bundle exchanged": (_bundle("tile/entries/001", _swapped), "node", 256),
    "leaf dropped from a bundle": (_bundle("tile/entries/001", lambda all_: all_[:-1]), "leaf", 511),
    "leaf added to a full bundle": (_bundle("tile/entries/000", lambda all_: [*all_, all_[0]]), "leaf", 256),
    "partial bundle longer than signed": (
        _bundle("tile/entries/002.p/88", lambda all_: [*all_, leaf("cd" * 32, "ab" * 32)]),
        "leaf",
        600,
    ),
    "partial bundle shorter than signed": (_bundle("tile/entries/002.p/88", lambda all_: all_[:-1]), "leaf", 599),
    "bundle cut within a leaf": (
        lambda: {**HONEST, "tile/entries/001": HONEST["tile/entries/001"][:-1]},
        "leaf",
        256,
    ),
    "bundle withheld": (_without("tile/entries/001"), "leaf", 256),
    "leaf of another form, signed": (lambda: with_leaf(5, b"custody-leaf/v2 x"), "leaf", 5),
    "leaf with upper-case digits, signed": (lambda: with_leaf(6, LEAVES[6].replace(b"a", b"A")), "leaf", 6),
    "leaf with a newline, signed": (lambda: with_leaf(6, LEAVES[6] + b"\n"), "leaf", 6),
    "label used twice, signed": (lambda: with_leaf(500, REPEATED), "label_repeated", 500),
    "leaf repeated whole, signed": (lambda: files_of([*LEAVES, LEAVES[0]]), "label_repeated", 600),
    "hash of level 0 changed": (_flip("tile/0/001", 32 * 9), "node", 256 + 9),
    "hash of level 1 changed": (_flip("tile/1/000.p/2", 32), "node", 256),
    "hash in a partial tile changed": (_flip("tile/0/002.p/88"), "node", 599),
    "partial tile longer than signed": (
        lambda: {**HONEST, "tile/0/002.p/88": HONEST["tile/0/002.p/88"] + b"\x07" * 32},
        "node",
        512,
    ),
    "partial tile shorter than signed": (
        lambda: {**HONEST, "tile/0/002.p/88": HONEST["tile/0/002.p/88"][:-32]},
        "node",
        512,
    ),
    "tile withheld": (_without("tile/0/000"), "node", 0),
    "partial tile withheld": (_without("tile/1/000.p/2"), "node", 0),
    "tiles exchanged": (
        lambda: {**HONEST, "tile/0/000": HONEST["tile/0/001"], "tile/0/001": HONEST["tile/0/000"]},
        "node",
        0,
    ),
    "root of another tree signed": (_resigned(root=b"\x07" * 32), "checkpoint", None),
    "size beyond the leaves signed": (_resigned(size=SIZE + 1), "leaf", 512),
    "checkpoint unsigned": (
        lambda: {**HONEST, "checkpoint": HONEST["checkpoint"].split(b"\n\n")[0] + b"\n\n"},
        "checkpoint",
        None,
    ),
    "checkpoint signed by another key": (lambda: files_of(LEAVES, signer=OTHER_SIGNER), "checkpoint", None),
    "checkpoint of another log": (lambda: files_of(LEAVES, origin="log.example.net"), "checkpoint", None),
    "checkpoint's size edited": (_note(f"\n{SIZE}\n", f"\n{SIZE - 1}\n"), "checkpoint", None),
    "checkpoint's size spelt otherwise": (_note(f"\n{SIZE}\n", f"\n0{SIZE}\n"), "checkpoint", None),
    "checkpoint is no text": (lambda: {**HONEST, "checkpoint": b"\xff"}, "checkpoint", None),
}


@pytest.mark.parametrize("name", TILE_TAMPERINGS)
def test_monitor_after_tampering_names_the_culprit(name: str) -> None:
    make, kind, index = TILE_TAMPERINGS[name]

    report = check(make())

    assert (kind, index) in [(fault.kind, fault.log_index) for fault in report.faults], report.faults
    assert report.size == 0


FORKED = files_of([*LEAVES[:400], *make_leaves(700)[600:700], *LEAVES[500:]])

# What is served to one who kept the honest tree of 600 leaves → (kind of fault, the leaf that it names or None).
KEPT_TAMPERINGS: dict[str, tuple[Files, str, int | None]] = {
    "log cut back": (files_of(LEAVES[:599]), "rollback", None),
    "log emptied": (files_of(LEAVES[:1]), "rollback", None),
    "another tree of the same size": (FORKED, "fork", None),
    "a longer log with another beginning": (
        files_of([*LEAVES[:400], *make_leaves(900)[600:900], *LEAVES[500:]]),
        "fork",
        599,
    ),
    "a longer log with one early leaf changed": (
        files_of([leaf("cd" * 32, "ab" * 32), *make_leaves(700)[1:]]),
        "fork",
        599,
    ),
}


@pytest.mark.parametrize("name", KEPT_TAMPERINGS)
@pytest.mark.parametrize("is_resumed", [True, False])
def test_monitor_that_kept_a_tree_finds_rollback_and_fork(name: str, is_resumed: bool) -> None:
    files, kind, index = KEPT_TAMPERINGS[name]
    states: list[Progressed] = []
    assert check(HONEST, save=keeping(states)).is_sound
    if name == "a longer log with one early leaf changed" and is_resumed:
        kind, index = "node", 0  # The leaf is not fetched again; the tile above it is.
    report = check(files, kept=[head(HONEST)], done=states[-1] if is_resumed else None)

    assert (kind, index) in [(fault.kind, fault.log_index) for fault in report.faults], report.faults


def test_monitor_that_kept_a_tree_of_another_log_names_both() -> None:
    other = replace(head(HONEST), origin="log.example.org/2")
    for kept in (other, replace(other, size=SIZE - 100, root=head(files_of(LEAVES[: SIZE - 100])).root)):
        report = check(HONEST, kept=[kept])

        assert [fault.kind for fault in report.faults] == ["fork"], "the trees are the same, and not the logs"
        assert other.origin in report.faults[0].detail
        assert ORIGIN in report.faults[0].detail


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 513, 600])
def test_monitor_of_an_honest_log_checks_every_tile_and_bundle_once(size: int) -> None:
    server = Server(files_of(LEAVES[:size]))

    report = monitor(server.fetch, server.files["checkpoint"], [VKEY])

    assert report.is_sound, report.faults
    assert (report.size, report.leaves, report.root) == (size, size, head(server.files).root.hex())
    assert sorted(server.asked) == sorted(server.files.keys() - {"checkpoint"})


@pytest.mark.thorough
def test_monitor_of_a_log_with_tiles_of_level_two_is_sound() -> None:
    files = files_of(make_leaves(65_536 + 300))
    assert "tile/2/000.p/1" in files

    assert check(files).is_sound
    assert (check({**files, "tile/2/000.p/1": b"\x07" * 32}).faults[0].kind) == "node"


def test_monitor_when_the_server_keeps_only_full_tiles_takes_their_beginning() -> None:
    files = {**files_of(LEAVES[:512]), "checkpoint": files_of(LEAVES[:500])["checkpoint"]}

    assert check({name: content for name, content in files.items() if ".p/" not in name or name[5] == "1"}).faults == [
        *check(files).faults
    ]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5, unique=True))
@settings(max_examples=examples(25), deadline=None)
def test_monitor_that_goes_on_from_an_earlier_run_agrees_with_one_that_does_not(sizes: list[int]) -> None:
    done: Progressed | None = None
    kept: list[Checkpoint] = []
    for size in sorted(sizes):
        files, states = files_of(LEAVES[:size]), list[Progressed]()
        report = check(files, done=done, kept=kept, save=keeping(states))
        assert report == check(files)
        kept.append(head(files))
        done = states[-1] if states else done
        assert done is not None


def test_monitor_with_state_fetches_only_what_is_new_and_finds_a_fork_after_a_restart(tmp_path: Path) -> None:
    first = Server(files_of(LEAVES[:520]))
    second = Server(HONEST)
    for server in (first, second):
        with open_state(tmp_path / "state") as state:
            assert run_with(state, server).is_sound
    assert "tile/entries/000" in first.asked
    assert second.asked == ["tile/entries/002.p/88", "tile/0/002.p/88", "tile/1/000.p/2"]

    with open_state(tmp_path / "state") as state:
        report = run_with(state, Server(FORKED))
        assert [fault.kind for fault in report.faults] == ["fork"]
        assert run_with(state, Server(HONEST)).is_sound  # What contradicts is kept apart, as evidence.
    assert [path.read_bytes() for path in (tmp_path / "state" / "conflicts").iterdir()] == [FORKED["checkpoint"]]


def test_state_when_cut_off_or_held_by_another_run_cannot_be_used(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        assert run_with(state, Server(HONEST)).is_sound
        with pytest.raises(CannotCheck, match="in use"), open_state(tmp_path):
            pass
        (tmp_path / "labels").write_bytes(b"x")
        with pytest.raises(CannotCheck, match="delete"):
            state.load()
        (tmp_path / "tree.json").write_text("{}")
        with pytest.raises(CannotCheck, match="delete"):
            state.load()
        with pytest.raises(CannotCheck, match="not signed by a trusted key"):
            state.kept([VerifierKey(ORIGIN, OTHER_SIGNER.public_key)])


def run_with(state: MonitorState, server: Server) -> AuditReport:
    return monitor(
        server.fetch,
        server.files["checkpoint"],
        [VKEY],
        kept=state.kept([VKEY]),
        done=state.load(),
        save=state.save,
        seen=lambda signed, is_conflict: state.keep(server.files["checkpoint"], signed, is_conflict=is_conflict),
    )


@given(st.lists(st.integers(0, 5), max_size=30))
def test_repeated_labels_names_each_repetition_once(numbers: list[int]) -> None:
    labels = b"".join(number.to_bytes(32, "big") for number in numbers)

    found = repeated_labels(labels)

    assert len(found) == len(numbers) - len(set(numbers))
    assert all(numbers[first] == numbers[second] and first < second for first, second in found)
