"""The body of add-checkpoint: the standard's example, read back, and strictness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ledger.checkpoint import NoteInvalid
from app.ledger.witness_request import AddCheckpoint, parse_add_checkpoint, parse_size

# The example in c2sp.org/tlog-witness.
SPEC_NOTE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
SPEC_BODY = (
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    "\n" + SPEC_NOTE
)


def test_body_given_the_standards_example_is_read_and_written_again() -> None:
    request = parse_add_checkpoint(SPEC_BODY)

    assert (request.old, len(request.hashes), request.checkpoint) == (20852014, 4, SPEC_NOTE)
    assert request.encode() == SPEC_BODY


@given(st.integers(0, 10**18), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_body_given_any_request_is_read_back(old: int, hashes: list[bytes]) -> None:
    request = AddCheckpoint(old, tuple(hashes), SPEC_NOTE)

    assert parse_add_checkpoint(request.encode()) == request


HASH = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw="
BAD = {
    "empty": "",
    "no old line": f"{HASH}\n\n{SPEC_NOTE}",
    "leading zero": f"old 01\n\n{SPEC_NOTE}",
    "negative": f"old -1\n\n{SPEC_NOTE}",
    "two spaces": f"old  1\n\n{SPEC_NOTE}",
    "no empty line": f"old 1\n{HASH}\n",
    "short hash": f"old 1\nAAAA\n\n{SPEC_NOTE}",
    "hash in another spelling": f"old 1\n{HASH[:-2]}x=\n\n{SPEC_NOTE}",
    "carriage return": f"old 1\r\n\n{SPEC_NOTE}",
    "64 hashes": "old 1\n" + f"{HASH}\n" * 64 + "\n" + SPEC_NOTE,
}


@pytest.mark.parametrize("name", BAD)
def test_body_when_malformed_is_refused(name: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_add_checkpoint(BAD[name])


@pytest.mark.parametrize(
    "body", ["", "1", "01\n", "1\n\n", " 1\n", "1 \n", "-1\n", "1\r\n", "\u0661\n", "x\n", "1" * 20 + "\n"]
)
def test_size_when_not_one_decimal_line_is_refused(body: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_size(body)


def test_size_given_a_decimal_line_is_read() -> None:
    assert (parse_size("0\n"), parse_size("20852014\n")) == (0, 20852014)


@given(st.text(max_size=200))
def test_body_given_any_text_is_refused_or_has_one_spelling(text: str) -> None:
    try:
        request = parse_add_checkpoint(text)
    except NoteInvalid:
        return
    assert request.encode() == text
