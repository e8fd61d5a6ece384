"""One item's chapter: contact sheet, how it came, checks, findings, verdicts and what others said of them. Pure."""

from collections.abc import Iterator, Sequence

from app.exports.report.blocks import Block, Cell, Facts, Heading, Picture, Pictures, Table, Words, cell, code, quote
from app.exports.report.stories import Act, ItemStory, Timeline
from app.exports.report.wording import (
    Names,
    act_words,
    megabytes,
    moment,
    opened,
    person_of,
    plain,
    span,
    text_of,
    words,
)

TIMELINE_ROWS = 120
_GIVEN = (
    ("collector", "Collected by"),
    ("source", "Source"),
    ("source_address", "Address"),
    ("file_name", "File name"),
    ("claimed_place", "Claimed place"),
    ("notes", "Notes"),
)
_SAID_OF_ACT = (
    "outcome",
    "purpose",
    "reason_code",
    "rendering",
    "dimension",
    "relation",
    "tier",
    "role",
    "scope",
    "kind",
)


def item_title(story: ItemStory, label: str) -> str:
    name = None if story.collected is None else story.collected.opened.get("file_name")
    return f"{label} · {name}" if name else f"{label} · item {story.stream[:8]}"


def item_blocks(
    story: ItemStory, label: str, names: Names, pictures: Sequence[Picture], why_none: str | None
) -> Iterator[Block]:
    yield Heading(1, item_title(story, label), f"s-{story.stream}")
    if pictures:
        yield Pictures(pictures)
    elif why_none:
        yield Words(why_none, "small")
    yield Facts(list(_about(story, names)))
    yield from _corrections(story)
    yield from _findings(story)
    yield from _verdicts(story, names)


def _about(story: ItemStory, names: Names) -> Iterator[tuple[str, Cell]]:
    yield "Id", code(story.stream)
    state = "in quarantine" if story.is_quarantined else words(story.state)
    yield "State", cell(state)
    came = story.collected
    if came is None:
        first = story.registered
        for name, title in (("address", "Address"), ("claim", "Claim")):
            shown = None if first is None else opened(first, name)
            if shown is not None:
                yield title, shown
        return
    if "sha256" in came.object:
        yield "SHA-256", code(came.object["sha256"])
    type_of = came.data.get("media_type_sniffed") or "of no known type"
    yield "File", cell(f"{type_of}, {megabytes(came.object.get('size'))}")
    tool = came.data.get("tool")
    how = words(came.data["method"]) + (f", with {tool}" if tool else "")
    yield "Acquired", cell(f"{moment(came.data['acquired_at'])}, by {how}")
    for name, title in _GIVEN:
        shown = opened(came, name)
        if shown is not None:
            yield title, shown
    if "claimed_from" in came.opened or "claimed_to" in came.opened:
        yield "Claimed date", quote(span(came.opened.get("claimed_from"), came.opened.get("claimed_to")))
    yield "Labels", cell(_labels(story))
    yield "Integrity", cell(_integrity(story))
    for incident, act in story.incidents.items():
        named = names.thing(incident)
        more = "" if act.data["depicts"] else " (about it, does not show it)"
        yield "Incident", Cell(named.text + more, named.is_code, anchor=named.anchor)


def _labels(story: ItemStory) -> str:
    labels = story.labels
    if labels is None:
        return "none yet: nobody has said what it shows"
    told = [f"graphic: {words(labels.get('graphic_level'))}"]
    told += [words(name) for name in ("child", "sexual_violence", "distressing_audio") if labels.get(name)]
    return ", ".join(told)


def _integrity(story: ItemStory) -> str:
    """What re-reading the stored bytes gave, the last time said in full."""
    if not story.checks:
        return "not read back yet"
    last = story.checks[-1]
    told = f"{words(last.data.get('outcome'))} at {moment(last.time)}"
    return told if len(story.checks) == 1 else f"{told}; checked {len(story.checks)} times"


def _corrections(story: ItemStory) -> Iterator[Block]:
    if story.corrections:
        yield Heading(2, "Corrected later")
        rows = [
            [
                cell(", ".join(map(words, act.data["fields"]))),
                quote(text_of(act, "old")),
                quote(text_of(act, "new")),
                cell(f"{person_of(act)}, {moment(act.time)}"),
            ]
            for act in story.corrections
        ]
        yield Table(["Field", "Before", "Now", "By, when"], [16, 28, 28, 28], rows)


def _findings(story: ItemStory) -> Iterator[Block]:
    if story.findings:
        yield Heading(2, "Findings")
        yield Table(
            ["Dimension", "Result", "By methods", "Why", "By, when"],
            [13, 17, 16, 32, 22],
            [_finding(act) for act in story.findings.values()],
        )


def _finding(act: Act) -> list[Cell]:
    data = act.data
    result = [words(data["result"]), f"confidence: {words(data['confidence'])}"]
    if data.get("precision"):
        result.append(f"precision: {words(data['precision'])}")
    if data.get("time_from") or data.get("time_to"):
        result.append(span(data.get("time_from"), data.get("time_to")))
    why = [text_of(act, "rationale"), text_of(act, "time_basis")]
    if "point" in act.opened:
        why.append(f"point: {plain(act.opened['point'])}")
    references = act.opened.get("references")
    if references:
        why += [f"→ {plain(each)}" for each in references]
    second = " (second verifier)" if data.get("place") == "second" else ""
    return [
        cell(words(data["dimension"])),
        cell("\n".join(result)),
        cell("\n".join(map(words, data["methods"]))),
        quote("\n".join(filter(None, why))),
        cell(f"{person_of(act)}{second}\n{moment(act.time)}\nround {data['round']}"),
    ]


def _verdicts(story: ItemStory, names: Names) -> Iterator[Block]:
    if not story.verdicts:
        return
    yield Heading(2, "Verdicts")
    for act in story.verdicts:
        yield Table(["Verdict", "Why", "By, when"], [24, 48, 28], _verdict_rows(act, story, names))
    if any(act.data.get("self_reviewed") for act in story.verdicts):
        yield Words("SELF-REVIEWED: author and reviewer of a verdict are one person.", "warning")


def _verdict_rows(act: Act, story: ItemStory, names: Names) -> list[list[Cell]]:
    data = act.data
    told = [words(data["outcome"]).upper()]
    if act.type == "evidence.second_submitted":
        told.append("by a second verifier, blind")
    else:
        told.append(f"version {data['verdict_version']}")
        told.append(
            "signed with the author's own key" if data.get("dsse_sha256") else "not signed by a key of the author's"
        )
        if data.get("incident"):
            told.append(f"for {names.thing(data['incident']).text}")
        if data.get("supersedes"):
            told.append("supersedes an earlier one")
    rows = [[cell("\n".join(told)), quote(text_of(act, "rationale")), cell(f"{person_of(act)}\n{moment(act.time)}")]]
    if act.type == "evidence.submitted":
        rows += [
            [
                cell(f"→ {act_words(review.type, 'evidence')}"),
                quote(text_of(review, "comment")),
                cell(f"{person_of(review)}\n{moment(review.time)}"),
            ]
            for review in story.reviews.get(data["verdict_id"], [])
        ]
    return rows


def timeline_blocks(timeline: Timeline, of: str, title: str = "Custody: every act on it, in order") -> Iterator[Block]:
    """Who did what and when; a long one is cut, and says where the rest stands."""
    yield Heading(2, title)
    shown = timeline.acts[:TIMELINE_ROWS]
    rows = [
        [
            cell(act.seq),
            cell(moment(act.time)),
            cell(act_words(act.type, of)),
            cell(person_of(act) if act.actor else ""),
            cell(_more(act)),
        ]
        for act in shown
    ]
    yield Table(["Act", "Recorded", "What", "By (role)", "More"], [7, 24, 24, 25, 20], rows)
    left = len(timeline.acts) - len(shown) + timeline.more
    if left:
        yield Words(f"{left} more acts: data/custody.csv has all of them.", "small")


def _more(act: Act) -> str:
    return ", ".join(words(plain(act.data[name])) for name in _SAID_OF_ACT if act.data.get(name))
