"""Texts that people wrote, as they may stand in a picture. Pure.

A label is one line of bounded length in which nothing acts: no control character, nothing that turns the direction of
what stands beside it, no tower of marks. Of a name in another script the letters stay.
"""

import unicodedata

LABEL_CHARACTERS = 48
DESCRIBED_CHARACTERS = 400
"""Of a line of a picture's description, which has more room than the picture."""
MARKS_AT_ONCE = 4
ELLIPSIS = "…"
REPLACED = "\N{REPLACEMENT CHARACTER}"
_JOINERS = frozenset("\u200c\u200d")
"""What parts and joins letters in some scripts; every other format character is left out."""
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def one_line(written: str, limit: int = LABEL_CHARACTERS) -> str:
    """At most ``limit`` characters, the last of them an ellipsis if something was left out."""
    shown = "".join(_kept(unicodedata.normalize("NFC", written[: 16 * limit])))
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit and len(written) <= 16 * limit else shown[: limit - 1].rstrip() + ELLIPSIS


def _kept(written: str) -> list[str]:
    found: list[str] = []
    marks = 0
    for character in written:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if character in _JOINERS or category not in _NOT_SHOWN:
            if marks <= MARKS_AT_ONCE:
                found.append(character)
        elif category in ("Cs", "Co", "Cn"):
            found.append(REPLACED)
        elif category != "Cf":
            found.append(" ")
    return found
