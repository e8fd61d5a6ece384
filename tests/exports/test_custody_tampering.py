"""Whatever is done to a custody file, the verifier finds it and names the line; also when the trailer is made anew."""

import base64
import copy
import hashlib
import io
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.exports.verifier.verify_custody import Key, Report, parse_key, verify
from app.kernel.primitives import canonical_json
from app.ledger.checkpoint import Checkpoint, VerifierKey, open_checkpoint, sign_checkpoint
from tests.exports.custody_cases import Hub, written
from tests.ledger.acts import OTHER_SIGNER, SIGNER
from tests.support.examples import examples
from tests.support.forked_log import SignedTree, second_of


class Sample:
    """One honest file of a whole case, disclosed, and a later file of the same log; lines are numbered from 1."""

    def __init__(self, content: bytes, later: bytes, vkey: VerifierKey) -> None:
        self.content, self.vkey, self.key = content, vkey, parse_key(vkey.encode())
        self.lines, self.later = content.splitlines(), later.splitlines()

    def value(self, number: int) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.lines[number - 1])
        return value

    def numbers(self, kind: str) -> list[int]:
        """The lines of one kind."""
        return [
            number for number, line in enumerate(self.lines, start=1) if json.loads(line).get("kind", "entry") == kind
        ]

    def edited(self, number: int, change: Callable[[dict[str, Any]], object]) -> list[bytes]:
        value = copy.deepcopy(self.value(number))
        change(value)
        return [*self.lines[: number - 1], canonical_json(value), *self.lines[number:]]


@pytest.fixture(scope="module")
def sample(shared_hub: Hub) -> Sample:
    return Sample(shared_hub.file(is_disclosed=True), shared_hub.file(is_disclosed=True), shared_hub.vkey)


def resealed(lines: list[bytes]) -> bytes:
    """The lines under a trailer that fits them: what somebody does who knows the format."""
    body = b"".join(line + b"\n" for line in lines[:-1])
    kinds = [_kind(line) for line in lines[:-1]]
    counts = {"entries": "entry", "proofs": "proof", "leaves": "leaf", "disclosures": "disclosure"}
    trailer = {
        "kind": "trailer",
        "lines": len(lines) - 1,
        **{name: kinds.count(kind) for name, kind in counts.items()},
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return body + canonical_json(trailer) + b"\n"


def _kind(line: bytes) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return "entry"
    return str(value.get("kind", "entry")) if isinstance(value, dict) else "entry"


def check(sample: Sample, content: bytes) -> Report:
    return verify(io.BytesIO(content), sample.key)


def assert_found(sample: Sample, lines: list[bytes], *numbers: int) -> None:
    """The verifier refuses and its first finding names one of these lines."""
    report = check(sample, resealed(lines))
    assert not report.ok
    first = report.findings[0]
    assert any(first.line <= number <= first.last_line for number in numbers), (numbers, report.findings[:5])


def put(path: str, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(line: dict[str, Any]) -> None:
        *parents, name = path.split(".")
        for parent in parents:
            line = line[parent]
        line[name] = value

    return change


EXPORTED = "export.created"
OTHER_HASH = "ab" * 32
OTHER_ID = "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11"
ENTRY_CHANGES = {
    "v": "custody-entry/v2",
    "log": "log.example.org",
    "stream": OTHER_ID,
    "seq": 99,
    "prev": OTHER_HASH,
    "label": OTHER_HASH,
    "next": OTHER_HASH,
    "salt": OTHER_HASH,
    "time": "2026-01-31T12:00:00.250Z",
    "occurred": "2026-01-31T12:00:00.250Z",
    "type": "evidence.lost",
    "actor.id": OTHER_ID,
    "actor.kind": "robot",
    "actor.role": "custodian",
    "object.id": OTHER_ID,
    "object.kind": "else",
    "object.size": 7,
    "data.added": 1,
    "sealed.added": OTHER_HASH,
    "unknown": 1,
}


@pytest.mark.parametrize("path", ENTRY_CHANGES)
def test_entry_when_a_field_is_changed_then_its_line_is_named(sample: Sample, path: str) -> None:
    entries = sample.numbers("entry")
    for number in (entries[0], entries[len(entries) // 2], entries[-1]):
        assert_found(sample, sample.edited(number, put(path, ENTRY_CHANGES[path])), number)


HEADER_CHANGES = {
    "format": "exhibit-custody/v2",
    "about": "trust me",
    "export_id": OTHER_ID,
    "time": "2026-01-31T12:00:00.250Z",
    "scope": "incident",
    "object.id": OTHER_ID,
    "object.kind": "evidence",
    "log": "log.example.org",
    "tree_size": 5,
    "vkey_not_a_source_of_trust": VerifierKey("log.example.org", OTHER_SIGNER.public_key).encode(),
    "leaves": "none",
    "disclosures": "none",
    "streams": [],
    "added": 1,
}


@pytest.mark.parametrize("path", HEADER_CHANGES)
def test_header_when_a_member_is_changed_then_found(sample: Sample, path: str) -> None:
    report = check(sample, resealed(sample.edited(1, put(path, HEADER_CHANGES[path]))))
    assert not report.ok
    if path not in {"disclosures"}:  # Then the disclosures are those that nobody announced.
        assert report.findings[0].line == 1


@pytest.mark.parametrize(("name", "value"), [("entries", 1), ("head", OTHER_HASH), ("kind", "incident")])
def test_header_when_a_stream_is_described_otherwise_then_found(sample: Sample, name: str, value: Any) -> None:
    for place in range(len(sample.value(1)["streams"])):
        if sample.value(1)["streams"][place][name] != value:
            changed = sample.edited(1, lambda header, at=place: header["streams"][at].update({name: value}))  # type: ignore[misc]  # mypy cannot type a lambda's default
            assert not check(sample, resealed(changed)).ok


@pytest.mark.thorough
def test_line_when_removed_then_found(sample: Sample) -> None:
    for number in range(1, len(sample.lines)):
        lines = [*sample.lines[: number - 1], *sample.lines[number:]]
        report = check(sample, resealed(lines))
        assert not report.ok, number
        # What is missing is named where it should stand: the next line has taken its place.
        assert report.findings[0].line <= number <= report.findings[0].last_line + 1, (number, report.findings[:3])


@pytest.mark.thorough
def test_line_when_repeated_then_found(sample: Sample) -> None:
    for number in range(1, len(sample.lines)):
        lines = [*sample.lines[:number], *sample.lines[number - 1 :]]
        report = check(sample, resealed(lines))
        assert not report.ok, number
        assert report.findings[0].line in {number, number + 1}, (number, report.findings[:3])


@pytest.mark.thorough
def test_neighbours_when_swapped_then_found(sample: Sample) -> None:
    for number in range(1, len(sample.lines) - 1):
        lines = list(sample.lines)
        lines[number - 1], lines[number] = lines[number], lines[number - 1]
        report = check(sample, resealed(lines))
        assert not report.ok, number
        assert report.findings[0].line in {number, number + 1}, (number, report.findings[:3])


@pytest.mark.thorough
def test_tail_when_cut_at_any_line_then_the_cut_is_named(sample: Sample) -> None:
    for kept in range(len(sample.lines)):
        content = b"".join(line + b"\n" for line in sample.lines[:kept])
        report = check(sample, content)
        assert not report.ok
        assert kept + 1 in {found.line for found in report.findings}, kept
        if kept:
            within = content[: -1 - len(sample.lines[kept - 1]) // 2]
            assert kept in {found.line for found in check(sample, within).findings}, kept


def test_tail_when_cut_and_the_header_made_to_fit_then_found(sample: Sample) -> None:
    """Each stream cut before this export's entry, and everything else made consistent with that."""
    for place, stream in enumerate(sample.value(1)["streams"]):
        entries = [n for n in sample.numbers("entry") if sample.value(n)["stream"] == stream["stream"]]
        cut, last = entries[-1], entries[-2]
        proof = next(
            n
            for n in sample.numbers("proof")
            if (sample.value(n)["stream"], sample.value(n)["seq"]) == (stream["stream"], stream["entries"])
        )
        opened = {
            n
            for n in sample.numbers("disclosure")
            if (sample.value(n)["stream"], sample.value(n)["seq"]) == (stream["stream"], stream["entries"])
        }
        header = sample.value(1)
        head = hashlib.sha256(sample.lines[last - 1]).hexdigest()
        header["streams"][place] = {**stream, "entries": stream["entries"] - 1, "head": head}
        kept = [line for number, line in enumerate(sample.lines, start=1) if number not in {cut, proof, *opened}]
        report = check(sample, resealed([canonical_json(header), *kept[1:]]))
        assert not report.ok
        assert {"leaves", "completeness"} <= {found.check for found in report.findings}


def test_stream_when_left_out_altogether_then_its_absence_is_found(sample: Sample) -> None:
    for place, stream in enumerate(sample.value(1)["streams"]):
        if stream["kind"] == "case":
            continue
        header = sample.value(1)
        del header["streams"][place]
        kept = [line for line in sample.lines[1:] if json.loads(line).get("stream") != stream["stream"]]
        report = check(sample, resealed([canonical_json(header), *kept]))
        assert not report.ok
        assert stream["stream"] in {found.stream for found in report.findings if found.check == "completeness"}


def only_stream(lines: list[bytes], stream: str, **header_changes: Any) -> list[bytes]:
    """The file of one of its streams alone, everything else made consistent with that."""
    header = json.loads(lines[0])
    header |= {"streams": [each for each in header["streams"] if each["stream"] == stream], **header_changes}
    header["streams"][0]["kind"] = header["object"]["kind"]
    kept = [line for line in lines[1:] if json.loads(line).get("stream", stream) == stream]
    return [canonical_json(header), *kept]


def test_item_when_passed_off_as_the_incident_it_was_linked_to_then_found(shared_hub: Hub, sample: Sample) -> None:
    """Of an incident's file one item alone, called the incident: nothing was ever linked to that one."""
    lines = shared_hub.file("incident", shared_hub.incident, is_disclosed=True).splitlines()
    item = str(shared_hub.items[0])
    report = check(sample, resealed(only_stream(lines, item, object={"kind": "incident", "id": item})))
    assert {found.check for found in report.findings} == {"completeness"}
    assert {found.stream for found in report.findings} == {item}


def test_file_when_cut_and_said_to_be_of_a_log_that_ended_then_found(shared_hub: Hub, sample: Sample) -> None:
    """Such a file has no entry of its export, so where its streams end must show from the leaves, or the newer file."""
    for leaves_up_to, check_of in ((1000, "leaves"), (5, "completeness")):
        export = shared_hub.take("evidence", shared_hub.items[1], inline_leaves_up_to=leaves_up_to)
        lines = written(export, shared_hub.sessions).splitlines()
        entries = [line for line in lines if _kind(line) == "entry"][:2]
        header = json.loads(lines[0])
        header |= {"continued_by": "log.example.org/2", "export_id": OTHER_ID}
        header["streams"][0] |= {"entries": 2, "integrated": 2, "head": hashlib.sha256(entries[-1]).hexdigest()}
        proofs = [line for line in lines if _kind(line) == "proof"][:2]
        leaves = [line for line in lines if _kind(line) == "leaf"]
        cut = resealed([canonical_json(header), lines[1], *entries, *proofs, *leaves, lines[-1]])
        report = verify(io.BytesIO(cut), sample.key, leaves_optional=True)
        assert {found.check for found in report.findings} == {check_of}


@pytest.mark.thorough
def test_header_when_every_stream_is_called_a_case_then_refused_in_linear_time(sample: Sample) -> None:
    """A made-up file in which each stream would be compared with the list of all streams."""
    streams, entries = [], []
    model = json.loads(sample.lines[sample.numbers("entry")[-1] - 1])
    model["object"] = {"kind": "export", "id": OTHER_ID}
    for number in range(4000):
        stream = f"{number:08x}-0000-4000-8000-000000000000"
        label = hashlib.sha256(f"custody-stream/v1 {stream}".encode()).hexdigest()
        entry = canonical_json({**model, "stream": stream, "seq": 1, "prev": "", "label": label, "type": EXPORTED})
        entries.append(entry)
        streams.append({"stream": stream, "kind": "case", "entries": 1, "head": hashlib.sha256(entry).hexdigest()})
    header = {**sample.value(1), "export_id": OTHER_ID, "streams": streams}
    began_s = time.process_time()
    report = check(sample, resealed([canonical_json(header), sample.lines[1], *entries, sample.lines[-1]]))
    assert time.process_time() - began_s < 10, "it took 40 s and all memory when each was compared with all"
    assert not report.ok


def test_streams_when_swapped_then_found(sample: Sample) -> None:
    header = sample.value(1)
    first, second = header["streams"][:2]
    entries = [sample.lines[number - 1] for number in sample.numbers("entry")]
    first_lines = [line for line in entries if json.loads(line)["stream"] == first["stream"]]
    second_lines = [line for line in entries if json.loads(line)["stream"] == second["stream"]]
    rest = sample.lines[2 + len(first_lines) + len(second_lines) :]
    assert_found(sample, [*sample.lines[:2], *second_lines, *first_lines, *rest], 3)


@pytest.mark.thorough
def test_proof_when_changed_then_its_line_is_named(sample: Sample) -> None:
    for number in sample.numbers("proof"):
        hashes = sample.value(number)["hashes"]
        assert_found(sample, sample.edited(number, put("hashes", [OTHER_HASH, *hashes[1:]])), number)
        assert_found(sample, sample.edited(number, put("hashes", hashes[:-1])), number)
        assert_found(sample, sample.edited(number, put("index", sample.value(number)["index"] ^ 1)), number)
        assert_found(sample, sample.edited(number, put("seq", 1000)), number)


@pytest.mark.thorough
def test_leaf_when_changed_then_a_narrow_range_is_named(sample: Sample) -> None:
    own = {sample.value(number)["index"] for number in sample.numbers("proof")}
    for number in sample.numbers("leaf"):
        leaf = sample.value(number)
        assert_found(sample, sample.edited(number, put("leaf", leaf["leaf"][:-1] + "g")), number)
        changed = sample.edited(number, put("leaf", f"{leaf['leaf'][:-64]}{OTHER_HASH}"))
        assert_found(sample, changed, number)
        if leaf["index"] in own:
            first = check(sample, resealed(changed)).findings[0]
            assert (first.line, first.last_line) == (number, number)


@pytest.mark.thorough
def test_disclosure_when_changed_moved_or_dropped_then_found(sample: Sample) -> None:
    for number in sample.numbers("disclosure"):
        for path, value in {"opens.value": "somebody else", "opens.salt": OTHER_HASH, "opens.name": "note"}.items():
            assert_found(sample, sample.edited(number, put(path, value)), number)
        assert not check(sample, resealed([*sample.lines[: number - 1], *sample.lines[number:]])).ok


def test_checkpoint_when_of_another_size_of_the_same_log_then_found(sample: Sample, shared_hub: Hub) -> None:
    for other in (sample.later[1], shared_checkpoint(shared_hub, older_than=sample.value(1)["tree_size"])):
        assert_found(sample, [sample.lines[0], other, *sample.lines[2:]], 1, 2)
        size = int(json.loads(other)["note"].split("\n")[1])
        fitting = canonical_json({**sample.value(1), "tree_size": size})
        assert not check(sample, resealed([fitting, other, *sample.lines[2:]])).ok


def shared_checkpoint(hub: Hub, *, older_than: int) -> bytes:
    with hub.sessions() as session:
        note = session.connection().exec_driver_sql(
            f"SELECT note FROM ledger_checkpoints WHERE size < {older_than} ORDER BY size DESC LIMIT 1"
        )
        return canonical_json({"kind": "checkpoint", "note": note.scalar_one()})


def test_checkpoint_when_signed_by_another_key_or_not_at_all_then_line_2_is_named(sample: Sample) -> None:
    note = sample.value(2)["note"]
    signed = open_checkpoint(note, sample.vkey)
    forged_root = sign_checkpoint(Checkpoint(signed.origin, signed.size, b"\x07" * 32), OTHER_SIGNER)
    signature = base64.b64decode(note.rstrip("\n").rsplit(" ", 1)[1])
    flipped = base64.b64encode(signature[:-1] + bytes([signature[-1] ^ 1])).decode()
    notes = {
        "another key": sign_checkpoint(signed, OTHER_SIGNER),
        "another key, another root": forged_root,
        "another root": note.replace(note.split("\n")[2], base64.b64encode(b"\x07" * 32).decode()),
        "another signature": note.rsplit(" ", 1)[0] + f" {flipped}\n",
        "another origin": note.replace(signed.origin, "log.example.org"),
        "a second signature": note + note.split("\n\n")[1],
        "no signature": note.split("\n\n")[0] + "\n\n",
        "a fourth line": note.replace("\n\n", "\nmore\n\n"),
        "size spelt otherwise": note.replace(f"\n{signed.size}\n", f"\n0{signed.size}\n"),
        "base64 with spare bits": note.replace(note.split("\n")[2], _with_spare_bits(note.split("\n")[2])),
        "empty": "",
    }
    for what, other in notes.items():
        report = check(sample, resealed(sample.edited(2, put("note", other))))
        assert not report.ok, what
        assert report.findings[0].line == 2, what


def _with_spare_bits(text: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return f"{text[:-2]}{alphabet[alphabet.index(text[-2]) ^ 1]}="


def test_file_when_another_log_s_key_is_pinned_then_refused(sample: Sample) -> None:
    other = Key(sample.key.name, OTHER_SIGNER.public_key)
    report = verify(io.BytesIO(sample.content), other)
    assert {1, 2} == {found.line for found in report.findings}


def test_log_when_rewritten_with_its_key_then_old_export_disagrees(sample: Sample) -> None:
    """A server that signs another root with the right key is not believed: entries do not lead to it."""
    signed = open_checkpoint(sample.value(2)["note"], sample.vkey)
    note = sign_checkpoint(Checkpoint(signed.origin, signed.size, b"\x07" * 32), SIGNER)
    report = check(sample, resealed(sample.edited(2, put("note", note))))
    assert {"inclusion", "leaves"} <= {found.check for found in report.findings}


def forked(sample: Sample, alone: int, other: int) -> list[bytes]:
    """Leaf ``alone`` bears the label of leaf ``other``, and another act; the tree is signed and proven anew."""
    at = sample.numbers("leaf")
    leaves = [str(sample.value(number)["leaf"]).encode() for number in at]
    leaves[alone] = second_of(leaves[other])
    tree = SignedTree(sample.vkey.name, leaves)
    lines = sample.edited(at[alone], put("leaf", leaves[alone].decode()))
    lines[1] = canonical_json({**sample.value(2), "note": tree.note()})
    for number in sample.numbers("proof"):
        proof = sample.value(number)
        lines[number - 1] = canonical_json({**proof, "hashes": [each.hex() for each in tree.hashes(proof["index"])]})
    return lines


def test_log_when_it_forked_a_stream_and_signed_that_then_the_label_used_twice_is_named(sample: Sample) -> None:
    """Whoever holds the log's key makes every proof right: this alone is left to find it by."""
    proven = {sample.value(number)["index"] for number in sample.numbers("proof")}
    leaves = sample.numbers("leaf")
    alone = next(index for index in range(len(leaves)) if index not in proven)
    entry = next(index for index in proven if index > alone)
    assert check(sample, resealed(forked(sample, alone, alone))).ok, "another act, and no fork"
    report = check(sample, resealed(forked(sample, alone, entry)))
    assert [(found.check, found.line) for found in report.findings] == [("leaves", leaves[entry])]
    assert "used a second time" in report.findings[0].reason


def test_entry_when_spliced_from_a_later_export_then_found(sample: Sample) -> None:
    later = [json.loads(line) for line in sample.later]
    last = {(v["stream"], v["seq"]): line for v, line in zip(later, sample.later, strict=True) if "v" in v}
    for number in sample.numbers("entry"):
        value = sample.value(number)
        following = last.get((value["stream"], value["seq"] + 1))
        if following is not None and following != sample.lines[number]:
            assert_found(sample, [*sample.lines[:number], following, *sample.lines[number:]], number + 1)
            assert_found(sample, [*sample.lines[: number - 1], following, *sample.lines[number:]], number)


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "a space": lambda line: line.replace(b'":', b'": ', 1),
    "an escape": lambda line: line.replace(b"e", b"\\u0065", 1),
    "a name twice": lambda line: b'{"kind":"x",' + line[1:],
    "a float": lambda line: line.replace(b'{"', b'{"a":1.0,"', 1),
    "an exponent": lambda line: line.replace(b'{"', b'{"a":1e3,"', 1),
    "not a number": lambda line: line.replace(b'{"', b'{"a":NaN,"', 1),
    "a huge number": lambda line: line.replace(b'{"', b'{"a":' + b"9" * 20_000 + b',"', 1),
    "a lone surrogate": lambda line: line.replace(b'{"', b'{"a":"\\ud800","', 1),
    "bad UTF-8": lambda line: line.replace(b'{"', b'{"a":"\xff\xfe","', 1),
    "a NUL": lambda line: line.replace(b'{"', b'{"a":"\x00","', 1),
    "a carriage return": lambda line: line + b"\r",
    "deep nesting": lambda line: b"[" * 200_000,
    "deep objects": lambda line: b'{"a":' * 100_000,
    "a list": lambda line: b"[" + line + b"]",
    "nothing": lambda line: b"",
    "null": lambda line: b"null",
    "a byte order mark": lambda line: b"\xef\xbb\xbf" + line,
    "a kind that is a list": lambda line: b'{"kind":["entry"]}',
}


@pytest.mark.parametrize("what", SPELLINGS)
def test_line_when_spelt_otherwise_then_it_is_named(sample: Sample, what: str) -> None:
    for kind in ("header", "checkpoint", "entry", "proof", "leaf", "disclosure", "trailer"):
        number = sample.numbers(kind)[0]
        lines = [*sample.lines[: number - 1], SPELLINGS[what](sample.lines[number - 1]), *sample.lines[number:]]
        if kind == "trailer":
            report = check(sample, b"".join(line + b"\n" for line in lines))
        else:
            report = check(sample, resealed(lines))
        assert not report.ok
        assert report.findings[0].line == number, (kind, report.findings[:3])


def test_trailer_when_its_counts_or_digest_are_changed_then_named(sample: Sample) -> None:
    for name in ("lines", "entries", "proofs", "leaves", "disclosures"):
        lines = sample.edited(len(sample.lines), put(name, 0))
        report = check(sample, b"".join(line + b"\n" for line in lines))
        assert [found.line for found in report.findings] == [len(sample.lines)]
    digest = sample.edited(len(sample.lines), put("sha256", OTHER_HASH))
    assert not check(sample, b"".join(line + b"\n" for line in digest)).ok


def test_file_when_something_follows_the_trailer_then_found(sample: Sample) -> None:
    for more in (b"\n", b"{}\n", b"x", sample.lines[0] + b"\n"):
        assert not check(sample, sample.content + more).ok


def test_file_when_it_is_something_else_then_refused_without_a_crash(sample: Sample) -> None:
    for content in (b"", b"\n", b"\x00" * 100_000, b"{}\n", b"\xff" * 1000, b"A" * (17 * 1024 * 1024)):
        assert not check(sample, content).ok


def test_counts_when_absurd_then_refused_at_once(sample: Sample) -> None:
    huge = sample.edited(1, lambda header: header["streams"][0].update({"entries": 2**53 - 1}))
    assert not check(sample, resealed(huge)).ok


@pytest.mark.thorough
@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 255))
def test_byte_when_flipped_anywhere_then_refused_and_its_line_named(sample: Sample, place: int, mask: int) -> None:
    at = place % len(sample.content)
    content = bytearray(sample.content)
    content[at] ^= mask
    report = check(sample, bytes(content))
    assert not report.ok
    number = 1 + sample.content[:at].count(b"\n")
    assert any(found.line <= number <= found.last_line + 1 for found in report.findings), report.findings[:3]


@pytest.mark.thorough
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_file_when_cut_pasted_and_shuffled_at_random_then_refused_without_a_crash(sample: Sample, seed: int) -> None:
    chance = random.Random(seed)
    lines = list(sample.lines)
    for _ in range(chance.randint(1, 4)):
        first, last = sorted((chance.randrange(len(lines)), chance.randrange(len(lines))))
        piece = lines[first : last + 1]
        if chance.random() < 0.5:
            del lines[first : last + 1]
        if chance.random() < 0.7:
            chance.shuffle(piece)
            place = chance.randint(0, len(lines))
            lines[place:place] = piece
        lines = lines or [b""]
    content = resealed(lines)
    assert check(sample, content).ok == (content == sample.content)
