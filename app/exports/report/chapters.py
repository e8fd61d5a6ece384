"""The whole report in the order in which it is read, as blocks. From the entries, what is opened of them, and pictures.

Streams are read one after another; what stays in memory is a name for each, and of items with matches the story of the
match. So a report of any size is made in memory that grows by less than a kilobyte an item.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from app.exports.custody_streams import CustodyEntry
from app.exports.dossier import Dossier, package_name
from app.exports.events import StreamSpan
from app.exports.report.blocks import (
    Block,
    Cell,
    Cover,
    Facts,
    Heading,
    Picture,
    Pictures,
    Table,
    Words,
    cell,
    code,
    quote,
)
from app.exports.report.incident_blocks import case_fact_blocks, incident_blocks, incident_title, range_rows
from app.exports.report.item_blocks import item_blocks, item_title, timeline_blocks
from app.exports.report.pictures import PictureBook
from app.exports.report.stories import Act, CaseStory, IncidentStory, ItemStory, acts_of
from app.exports.report.wording import Names, moment, person_of, plural, text_of, words
from app.kernel.primitives import format_time

Story = TypeVar("Story", IncidentStory, ItemStory)
PICTURED_MATCHES = 200
_SCOPES = {
    "case": "a whole case: every item and incident that was registered in it",
    "incident": "one incident, with every item that was ever linked to it",
    "evidence": "one item",
    "selection": "a selection of one case's items and incidents; it does not claim to be all of them",
}
METHOD = """\
Everything in this report stands in the custody log (data/ledger/): each act was written into one append-only, signed \
log when it was done. Words that people wrote, names, addresses and places are sealed there, and shown here only as \
far as this package opens them.
A finding is one dimension's result with its reasons. A verdict is the item's outcome; another person reviews it and a \
third signs it off. A grading of an incident is a separate record. Verdicts are superseded, never edited.
People go by a pseudonym of this case. Casualties are ranges over sources, never sums of them.
Pictures are small renderings that the server made anew from decoded pixels. Those that show injured or dead people, \
children or sexual violence, and those that nobody has labelled, are blurred and grey."""
LIMITS = (
    "This shows custody since intake. It does not show that what a person stated is true, nothing that happened "
    "before intake, and nothing that was logged later. It says nothing about the law."
)


@dataclass(slots=True)
class _Pair:
    """A match of two items of the package, from one side's entries."""

    match: str
    first: str
    other: str
    found: Act
    decided: Act | None
    lost: Act | None


@dataclass(slots=True)
class _Small:
    """What is kept of an item for its matches."""

    title: str
    story: ItemStory


@dataclass(slots=True)
class _Totals:
    kinds: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    casualties: list[tuple[str, tuple[str, str, str, str]]] = field(default_factory=list)


class Report:
    """One package's report. ``title`` and ``running`` are known before the first block."""

    def __init__(self, dossier: Dossier) -> None:
        self._dossier = dossier
        self._book = PictureBook(dossier)
        self._names = Names()
        self._incidents = self._labelled("incident", "I")
        self._items = self._labelled("evidence", "E")
        self._case = CaseStory()
        for span in dossier.spans:
            if span.kind == "case":
                for act in acts_of(dossier.opened([span])):
                    self._case.take(act)
        self._names.names = self._case.names
        self._pairs: dict[str, _Pair] = {}
        self._small: dict[str, _Small] = {}
        self._totals = _Totals()
        self.title = self._title()
        self.running = f"Exhibit custody package {dossier.id} · {format_time(dossier.time)}"

    def _labelled(self, kind: str, letter: str) -> list[StreamSpan]:
        """The streams of one kind in the order of their first acts in the log; each gets its label."""
        spans = {span.stream: span for span in self._dossier.spans if span.kind == kind}
        firsts = self._dossier.entries([replace(span, entries=1) for span in spans.values()])
        order = sorted((entry.log_index or 0, entry.stream) for entry in firsts)
        for number, (_, stream) in enumerate(order, 1):
            self._names.labels[str(stream)] = f"{letter}-{number}"
        return [spans[stream] for _, stream in order]

    def _title(self) -> str:
        scope = self._dossier.scope
        if scope == "case" and self._case.stated.get("title"):
            return str(self._case.stated["title"])
        if scope == "incident" and self._incidents:
            entries = self._dossier.opened(self._incidents[:1])
            return incident_title(_told(IncidentStory(str(self._incidents[0].stream)), entries), "Incident")
        if scope == "evidence" and self._items:
            entries = self._dossier.opened(self._items[:1])
            return item_title(_told(ItemStory(str(self._items[0].stream)), entries), "Item")
        return f"Case {str(self._dossier.case_id)[:8]}"

    # --- chapters -----------------------------------------------------------------------------------------------------

    def blocks(self) -> Iterator[Block]:
        yield self._cover()
        yield from self._about()
        if self._dossier.scope == "case":
            yield from self._of_case()
        yield from self._of_incidents()
        yield from self._of_items()
        yield from self._of_matches()
        yield from self._figures()
        yield from self._verifying()

    def _cover(self) -> Cover:
        dossier = self._dossier
        opens = "all" if dossier.opens is None else ", ".join(map(words, sorted(dossier.opens))) or "none"
        rows = [
            ("Package", code(dossier.id)),
            ("Case", code(dossier.case_id)),
            ("Made", cell(moment(format_time(dossier.time)))),
            ("Scope", cell(_SCOPES[dossier.scope])),
            ("Holds", cell(f"{plural(len(self._items), 'item')}, {plural(len(self._incidents), 'incident')}")),
            ("Originals", cell("in the package" if dossier.has_media else "not in the package")),
            ("Opened fields", cell(opens)),
            ("Log", code(dossier.vkey.name)),
            ("Signed tree", cell(f"{dossier.inputs.tree_size} acts")),
        ]
        rows += self._asked()
        return Cover(self.title, "Report of a custody package, for people", rows, LIMITS)

    def _asked(self) -> list[tuple[str, Cell]]:
        """For whom and why, as the package's own act says it, which is the last one of every stream."""
        asked: Act | None = None
        if self._dossier.spans:
            for act in acts_of(self._dossier.opened(self._dossier.spans[:1])):
                asked = act
        if asked is None or asked.type != "export.created":
            return []
        rows = [(title, cell(words(asked.data[name]))) for name, title in _OF_EXPORT if asked.data.get(name)]
        return [*rows, ("Asked for by", cell(person_of(asked)))]

    def _about(self) -> Iterator[Block]:
        yield Heading(0, "Scope and method")
        for text in METHOD.splitlines():
            yield Words(text)
        if self._dossier.opens == frozenset():
            yield Words("This package opens no sealed field: names, texts and places are not shown.", "warning")
        if not self._dossier.has_media:
            yield Words("This package was made without originals; this report has no pictures.", "small")

    def _of_case(self) -> Iterator[Block]:
        case = self._case
        yield Heading(0, "The case")
        if case.stated.get("description"):
            yield Words(case.stated["description"], "quote")
        yield Heading(2, "People")
        rows = [
            [
                cell(f"P-{person[:8]}"),
                code(person),
                quote(case.names.get(person, "")),
                cell(", ".join(map(words, sorted(roles))) or "left"),
            ]
            for person, roles in case.roles.items()
        ]
        yield Table(["Called", "Pseudonym", "Name", "Roles now"], [16, 40, 22, 22], rows)
        yield from case_fact_blocks(case, self._names)
        yield from timeline_blocks(case.timeline, "case", "The case's own acts")

    def _of_incidents(self) -> Iterator[Block]:
        if self._incidents:
            yield Heading(0, "Incidents")
        for span, entries in self._dossier.opened_streams(self._incidents):
            story = _told(IncidentStory(str(span.stream)), entries)
            label = self._names.labels[story.stream]
            yield from incident_blocks(story, label, self._names)
            yield from timeline_blocks(story.timeline, "incident")
            self._totals.kinds[words(story.stated.get("kind")) or "not stated"] += 1
            self._totals.grades.update(words(act.data["grade"]) for act in story.gradings.values())
            if len(self._totals.casualties) < PICTURED_MATCHES:
                self._totals.casualties += [(label, row) for row in range_rows(story)]

    def _of_items(self) -> Iterator[Block]:
        if self._items:
            yield Heading(0, "Evidence items")
        for span, entries in self._dossier.opened_streams(self._items):
            story = _told(ItemStory(str(span.stream)), entries)
            label = self._names.labels[story.stream]
            pictures = self._book.contact_sheet(story)
            why = None if pictures else self._book.why_none(story) or NO_PICTURE
            yield from item_blocks(story, label, self._names, pictures, why)
            yield from timeline_blocks(story.timeline, "evidence")
            self._note(story, label)

    def _note(self, story: ItemStory, label: str) -> None:
        totals = self._totals
        totals.states["in quarantine" if story.is_quarantined else words(story.state)] += 1
        standing = [act for act in story.verdicts if act.type == "evidence.submitted"]
        totals.outcomes[words(standing[-1].data["outcome"]) if standing else "no verdict"] += 1
        for match, found in story.matches.items():
            other = found.data["evidence"]
            if other in self._names.labels and match not in self._pairs:
                self._pairs[match] = _Pair(
                    match, story.stream, other, found, story.decisions.get(match), story.lost.get(match)
                )
        if story.matches:
            small = ItemStory(story.stream, collected=story.collected, state=story.state, labels=story.labels)
            small.renditions, small.is_quarantined = story.renditions, story.is_quarantined
            self._small[story.stream] = _Small(item_title(story, label), small)

    def _of_matches(self) -> Iterator[Block]:
        if not self._pairs:
            return
        yield Heading(0, "Matches")
        yield Words(
            "Pairs of items of this package in which the same pictures were found, and what people decided about them. "
            "A match is not a statement about a person or an event.",
            "small",
        )
        for number, pair in enumerate(self._pairs.values(), 1):
            first, other = self._small.get(pair.first), self._small.get(pair.other)
            label, against = self._names.labels[pair.first], self._names.labels[pair.other]
            yield Heading(1, f"M-{number} · {label} and {against}", f"m-{pair.match}")
            if number <= PICTURED_MATCHES:
                shown = [self._beside(first, other), self._beside(other, first)]
                pictures = [each for each in shown if each is not None]
                if pictures:
                    yield Pictures(pictures)
            yield Facts(list(self._match_rows(pair)))
        if len(self._pairs) > PICTURED_MATCHES:
            yield Words(f"Only the first {PICTURED_MATCHES} matches are shown with pictures.", "small")

    def _beside(self, item: _Small | None, other: _Small | None) -> Picture | None:
        if item is None:
            return None
        return self._book.small(item.story, item.title, beside=None if other is None else other.story)

    def _match_rows(self, pair: _Pair) -> Iterator[tuple[str, Cell]]:
        data = pair.found.data
        yield "Match", code(pair.match)
        yield (
            "Items",
            Cell(f"{self._names.labels[pair.first]} {pair.first}\n{self._names.labels[pair.other]} {pair.other}"),
        )
        yield "Found", cell(f"{words(data['tier'])}, {moment(pair.found.time)}")
        if pair.lost is not None:
            yield "Found no longer", cell(f"{words(pair.lost.data['because'])}, {moment(pair.lost.time)}")
        ground = _ground(data)
        if ground:
            yield "Ground", cell(ground)
        if data.get("transformation") not in (None, "identity"):
            yield "Transformation", cell(words(data["transformation"]))
        if data.get("spans"):
            query, reference = data.get("query"), pair.other if data.get("query") == pair.first else pair.first
            named = [self._names.labels.get(str(each), "the other") for each in (query, reference)]
            yield "Aligned", cell("\n".join(_span_words(each, *named) for each in data["spans"]))
        if pair.decided is None:
            yield "Decision", cell("none yet")
            return
        act = pair.decided
        subject = self._names.labels.get(act.data["subject"], act.data["subject"])
        yield "Decision", cell(f"{subject} is: {words(act.data['relation'])}, {person_of(act)}, {moment(act.time)}")
        if text_of(act, "reason"):
            yield "Reason", quote(text_of(act, "reason"))

    def _figures(self) -> Iterator[Block]:
        totals = self._totals
        if not (self._items or self._incidents):
            return
        yield Heading(0, "Figures")
        yield Words(f"Counts of what is in this package, as of {moment(format_time(self._dossier.time))}.", "small")
        for title, counted in (
            ("Incidents by kind", totals.kinds),
            ("Gradings in force", totals.grades),
            ("Items by state", totals.states),
            ("Items by their last verdict", totals.outcomes),
        ):
            if counted:
                yield Heading(2, title)
                rows = [[cell(name), cell(number)] for name, number in sorted(counted.items())]
                yield Table(["Which", "How many"], [70, 30], rows)
        if totals.casualties:
            yield Heading(2, "Casualties by incident")
            yield Words("Each line is a range over the sources of one incident. Lines are not added.", "small")
            rows = [[cell(label), *map(cell, row)] for label, row in totals.casualties]
            yield Table(["Incident", "Outcome", "Group", "Range", "Sources"], [16, 22, 26, 22, 14], rows)

    def _verifying(self) -> Iterator[Block]:
        yield Heading(0, "How to verify this")
        for text in VERIFYING.splitlines():
            yield Words(text)
        yield Words("python3 -I verify.py PACKAGE.zip --key 'NAME+HASH+KEY'", "code")
        given_out = f"{package_name(self._dossier.scope, self._dossier.id)}.zip"
        yield Words(f"PACKAGE.zip is the file that this report came in, as it is: when it was given out, {given_out}.")
        yield Words("By hand: unpack it, go into its one folder, and there", "small")
        yield Words("sha256sum -c manifest-sha256.txt && sha256sum -c tagmanifest-sha256.txt", "code")
        yield Words(
            "The report itself is a reading copy: what proves is data/ledger/. The seal (seal/entry.json) names the "
            "digest of the manifest, and the manifest that of this file: the first command finds a changed report.",
        )
        yield Words(LIMITS, "small")


def _told(story: Story, entries: Iterable[tuple[CustodyEntry, Mapping[str, bytes]]]) -> Story:
    """The story with all of these acts."""
    for act in acts_of(entries):
        story.take(act)
    return story


NO_PICTURE = "No picture could be made of this file."
_OF_EXPORT = (("audience", "For"), ("purpose", "Purpose"))
VERIFYING = """\
Get the log's public key (one line, NAME+HASH+KEY) and, if you can, verify.py from somewhere else than this package, \
over a way that you trust. A copy of the program lies in data/verify/; read it before you run it.
Everything at once, with Python 3.11 or newer and no network. Exit status 0: all is as it was logged and sealed."""


def _ground(data: Mapping[str, Any]) -> str:
    """The strongest ground, as the entry has it."""
    if data.get("distance_bits") is not None:
        return f"{data.get('algorithm')}: {data['distance_bits']} of at most {data.get('threshold_bits')} bits apart"
    if data.get("inliers") is not None:
        return (
            f"{data.get('algorithm')}: {data['inliers']} points lie alike, of at least {data.get('threshold_inliers')}"
        )
    return "the same bytes" if data.get("tier") == "exact" else str(data.get("algorithm") or "")


def _span_words(span: list[int], query: str, reference: str) -> str:
    first, last, begin, end = (each / 1000 for each in span)
    return f"seconds {first:.1f}-{last:.1f} of {query} are {begin:.1f}-{end:.1f} of {reference}"
