"""One incident's chapter: what was stated, its facts by kind, gradings, evidence, and its acts. Pure."""

from collections.abc import Callable, Iterator, Sequence

from app.exports.report.blocks import Block, Cell, Facts, Heading, Table, Words, cell, code, quote
from app.exports.report.stories import Act, CaseStory, IncidentStory
from app.exports.report.wording import (
    CLOSED,
    Names,
    bounds,
    count,
    moment,
    opened,
    person_of,
    place,
    plain,
    span,
    text_of,
    words,
)
from app.facts.ranges import Bounds, Count, Victims, fold_counts
from app.facts.words import CasualtyOutcome, Comparator, PersonGroup

Columns = Sequence[tuple[str, int, Callable[[Act, Names], Cell]]]


def incident_title(story: IncidentStory, label: str) -> str:
    parts = [label, *(story.stated[name] for name in ("code", "title") if story.stated.get(name))]
    return " · ".join(parts) if len(parts) > 1 else f"{label} · incident {story.stream[:8]}"


def incident_blocks(story: IncidentStory, label: str, names: Names) -> Iterator[Block]:
    yield Heading(1, incident_title(story, label), f"s-{story.stream}")
    yield Facts(list(_stated(story)))
    yield from _casualties(story, names)
    for kind, (title, columns) in FACT_TABLES.items():
        yield from fact_table(title, columns, story.facts_of(kind), names)
    for kind in sorted({act.data["kind"] for act in story.facts.values()} - {*FACT_TABLES, "casualty_count"}):
        yield from fact_table(words(kind).capitalize(), _OTHER, story.facts_of(kind), names)
    yield from _judgements(story)
    if story.evidence:
        yield Heading(2, "Evidence linked")
        rows = [
            [
                names.thing(item),
                cell("shows it" if act.data["depicts"] else "about it"),
                cell(_counted(act)),
                quote(text_of(act, "note")),
            ]
            for item, act in story.evidence.items()
        ]
        yield Table(["Item", "How", "Counted", "Note"], [30, 14, 16, 40], rows)


def _stated(story: IncidentStory) -> Iterator[tuple[str, Cell]]:
    stated = story.stated
    yield "Id", code(story.stream)
    yield "Kind", cell(words(stated.get("kind")) or "not stated")
    yield "Occurred", cell(span(stated.get("occurred_from"), stated.get("occurred_to")) or "not stated")
    if stated.get("occurred_zone"):
        yield "Zone", cell(stated["occurred_zone"])
    if stated.get("occurred_basis"):
        yield "Basis of the time", quote(stated["occurred_basis"])
    if "place" in stated:
        yield "Place", quote(place(stated["place"]))
    elif story.registered is not None and "place" in story.registered.closed:
        yield "Place", cell(CLOSED)
    if stated.get("place_precision"):
        yield "Precision", cell(words(stated["place_precision"]))
    if stated.get("external_reference"):
        yield "Reference", quote(stated["external_reference"])


def _counted(act: Act) -> str:
    segment = act.data.get("segment_ms")
    part = f", {segment[0] / 1000:.1f}-{segment[1] / 1000:.1f} s" if segment else ""
    return ("counted" if act.data["counted"] else "not counted") + part


# --- casualties -------------------------------------------------------------------------------------------------------


def casualty_ranges(story: IncidentStory) -> dict[Victims, Bounds]:
    """As ``app.facts.ranges`` folds them: of each outcome and group the hull of what sources say."""
    found = []
    for act in story.facts_of("casualty_count"):
        stated = act.data["stated"]
        victims = Victims(CasualtyOutcome(stated["outcome"]), PersonGroup(stated["person_group"]))
        found.append(Count(victims, Comparator(stated["comparator"]), stated["minimum"], stated.get("maximum")))
    return fold_counts(found)


def range_rows(story: IncidentStory) -> list[tuple[str, str, str, str]]:
    """Outcome, group, range, sources."""
    return [
        (words(of.outcome), words(of.person_group), bounds(found.minimum, found.maximum), str(found.sources))
        for of, found in casualty_ranges(story).items()
    ]


def _casualties(story: IncidentStory, names: Names) -> Iterator[Block]:
    rows = range_rows(story)
    if not rows:
        return
    yield Heading(2, "Casualties")
    yield Words(
        "Ranges over all sources, never sums of them. Groups overlap (a child is a civilian too) and are not added.",
        "small",
    )
    yield Table(["Outcome", "Group", "Range", "Sources"], [25, 30, 30, 15], [[*map(cell, row)] for row in rows])
    yield from fact_table("As each source says", _COUNTS, story.facts_of("casualty_count"), names)


# --- facts by kind ----------------------------------------------------------------------------------------------------


def fact_table(title: str, columns: Columns, acts: Sequence[Act], names: Names) -> Iterator[Block]:
    if acts:
        yield Heading(2, title)
        rows = [[shown(act, names) for _, _, shown in columns] for act in acts]
        yield Table([name for name, _, _ in columns], [share for _, share, _ in columns], rows)


def _word(*path: str) -> Callable[[Act, Names], Cell]:
    return lambda act, _: cell(" ".join(filter(None, (words(plain(act.data["stated"].get(name))) for name in path))))


def _text(*path: str) -> Callable[[Act, Names], Cell]:
    return lambda act, _: quote("\n".join(filter(None, (text_of(act, name) for name in path))))


def _named(member: str) -> Callable[[Act, Names], Cell]:
    return lambda act, names: quote(names.organisation(act.data["stated"].get(member)))


def _source(act: Act, names: Names) -> Cell:
    parts = [names.organisation(act.data.get("source_organisation")), text_of(act, "source")]
    parts.append(act.data.get("source_published_on") or "")
    if act.data.get("source_evidence"):
        parts.append(f"copy: {names.thing(act.data['source_evidence']).text}")
    return quote("\n".join(filter(None, parts)))


def _said(act: Act, _: Names) -> Cell:
    stated = act.data["stated"]
    return cell(count(stated["comparator"], stated["minimum"], stated.get("maximum")))


def _protection(act: Act, _: Names) -> Cell:
    stated = act.data["stated"]
    codes = plain(stated.get("protected_by"))
    return quote(
        "\n".join(filter(None, (words(stated.get("special_protection")), codes, text_of(act, "protection_basis"))))
    )


def _weapon(act: Act, _: Names) -> Cell:
    reported, meant = text_of(act, "reported"), text_of(act, "normalised")
    told = [reported, f"meant: {meant}" if meant and meant != reported else "", text_of(act, "normalisation_note")]
    return quote("\n".join(filter(None, told)))


def _circumstance(act: Act, _: Names) -> Cell:
    stated = act.data["stated"]
    if stated.get("distance_m") is not None:
        return cell(f"{stated['distance_m']} m ± {stated['uncertainty_m']} m, {words(stated.get('distance_method'))}")
    return cell(words(stated.get("objective") or stated.get("pattern")))


def _stated_words(act: Act, _: Names) -> Cell:
    return cell(plain({name: value for name, value in act.data["stated"].items() if value is not None}))


def _opened_texts(act: Act, _: Names) -> Cell:
    return quote("\n".join(plain(value) for name, value in act.opened.items() if name != "source"))


def _other_incident(act: Act, names: Names) -> Cell:
    return names.thing(act.data["stated"].get("other_incident_id"))


_COUNTS: Columns = (
    ("Outcome, group", 24, _word("outcome", "person_group")),
    ("Count", 16, _said),
    ("As reported", 32, _text("as_reported")),
    ("Source", 28, _source),
)
_OTHER: Columns = (("Stated", 36, _stated_words), ("Texts", 40, _opened_texts), ("Source", 24, _source))
FACT_TABLES: dict[str, tuple[str, Columns]] = {
    "affected_object": (
        "Affected objects",
        (
            ("Kind", 16, _word("object_kind")),
            ("Name, part", 26, _text("name", "part")),
            ("Damage", 12, _word("damage")),
            ("Protection", 24, _protection),
            ("Source", 22, _source),
        ),
    ),
    "weapon_identification": (
        "Weapons",
        (
            ("Category", 16, _word("category")),
            ("As reported", 30, _weapon),
            ("By", 18, _named("identified_by_id")),
            ("Method, confidence", 16, _word("method", "confidence")),
            ("Source", 20, _source),
        ),
    ),
    "attribution": (
        "Attribution",
        (
            ("Party", 18, _named("party_id")),
            ("Level", 14, _word("level")),
            ("Who in it", 16, _text("detail")),
            ("By, confidence", 18, lambda act, names: quote(_attributed(act, names))),
            ("Grounds", 34, _text("grounds")),
        ),
    ),
    "circumstance": (
        "Circumstances",
        (
            ("Aspect", 22, _word("aspect")),
            ("Stated", 26, _circumstance),
            ("Basis", 30, _text("basis")),
            ("Source", 22, _source),
        ),
    ),
    "related_incident": (
        "Related incidents",
        (("Relation", 24, _word("relation")), ("Incident", 36, _other_incident), ("Basis", 40, _text("basis"))),
    ),
}


def _attributed(act: Act, names: Names) -> str:
    stated = act.data["stated"]
    return "\n".join(
        filter(None, (names.organisation(stated.get("attributed_by_id")), words(stated.get("confidence"))))
    )


# --- judgements -------------------------------------------------------------------------------------------------------


def _judgements(story: IncidentStory) -> Iterator[Block]:
    rows: list[tuple[str, str, str, Act]] = []
    for act in story.gradings.values():
        origins = bounds(act.data["origins_at_least"], act.data["origins_at_most"])
        told = f"{len(act.data['verdicts'])} verdicts, independent origins: {origins}"
        rows.append(("grading", words(act.data["grade"]), told, act))
    rows += [("standard of proof", words(act.data["standard"]), "", act) for act in story.standards.values()]
    for act in story.classifications.values():
        rows.append(("classification", words(act.data["qualifier"]), ", ".join(act.data["provisions"]), act))
    if rows:
        yield Heading(2, "Gradings, standards, classifications")
        shown = [
            [
                cell(kind),
                cell(word),
                quote("\n".join(filter(None, (told, text_of(act, "rationale"))))),
                cell(f"{person_of(act)}, {moment(act.time)}"),
            ]
            for kind, word, told, act in rows
        ]
        yield Table(["What", "Which", "On what", "By, when"], [18, 18, 40, 24], shown)


# --- the case's own facts ---------------------------------------------------------------------------------------------


def case_fact_blocks(case: CaseStory, names: Names) -> Iterator[Block]:
    for kind, (title, columns) in CASE_TABLES.items():
        yield from fact_table(title, columns, case.facts_of(kind), names)


def _years(act: Act, _: Names) -> Cell:
    stated = act.data["stated"]
    first, last = (
        stated.get("valid_from") or stated.get("period_from"),
        stated.get("valid_to") or stated.get("period_to"),
    )
    return cell(" to ".join(filter(None, (moment(plain(first)), moment(plain(last)) or "open"))))


def _opened_cell(name: str) -> Callable[[Act, Names], Cell]:
    return lambda act, _: opened(act, name) or cell("")


CASE_TABLES: dict[str, tuple[str, Columns]] = {
    "organisation": (
        "Organisations",
        (
            ("Name", 34, _text("name", "short_name")),
            ("Kind", 22, _word("organisation_kind")),
            ("Also", 24, _opened_cell("aliases")),
            ("Address", 20, _opened_cell("address")),
        ),
    ),
    "territory_control": (
        "Who held which area",
        (
            ("Area", 28, _opened_cell("area")),
            ("Control", 16, _word("control")),
            ("By", 20, _named("controller_id")),
            ("When", 18, _years),
            ("Source", 18, _source),
        ),
    ),
    "external_statistic": (
        "Figures of other organisations",
        (
            ("Figure", 18, _opened_cell("figure")),
            ("Counts", 30, _opened_cell("counts")),
            ("Area", 16, _opened_cell("area")),
            ("Period", 16, _years),
            ("Source", 20, _source),
        ),
    ),
}
