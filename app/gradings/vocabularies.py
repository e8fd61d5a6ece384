"""The coded vocabularies: standards of proof, and provisions of law. Data, versioned; pure.

A code once given is never given another meaning: whoever adds, leaves out or corrects one raises the version's number,
and entries name the version that they used. Titles are short names, not the provisions' text; the text is the source's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from app.gradings import provisions


class Term(NamedTuple):
    code: str
    title: str
    source: str


@dataclass(frozen=True)
class Vocabulary:
    version: str
    """Name and number: ``provisions/1``."""
    terms: tuple[Term, ...]

    @cached_property
    def by_code(self) -> Mapping[str, Term]:
        return {term.code: term for term in self.terms}


_ROME = "Rome Statute of the International Criminal Court (1998)"
_WILKINSON = (
    "S. Wilkinson, Standards of Proof in International Humanitarian and Human Rights Fact-Finding and Inquiry Missions "
    "(Geneva Academy, 2014)"
)
_OHCHR = (
    "OHCHR, Commissions of Inquiry and Fact-Finding Missions on International Human Rights and Humanitarian Law: "
    "Guidance and Practice (2015)"
)

STANDARDS = Vocabulary(
    "standards_of_proof/1",
    (
        Term("reasonable_grounds_to_suspect", "Reasonable suspicion", _WILKINSON),
        Term("reasonable_basis_to_believe", "Reasonable basis to believe", f"{_ROME}, article 53(1)(a)"),
        Term("reasonable_grounds_to_believe", "Reasonable grounds to believe", f"{_OHCHR}; {_ROME}, article 58(1)(a)"),
        Term("substantial_grounds_to_believe", "Substantial grounds to believe", f"{_ROME}, article 61(7)"),
        Term("balance_of_probabilities", "Balance of probabilities", _WILKINSON),
        Term("clear_and_convincing", "Clear and convincing evidence", _WILKINSON),
        Term("beyond_reasonable_doubt", "Beyond reasonable doubt", f"{_ROME}, article 66(3)"),
    ),
)
"""In no strict order: they come from different proceedings."""

PROVISIONS = Vocabulary(
    "provisions/1",
    tuple(
        Term(f"{instrument.code}:{article}", title, instrument.source)
        for instrument in provisions.INSTRUMENTS
        for article, title in instrument.provisions
    ),
)

VOCABULARIES: Mapping[str, Vocabulary] = {"standards_of_proof": STANDARDS, "provisions": PROVISIONS}
