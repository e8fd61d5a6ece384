"""What a researcher asks for the statement, over HTTP."""

from typing import Any

import httpx

from tests.pictures.reading import Svg
from tests.statement.scenario import Statement
from tests.support.api import Person
from tests.support.journey import ok

OF_2024 = {"occurred_from": "2024-01-01T00:00:00Z", "occurred_before": "2025-01-01T00:00:00Z"}
WITH_CHILDREN = {**OF_2024, "protected_person": "child"}


def answer(statement: Statement, measure: str, person: Person | None = None, **query: Any) -> httpx.Response:
    asked = {"case": statement.case_id, **query}
    return (person or statement.rita).get(f"/v1/statistics/{measure}", params=asked)


def figure(statement: Statement, measure: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = ok(answer(statement, measure, **query))
    return found


def series(statement: Statement, measure: str, **query: Any) -> dict[str | None, dict[str, Any]]:
    return {point["label"] or point["key"]: point for point in figure(statement, measure, **query)["series"]}


def ranges(point: dict[str, Any]) -> dict[tuple[str, str], tuple[int, int | None]]:
    return {(one["outcome"], one["person_group"]): (one["minimum"], one["maximum"]) for one in point["ranges"]}


def chart(statement: Statement, measure: str, **query: Any) -> Svg:
    asked = {"case": statement.case_id, **query}
    drawn = statement.rita.get(f"/v1/statistics/{measure}/chart", params=asked)
    assert drawn.status_code == 200, drawn.text
    return Svg(drawn.content)


def everything(statement: Statement, **query: Any) -> dict[str, Any]:
    """Every number of the statement; without when it was asked, and without the tree."""
    hospital = {"incident": statement.hospital}
    asked = {
        "strikes": figure(statement, "incidents", **WITH_CHILDREN, **query),
        "items": figure(statement, "items", **WITH_CHILDREN, **query),
        "hospital": figure(statement, "items", **hospital, **query),
        "casualties": figure(statement, "casualties", **hospital, **query),
        "months": figure(statement, "casualties", by="month", **WITH_CHILDREN, **query),
        "control": figure(statement, "casualties", by="control", **WITH_CHILDREN, **query),
        "weapon": figure(statement, "incidents", weapon="Kh-101", **query),
    }
    return {
        name: {part: found[part] for part in ("total", "series", "unknown", "counted", "query_sha256")}
        for name, found in asked.items()
    }
