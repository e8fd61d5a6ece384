"""An auditor's files and the logs of months, checked by Go's ``sumdb/note`` and ``sumdb/tlog`` (tests/interop/gorange).

Go's program follows docs/auditing.md: it knows the tree, the signed note and the lines' leaves. What labels prove, that
no stream of the scope goes on unseen, is ``verify_entries.py``'s.
"""

import subprocess
from pathlib import Path

import pytest

from app.auditing.selection import Filters
from tests.auditing.conftest import desk, shared_desk
from tests.auditing.logs import Desk
from tests.auditing.test_cosignatures import cosigned_log, note_in
from tests.support.golang import build_go
from tests.support.witnesses import witness_key

pytestmark = pytest.mark.interop
__all__ = ["desk", "shared_desk"]  # Fixtures.


@pytest.fixture(scope="module")
def gorange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_go("gorange", tmp_path_factory.mktemp("gorange"))


def checked(gorange: Path, desk: Desk, content: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [str(gorange), "-key", desk.hub.vkey.encode()]
    return subprocess.run(command, input=content, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("inline_leaves_up_to", [0, 1000])
@pytest.mark.parametrize("has_case", [False, True])
def test_ranges_when_given_to_go_then_are_in_the_signed_tree(
    gorange: Path, shared_desk: Desk, inline_leaves_up_to: int, has_case: bool
) -> None:
    for first, before in ((0, 1), (0, 9), (3, 8), (5, 5), (7, 16), (None, None)):
        case = shared_desk.hub.case_id if has_case else None
        taken = shared_desk.take(case=case, first=first, before=before, inline_leaves_up_to=inline_leaves_up_to)
        places, size = taken.places, taken.checkpoint.size
        done = checked(gorange, shared_desk, shared_desk.write(taken))
        told = f"ok range: {places.first} {places.before} of {size}\n"
        assert (done.returncode, done.stdout.decode()) == (0, told), done.stderr


def test_range_when_a_line_is_left_out_changed_or_moved_then_go_refuses_it(gorange: Path, shared_desk: Desk) -> None:
    filters = Filters(types=("evidence.collected",))
    content = shared_desk.write(shared_desk.take(first=2, before=9, filters=filters))
    assert checked(gorange, shared_desk, content).returncode == 0
    lines = content.splitlines(keepends=True)
    shown = [at for at, line in enumerate(lines) if b'"withheld":"not_asked"' in line or b'"custody-entry/v1"' in line][
        -7:
    ]
    for at in shown:
        left_out = [*lines[:at], *lines[at + 1 :]]
        changed = [*lines[:at], lines[at].replace(b'"label":"', b'"label":"0', 1), *lines[at + 1 :]]
        moved = [*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]]
        for tampered in (left_out, changed, moved):
            assert checked(gorange, shared_desk, b"".join(tampered)).returncode == 1, at


def test_months_log_when_cosigned_then_go_finds_the_logs_and_the_witnesses_signatures(
    gorange: Path, program: Path, desk: Desk, tmp_path: Path
) -> None:
    content = cosigned_log(desk, tmp_path)
    assert checked(gorange, desk, content).returncode == 0

    (tmp_path / "log.vkey").write_text(desk.hub.vkey.encode())
    results = []
    for numbers in ((1, 2), (1, 2, 3)):
        keys = [option for number in numbers for option in ("-check", witness_key(number).encode())]
        command = [str(program), "-log", str(tmp_path / "log.vkey"), *keys]
        results.append(subprocess.run(command, input=note_in(content).encode(), timeout=30, check=False).returncode)
    assert results == [0, 1]
