"""A log that was changed on the way is refused, whoever changes it and however well the rest is made to fit."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from app.auditing.selection import Filters
from app.kernel.primitives import canonical_json
from app.ledger import reading
from app.ledger.event import leaf
from tests.auditing.logs import Desk
from tests.support.forked_log import SignedTree, second_of

Lines = list[Any]


@pytest.fixture(scope="module")
def taken(shared_desk: Desk) -> dict[str, Lines]:
    """One log of each kind, from the middle of the tree, as its lines."""
    case = shared_desk.hub.case_id
    asked: dict[str, dict[str, Any]] = {
        "case": {"case": case, "first": 6, "before": 14},
        "case with leaves": {"case": case, "first": 6, "before": 14, "inline_leaves_up_to": 1000},
        "everything": {"first": 3, "before": 12},
        "filtered": {"case": case, "filters": Filters(types=("evidence.registered",))},
    }
    logs = {name: shared_desk.write(shared_desk.take(**each)) for name, each in asked.items()}
    return {name: [json.loads(line) for line in content.splitlines()] for name, content in logs.items()}


def sealed_anew(lines: Lines) -> bytes:
    """With the trailer that fits: an attacker writes that too."""
    body = b"".join(canonical_json(line) + b"\n" for line in lines[:-1])
    counts = {
        "entries": sum("v" in line for line in lines),
        "leaves": sum(line.get("kind") == "leaf" for line in lines),
        "withheld": sum("withheld" in line and "kind" not in line for line in lines),
    }
    trailer = {"kind": "trailer", "lines": len(lines) - 1, **counts, "sha256": hashlib.sha256(body).hexdigest()}
    return body + canonical_json(trailer) + b"\n"


def entry_at(lines: Lines, number: int = 0) -> int:
    return [at for at, line in enumerate(lines) if "v" in line][number]


def as_leaf(lines: Lines, at: int) -> Lines:
    entry = lines[at]
    leaf = f"custody-leaf/v1 {entry['label']} {hashlib.sha256(canonical_json(entry)).hexdigest()}"
    return [*lines[:at], {"kind": "leaf", "leaf": leaf}, *lines[at + 1 :]]


def changed(lines: Lines, at: int, **members: Any) -> Lines:
    return [*lines[:at], {**lines[at], **members}, *lines[at + 1 :]]


def without_stream_context(lines: Lines) -> Lines:
    """An older entry passed off as where a stream stood: what lies between would be hidden."""
    case, first = lines[0]["scope"]["id"], lines[0]["first"]
    contexts = [
        at
        for at, line in enumerate(lines)
        if line.get("kind") == "context" and line.get("index", first) < first and line["entry"]["stream"] != case
    ]
    return [line for at, line in enumerate(lines) if at != contexts[-1]]


def is_of_no_stream_yet(lines: Lines, at: int) -> bool:
    """The first entry, after the range, of a stream that nothing in the range registers: it proves nothing here."""
    line = lines[at]
    return bool(
        line.get("kind") == "context" and line.get("index", 0) >= lines[0]["before"] and line["entry"]["seq"] == 1
    )


TAMPERINGS: dict[str, Callable[[Lines], Lines]] = {
    "an entry is left out": lambda lines: [line for at, line in enumerate(lines) if at != entry_at(lines)],
    "an entry is shown as a leaf alone": lambda lines: as_leaf(lines, entry_at(lines)),
    "the last entry is shown as a leaf alone": lambda lines: as_leaf(lines, entry_at(lines, -1)),
    "two entries change places": lambda lines: [
        *lines[: entry_at(lines)],
        lines[entry_at(lines) + 1],
        lines[entry_at(lines)],
        *lines[entry_at(lines) + 2 :],
    ],
    "an entry's time is another one": lambda lines: changed(lines, entry_at(lines), time="2020-01-01T00:00:00.000Z"),
    "an entry's actor is another one": lambda lines: changed(
        lines, entry_at(lines), actor={**lines[entry_at(lines)]["actor"], "role": "custodian"}
    ),
    "an entry stands twice": lambda lines: [
        *lines[: entry_at(lines)],
        lines[entry_at(lines)],
        *lines[entry_at(lines) :],
    ],
    "the range ends earlier": lambda lines: changed(lines, 0, before=lines[0]["before"] - 1),
    "the range begins later": lambda lines: changed(lines, 0, first=lines[0]["first"] + 1),
    "less was asked for": lambda lines: changed(lines, 0, asked={"types": ["case.created"]}),
    "another scope was asked for": lambda lines: changed(
        lines, 0, scope={"kind": "stream", "id": "00000000-0000-4000-8000-000000000000"}
    ),
    "the log's own entry is another one": lambda lines: [
        changed(lines, at, entry={**line["entry"], "time": "2020-01-01T00:00:00.000Z"})[at]
        if line.get("kind") == "own"
        else line
        for at, line in enumerate(lines)
    ],
    "it was taken at another time": lambda lines: changed(lines, 0, time="2020-01-01T00:00:00.000Z"),
}


@pytest.mark.parametrize("kind", ["case", "case with leaves", "everything", "filtered"])
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_log_when_changed_and_sealed_anew_then_it_is_refused(
    shared_desk: Desk, taken: dict[str, Lines], kind: str, tampering: str
) -> None:
    assert shared_desk.check(sealed_anew(taken[kind])).findings == []
    assert not shared_desk.check(sealed_anew(TAMPERINGS[tampering](taken[kind]))).ok


@pytest.mark.parametrize("kind", ["case", "everything"])
def test_log_when_any_line_is_dropped_or_cut_then_it_is_refused(
    shared_desk: Desk, taken: dict[str, Lines], kind: str
) -> None:
    lines = taken[kind]
    for at in range(len(lines) - 1):
        shorter = sealed_anew([*lines[:at], *lines[at + 1 :]])
        report = shared_desk.check(shorter)
        if is_of_no_stream_yet(lines, at):
            continue
        assert not report.ok or "completeness" in report.skipped, lines[at]
    whole = sealed_anew(lines)
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        assert not shared_desk.check(whole[:size]).ok
    assert not shared_desk.check(whole + b"\n").ok


def test_log_when_an_older_entry_is_passed_off_as_where_a_stream_stood_then_it_is_not_called_complete(
    shared_desk: Desk,
) -> None:
    taken = shared_desk.write(shared_desk.take(case=shared_desk.hub.case_id, first=20))
    lines = [json.loads(line) for line in taken.splitlines()]
    assert shared_desk.check(sealed_anew(lines)).findings == []
    report = shared_desk.check(sealed_anew(without_stream_context(lines)))
    assert not report.ok or report.as_json()["checks"]["completeness"] == "not checked"


def older_context(shared_desk: Desk, lines: Lines) -> Lines:
    """Where a stream stood is told by the entry before, with the proof that really is that entry's."""
    first, size = lines[0]["first"], lines[0]["tree_size"]
    for at, line in enumerate(lines):
        is_before = line.get("kind") == "context" and line.get("index", size) < first
        if is_before and line["entry"]["seq"] > 1 and line["entry"]["stream"] != lines[0]["scope"]["id"]:
            with shared_desk.hub.sessions() as session:
                body = session.execute(
                    text("SELECT b.body FROM ledger_entries e JOIN ledger_bodies b USING (commitment) "
                         "WHERE e.stream_id = :stream AND e.seq = :seq"),
                    {"stream": line["entry"]["stream"], "seq": line["entry"]["seq"] - 1},
                ).scalar_one()  # fmt: skip
                proof = reading.proof(session, hashlib.sha256(body).hexdigest(), size)
            place = {"index": proof.index, "hashes": [each.hex() for each in proof.hashes]}
            return [*lines[:at], {"kind": "context", "entry": json.loads(body), **place}, *lines[at + 1 :]]
    raise AssertionError("no stream acted twice before the range")


def test_log_when_an_older_entry_with_its_own_proof_stands_for_a_stream_then_it_is_not_called_complete(
    shared_desk: Desk,
) -> None:
    taken = shared_desk.write(shared_desk.take(case=shared_desk.hub.case_id, first=20))
    lines = [json.loads(line) for line in taken.splitlines()]
    report = shared_desk.check(sealed_anew(older_context(shared_desk, lines)))
    assert not report.ok or report.as_json()["checks"]["completeness"] == "not checked"


def leaves_of(lines: Lines) -> dict[int, bytes]:
    """Line → leaf, of a log that shows all of them, in the order of the tree."""
    found = {}
    for at, line in enumerate(lines):
        if line.get("kind") == "leaf":
            found[at] = line["leaf"].encode()
        elif "v" in line:
            found[at] = leaf(line["label"], hashlib.sha256(canonical_json(line)).hexdigest())
    return found


def forked(lines: Lines, alone: int, other: int) -> Lines:
    """The leaf of line ``alone`` bears the label of that of line ``other``; the tree is signed and proven anew."""
    leaves = leaves_of(lines)
    leaves[alone] = second_of(leaves[other])
    tree = SignedTree(lines[0]["log"], list(leaves.values()))
    made = changed(lines, alone, leaf=leaves[alone].decode())
    made = changed(made, 1, note=tree.note())
    for at, line in enumerate(made):
        if "index" in line:
            made = changed(made, at, hashes=[each.hex() for each in tree.hashes(line["index"])])
    return made


@pytest.mark.parametrize("is_before", [True, False], ids=["before the act", "after the act"])
def test_log_when_it_forked_a_stream_and_signed_that_then_the_label_used_twice_is_named(
    shared_desk: Desk, taken: dict[str, Lines], is_before: bool
) -> None:
    """Whoever holds the log's key makes every proof right: this alone is left to find it by."""
    lines = taken["case with leaves"]
    leaves, entry = leaves_of(lines), entry_at(lines, -1 if is_before else 0)
    assert len(leaves) == lines[0]["tree_size"]
    of_case = {line["entry"]["label"] for line in lines if "entry" in line}
    free = [at for at in leaves if "v" not in lines[at] and leaves[at].split()[1].decode() not in of_case]
    alone = free[0] if is_before else free[-1]
    assert (alone < entry) is is_before
    assert shared_desk.check(sealed_anew(forked(lines, alone, alone))).findings == [], "another act, and no fork"
    findings = shared_desk.check(sealed_anew(forked(lines, alone, entry))).findings
    assert [(check, what) for check, _, what in findings] == [("chain", "its label is used twice")]


def test_log_when_a_proof_is_another_then_it_is_refused(shared_desk: Desk, taken: dict[str, Lines]) -> None:
    """Of the log's own entry, and of those that tell where streams stood."""
    for kind, lines in taken.items():
        proven = [at for at, line in enumerate(lines) if "index" in line and line.get("hashes")]
        assert proven, kind
        for at in proven:
            first, *others = lines[at]["hashes"]
            forged = changed(lines, at, hashes=[first[:-1] + ("0" if first[-1] != "0" else "1"), *others])
            assert not shared_desk.check(sealed_anew(forged)).ok, (kind, at)


@pytest.mark.thorough
def test_log_when_any_byte_is_flipped_then_it_is_refused(shared_desk: Desk, taken: dict[str, Lines]) -> None:
    whole = sealed_anew(taken["case"])
    for at in range(0, len(whole), 7):
        flipped = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        assert not shared_desk.check(flipped).ok, at
