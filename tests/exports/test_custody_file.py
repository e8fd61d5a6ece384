"""Custody files as the services make them, checked by the stand-alone verifier and by hand."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.exports.verifier import verify_custody
from app.exports.verifier.verify_custody import Report, parse_key, verify
from tests.exports.custody_cases import Hub, written


def check(content: bytes, hub: Hub, **options: Any) -> Report:
    return verify(io.BytesIO(content), parse_key(hub.vkey.encode()), **options)


def lines_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def entries_of(content: bytes) -> list[dict[str, Any]]:
    return [line for line in lines_of(content) if "v" in line]


def test_file_when_taken_of_a_case_then_every_check_passes_and_every_stream_is_there(shared_hub: Hub) -> None:
    content = shared_hub.file()
    report = check(content, shared_hub)
    assert report.findings == []
    assert report.ok
    streams = {entry["stream"] for entry in entries_of(content)}
    assert streams == {str(each) for each in (shared_hub.case_id, shared_hub.incident, *shared_hub.items)}


def test_file_when_taken_of_an_incident_then_holds_it_and_its_linked_item(shared_hub: Hub) -> None:
    content = shared_hub.file("incident", shared_hub.incident)
    assert check(content, shared_hub).findings == []
    assert {entry["stream"] for entry in entries_of(content)} == {str(shared_hub.incident), str(shared_hub.items[0])}


def test_file_when_taken_of_an_item_then_tells_nothing_of_others(shared_hub: Hub) -> None:
    content = shared_hub.file("evidence", shared_hub.items[1])
    assert check(content, shared_hub).findings == []
    for other in (shared_hub.case_id, shared_hub.incident, shared_hub.items[0], shared_hub.items[2]):
        assert str(other).encode() not in content


def test_file_when_disclosed_then_sealed_fields_are_opened_and_proven(shared_hub: Hub) -> None:
    content = shared_hub.file(is_disclosed=True)
    report = check(content, shared_hub)
    assert report.findings == []
    assert report.result_of("disclosures") == "proven"
    opened = [line["opens"] for line in lines_of(content) if line.get("kind") == "disclosure"]
    assert {"title", "collector", "reason"} <= {each["name"] for each in opened}
    assert "asked for by the court" in {each["value"] for each in opened}


def test_file_when_not_disclosed_then_no_personal_value_is_in_it(shared_hub: Hub) -> None:
    content = shared_hub.file()
    assert b"Strikes, July" not in content
    assert b"Olena" not in content
    assert check(content, shared_hub).result_of("disclosures") == "not checked"


def test_file_when_log_is_large_then_proofs_alone_verify_and_missing_leaves_must_be_accepted(shared_hub: Hub) -> None:
    export = shared_hub.take(inline_leaves_up_to=5)
    content = written(export, shared_hub.sessions)
    assert b'"kind":"leaf"' not in content
    assert [found.check for found in check(content, shared_hub).findings] == ["leaves"]
    accepted = check(content, shared_hub, leaves_optional=True)
    assert accepted.ok
    assert accepted.result_of("leaves") == "not checked"


def test_file_when_taken_twice_then_the_second_shows_the_first_and_both_verify(shared_hub: Hub) -> None:
    first = shared_hub.take("evidence", shared_hub.items[2])
    second = shared_hub.take("evidence", shared_hub.items[2])
    early, late = written(first, shared_hub.sessions), written(second, shared_hub.sessions)
    assert check(early, shared_hub).ok
    assert check(late, shared_hub).ok
    exports = [entry["object"]["id"] for entry in entries_of(late) if entry["type"] == "export.created"]
    assert exports[-2:] == [str(first.id), str(second.id)]
    assert str(second.id).encode() not in early


def test_entry_line_when_hashed_by_hand_then_gives_the_commitment_in_its_leaf(shared_hub: Hub) -> None:
    content = shared_hub.file()
    raw = content.splitlines()
    leaves = {line["leaf"] for line in lines_of(content) if line.get("kind") == "leaf"}
    for line, value in zip(raw, lines_of(content), strict=True):
        if "v" in value:
            assert f"custody-leaf/v1 {value['label']} {hashlib.sha256(line).hexdigest()}" in leaves


@pytest.mark.thorough
def test_verifier_when_run_alone_then_exit_status_tells(shared_hub: Hub, tmp_path: Path) -> None:
    script = tmp_path / "verify_custody.py"
    script.write_bytes(Path(verify_custody.__file__).read_bytes())
    file = tmp_path / "case.jsonl"
    file.write_bytes(shared_hub.file())
    (tmp_path / "log.vkey").write_text(shared_hub.vkey.encode() + "\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # -I -S: no site-packages, nothing of the project: the standard library alone.
        command = [sys.executable, "-I", "-S", str(script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert run(str(file)).returncode == 2
    unpinned = run(str(file), "--unpinned")
    assert (unpinned.returncode, unpinned.stdout[:9]) == (0, "UNPINNED:")
    pinned = run(str(file), "--key", shared_hub.vkey.encode())
    assert pinned.returncode == 0, pinned.stdout + pinned.stderr
    assert "not proven" in pinned.stdout
    assert run(str(file), "--key", "log.vkey", "--json").returncode == 0
    assert run("nothing.jsonl", "--key", "log.vkey").returncode == 2
    assert run(str(file), "--key", "log.vkey+").returncode == 2
    content = file.read_bytes()
    file.write_bytes(content.replace(b"evidence.collected", b"evidence.collecteD", 1))
    number = 1 + content[: content.index(b"evidence.collected")].count(b"\n")
    failed = run(str(file), "--key", "log.vkey", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["findings"][0]["line"] == number


def test_exhibit_ledger_verify_when_given_a_file_then_same_checks_without_a_server(
    shared_hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "item.jsonl"
    file.write_bytes(shared_hub.file("evidence", shared_hub.items[1]))
    assert main(["ledger", "verify", str(file), "--key", shared_hub.vkey.encode()]) == 0
    assert "OK: as it was logged" in capsys.readouterr().out
    assert main(["ledger", "verify", str(file)]) == 2
    file.write_bytes(file.read_bytes().replace(b'"seq":2', b'"seq":3', 1))
    assert main(["ledger", "verify", str(file), "--key", shared_hub.vkey.encode()]) == 1
