"""What the verifier says of each check: "passed" only of one that ran on all that it speaks of."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.exports.verifier.verify_custody import CHECKS, Report, parse_key, run, verify
from app.kernel.primitives import canonical_json
from tests.exports.custody_cases import Hub, written

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043000a") + bytes(range(256)) * 40


@pytest.fixture(scope="module")
def lines(shared_hub: Hub) -> list[bytes]:
    return shared_hub.file(is_disclosed=True).splitlines(keepends=True)


def results(hub: Hub, content: bytes) -> tuple[Report, dict[str, str]]:
    report = verify(io.BytesIO(content), parse_key(hub.vkey.encode()), leaves_optional=True)
    return report, {check: report.result_of(check) for check in CHECKS}


def first(lines: list[bytes], kind: str) -> int:
    return next(at for at, line in enumerate(lines) if json.loads(line).get("kind", "entry") == kind)


def changed(line: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(line)
    change(value)
    return canonical_json(value) + b"\n"


def test_file_when_it_is_another_kind_of_file_then_status_2_in_plain_words_and_nothing_passed(
    shared_hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = written(shared_hub.take(), shared_hub.sessions, "csv")
    for name, content in {"photo.jpg": JPEG, "empty": b"", "copy.csv": table, "{}": b"{}\n"}.items():
        (tmp_path / name).write_bytes(content)
        for as_json in (False, True):
            key = shared_hub.vkey.encode()
            status = run(tmp_path / name, keys=[key], unpinned=False, as_json=as_json, leaves_optional=False)
            said = capsys.readouterr()
            assert status == 2, name
            assert said.out == ""
            assert "this is not a custody file (is it the CSV reading copy?)" in said.err
        _, of = results(shared_hub, content)
        assert of.pop("file") == "FAILED"
        assert set(of.values()) == {"not checked"}, name


def test_file_when_cut_off_within_its_first_bytes_then_status_1_and_the_cut_is_named(
    shared_hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[bytes]
) -> None:
    key = shared_hub.vkey.encode()
    for length in (1, 5, 21, 22, 23):
        (tmp_path / "cut").write_bytes(lines[0][:length])
        assert run(tmp_path / "cut", keys=[key], unpinned=False, as_json=False, leaves_optional=False) == 1, length
        assert "cut off" in capsys.readouterr().out
    (tmp_path / "cut").write_bytes(b"exhibit-rec")
    assert run(tmp_path / "cut", keys=[key], unpinned=False, as_json=False, leaves_optional=False) == 1, "a receipt"


def test_file_when_cut_or_altered_in_its_header_then_status_1_and_what_was_not_read_is_not_checked(
    shared_hub: Hub, lines: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = lines[0]
    for content in (header, header[:-1], header[:90], header.replace(b'"scope":"case"', b'"scope":"else"')):
        (tmp_path / "cut").write_bytes(content)
        key = shared_hub.vkey.encode()
        assert run(tmp_path / "cut", keys=[key], unpinned=False, as_json=False, leaves_optional=False) == 1
        said = capsys.readouterr().out
        assert "not checked  signature" in said
        assert "(no checkpoint was read)" in said
        assert "passed" not in said
        assert "proven  " not in said.replace("not proven", "")


@pytest.mark.thorough
def test_file_when_cut_at_any_line_then_a_check_passes_only_if_all_its_lines_were_there(
    shared_hub: Hub, lines: list[bytes]
) -> None:
    proofs = first(lines, "proof")
    for kept in range(len(lines)):
        report, of = results(shared_hub, b"".join(lines[:kept]))
        passed = {check for check, result in of.items() if result == "passed"}
        expected = {"signature"} if kept >= 2 else set()
        expected |= {"chain"} if kept >= proofs else set()
        assert passed == expected, (kept, report.findings)
        assert all(report.skipped[check] for check, result in of.items() if result == "not checked")


def test_entry_when_unreadable_then_what_rests_on_it_has_not_passed(shared_hub: Hub, lines: list[bytes]) -> None:
    at = first(lines, "proof") - 1
    _, of = results(shared_hub, b"".join([*lines[:at], b" " + lines[at], *lines[at + 1 :]]))
    assert of["file"] == "FAILED"
    assert "passed" not in {of[check] for check in CHECKS if check != "signature"}


def test_proof_when_unreadable_then_inclusion_has_not_passed(shared_hub: Hub) -> None:
    without_leaves = written(shared_hub.take(inline_leaves_up_to=5), shared_hub.sessions)
    content = without_leaves.splitlines(keepends=True)
    at = first(content, "proof")
    _, of = results(shared_hub, b"".join([*content[:at], b" " + content[at], *content[at + 1 :]]))
    assert of["file"] == "FAILED"
    assert (of["inclusion"], of["completeness"]) == ("not checked", "not checked")


def test_checkpoint_when_its_signature_is_wrong_then_nothing_is_said_of_a_signed_tree(
    shared_hub: Hub, lines: list[bytes]
) -> None:
    def resign(checkpoint: dict[str, Any]) -> None:
        start, signature = checkpoint["note"].rstrip("\n").rsplit(" ", 1)
        data = base64.b64decode(signature)
        checkpoint["note"] = f"{start} {base64.b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode()}\n"

    _, of = results(shared_hub, b"".join([lines[0], changed(lines[1], resign), *lines[2:]]))
    assert of["signature"] == "FAILED"
    assert not {"passed", "proven"} & {of[each] for each in ("inclusion", "leaves", "completeness", "disclosures")}


def test_checkpoint_line_when_it_is_none_then_the_file_is_to_blame_and_the_signature_not_checked(
    shared_hub: Hub, lines: list[bytes]
) -> None:
    _, of = results(shared_hub, b"".join([lines[0], b" " + lines[1], *lines[2:]]))
    assert (of["file"], of["signature"]) == ("FAILED", "not checked")


def test_disclosure_when_its_entry_was_changed_to_fit_then_it_has_not_passed(
    shared_hub: Hub, lines: list[bytes]
) -> None:
    sealing = next(at for at, line in enumerate(lines) if json.loads(line).get("sealed"))
    _, of = results(
        shared_hub,
        b"".join([*lines[:sealing], changed(lines[sealing], lambda v: v.update(type="else")), *lines[sealing + 1 :]]),
    )
    assert of["inclusion"] == "FAILED"
    assert of["disclosures"] == "not checked"


def test_check_when_its_findings_are_too_many_to_keep_then_it_still_failed() -> None:
    report = Report(pinned=True)
    for line in range(1, 200):
        report.add("chain", line, "out of place")
    report.add("leaves", 200, "the leaves do not give the signed root")
    assert report.result_of("leaves") == "FAILED"
    report.skip("not read", "leaves")
    assert report.skipped == {}


def test_file_when_no_key_is_pinned_then_nothing_is_called_proven_or_pinned(
    shared_hub: Hub, lines: list[bytes]
) -> None:
    report = verify(io.BytesIO(b"".join(lines)), None)
    assert report.ok
    assert report.result_of("verdicts") == "not checked"  # Nobody here signed one.
    assert {report.result_of(check) for check in CHECKS if check != "verdicts"} == {"passed"}
    assert "pinned" not in report.claim_of("signature")
    _, of = results(shared_hub, b"".join(lines))
    assert of.pop("verdicts") == "not checked"
    assert set(of.values()) == {"proven"}
