"""The entries of one stream, folded into what they say together: an item's, an incident's, the case's story. Pure.

Nothing else is read: what is not in the entries, or not opened in them, cannot come into a report. Memory is that of
one stream, and of a long one only its first acts are kept one by one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.exports.custody_streams import CustodyEntry

ACTS_KEPT = 400
"""Of one stream, for its timeline."""
_STATES = {
    "evidence.lead_registered": "lead",
    "evidence.declined": "declined",
    "evidence.collected": "collected",
    "evidence.preserved": "preserved",
    "evidence.quarantined": "quarantined",
    "evidence.verification_opened": "in_verification",
    "evidence.submitted": "awaiting_peer_review",
    "evidence.withdrawn": "in_verification",
    "evidence.changes_requested": "in_verification",
    "evidence.concurred": "awaiting_sign_off",
    "evidence.dissented": "disputed",
    "evidence.signed_off": "signed_off",
    "evidence.returned": "in_verification",
    "evidence.reopened": "in_verification",
    "evidence.destroyed": "destroyed",
}
REVIEWS = frozenset(
    f"evidence.{word}"
    for word in ("changes_requested", "concurred", "dissented", "adjudicated", "signed_off", "returned", "reopened")
)
_ONE_OF = {
    "incident.graded": ("gradings", "grading_id", "grade"),
    "incident.standard_reached": ("standards", "standard_id", "standard"),
    "incident.classified": ("classifications", "classification_id", "qualifier"),
}


@dataclass(frozen=True, slots=True)
class Act:
    """One entry with what is opened of it. ``type`` is "withheld" of one whose body was erased."""

    seq: int
    commitment: str
    type: str
    time: str
    occurred: str
    actor: str
    actor_kind: str
    role: str | None
    object: Mapping[str, Any]
    data: Mapping[str, Any]
    opened: Mapping[str, Any]
    closed: frozenset[str]
    """The names of the sealed fields that stay closed."""


def act_of(entry: CustodyEntry, lines: Mapping[str, bytes]) -> Act:
    if entry.body is None:
        return Act(entry.seq, entry.commitment, "withheld", "", "", "", "", None, {}, {}, {}, frozenset())
    value = json.loads(entry.body)
    opened = {name: json.loads(line)["value"] for name, line in lines.items()}
    actor = value["actor"]
    return Act(
        entry.seq,
        entry.commitment,
        value["type"],
        value["time"],
        value["occurred"],
        actor["id"],
        actor["kind"],
        actor["role"],
        value["object"],
        value["data"],
        opened,
        frozenset(value["sealed"]) - opened.keys(),
    )


@dataclass(slots=True)
class Timeline:
    """Acts in order; of a long stream the first ones, and how many more there are."""

    acts: list[Act] = field(default_factory=list)
    more: int = 0

    def take(self, act: Act) -> None:
        if len(self.acts) < ACTS_KEPT:
            self.acts.append(act)
        else:
            self.more += 1


@dataclass(slots=True)
class Rendition:
    """A small picture that was made of an item: which, and the digest of its bytes."""

    derivative: str
    sha256: str


@dataclass(slots=True)
class ItemStory:
    stream: str
    timeline: Timeline = field(default_factory=Timeline)
    registered: Act | None = None
    """Its first act."""
    collected: Act | None = None
    state: str = "lead"
    is_quarantined: bool = False
    labels: Mapping[str, Any] | None = None
    corrections: list[Act] = field(default_factory=list)
    renditions: dict[str, Rendition] = field(default_factory=dict)
    """The newest of each kind."""
    checks: list[Act] = field(default_factory=list)
    findings: dict[str, Act] = field(default_factory=dict)
    """Those that no other supersedes."""
    verdicts: list[Act] = field(default_factory=list)
    reviews: dict[str, list[Act]] = field(default_factory=dict)
    """Verdict → acts on it."""
    incidents: dict[str, Act] = field(default_factory=dict)
    matches: dict[str, Act] = field(default_factory=dict)
    """The newest word on each match, as it was found."""
    lost: dict[str, Act] = field(default_factory=dict)
    """Of those that are found no longer."""
    decisions: dict[str, Act] = field(default_factory=dict)

    @property
    def sha256(self) -> str | None:
        return None if self.collected is None else self.collected.object.get("sha256")

    @property
    def is_clear(self) -> bool:
        """Whether people said that it shows nothing from which a reader is spared."""
        labels = self.labels
        return (
            labels is not None
            and labels.get("graphic_level") == "none"
            and not (labels.get("child") or labels.get("sexual_violence"))
        )

    def take(self, act: Act) -> None:
        self.timeline.take(act)
        self.registered = self.registered or act
        kind, data = act.type, act.data
        if kind == "evidence.quarantined":
            self.is_quarantined = True
        elif kind == "evidence.released_from_quarantine":
            self.is_quarantined = False
        else:
            self.state = data.get("leads_to", "") if kind == "evidence.adjudicated" else _STATES.get(kind, self.state)
        if kind == "evidence.collected":
            self.collected = act
        elif kind == "evidence.labelled":
            self.labels = data["labels"]
        elif kind == "evidence.corrected":
            self.corrections.append(act)
        elif kind == "evidence.derived":
            self.renditions[data["kind"]] = Rendition(act.object["id"], act.object["sha256"])
        elif kind in ("evidence.preserved", "evidence.integrity_checked", "evidence.quarantined"):
            self.checks.append(act)
        elif kind == "evidence.linked_to_incident":
            self.incidents[data["incident"]] = act
        elif kind == "evidence.unlinked":
            self.incidents.pop(data["incident"], None)
        self._take_verification(act)

    def _take_verification(self, act: Act) -> None:
        kind, data = act.type, act.data
        if kind == "evidence.finding_recorded":
            self.findings.pop(data.get("supersedes") or "", None)
            self.findings[data["finding_id"]] = act
        elif kind in ("evidence.submitted", "evidence.second_submitted"):
            self.verdicts.append(act)
        elif kind in REVIEWS:
            self.reviews.setdefault(data["verdict_id"], []).append(act)
        elif kind == "evidence.matched" and "match" in data:
            self.matches[data["match"]] = act
            self.lost.pop(data["match"], None)
        elif kind == "evidence.match_lost" and "match" in data:
            self.lost[data["match"]] = act
        elif kind == "evidence.match_decided":
            self.decisions[data["match"]] = act


@dataclass(slots=True)
class IncidentStory:
    stream: str
    timeline: Timeline = field(default_factory=Timeline)
    registered: Act | None = None
    stated: dict[str, Any] = field(default_factory=dict)
    """What was stated last: open words and opened fields."""
    facts: dict[str, Act] = field(default_factory=dict)
    """By the id of their first version, the version that stands."""
    evidence: dict[str, Act] = field(default_factory=dict)
    gradings: dict[str, Act] = field(default_factory=dict)
    standards: dict[str, Act] = field(default_factory=dict)
    classifications: dict[str, Act] = field(default_factory=dict)
    _withdrawn: set[str] = field(default_factory=set)

    def take(self, act: Act) -> None:
        self.timeline.take(act)
        self.registered = self.registered or act
        kind, data = act.type, act.data
        if kind in ("incident.created", "incident.updated"):
            self.stated |= {**data, **act.opened}
        elif kind in ("incident.fact_recorded", "incident.fact_superseded"):
            _take_fact(self.facts, act)
        elif kind == "incident.evidence_linked":
            self.evidence[data["evidence"]] = act
        elif kind == "incident.evidence_unlinked":
            self.evidence.pop(data["evidence"], None)
        elif kind == "incident.consent_withdrawn" and data.get("testimony"):
            self._withdrawn.add(data["testimony"])
        elif kind in _ONE_OF:
            name, own, states = _ONE_OF[kind]
            kept: dict[str, Act] = getattr(self, name)
            kept.pop(data.get("supersedes") or "", None)
            if data.get(states) is not None:
                kept[data[own]] = act

    def facts_of(self, kind: str) -> list[Act]:
        """In the order in which they were first stated; no testimony whose consent was withdrawn."""
        found = (act for fact, act in self.facts.items() if fact not in self._withdrawn)
        return [act for act in found if act.data["kind"] == kind]


def _take_fact(facts: dict[str, Act], act: Act) -> None:
    """One that states nothing withdraws it."""
    if act.data.get("stated") is None:
        facts.pop(act.data["fact"], None)
    else:
        facts[act.data["fact"]] = act


@dataclass(slots=True)
class CaseStory:
    """``names``: of people by pseudonym, and of organisations by the id of their fact, as far as they are opened."""

    timeline: Timeline = field(default_factory=Timeline)
    stated: dict[str, Any] = field(default_factory=dict)
    roles: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Act] = field(default_factory=dict)

    def take(self, act: Act) -> None:
        self.timeline.take(act)
        data, opened = act.data, act.opened
        if act.type in ("case.created", "case.updated"):
            self.stated |= opened
        elif act.type == "case.member_granted":
            self.roles.setdefault(data["account"], set()).add(data["role"])
            if "name" in opened:
                self.names[data["account"]] = opened["name"]
        elif act.type == "case.member_revoked":
            self.roles.setdefault(data["account"], set()).discard(data["role"])
        elif act.type in ("case.fact_recorded", "case.fact_superseded"):
            _take_fact(self.facts, act)
            if data["kind"] == "organisation" and "name" in opened:
                self.names[data["fact"]] = opened["name"]

    def facts_of(self, kind: str) -> list[Act]:
        return [act for act in self.facts.values() if act.data["kind"] == kind]


def acts_of(entries: Iterable[tuple[CustodyEntry, Mapping[str, bytes]]]) -> Iterator[Act]:
    for entry, lines in entries:
        yield act_of(entry, lines)
