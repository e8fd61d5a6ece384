"""The coded vocabularies: every code once, numbers that the instruments have, a source for each."""

import re
from collections import Counter

from app.gradings.provisions import ADDITIONAL_PROTOCOL_1, GRAVE_VIOLATIONS, ROME_STATUTE
from app.gradings.vocabularies import PROVISIONS, STANDARDS, VOCABULARIES

ROMAN: tuple[str, ...] = (
    "i",
    "ii",
    "iii",
    "iv",
    "v",
    "vi",
    "vii",
    "viii",
    "ix",
    "x",
    "xi",
    "xii",
    "xiii",
    "xiv",
    "xv",
    "xvi",
    "xvii",
)
ROMAN += ("xviii", "xix", "xx", "xxi", "xxii", "xxiii", "xxiv", "xxv", "xxvi")
LETTERS = "abcdefghijk"


def test_rome_statute_when_listed_then_its_sub_paragraphs_of_1998_each_once_and_in_order() -> None:
    expected = [f"6({letter})" for letter in LETTERS[:5]] + [f"7(1)({letter})" for letter in LETTERS]
    for paragraph, last in (("8(2)(a)", 8), ("8(2)(b)", 26), ("8(2)(c)", 4), ("8(2)(e)", 12)):
        expected += [f"{paragraph}({number})" for number in ROMAN[:last]]
    assert [number for number, _ in ROME_STATUTE.provisions] == expected


def test_additional_protocol_when_listed_then_articles_in_order_and_every_grave_breach_of_article_85() -> None:
    numbers = [number for number, _ in ADDITIONAL_PROTOCOL_1.provisions]
    articles = [int(re.split(r"\(", number)[0]) for number in numbers]
    assert articles == sorted(articles)
    assert 1 <= articles[0] <= articles[-1] <= 91
    breaches = [f"85(3)({letter})" for letter in "abcdef"] + [f"85(4)({letter})" for letter in "abcde"]
    assert [number for number in numbers if number.startswith("85")] == breaches


def test_grave_violations_when_listed_then_six() -> None:
    assert len(GRAVE_VIOLATIONS.provisions) == 6


def test_codes_when_listed_then_each_is_there_once_and_has_a_title_and_a_source() -> None:
    for name, vocabulary in VOCABULARIES.items():
        assert vocabulary.version.startswith(f"{name}/")
        assert not [code for code, times in Counter(term.code for term in vocabulary.terms).items() if times > 1]
        assert all(term.title and term.source for term in vocabulary.terms)
    assert "rome_statute:8(2)(b)(ix)" in PROVISIONS.by_code
    assert "reasonable_grounds_to_believe" in STANDARDS.by_code
