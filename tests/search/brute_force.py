"""Search the slow way: each row is read, and each filter asked of it in Python. Nothing of app.search is used."""

import math
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from app.facts.folding import fold_designation
from app.facts.weapons import WEAPONS

_DROPPED = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f"
    "\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]"
)


def words_of(text: str) -> set[str]:
    """What stands between blanks and signs, in small letters and without marks on them."""
    plain = _DROPPED.sub("", "".join(each.lower() for each in unicodedata.normalize("NFKD", text)))
    parted = "".join(each if unicodedata.category(each)[0] in "LNM" else " " for each in plain)
    return set(parted.split())


@dataclass
class Row:
    """An incident or an item with all that is asked of it."""

    id: Any
    at: datetime
    texts: str
    marks: dict[str, set[str]]
    begins: datetime | None
    ends: datetime | None
    is_closed: bool = False
    point: tuple[float, float] | None = None
    linked: list[Any] = field(default_factory=list)

    def says(self, text: str) -> bool:
        held = words_of(self.texts)
        return all(self._says(term, held) for term in text.split() if words_of(term))

    def _says(self, term: str, held: set[str]) -> bool:
        if term.endswith("*"):
            (beginning,) = words_of(term)
            return any(word.startswith(beginning) for word in held)
        return words_of(term) <= held or fold_designation(term) in self.marks.get("weapon", set())

    def touches(self, from_: datetime | None, before: datetime | None) -> bool:
        if self.begins is None and self.ends is None:
            return False
        ends_late = from_ is None or self.ends is None or self.ends >= from_
        return ends_late and (before is None or self.begins is None or self.begins <= before)

    def lies_in_box(self, south: float, west: float, north: float, east: float) -> bool:
        if self.point is None or not south <= self.point[0] <= north:
            return False
        along = self.point[1]
        return west <= along <= east if west <= east else along >= west or along <= east

    def lies_near(self, latitude: float, longitude: float, radius_m: int) -> bool:
        """By the angle between the two directions from the middle of the Earth."""
        if self.point is None:
            return False
        one, other = (_direction(*point) for point in ((latitude, longitude), self.point))
        chord = math.dist(one, other)
        return 2 * math.asin(min(chord / 2, 1)) * 6_371_008.8 <= radius_m


def _direction(latitude: float, longitude: float) -> tuple[float, float, float]:
    up, along = math.radians(latitude), math.radians(longitude)
    return math.cos(up) * math.cos(along), math.cos(up) * math.sin(along), math.sin(up)


def weapon_keys(designations: list[str]) -> set[str]:
    known = [WEAPONS.find(each) for each in designations]
    return {fold_designation(each) for each in designations} | {fold_designation(each.name) for each in known if each}


def read(owner: psycopg.Connection[Any]) -> tuple[list[Row], list[Row]]:
    """All incidents and all items, in the order of their lists."""

    def table(name: str) -> list[dict[str, Any]]:
        with owner.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(f"SELECT * FROM {name}".encode()).fetchall()

    links = [link for link in table("incident_evidence") if link["unlinked_at"] is None]
    incidents = {row["id"]: _incident(row) for row in table("incidents")}
    for name, texts in (
        ("casualty_counts", ("as_reported",)),
        ("affected_objects", ("name", "part")),
        ("weapon_identifications", ("reported", "normalised")),
        ("circumstances", ("basis",)),
        ("attributions", ("detail", "grounds")),
    ):
        rows = table(name)
        gone = {row["supersedes"] for row in rows}
        for fact in (row for row in rows if row["id"] not in gone and not row["withdrawn"]):
            of = incidents[fact["incident_id"]]
            of.texts += "".join(f" {fact[text]}" for text in texts if fact[text] is not None)
            for mark, word in _fact_marks(name, fact):
                of.marks.setdefault(mark, set()).add(word)
    for row in sorted(table("gradings"), key=lambda each: each["number"]):
        incidents[row["incident_id"]].marks["grading"] = {row["grade"]} - {None}
    rows = table("classifications")
    gone = {row["supersedes"] for row in rows}
    for row in (row for row in rows if row["id"] not in gone):
        incidents[row["incident_id"]].marks.setdefault("provision", set()).update(row["provisions"])
    kinds = {row["sha256"]: row["kind"] for row in table("blobs")}
    items = {row["id"]: _item(row, kinds.get(row["blob_sha256"])) for row in table("evidence")}
    blind = {row["id"]: row["round"] for row in table("evidence") if row["blind"] == "pending"}
    taken_back = {row["verdict_id"] for row in table("verdict_withdrawals")}
    for row in sorted(table("verdicts"), key=lambda each: each["version"]):
        is_hidden = row["evidence_id"] in blind and row["round"] >= blind[row["evidence_id"]]
        if row["id"] not in taken_back and not is_hidden:
            items[row["evidence_id"]].marks["verdict"] = {row["outcome"]}
    for link in links:
        items[link["evidence_id"]].linked.append(incidents[link["incident_id"]])
        incidents[link["incident_id"]].linked.append(items[link["evidence_id"]])
    in_order = [sorted(rows.values(), key=lambda row: (row.at, row.id)) for rows in (incidents, items)]
    return in_order[0], in_order[1]


def _incident(row: dict[str, Any]) -> Row:
    texts = [row[name] for name in ("title", "code", "external_reference", "place_name", "occurred_basis")]
    texts += row["administrative_units"]
    latitude, longitude = row["latitude_microdegrees"], row["longitude_microdegrees"]
    return Row(
        row["id"],
        row["created_at"],
        " ".join(text for text in texts if text is not None),
        {"kind": {row["kind"]}},
        row["occurred_from"],
        row["occurred_to"],
        point=None if latitude is None else (latitude / 1e6, longitude / 1e6),
    )


def _item(row: dict[str, Any], kind: str | None) -> Row:
    names = (
        "lead_address",
        "lead_claim",
        "collector",
        "source",
        "source_address",
        "claimed_place",
        "file_name",
        "notes",
    )
    labels = row["labels"]
    said = {"unlabelled"} if labels is None else {f"graphic_{labels['graphic_level']}"}
    said |= {name for name in ("child", "sexual_violence", "distressing_audio") if labels and labels[name]}
    marks = {"state": {row["state"]}, "label": said, "kind": {kind}}
    closed_at = row["closed_at"]
    return Row(
        row["id"],
        row["registered_at"],
        " ".join(row[name] for name in names if row[name] is not None),
        marks,
        row["claimed_from"],
        row["claimed_to"],
        is_closed=closed_at is not None and closed_at <= datetime.now(closed_at.tzinfo),
    )


def _fact_marks(table: str, fact: dict[str, Any]) -> list[tuple[str, str]]:
    if table == "casualty_counts":
        counts_some = fact["maximum"] is None or fact["maximum"] > 0
        return [("protected_person", fact["person_group"])] if counts_some else []
    if table == "affected_objects":
        is_protected = fact["special_protection"] == "protected"
        return [("object_kind", fact["object_kind"]), *([("protected_object", fact["object_kind"])] * is_protected)]
    if table == "weapon_identifications":
        return [("weapon", fact[name]) for name in ("reported_key", "normalised_key") if fact[name] is not None]
    if table == "circumstances" and fact["pattern"] is not None:
        return [("attack_pattern", fact["pattern"])]
    return []
