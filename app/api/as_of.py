"""``?as_of=``: reading what stood at a time or at a ledger position, and the position that an answer stands for."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Response
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.api.http import Page, Shape, etag
from app.ledger.positions import Position, find_position

Item = TypeVar("Item")

AsOf = Annotated[
    str | None,
    Query(
        max_length=60,
        description="As it stood then: a time with its zone, `2026-11-18T12:00:00Z`, or a ledger position, `1:4711` "
        "(the log's number and the size of a signed tree). Without it: as it stands now.",
    ),
]


class PositionShape(Shape):
    """The signed tree that an answer is about: asked as of it, the answer is the same for ever, but for what is erased
    or withdrawn."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={"examples": [{"log": 1, "size": 4711, "time": "2026-11-18T12:00:00.250Z"}]},
    )

    log: int = Field(description="The log's number.")
    size: int = Field(description="The signed tree's size; 0: before the first one.")
    time: datetime | None = Field(description="From when it stands: when the tree was signed.")


class DatedPage(Page[Item], Generic[Item]):
    """A page of a list as it stands now or, with `as_of`, as it stood at that position."""

    as_of: PositionShape | None = Field(description="The position that was asked for; null: now.")


def position_at(session: Session, as_of: str | None) -> Position | None:
    """None: now. Raises AsOfUnreadable, AsOfTooLate, AsOfNotSigned, HistoryBeginsLater."""
    return None if as_of is None else find_position(session, as_of)


def position_shape(position: Position | None) -> PositionShape | None:
    if position is None:
        return None
    return PositionShape(log=position.log_id, size=position.size, time=position.stands_from)


def dated(answer: dict[str, Any], position: Position | None) -> dict[str, Any]:
    """A page with the position that it stands for."""
    return {**answer, "as_of": position_shape(position)}


def with_version_at(response: Response, version: int, position: Position | None) -> None:
    """The version now, for ``If-Match``; of what stood then a weak tag, by which nothing is changed."""
    response.headers["ETag"] = etag(version) if position is None else f'W/"{version}@{position}"'
