"""A search as conditions on words and marks, and those as a ``tsquery``. Pure.

Within a group one must hold, of the groups all. A mark is a filter and its word, ``:state:signed_off``; no text's word
holds a colon. ``:case:`` is a mark too, so that one index answers in one case without a look at the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

Group = Sequence[str]
"""Alternatives, each a piece of a ``tsquery``."""

MOST_WORDS = 16
FEWEST_BEFORE_STAR = 2


def quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def mark(name: str, word: str) -> str:
    return quoted(f":{name}:{word}")


def marked(filters: Mapping[str, Iterable[str]]) -> list[Group]:
    """A group for each filter that is given."""
    groups = ([mark(name, word) for word in words] for name, words in filters.items())
    return [group for group in groups if group]


def of_case(case_id: UUID) -> Group:
    return [mark("case", str(case_id))]


def term(words: Sequence[str], *, is_beginning: bool) -> str:
    """All words of one term; ``is_beginning``: the last one stands for all that begin so."""
    pieces = [quoted(word) for word in words]
    if is_beginning:
        pieces[-1] += ":*"
    return "(" + " & ".join(pieces) + ")"


def tsquery(groups: Iterable[Group]) -> str:
    """Empty: nothing is asked."""
    return " & ".join("(" + " | ".join(group) + ")" for group in groups)
