"""A cursor of psycopg that describes a result's columns only to who looks at them.

SQLAlchemy asks for the description after each statement, and looks into it once for each text that it compiled. To
describe a column takes several calls and an object: for an item, with its forty columns, a tenth of the request.
"""

from collections.abc import Sequence
from typing import Any, overload

from psycopg import Column, Cursor


class Columns(Sequence[Column]):
    """The columns of the result that the cursor holds, which must still be that one when they are looked at."""

    def __init__(self, cursor: Cursor[Any], count: int) -> None:
        self._cursor = cursor
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Column: ...

    @overload
    def __getitem__(self, index: slice) -> list[Column]: ...

    def __getitem__(self, index: int | slice) -> Column | list[Column]:
        places = range(self._count)[index]
        return Column(self._cursor, places) if isinstance(places, int) else [Column(self._cursor, p) for p in places]


class LazyCursor(Cursor[Any]):
    """psycopg's cursor, but for the description."""

    @property
    def description(self) -> Sequence[Column] | None:  # type: ignore[override]  # psycopg promises a list; PEP 249 this.
        result = self.pgresult
        if result is None or not result.nfields:
            return super().description  # None or, of a row without columns, empty.
        return Columns(self, result.nfields)
