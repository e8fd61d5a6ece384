"""Cosignatures: the standard's own example, fixed bytes, and strictness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ledger.checkpoint import (
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    encode_base64,
    parse_signature_line,
    sign_checkpoint,
    split_note,
)
from app.ledger.cosignature import (
    Cosignature,
    WitnessKey,
    cosignatures_of,
    cosigned_message,
    parse_cosignature_lines,
    parse_witness_vkey,
)
from tests.ledger.acts import SIGNER
from tests.support.witnesses import cosign, witness_key, witness_signer

ORIGIN = "log.example.org/2026"
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 5, bytes(range(32))), SIGNER)
TEXT, _ = split_note(NOTE)
ONE, TWO = witness_key(1), witness_key(2)
LINE = cosign(NOTE, 1)

# The example in c2sp.org/tlog-cosignature; the witness's key is not given there.
SPEC_NOTE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


def test_cosigned_message_given_the_standards_example_is_the_one_printed_there() -> None:
    text, lines = split_note(SPEC_NOTE)
    name, key_id, data = parse_signature_line(lines[1])

    assert (name, key_id.hex(), len(data)) == ("witness.example.com/w1", "8d66cf3f", 8 + 64)
    assert cosigned_message(text, int.from_bytes(data[:8], "big")) == (
        b"cosignature/v1\ntime 1679315147\n"
        b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_witness_key_given_fixed_bytes_has_a_fixed_spelling() -> None:
    """The key's own test below reads it back; Go's computation of the same id is in tests/interop."""
    assert ONE.encode() == "witness.example/w1+ea2ad007+BNYvAWoe/R5P33k+tCzYRHHhup8M8E0Sh7XMcfYWKHy4"
    assert parse_witness_vkey(ONE.encode()) == ONE


def test_cosignature_given_a_fixed_key_and_time_gives_fixed_bytes() -> None:
    assert LINE == (
        "— witness.example/w1 "
        "6irQBwAAAABkGFDLwbd9KluCJH4C3AfY5C2+Caoo5xq1b9p5JwpmE3PDS76RnDlZfJDdtIoUwCkbiVldwyBtq0un0JIOka0IBAxvBQ==\n"
    )


def test_cosignatures_of_when_others_signed_too_returns_those_of_the_keys_in_the_notes_order() -> None:
    note = NOTE + cosign(NOTE, 2) + cosign(NOTE, 3) + LINE

    found = cosignatures_of(note, [ONE, TWO])

    assert [(each.key, each.timestamp_s) for each in found] == [(TWO, 1_679_315_147), (ONE, 1_679_315_147)]
    assert found[1].encode() + "\n" == LINE


def test_cosignature_when_the_same_public_key_signs_as_the_log_is_another_key() -> None:
    """The algorithm's byte is in the key id, so a log's signature is never taken for a cosignature."""
    same = WitnessKey(ORIGIN, SIGNER.public_key)

    assert same.key_id != VerifierKey(ORIGIN, SIGNER.public_key).key_id
    assert cosignatures_of(NOTE, [same]) == ()


def test_parse_lines_given_a_witnesss_answer_ignores_unknown_keys() -> None:
    assert [each.key for each in parse_cosignature_lines(cosign(NOTE, 3) + LINE, TEXT, [ONE, TWO])] == [ONE]
    assert parse_cosignature_lines(cosign(NOTE, 3), TEXT, [ONE]) == ()


OTHER_TEXT = sign_checkpoint(Checkpoint(ORIGIN, 6, bytes(range(32))), SIGNER)
BAD_ANSWERS = {
    "empty": "",
    "no newline at the end": LINE[:-1],
    "empty line at the end": LINE + "\n",
    "empty line at the start": "\n" + LINE,
    "carriage returns": LINE.replace("\n", "\r\n"),
    "twice": LINE + LINE,
    "twice, at two times": LINE + cosign(NOTE, 1, 1_679_315_148),
    "of another checkpoint": cosign(OTHER_TEXT, 1),
    "html": "<html>\n",
    "a whole note": NOTE + LINE,
    "padding left out": LINE.replace("==", ""),
    "one byte too long": f"— {ONE.name} {'A' * 100}\n".replace("A" * 6, "8VL4x", 1),
    "too many": cosign(NOTE, 3) * 101,
    "lone surrogate": LINE.replace("w1", "w\ud800"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_parse_lines_when_malformed_or_not_over_this_text_is_refused(name: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_cosignature_lines(BAD_ANSWERS[name], TEXT, [ONE, TWO])


@given(st.integers(0, 2**63 - 1))
def test_cosignature_given_any_time_is_read_back(timestamp_s: int) -> None:
    (found,) = parse_cosignature_lines(cosign(NOTE, 1, timestamp_s), TEXT, [ONE])

    assert found.timestamp_s == timestamp_s


def test_cosignature_when_its_time_is_beyond_the_standards_limit_is_refused() -> None:
    signature = witness_signer(1).sign(f"cosignature/v1\ntime {2**63}\n{TEXT}".encode())

    with pytest.raises(NoteInvalid):
        parse_cosignature_lines(Cosignature(ONE, 2**63, signature).encode() + "\n", TEXT, [ONE])


@given(st.integers(0, 75), st.integers(1, 255))
def test_cosignature_when_any_byte_of_it_is_changed_is_not_accepted(place: int, change: int) -> None:
    """In the key id it becomes an unknown key's line, elsewhere a bad signature."""
    (good,) = parse_cosignature_lines(LINE, TEXT, [ONE])
    data = bytearray(good.key.key_id + good.timestamp_s.to_bytes(8, "big") + good.signature)
    data[place] ^= change
    line = f"— {ONE.name} {encode_base64(bytes(data))}\n"

    if place < 4:
        assert parse_cosignature_lines(line, TEXT, [ONE]) == ()
    else:
        with pytest.raises(NoteInvalid):
            parse_cosignature_lines(line, TEXT, [ONE])


BAD_KEYS = {
    "a log's key": VerifierKey("witness.example/w1", ONE.public_key).encode(),
    "wrong hash": ONE.encode().replace(ONE.key_id.hex(), "00000000"),
    "upper-case hash": ONE.encode().replace(ONE.key_id.hex(), ONE.key_id.hex().upper()),
    "too short": ONE.encode()[:-4],
    "no name": ONE.encode().replace(ONE.name, ""),
    "space in the name": ONE.encode().replace(ONE.name, "witness w1"),
    "surrogate in the name": ONE.encode().replace(ONE.name, "w\udcff"),
    "space after": ONE.encode() + " ",
    "empty": "",
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_witness_key_when_malformed_is_refused(name: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_witness_vkey(BAD_KEYS[name])


@given(st.text(max_size=200))
def test_parsers_given_any_text_refuse_or_accept_it_without_another_error(text: str) -> None:
    for parse in (parse_witness_vkey, lambda t: parse_cosignature_lines(t, TEXT, [ONE])):
        try:
            parse(text)
        except NoteInvalid:
            continue
