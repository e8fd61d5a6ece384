"""Every parser of the ledger's texts on texts that are nearly right: what it accepts has one spelling, the encoder's.

Entries, tile paths, bundles, receipts and policies have such a test beside their own.
"""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ledger.checkpoint import NoteInvalid, open_note, parse_checkpoint, parse_vkey, split_note
from app.ledger.merkle import ProofInvalid
from app.ledger.proof import parse_proof, verify_proof
from app.ledger.witness_request import parse_add_checkpoint
from tests.support.examples import examples
from tests.vectors.golden_log import DIRECTORY

SPLICES = (
    *(
        "",
        "\n",
        "\n\n",
        " ",
        "\t",
        "\r\n",
        "\0",
        "=",
        "==",
        "+",
        "-",
        "0",
        "00",
        "1",
        "A",
        "—",
        "– ",
        "\u2028",
        "\ufeff",
    ),
    *("٣", "\ud800", "old 0", "index 0", "extra ", "/", "_", "é", "AAAA", "9" * 20),
)


def _good(name: str) -> str:
    return (DIRECTORY / name).read_text(encoding="utf-8")


NOTE = _good("checkpoint")
VKEY = _good("log.vkey").strip()
KEY = parse_vkey(VKEY)
LEAF = _good("leaf.txt").encode()


def _note(text: str) -> str:
    body, lines = split_note(text)
    return body + "\n" + "\n".join(lines) + "\n"


PARSERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "note": (NOTE, _note),
    "checkpoint": (NOTE.partition("\n\n")[0] + "\n", lambda text: parse_checkpoint(text).body()),
    "vkey": (VKEY, lambda text: parse_vkey(text).encode()),
    "proof": (_good("proof.tlog-proof"), lambda text: parse_proof(text).encode()),
    "consistency": (_good("consistency-7-260"), lambda text: parse_add_checkpoint(text).encode()),
}


@st.composite
def nearly(draw: st.DrawFn, good: str) -> str:
    """The text after one to three small changes: characters or whole lines replaced, doubled, swapped or left out."""
    text = good
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            start = draw(st.integers(0, len(text)))
            end = draw(st.integers(start, min(len(text), start + 3)))
            text = text[:start] + draw(st.sampled_from(SPLICES) | st.text(max_size=2)) + text[end:]
        else:
            lines = text.split("\n")
            first, second = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            change = draw(st.sampled_from(["double", "drop", "swap"]))
            if change == "double":
                lines.insert(first, lines[second])
            elif change == "drop":
                del lines[first]
            else:
                lines[first], lines[second] = lines[second], lines[first]
            text = "\n".join(lines)
    return text


@pytest.mark.parametrize("name", PARSERS)
def test_the_golden_text_is_accepted_and_written_the_same(name: str) -> None:
    good, respell = PARSERS[name]

    assert respell(good) == good


@pytest.mark.parametrize("name", ["checkpoint", "proof", "consistency"])
def test_a_text_with_spare_bits_in_its_base64_is_refused(name: str) -> None:
    """The last digit before the padding has bits that mean nothing: four or sixteen spellings of the same bytes.

    (Those in a proof's checkpoint are looked at when that is opened.)
    """
    good, respell = PARSERS[name]
    respelled = [
        good[: match.start(1)] + chr(ord(match[1]) + 1) + good[match.end(1) :]
        for match in re.finditer(r"([A-Za-y0-8])=+(?=\n|\Z)", good.partition("\n\n")[0])
        if match[1] != "Z"
    ]
    assert respelled
    for text in respelled:
        with pytest.raises(NoteInvalid):
            respell(text)


@pytest.mark.parametrize("name", PARSERS)
@given(st.data())
@settings(max_examples=examples(400))
def test_a_text_that_is_accepted_has_one_spelling(name: str, data: st.DataObject) -> None:
    good, respell = PARSERS[name]
    text = data.draw(nearly(good) | st.text(max_size=60))
    try:
        assert respell(text) == text
    except NoteInvalid:
        pass


@pytest.mark.thorough
@given(nearly(NOTE))
@settings(max_examples=examples(400))
def test_a_note_that_opens_with_the_logs_key_says_what_the_log_signed(text: str) -> None:
    try:
        opened = open_note(text, [KEY])
    except NoteInvalid:
        return
    assert opened.text == NOTE.partition("\n\n")[0] + "\n"


@given(nearly(PARSERS["proof"][0]))
@settings(max_examples=examples(400))
def test_a_proof_that_verifies_is_the_one_that_was_given(text: str) -> None:
    """But for what authenticates nothing: others' signature lines, and an ``extra`` that was left out."""
    try:
        verify_proof(parse_proof(text), LEAF, KEY)
    except (NoteInvalid, ProofInvalid):
        return
    good = PARSERS["proof"][0].split("\n— ")[0].split("\n")
    assert text.split("\n— ", maxsplit=1)[0].split("\n") in (good, [good[0], *good[2:]])


def test_a_proof_with_a_hash_of_another_length_is_refused() -> None:
    good = PARSERS["proof"][0].split("\n")
    with pytest.raises(NoteInvalid):
        parse_proof("\n".join([*good[:3], "AAAA", *good[4:]]))
