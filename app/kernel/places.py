"""Where else a value lies that an entry seals: what a domain says of its tables, so that erasing it reaches them. Pure.

Each domain that records sealed fields has a module ``places`` with its part of the map. A sealed field without a line
there fails a test; so does a column that the database does not let be erased.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Columns of one table that hold one sealed field's value.

    ``row`` finds the row: its column → where the entry says its value, ``stream``, ``object`` or the name of a fact in
    ``data``. Without columns the row goes as a whole.
    """

    table: str
    columns: tuple[str, ...]
    row: Mapping[str, str]
    is_restated: bool = False
    """The row holds what was stated last: it is cleared only when no later entry of the stream states the field."""
    is_unique: bool = False
    """Its value must differ from every other row's, also once it is erased."""
    versions: str | None = None
    """The table of the row's versions, of which those are cleared that hold what the entry states."""


Places = Mapping[tuple[str, str], tuple[Place, ...]]
"""Entry type and field → where its value lies besides the disclosure; empty: nowhere."""
