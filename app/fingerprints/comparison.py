"""The picture that shows why two items match: ``comparison.png``. Pure.

Both sides come as working pictures that the worker made from decoded pixels; nothing of an original is decoded here. By
the same facts and pixels the bytes are the same. A sheet is 1280 pixels wide: a heading with the tier and the grounds;
of pictures both side by side, the same way up, with lines between corresponding points and the outline of one in the
other, then the part that both show at one scale, and how far it differs; of recordings all segments, time against time,
and pairs of frames.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from app.fingerprints.alignment import Segment
from app.fingerprints.comparison_canvas import (
    INK,
    INNER,
    MARGIN,
    NIGHT,
    PAPER,
    QUIET,
    RULE,
    WIDTH,
    Block,
    Colour,
    moment,
)
from app.fingerprints.comparison_pictures import Side, aligned_block, pictures_block
from app.fingerprints.comparison_places import WORDS, Area, Correspondence
from app.fingerprints.comparison_recordings import (
    MOST_PAIRS,
    FramePair,
    frames_block,
    marks_block,
    plot_block,
    reference_at,
)
from app.fingerprints.matching import Ground
from app.fingerprints.views import IDENTITY, WHOLE

RULE_NAME = "comparison/1"
"""What makes the drawing what it is."""
TIERS: dict[str, tuple[str, Colour]] = {
    "exact": ("EXACT", (26, 127, 55)),
    "same_picture": ("SAME PICTURE", (9, 105, 218)),
    "likely": ("LIKELY", (154, 103, 0)),
}
SAYS = {
    "exact": "The same bytes.",
    "same_picture": "Surely the same picture.",
    "likely": "Alike enough for a person to look at.",
}
LISTED_GROUNDS = 6
MOST_PIXELS = 1280 * 3000


@dataclass(frozen=True, slots=True)
class Item:
    """One side of a match: its item's id, and how long it is."""

    item_id: str
    times_ms: Sequence[int]
    """Of its working pictures, in order."""
    length_ms: int = 0
    """0 of a picture."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a match."""

    match_id: str
    tier: str
    query: Item
    reference: Item
    grounds: Sequence[Ground]
    """The strongest first; none of an exact one."""
    segments: Sequence[Segment] = ()
    is_blurred: bool = False

    @property
    def drawn(self) -> Ground | None:
        """The ground that is drawn: the strongest of which there are places, else the strongest."""
        return next((each for each in self.grounds if each.points or each.outline), next(iter(self.grounds), None))


@dataclass(frozen=True, slots=True)
class WantedPair:
    """Which working pictures stand for each other: their numbers."""

    query: int
    reference: int
    segment: int | None = None


def wanted_pairs(facts: Facts) -> list[WantedPair]:
    """The first is the one that is drawn large; those with a segment are shown as pairs of frames, at most six."""
    return [_large(facts), *_of_segments(facts)]


def _large(facts: Facts) -> WantedPair:
    ground, segment = facts.drawn, next(iter(facts.segments), None)
    query_ms = reference_ms = 0
    if segment is not None:
        middle_ms = (segment.query_start_ms + segment.query_end_ms) // 2
        query_ms = middle_ms if facts.query.length_ms else 0
        reference_ms = reference_at(segment, middle_ms) if facts.reference.length_ms else 0
    if ground is not None:
        query_ms = query_ms if ground.query_ms is None else ground.query_ms
        reference_ms = reference_ms if ground.reference_ms is None else ground.reference_ms
    return WantedPair(_nearest(facts.query.times_ms, query_ms), _nearest(facts.reference.times_ms, reference_ms))


def _of_segments(facts: Facts) -> list[WantedPair]:
    """Of two recordings: spread over all segments, and where in them both sides have frames nearest to one moment."""
    if not (facts.query.length_ms and facts.reference.length_ms):
        return []
    segments = facts.segments[:MOST_PAIRS]
    wanted: list[WantedPair] = []
    for number, segment in enumerate(segments):
        share = MOST_PAIRS // len(segments) + (number < MOST_PAIRS % len(segments))
        found = _pairs_in(facts, segment, share)
        wanted += [WantedPair(query, reference, number) for query, reference in found]
    return wanted


def _pairs_in(facts: Facts, segment: Segment, share: int) -> list[tuple[int, int]]:
    """One in each of as many equal parts of the segment; of a short one at least that nearest to its middle."""
    start_ms, end_ms = segment.query_start_ms, segment.query_end_ms
    times_ms = facts.query.times_ms
    within = [number for number, time_ms in enumerate(times_ms) if start_ms <= time_ms <= end_ms]
    best: dict[int, tuple[int, int, int]] = {}
    for query in within or [_nearest(times_ms, (start_ms + end_ms) // 2)]:
        wanted_ms = reference_at(segment, times_ms[query])
        reference = _nearest(facts.reference.times_ms, wanted_ms)
        found = abs(facts.reference.times_ms[reference] - wanted_ms), query, reference
        part = min(max((times_ms[query] - start_ms) * share // max(1, end_ms - start_ms), 0), share - 1)
        best[part] = min(best.get(part, found), found)
    return [best[part][1:] for part in sorted(best)]


def _nearest(times_ms: Sequence[int], time_ms: int) -> int:
    return min(range(len(times_ms)), key=lambda number: (abs(times_ms[number] - time_ms), number))


def views_of(facts: Facts, wanted: WantedPair) -> tuple[str, str]:
    """Which area of either picture was looked at."""
    by = facts.drawn if wanted.segment is None else facts.segments[wanted.segment]
    return (WHOLE, WHOLE) if by is None else (by.query_view, by.reference_view)


@dataclass(frozen=True, slots=True)
class ShownPair:
    """Both pictures of a wanted pair."""

    wanted: WantedPair
    query: Image.Image
    reference: Image.Image
    query_area: Area | None = None
    reference_area: Area | None = None
    """Where the picture lies in them, when not the whole was looked at."""


def draw(facts: Facts, pairs: Sequence[ShownPair]) -> bytes:
    """The PNG; ``pairs`` are those that :func:`wanted_pairs` named."""
    blocks = [_heading(facts)]
    large, of_segments = pairs[0], [pair for pair in pairs if pair.wanted.segment is not None]
    are_recordings = bool(facts.query.length_ms and facts.reference.length_ms)
    ground = facts.drawn
    if are_recordings and facts.segments:
        blocks.append(plot_block(facts.segments, facts.query.length_ms, facts.reference.length_ms))
        if of_segments:
            blocks.append(frames_block([_frames_of(facts, pair) for pair in of_segments]))
    if not (are_recordings and facts.segments) or (ground is not None and ground.points):
        blocks += _pictures(facts, large, ground)
    if facts.segments and not are_recordings:
        is_query = bool(facts.query.length_ms)
        length_ms = facts.query.length_ms if is_query else facts.reference.length_ms
        blocks.append(marks_block(facts.segments[:MOST_PAIRS], length_ms, is_query=is_query))
    blocks.append(_grounds_block(facts))
    return _png(blocks)


def _pictures(facts: Facts, pair: ShownPair, ground: Ground | None) -> list[Block]:
    how = Correspondence()
    if ground is not None:
        symmetry = ground.transformation if ground.outline is not None else _transformation(facts, ground)
        how = Correspondence(symmetry, ground.outline, ground.points or ())
    symmetry = how.upright(pair.reference.size)
    done = "" if symmetry == IDENTITY else f"Shown {WORDS[symmetry]}, to lie as the reference does."
    query = Side(pair.query, "Query", _label(facts.query, pair.wanted.query), done, pair.query_area)
    reference = Side(
        pair.reference, "Reference", _label(facts.reference, pair.wanted.reference), area=pair.reference_area
    )
    blocks = [pictures_block(query, reference, how)]
    # Points without an outline: nobody can say where the rest of the picture would lie.
    if facts.is_blurred or (how.outline is None and (how.points or not _are_places_known(ground, pair))):
        return blocks
    aligned = aligned_block(query, reference, how)
    return blocks if aligned is None else [*blocks, aligned]


def _are_places_known(ground: Ground | None, pair: ShownPair) -> bool:
    """Whether what was looked at is the whole, or was found again in the working picture."""
    if ground is None:
        return True
    sides = (ground.query_view, pair.query_area), (ground.reference_view, pair.reference_area)
    return all(area is not None or view == WHOLE for view, area in sides)


def _transformation(facts: Facts, ground: Ground) -> str:
    return facts.segments[0].transformation if facts.segments else ground.transformation


def _label(item: Item, number: int) -> str:
    return f"{item.item_id}   at {moment(item.times_ms[number])}" if item.length_ms else item.item_id


def _frames_of(facts: Facts, pair: ShownPair) -> FramePair:
    number = pair.wanted.segment or 0
    return FramePair(
        number,
        pair.query,
        facts.query.times_ms[pair.wanted.query],
        pair.reference,
        facts.reference.times_ms[pair.wanted.reference],
        facts.segments[number].transformation,
        pair.query_area,
        pair.reference_area,
    )


def _heading(facts: Facts) -> Block:
    block = Block(108)
    block.fill((0, 0, WIDTH, 84), NIGHT)
    word, colour = TIERS[facts.tier]
    right = block.pill((MARGIN, 26), word, colour, 17)
    block.text((right + 18, 30), SAYS[facts.tier], 17, PAPER, "lm")
    first = facts.grounds[0] if facts.grounds else None
    block.text((right + 18, 56), "SHA-256 is equal" if first is None else ground_in_words(first), 15, RULE, "lm")
    block.text((MARGIN + INNER, 30), "Match", 13, RULE, "rm")
    block.text((MARGIN + INNER, 56), facts.match_id, 15, PAPER, "rm")
    if facts.is_blurred:
        block.text((MARGIN, 92), "Blurred, for whoever need not see it: 16 x 16 grey values a picture.", 13, QUIET)
    return block


def ground_in_words(ground: Ground) -> str:
    """``pdq/1: distance 4 bits (up to 31 match)``; ``orb/1: 143 points agree (at least 12 are asked for)``."""
    parts = []
    if ground.distance_bits is not None:
        parts.append(f"distance {ground.distance_bits} bits (up to {ground.threshold_bits} match)")
    if ground.inliers is not None:
        enough = "" if ground.threshold_inliers is None else f" (at least {ground.threshold_inliers} are asked for)"
        parts.append(f"{ground.inliers} points agree{enough}")
    if ground.transformation != IDENTITY:
        parts.append(WORDS.get(ground.transformation, ground.transformation))
    areas = [
        f"{side} {view.partition('.')[0]}"
        for side, view in (("query", ground.query_view), ("reference", ground.reference_view))
        if view != "whole"
    ]
    return f"{ground.version}: " + ", ".join([*parts, *areas])


def _grounds_block(facts: Facts) -> Block:
    listed = facts.grounds[:LISTED_GROUNDS]
    block = Block(64 + 24 * len(listed))
    block.line([(MARGIN, 8), (MARGIN + INNER, 8)], RULE, 1)
    block.settle()
    block.text((MARGIN, 20), "Grounds" if listed else "Ground: the SHA-256 of both files is the same.", 14, QUIET)
    for number, ground in enumerate(listed):
        block.text((MARGIN + 90, 20 + 24 * number), ground_in_words(ground), 14, INK)
    ids = f"{RULE_NAME}   query {facts.query.item_id}   reference {facts.reference.item_id}"
    block.text((MARGIN, block.height - 26), ids, 12, QUIET)
    return block


def _png(blocks: Sequence[Block]) -> bytes:
    sheet = Image.new("RGB", (WIDTH, sum(block.height for block in blocks)), PAPER)
    top = 0
    for block in blocks:
        sheet.paste(block.settle(), (0, top))
        top += block.height
    written = io.BytesIO()
    sheet.save(written, "PNG", compress_level=3)
    return written.getvalue()
