"""The entry's bytes: golden vectors, and a parser that accepts one spelling only."""

import hashlib
import json
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.primitives import canonical_json
from app.ledger.event import (
    EntryActor,
    EntryObject,
    Link,
    NotAnEntry,
    commit,
    first_link,
    leaf,
    parse_body,
    seal,
    seal_event,
    to_json,
)
from tests.ledger.acts import NOON, Viewed, make_view

STREAM = UUID("6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d")
ACTOR = UUID("0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21")
LOG = "log.example.org/2026"

GOLDEN_DISCLOSURE = '{"name":"viewer_name","salt":"' + "01" * 32 + '","value":"Ada Ødegård"}'
GOLDEN_BODY = (
    '{"actor":{"id":"0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21","kind":"user","role":"verifier"},'
    '"data":{"byte_count":4096,"rendering":"preview","request_id":"r-1"},'
    '"label":"7110a050795eece27aeab975e669be911a55ff81ebeb2341393ba8384ff2eed1",'
    '"log":"log.example.org/2026","next":"' + "02" * 32 + '",'
    '"object":{"id":"6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d","kind":"evidence","size":7},'
    '"occurred":"2026-01-31T12:00:00.250Z","prev":"","salt":"' + "03" * 32 + '",'
    '"sealed":{"viewer_name":"SEALED"},"seq":1,"stream":"6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d",'
    '"time":"2026-01-31T12:00:00.250Z","type":"evidence.viewed","v":"custody-entry/v1"}'
)


def _golden() -> tuple[bytes, bytes]:
    """The body and its disclosure, with 01 01 …, 02 02 …, 03 03 … drawn for salts and label."""
    drawn = iter(f"{number:02x}" * 32 for number in range(1, 10))
    event = Viewed(
        stream=STREAM,
        actor=EntryActor(ACTOR, "user", "verifier"),
        object=EntryObject("evidence", STREAM, size=7),
        viewer_name="Ada Ødegård",
    )
    entry = seal_event(event, first_link(STREAM), log=LOG, recorded=NOON, request_id="r-1", draw=lambda: next(drawn))
    return entry.body, entry.disclosures[0].line


def test_seal_event_given_fixed_salts_gives_the_published_bytes() -> None:
    body, line = _golden()

    assert line.decode() == GOLDEN_DISCLOSURE
    expected = GOLDEN_BODY.replace("SEALED", hashlib.sha256(GOLDEN_DISCLOSURE.encode()).hexdigest())
    assert body.decode() == expected


def test_first_link_is_the_hash_of_the_streams_name() -> None:
    expected = hashlib.sha256(b"custody-stream/v1 6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d").hexdigest()

    assert first_link(STREAM) == Link(1, "", expected)


def test_leaf_is_ascii_of_label_and_commitment() -> None:
    assert leaf("ab" * 32, "cd" * 32) == b"custody-leaf/v1 " + b"ab" * 32 + b" " + b"cd" * 32


def test_commitment_is_what_sha256sum_says_of_the_line() -> None:
    body, _ = _golden()

    assert commit(body) == hashlib.sha256(body).hexdigest()


def test_seal_event_when_the_body_outgrows_its_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="exceeds 60000"):
        seal_event(make_view(STREAM, rendering="x" * 60_000), first_link(STREAM), log=LOG, recorded=NOON)


def test_to_json_when_given_a_float_is_refused() -> None:
    with pytest.raises(ValueError, match="float"):
        to_json({"distance": 0.5})


def test_parse_body_of_a_sealed_event_gives_its_value() -> None:
    body, _ = _golden()

    assert parse_body(body) == json.loads(body)


def _changed(**changes: object) -> bytes:
    return canonical_json({**json.loads(_golden()[0]), **changes})


BAD_BODIES = {
    "duplicate key": _golden()[0].replace(b'"seq":1,', b'"seq":1,"seq":1,'),
    "float": _golden()[0].replace(b'"seq":1,', b'"seq":1.0,'),
    "exponent": _golden()[0].replace(b'"seq":1,', b'"seq":1e0,'),
    "minus zero": _golden()[0].replace(b'"size":7', b'"size":-0'),
    "integer beyond 2^53-1": _golden()[0].replace(b'"seq":1,', b'"seq":9007199254740992,'),
    "space": _golden()[0].replace(b'"seq":1,', b'"seq": 1,'),
    "newline at the end": _golden()[0] + b"\n",
    "escaped spelling": _golden()[0].replace(b"verifier", b"\\u0076erifier"),
    "lone surrogate": _golden()[0].replace(b"verifier", b"\\ud800"),
    "not UTF-8": _golden()[0].replace(b"verifier", b"\xff"),
    "byte order mark": b"\xef\xbb\xbf" + _golden()[0],
    "NaN": _golden()[0].replace(b'"seq":1,', b'"seq":NaN,'),
    "other order": b'{"v":"custody-entry/v1",' + _golden()[0][1:].replace(b',"v":"custody-entry/v1"', b""),
    "unknown field": _changed(extra=1),
    "missing field": canonical_json({k: v for k, v in json.loads(_golden()[0]).items() if k != "salt"}),
    "other version": _changed(v="custody-entry/v2"),
    "not an object": b"[]",
    "empty": b"",
    "too long": _changed(data={"x": "y" * 60_000}),
    "deep nesting": b"[" * 50_000,
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_parse_body_when_not_the_one_canonical_spelling_is_refused(name: str) -> None:
    with pytest.raises(NotAnEntry):
        parse_body(BAD_BODIES[name])


_KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_canonical_json_gives_the_bytes_of_a_full_rfc_8785_serialiser(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]  # Its alias of JSON is recursive.


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_seal_given_other_values_never_gives_the_same_digest(first: str, second: str) -> None:
    same_salt = "00" * 32

    assert (seal("note", first, salt=same_salt).digest == seal("note", second, salt=same_salt).digest) is (
        first == second
    )
