"""What one organisation's public statement of 18 November 2024 rests on, as lines of an import. Pure.

Seventeen strikes of 2024 with children among the casualties, one of them on a children's hospital in July; besides them
what must not be counted with them: a strike without children, two attacks of 2022, another organisation's statistic.
Names of organisations are made up; numbers and names of the hospital strike are those of public reports.
"""

from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]

HOSPITAL = "S-09"
ADULTS_ONLY = "S-18"
OF_2022 = ("M-1", "M-2")
STATEMENT = {"organisation_id": "Watch for All", "document": "Statement of 18 November 2024"}
GOVERNMENT, DISPUTED, NOT_COVERED = "Kharkiv", "Donetsk", "Sumy"


@dataclass(frozen=True)
class Strike:
    """``children`` and ``civilians``: outcome → minimum and maximum (None: open), as the statement counts them."""

    code: str
    day: str
    region: str
    children: dict[str, tuple[int, int | None]]
    kind: str = "missile_strike"
    civilians: dict[str, tuple[int, int | None]] | None = None

    @property
    def month(self) -> str:
        return self.day[:7]


STRIKES = (
    Strike("S-01", "2024-01-06", DISPUTED, {"killed": (5, 5), "injured": (2, 4)}),
    Strike("S-02", "2024-01-23", GOVERNMENT, {"killed": (1, 1)}),
    Strike("S-03", "2024-02-10", GOVERNMENT, {"killed": (3, 3)}, "drone"),
    Strike("S-04", "2024-03-02", "Odesa", {"killed": (5, 5)}, "drone"),
    Strike("S-05", "2024-04-17", "Chernihiv", {"injured": (4, None)}),
    Strike("S-06", "2024-05-12", GOVERNMENT, {"injured": (1, 2)}, "air_strike"),
    Strike("S-07", "2024-05-25", GOVERNMENT, {"killed": (2, 2), "injured": (3, 5)}, "air_strike"),
    Strike("S-08", "2024-06-22", GOVERNMENT, {"injured": (3, 3)}, "air_strike"),
    Strike(
        HOSPITAL, "2024-07-08", "Kyiv", {"injured": (8, None)}, civilians={"killed": (2, 2), "injured": (100, None)}
    ),
    Strike("S-10", "2024-07-23", DISPUTED, {"injured": (2, 2)}, "artillery"),
    Strike("S-11", "2024-08-06", NOT_COVERED, {"killed": (1, 1)}, "air_strike"),
    Strike("S-12", "2024-08-30", GOVERNMENT, {"killed": (1, 1), "injured": (20, None)}, "air_strike"),
    Strike("S-13", "2024-09-03", "Poltava", {"injured": (1, None)}),
    Strike("S-14", "2024-09-04", "Lviv", {"killed": (3, 3), "injured": (6, 7)}),
    Strike("S-15", "2024-10-30", GOVERNMENT, {"killed": (1, 1)}, "air_strike"),
    Strike("S-16", "2024-11-07", "Zaporizhzhia", {"killed": (1, 1), "injured": (4, 5)}),
    Strike("S-17", "2024-11-17", NOT_COVERED, {"killed": (2, 2), "injured": (11, 13)}),
)
PLACES = {
    DISPUTED: (48.28, 37.18), GOVERNMENT: (49.99, 36.23), "Odesa": (46.48, 30.72), "Chernihiv": (51.50, 31.29),
    "Kyiv": (50.4497, 30.4797), NOT_COVERED: (50.91, 34.80), "Poltava": (49.59, 34.55), "Lviv": (49.84, 24.03),
    "Zaporizhzhia": (47.84, 35.14), "Mariupol": (47.096, 37.548),
}  # fmt: skip
HELD = tuple(region for region in PLACES if region not in (DISPUTED, NOT_COVERED, "Mariupol"))


def records() -> list[Record]:
    """In an order in which each may stand: organisations, incidents, their facts, the case's facts."""
    found = [*_organisations(), *map(_incident, STRIKES)]
    found.append(_incident(Strike(ADULTS_ONLY, "2024-03-22", "Zaporizhzhia", {})))
    found += [
        _incident(Strike(code, f"2022-03-{day}", "Mariupol", {}, "air_strike"))
        for code, day in zip(OF_2022, ("09", "16"), strict=True)
    ]
    found += [count for strike in STRIKES for count in _counts(strike)]
    found.append(casualties(ADULTS_ONLY, "killed", "man", (3, 3)))
    found += [casualties(code, "killed", "child", (1, None)) for code in OF_2022]
    return [*found, *_facts_of_the_hospital(), *_control(), _STATISTIC]


def casualties(
    code: str, outcome: str, group: str, bounds: tuple[int, int | None], *, source: Record | None = None
) -> Record:
    low, high = bounds
    comparator = "more_than" if high is None else "exact" if low == high else "about"
    words = f"More than {low}" if high is None else f"{low}" if low == high else f"{low} to {high}"
    return {
        "record": "casualty_count",
        "external_reference": f"{code}/{outcome}/{group}/{(source or STATEMENT)['organisation_id']}",
        "incident": code,
        "stated": {
            "outcome": outcome,
            "person_group": group,
            "comparator": comparator,
            "minimum": low,
            "maximum": high,
            "as_reported": f"{words} {group} {outcome}",
        },
        "source": source or STATEMENT,
    }


def _organisations() -> list[Record]:
    stated: tuple[tuple[str, str, list[str]], ...] = (
        ("Watch for All", "ngo", []),
        ("Security Service", "prosecution_or_police", ["Служба безпеки"]),
        ("Monitoring Mission", "intergovernmental", []),
        ("Ukraine", "state", ["Україна"]),
        ("Another State", "state", []),
    )
    return [
        {
            "record": "organisation",
            "external_reference": f"organisation/{name}",
            "stated": {"name": name, "organisation_kind": kind, "aliases": aliases},
        }
        for name, kind, aliases in stated
    ]


def _incident(strike: Strike) -> Record:
    latitude, longitude = PLACES[strike.region]
    return {
        "record": "incident",
        "external_reference": f"strike/{strike.code}",
        "code": strike.code,
        "title": f"Strike of {strike.day} in {strike.region}",
        "kind": strike.kind,
        "occurred": {
            "from": f"{strike.day}T07:30:00Z",
            "to": f"{strike.day}T08:00:00Z",
            "zone": "Europe/Kyiv",
            "basis": "Upload times of the first recordings",
        },
        "place": {
            "name": strike.region,
            "latitude": latitude,
            "longitude": longitude,
            "precision": "exact" if strike.code == HOSPITAL else "locality",
            "radius_m": 10 if strike.code == HOSPITAL else 1000,
            "administrative_units": ["Ukraine", strike.region],
        },
    }


def _counts(strike: Strike) -> list[Record]:
    found = [casualties(strike.code, outcome, "child", bounds) for outcome, bounds in strike.children.items()]
    stated = strike.civilians or {}
    return found + [casualties(strike.code, outcome, "civilian", bounds) for outcome, bounds in stated.items()]


def _facts_of_the_hospital() -> list[Record]:
    def fact(record: str, name: str, stated: Record, organisation: str = "Watch for All") -> Record:
        source = {**STATEMENT, "organisation_id": organisation}
        return {
            "record": record,
            "external_reference": f"{HOSPITAL}/{name}",
            "incident": HOSPITAL,
            "stated": stated,
            "source": source,
        }

    protection = {
        "object_kind": "hospital",
        "name": "Children's hospital",
        "special_protection": "protected",
        "protected_by": ["additional_protocol_1:12"],
        "protection_basis": "In use that morning.",
    }
    weapon = {
        "category": "cruise_missile",
        "reported": "Kh-10112",
        "normalised": "Kh-101",
        "normalisation_note": "The number of footnote 12 ran into the name.",
        "identified_by_id": "Security Service",
        "method": "remnant_analysis",
        "confidence": "high",
    }
    before = [
        {"relation": "same_pattern", "other_incident_id": code, "basis": "Attacks on hospitals."} for code in OF_2022
    ]
    return [
        fact(
            "affected_object",
            "toxicology",
            {**protection, "part": "Toxicology building", "damage": "destroyed"},
        ),
        fact("affected_object", "intensive-care", {**protection, "part": "Intensive care", "damage": "severe"}),
        fact("weapon_identification", "weapon", weapon),
        fact(
            "circumstance",
            "objective",
            {"aspect": "military_objective", "objective": "none_found", "basis": "Imagery of the week."},
        ),
        fact(
            "circumstance",
            "pattern",
            {"aspect": "attack_pattern", "pattern": "mass_attack", "basis": "Many weapons that morning."},
        ),
        *(fact("related_incident", f"before/{number}", stated) for number, stated in enumerate(before)),
    ]


def _control() -> list[Record]:
    found = [_held(region, "Ukraine", "Watch for All") for region in HELD]
    # Of one region two sources say what cannot be both; of another none says anything.
    found.append(_held(DISPUTED, "Ukraine", "Watch for All"))
    return [*found, _held(DISPUTED, "Another State", "Monitoring Mission")]


def _held(region: str, controller: str, source: str) -> Record:
    return {
        "record": "territory_control",
        "external_reference": f"control/{region}/{source}",
        "stated": {
            "area": ["Ukraine", region],
            "control": "controlled",
            "controller_id": controller,
            "valid_from": "2022-04-02T00:00:00Z",
        },
        "source": {**STATEMENT, "organisation_id": source},
    }


_STATISTIC: Record = {
    "record": "external_statistic",
    "external_reference": "statistic/89",
    "stated": {
        "figure": "89 %",
        "counts": "Civilian casualties in government-controlled territory",
        "unit": "percent",
        "period_from": "2024-01-01",
        "period_to": "2024-10-31",
        "area": ["Ukraine"],
    },
    "source": {"organisation_id": "Monitoring Mission", "document": "Update of November 2024"},
}
