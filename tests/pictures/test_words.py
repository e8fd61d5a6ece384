"""Texts as they stand in pictures: one bounded line in which nothing acts."""

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from app.pictures.words import MARKS_AT_ONCE, one_line
from tests.support.examples import examples


@settings(max_examples=examples(300))
@given(written=st.text(max_size=200), limit=st.integers(1, 60))
def test_text_when_anybody_wrote_it_then_is_one_bounded_line_without_anything_that_acts(
    written: str, limit: int
) -> None:
    shown = one_line(written, limit)
    assert len(shown) <= limit
    assert shown == shown.strip()
    categories = {unicodedata.category(each) for each in shown if each not in "\u200c\u200d\N{REPLACEMENT CHARACTER}"}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode("utf-8")


def test_text_when_it_fits_then_stays_as_it_is() -> None:
    for written in ("Дитяча лікарня", "مستشفى الأطفال", "בית חולים", "می\u200cخواهم", "$x^2$ <b>&amp;"):
        assert one_line(written) == written


def test_text_when_it_turns_directions_breaks_lines_or_towers_then_does_not_any_more() -> None:
    assert one_line("abc\u202edcba\u2066x\u2069\ufeff") == "abcdcbax"
    assert one_line("one\ntwo\x00\tthree\u2028four") == "one two three four"
    assert one_line("a" + "\u0301" * 50 + "b").count("\u0301") <= MARKS_AT_ONCE
    assert one_line("a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"
    assert one_line("x" * 1_000_000, 10) == "x" * 9 + "…"
    assert one_line(" " * 1_000_000 + "x", 10) == "…"
