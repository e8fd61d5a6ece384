"""Whatever bytes come, the entry's parser refuses them or they are the one RFC 8785 spelling of what it gives.

A longer run: ``EXHIBIT_FUZZ_EXAMPLES=100000 .venv/bin/python -m pytest -n 0 tests/ledger/test_event_fuzz.py``.
"""

import json
import os
from typing import Any
from uuid import UUID

import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kernel.primitives import MAX_SAFE_INTEGER, canonical_json
from app.ledger.event import (
    BODY_LIMIT_BYTES,
    ENTRY_VERSION,
    EntryActor,
    EntryObject,
    Link,
    NotAnEntry,
    parse_body,
    seal_event,
)
from tests.ledger.acts import NOON, Viewed
from tests.support.examples import examples

STREAM = UUID("6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d")
TOP_LEVEL = (
    *("actor", "data", "label", "log", "next", "object", "occurred", "prev", "salt"),
    *("sealed", "seq", "stream", "time", "type", "v"),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = st.text(st.characters(max_codepoint=127), max_size=6)
INTEGERS = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
ENTRIES = st.fixed_dictionaries({name: VALUES for name in TOP_LEVEL if name != "v"} | {"v": st.just(ENTRY_VERSION)})
BODIES = ENTRIES.map(canonical_json)
SPLICES = (
    *(b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b" ", b"\n", b"\t", b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf"),
    *(b"-", b"0", b"1e3", b".5", b"NaN", b"Infinity", b"true", b"null", b"\\u0041", b"\\ud800", b"\\/", b'"v":1,'),
    *(b"9007199254740992", b"-9007199254740992", b'"\xc3\xa9":1,', b"\x7f", b"9" * 5000),
)

fuzzed = settings(max_examples=int(os.environ.get("EXHIBIT_FUZZ_EXAMPLES", examples(100))), deadline=None)


def accepts(body: bytes) -> bool:
    try:
        value = parse_body(body)
    except NotAnEntry:
        return False
    assert rfc8785.dumps(value) == body
    return True


def plain_accepts(body: bytes) -> bool:
    """The rules of docs/ledger.md, word for word and slowly: what the parser, which reads whole logs, is held to."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        assert all(key.isascii() for key, _ in pairs)
        return dict(pairs)

    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=no_duplicates)
        return (
            len(body) <= BODY_LIMIT_BYTES
            and tuple(sorted(value)) == TOP_LEVEL
            and value["v"] == ENTRY_VERSION
            and not _holds_float(value)
            and rfc8785.dumps(value) == body
        )
    except (AssertionError, ValueError, TypeError, RecursionError):
        return False


def _holds_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_float, value.values()))
    return isinstance(value, float) or (isinstance(value, list) and any(map(_holds_float, value)))


@fuzzed
@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"")
@example(b"{}")
@example(b"[" * BODY_LIMIT_BYTES)
def test_parse_body_of_arbitrary_bytes_never_fails_but_by_refusing(body: bytes) -> None:
    assert accepts(body) is plain_accepts(body)


@fuzzed
@given(BODIES)
def test_parse_body_of_any_canonical_entry_gives_its_value(body: bytes) -> None:
    assert accepts(body)
    assert plain_accepts(body)


@fuzzed
@given(BODIES, st.data())
def test_parse_body_of_a_mutated_entry_agrees_with_the_rules_word_for_word(body: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = min(len(body), start + data.draw(st.sampled_from([0, 0, 1, 2, 7])))
        splice = data.draw(st.sampled_from(SPLICES) | st.binary(max_size=3) | st.just(body[start:end] * 2))
        body = body[:start] + splice + body[end:]
    assert accepts(body) is plain_accepts(body)


@fuzzed
@given(ENTRIES, st.sampled_from(["ensure_ascii", "indent", "separators", "order", "float", "number key"]))
def test_parse_body_of_another_spelling_of_the_same_value_refuses(entry: dict[str, Any], how: str) -> None:
    plain: dict[str, Any] = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    if how == "ensure_ascii":
        entry, plain = {**entry, "type": "é"}, {**plain, "ensure_ascii": True}
    elif how == "order":
        entry, plain = dict(sorted(entry.items(), reverse=True)), {**plain, "sort_keys": False}
    elif how == "float":
        entry = {**entry, "seq": 1.0}
    elif how == "number key":
        entry = {**entry, "data": {"é": 1}}
    else:
        plain[how] = 1 if how == "indent" else (", ", ":")
    assert not accepts(json.dumps(entry, **plain).encode("utf-8"))


@fuzzed
@given(TEXTS, INTEGERS, st.none() | TEXTS, st.none() | TEXTS, st.integers(1, MAX_SAFE_INTEGER))
def test_seal_event_of_any_act_gives_the_rfc_8785_bytes_of_its_value(
    rendering: str, byte_count: int, viewer_name: str | None, purpose: str | None, seq: int
) -> None:
    event = Viewed(
        stream=STREAM,
        actor=EntryActor(STREAM, "user", None),
        object=EntryObject("evidence", STREAM, size=7),
        rendering=rendering,
        byte_count=byte_count,
        viewer_name=viewer_name,
        purpose=purpose,
    )
    entry = seal_event(event, Link(seq, "ab" * 32, "cd" * 32), log="log.example.org", recorded=NOON)

    assert rfc8785.dumps(parse_body(entry.body)) == entry.body
    for disclosure in entry.disclosures:
        assert rfc8785.dumps(json.loads(disclosure.line)) == disclosure.line
