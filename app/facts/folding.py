"""Keys by which names are found however they are written. Pure.

A key is for finding, never for showing: the name as it was stated stands beside it. Keys are compared for equality, so
two names that fold to one key are found together; which of them is meant, a person sees.

**Names** (:func:`fold_name`), of organisations and areas, in any script: compatibility forms are resolved (NFKD), case
is folded, marks that stand on letters are dropped, and of the rest only letters and digits stay.

**Designations** (:func:`fold_designation`), of weapons, besides:

1. Cyrillic letters are written in Latin, as in :data:`_LATIN`: ``Х-101`` and ``Kh-101`` are one, as are ``С-300`` and
   ``S-300``.
2. An ``x`` that begins the whole designation and is followed by a digit is read as the Cyrillic letter that looks like
   it: ``X-101`` is typed for ``Х-101``.
3. ``kh`` is ``h``: sources write one Cyrillic letter either way (``Шахед``, ``Shahed``).

Other letters that only look alike are not exchanged: ``C-4`` is no ``S-4``. Digits are never touched, so that a
footnote run into a name (``Kh-10112``) stays another key than the name; it is normalised by a person, with a note.
"""

import re
import unicodedata

_LATIN = dict(zip("абвгґдезикілмнопрстуфыэ", "abvggdezikilmnoprstufye", strict=True)) | {
    "є": "ye",
    "ж": "zh",
    "х": "kh",
    "ц": "ts",
    "ч": "ch",
    "ш": "sh",
    "щ": "shch",
    "ъ": "",
    "ь": "",
    "ю": "yu",
    "я": "ya",
}
"""Of Russian and Ukrainian, after marks were dropped (``й`` is ``и`` then, ``ї`` is ``і``, ``ё`` is ``е``)."""
_TRANSLITERATION = str.maketrans(_LATIN)


def fold_name(name: str) -> str:
    """Never empty: of a name without a letter or digit it is the name itself, folded."""
    whole = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    kept = "".join(each for each in whole if unicodedata.category(each)[0] in "LN")
    return kept or whole.strip() or name


def fold_designation(name: str) -> str:
    """The key of a weapon's designation; see the module's rules."""
    latin = fold_name(name).translate(_TRANSLITERATION) or fold_name(name)
    return re.sub("k+h", "h", re.sub(r"^x(?=\d)", "h", latin))


def fold_area(units: tuple[str, ...]) -> str:
    """Of administrative units from the country downwards. Units are parted by ``/``, which no folded one contains."""
    return "/".join(fold_name(each).replace("/", "") for each in units)
