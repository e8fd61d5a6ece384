"""What a stand-alone verifier says of the other one's files: who checks them, and nothing of what was logged."""

import sys
from pathlib import Path

import pytest

from app.auditing.verifier import verify_entries
from app.exports.verifier import verify_custody
from tests.auditing.logs import Desk
from tests.exports.custody_cases import written


def status(monkeypatch: pytest.MonkeyPatch, desk: Desk, *files: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["verify_entries.py", *map(str, files), "--key", desk.hub.vkey.encode()])
    return verify_entries.main()


@pytest.fixture(scope="module")
def entries(shared_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("entries") / "entries.jsonl"
    path.write_bytes(shared_desk.write(shared_desk.take()))
    return path


def test_files_when_one_is_of_another_kind_then_status_2_and_nothing_is_checked(
    shared_desk: Desk,
    entries: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub = shared_desk.hub
    custody = "it is a custody file or a receipt: verify_custody.py checks it"
    others = {
        written(hub.take(), hub.sessions): custody,
        b"exhibit-receipt/v1\n": custody,
        shared_desk.write(shared_desk.take(file_format="csv"), "csv"): "is it the CSV reading copy?",
        b"": "is it the CSV reading copy?",
    }
    assert status(monkeypatch, shared_desk, entries) == 0
    capsys.readouterr()
    for content, told in others.items():
        (tmp_path / "other").write_bytes(content)
        assert status(monkeypatch, shared_desk, entries, tmp_path / "other") == 2, told
        said = capsys.readouterr()
        assert said.out == ""
        assert f"other: this is not a file of entries ({told})" in said.err
        assert "Nothing was checked." in said.err


def test_entries_when_given_to_the_verifier_of_custody_files_then_status_2_and_the_right_one_is_named(
    shared_desk: Desk, entries: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = shared_desk.hub.vkey.encode()
    assert verify_custody.run(entries, keys=[key], unpinned=False, as_json=False, leaves_optional=False) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "(it is a file of entries: verify_entries.py checks it)" in said.err


def test_file_when_its_header_is_cut_or_altered_then_status_1(
    shared_desk: Desk, entries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = entries.read_bytes().partition(b"\n")[0]
    for damaged in (header[:1], header[:20], header[:90], b" " + header, header.replace(b"exhibit-entries", b"else")):
        (tmp_path / "damaged").write_bytes(damaged)
        assert status(monkeypatch, shared_desk, tmp_path / "damaged") == 1, damaged
