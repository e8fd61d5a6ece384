"""Incidents with casualties made with a seed, counted by the product and by a few lines of Python that know none of it:
what is told twice is compared."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.statement.asking import figure, ranges
from tests.statement.conftest import Signer
from tests.statement.scenario import Statement
from tests.support.api import Api, running_api
from tests.support.databases import TestDatabase, TestServer, create_database, filled_template
from tests.support.examples import is_thorough

pytestmark = pytest.mark.scaled
SEED = 20_241_118
INCIDENTS = 200 if is_thorough() else 60
KINDS = ("air_strike", "missile_strike", "artillery", "drone")
REGIONS = ("Kyiv", "Odesa", "Lviv")
GROUPS = ("civilian", "child", "woman", "journalist")
OUTCOMES = ("killed", "injured", "missing")
SOURCES = ("Watch for All", "Monitoring Mission", "Health Authority")
PART = 500


@dataclass
class Known:
    """An incident as the independent count sees it. ``months``: those that its interval touches; none: no time."""

    code: str
    kind: str
    region: str | None
    months: tuple[str, ...]
    counts: dict[tuple[str, str], list[tuple[int, int | None]]] = field(default_factory=lambda: defaultdict(list))


def generated() -> tuple[list[Known], list[dict[str, Any]]]:
    """The incidents, and the lines that take them in: organisations first, the rest as it comes."""
    chance = random.Random(SEED)
    lines: list[dict[str, Any]] = [
        {"record": "organisation", "external_reference": name, "stated": {"name": name, "organisation_kind": "ngo"}}
        for name in SOURCES
    ]
    known = []
    for number in range(INCIDENTS):
        one, record = _incident(chance, f"G-{number:03}")
        known.append(one)
        lines.append(record)
        pairs = [(outcome, group) for outcome in OUTCOMES for group in GROUPS]
        for outcome, group in chance.sample(pairs, chance.choice((0, 1, 1, 2))):
            for source in chance.sample(SOURCES, chance.choice((1, 1, 1, 2, 3))):
                stated = _count(chance, outcome, group)
                one.counts[outcome, group].append((stated["minimum"], stated["maximum"]))
                lines.append(
                    {
                        "record": "casualty_count",
                        "external_reference": f"{one.code}/{outcome}/{group}/{source}",
                        "incident": one.code,
                        "stated": stated,
                        "source": {"organisation_id": source, "document": "Report"},
                    }
                )
    return known, lines


def _incident(chance: random.Random, code: str) -> tuple[Known, dict[str, Any]]:
    kind, region = chance.choice(KINDS), chance.choice((*REGIONS, None))
    record: dict[str, Any] = {
        "record": "incident", "external_reference": code, "code": code, "title": "Generated", "kind": kind,
    }  # fmt: skip
    months: tuple[str, ...] = ()
    if chance.random() < 0.9:
        begins = datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(days=chance.randrange(366))
        ends = begins + timedelta(days=chance.choice((0, 0, 0, 0, 20)))
        months = tuple(sorted({begins.strftime("%Y-%m"), ends.strftime("%Y-%m")}))
        times = [each.isoformat() for each in (begins, ends)]
        record["occurred"] = {"from": times[0], "to": times[1], "zone": "Europe/Kyiv", "basis": "Generated"}
    if region is not None:
        record["place"] = {"administrative_units": ["Ukraine", region]}
    return Known(code, kind, region, months), record


def _count(chance: random.Random, outcome: str, group: str) -> dict[str, Any]:
    low, comparator = chance.randrange(30), chance.choice(("exact", "at_least", "more_than", "about", "up_to"))
    high: int | None = low + chance.randrange(15)
    if comparator == "exact":
        high = low
    elif comparator in ("at_least", "more_than"):
        high = None
    stated = {"outcome": outcome, "person_group": group, "comparator": comparator, "as_reported": "As generated"}
    return {**stated, "minimum": low, "maximum": high}


# --- the independent count --------------------------------------------------------------------------------------------


def total_of(incidents: list[Known]) -> dict[tuple[str, str], tuple[int, int | None]]:
    """Of each incident the lowest and the highest that anybody says, open if one is; over incidents both are added."""
    found: dict[tuple[str, str], tuple[int, int | None]] = {}
    for one in incidents:
        for victims, stated in one.counts.items():
            low = min(minimum for minimum, _ in stated)
            highs = [maximum for _, maximum in stated]
            high = None if None in highs else max(each for each in highs if each is not None)
            before = found.get(victims, (0, 0))
            summed = None if high is None or before[1] is None else before[1] + high
            found[victims] = (before[0] + low, summed)
    return found


def parted(incidents: list[Known], by: str) -> dict[str | None, list[Known]]:
    found: dict[str | None, list[Known]] = defaultdict(list)
    for one in incidents:
        month = one.months[0] if len(one.months) == 1 else None
        found[{"month": month, "kind": one.kind, "place": one.region}[by]].append(one)
    return found


def with_casualties(incidents: list[Known]) -> list[Known]:
    return [one for one in incidents if one.counts]


def with_children(incidents: list[Known]) -> list[Known]:
    """Some source says of some outcome that there was one, or leaves it open."""
    return [
        one
        for one in incidents
        if any(
            group == "child" and any(high is None or high > 0 for _, high in stated)
            for (_, group), stated in one.counts.items()
        )
    ]


# --- the product's ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaded(postgres: TestServer, run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """In an order that chance gave: an incident before what is said of it, and nothing else is sure."""

    def fill(database: TestDatabase) -> Any:
        with running_api(database, tmp_path_factory.mktemp("generated") / "data") as api:
            made = Statement.empty(api)
            _, lines = generated()
            chance = random.Random(SEED + 1)
            keys = {id(line): (RANK.get(line["record"], 2), chance.random()) for line in lines}
            shuffled = sorted(lines, key=lambda line: keys[id(line)])
            for begin in range(0, len(shuffled), PART):
                made.take_in(shuffled[begin : begin + PART])
            return made.kept()

    return filled_template(postgres, run_directory, "generated", fill)


RANK = {"organisation": 0, "incident": 1}


@pytest.fixture
def database(postgres: TestServer, loaded: Any) -> TestDatabase:
    return create_database(postgres, template=loaded[0])


@pytest.fixture
def statement(api: Api, loaded: Any) -> Statement:
    return Statement.known(api, loaded[1])


def test_figures_when_counted_twice_then_both_counts_agree(statement: Statement, sign: Signer) -> None:
    known, _ = generated()
    assert any(maximum is None for _, maximum in total_of(known).values())
    position = str(sign())
    told = figure(statement, "casualties")
    assert ranges(told["total"]) == total_of(known)
    assert told["total"]["count"] == len(with_casualties(known))
    assert told["counted"]["count"] == sum(len(stated) for one in known for stated in one.counts.values())
    assert figure(statement, "incidents")["total"]["count"] == INCIDENTS
    for by in ("month", "kind", "place"):
        query: dict[str, Any] = {"by": by, "as_of": position, "level": 2 if by == "place" else 1}
        parts = parted(known, by)
        counted = figure(statement, "incidents", **query)["series"]
        assert {_key(point): point["count"] for point in counted} == {key: len(part) for key, part in parts.items()}
        folded = figure(statement, "casualties", **query)["series"]
        expected = {key: total_of(part) for key, part in parts.items() if with_casualties(part)}
        assert {_key(point): ranges(point) for point in folded} == expected, by
    filtered = {"protected_person": "child", "kind": "drone,artillery"}
    chosen = [one for one in with_children(known) if one.kind in ("drone", "artillery")]
    assert figure(statement, "incidents", **filtered)["total"]["count"] == len(chosen) > 0
    assert ranges(figure(statement, "casualties", **filtered)["total"]) == total_of(chosen)
    spring = {"occurred_from": "2024-02-29T22:00:00Z", "occurred_before": "2024-05-31T21:00:00Z"}
    months = {"2024-03", "2024-04", "2024-05"}
    within = [one for one in known if one.months and set(one.months) <= months]
    assert figure(statement, "incidents", **spring)["total"]["count"] == len(within) > 0
    assert ranges(figure(statement, "casualties", **spring)["total"]) == total_of(within)


def _key(point: dict[str, Any]) -> str | None:
    found: str | None = point["label"] or point["key"]
    return found and found.removeprefix("Ukraine / ")
