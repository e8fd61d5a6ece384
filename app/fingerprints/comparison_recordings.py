"""Two recordings: when each shows what the other shows, against each other, and pairs of frames from there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from app.fingerprints.alignment import SAME_SPEED, Segment
from app.fingerprints.comparison_canvas import (
    INK,
    INNER,
    MARGIN,
    PANEL,
    PAPER,
    QUERY,
    QUIET,
    REFERENCE,
    RULE,
    SERIES,
    WIDTH,
    Block,
    Colour,
    Place,
    clock,
    fitting,
    moment,
    resized,
)
from app.fingerprints.comparison_pictures import draw_area, inside
from app.fingerprints.comparison_places import PLACES, Area, turned
from app.fingerprints.views import IDENTITY

MOST_PAIRS = 6
PLOT_SIDE = 430
PLOT_LEFT = MARGIN + 74
LISTED_SEGMENTS = 14
SEGMENTS_BESIDE_BARS = 8
CELL_GAP = 18
FRAME_HEIGHT = 200

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two frames that show the same, by a segment's number; pixels as the working pictures have them."""

    segment: int
    query: Image.Image
    query_ms: int
    reference: Image.Image
    reference_ms: int
    symmetry: str
    query_area: Area | None = None
    reference_area: Area | None = None


def colour_of(segment: int) -> Colour:
    return SERIES[segment % len(SERIES)]


def reference_at(segment: Segment, query_ms: int) -> int:
    """The reference's time at which a segment shows what the query shows at a time."""
    length = segment.query_end_ms - segment.query_start_ms
    share = 0.0 if length <= 0 else (query_ms - segment.query_start_ms) / length
    span = segment.reference_end_ms - segment.reference_start_ms
    if segment.speed < 0:
        return round(segment.reference_end_ms - share * span)
    return round(segment.reference_start_ms + share * span)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The square of the plot, and the longest time of each axis."""

    query_ms: int
    reference_ms: int
    left: int = PLOT_LEFT
    top: int = 14

    @property
    def right(self) -> int:
        return self.left + PLOT_SIDE

    @property
    def bottom(self) -> int:
        return self.top + PLOT_SIDE

    def place(self, query_ms: float, reference_ms: float) -> Place:
        across, up = query_ms / self.query_ms, reference_ms / self.reference_ms
        return self.left + across * PLOT_SIDE, self.bottom - up * PLOT_SIDE

    def ends(self, segment: Segment) -> tuple[Place, Place]:
        start_ms, end_ms = segment.query_start_ms, segment.query_end_ms
        return (
            self.place(start_ms, reference_at(segment, start_ms)),
            self.place(end_ms, reference_at(segment, end_ms)),
        )


def plot_block(segments: Sequence[Segment], query_ms: int, reference_ms: int) -> Block:
    """Time against time: a point says that the query shows then what the reference shows then. Beside it, the segments
    in words, and both recordings as bars. ``query_ms`` and ``reference_ms`` are how long they are."""
    axes = _Axes(
        max([query_ms, *(each.query_end_ms for each in segments), 1]),
        max([reference_ms, *(each.reference_end_ms for each in segments), 1]),
    )
    block = Block(PLOT_SIDE + 92)
    _draw_axes(block, axes)
    for number, segment in enumerate(segments):
        _draw_segment(block, axes, number, segment)
    block.line([(axes.left, axes.top), (axes.left, axes.bottom), (axes.right, axes.bottom)], INK, 1.5)
    block.settle()
    for number, segment in enumerate(segments):
        _label_segment(block, axes, number, segment)
    left = axes.right + 48
    _list_segments(block, segments, left)
    if len(segments) <= SEGMENTS_BESIDE_BARS:
        _draw_bars(block, axes, segments, left)
    return block


def _draw_axes(block: Block, axes: _Axes) -> None:
    block.fill((axes.left, axes.top, axes.right, axes.bottom), PANEL)
    for tick in ticks(axes.query_ms):
        x = axes.place(tick, 0)[0]
        block.line([(x, axes.top), (x, axes.bottom)], RULE, 1)
        block.text((x, axes.bottom + 8), clock(tick, tenths=axes.query_ms < 4_000), 13, QUIET, "ma")
    for tick in ticks(axes.reference_ms):
        y = axes.place(0, tick)[1]
        block.line([(axes.left, y), (axes.right, y)], RULE, 1)
        block.text((axes.left - 8, y), clock(tick, tenths=axes.reference_ms < 4_000), 13, QUIET, "rm")
    block.settle()
    middle = (axes.left + axes.right) / 2
    block.text((middle, axes.bottom + 32), f"Time in the query ({_unit(axes.query_ms)})", 14, QUERY, "ma")
    words = f"Time in the reference ({_unit(axes.reference_ms)})"
    _write_upwards(block, words, (MARGIN - 18, (axes.top + axes.bottom) // 2))


def _unit(most_ms: int) -> str:
    return "seconds" if most_ms < 60_000 else "min:s" if most_ms < 3_600_000 else "h:min:s"


def _draw_segment(block: Block, axes: _Axes, number: int, segment: Segment) -> None:
    start, end = axes.ends(segment)
    colour = colour_of(number)
    for x, y in (start, end):
        block.dashes((x, y), (x, axes.bottom), colour)
        block.dashes((axes.left, y), (x, y), colour)
    block.line([start, end], PAPER, 8)
    block.line([start, end], colour, 5)
    for each in (start, end):
        block.dot(each, colour, 5)
    block.settle()


def _label_segment(block: Block, axes: _Axes, number: int, segment: Segment) -> None:
    """Beside its middle, on the side where there is more room."""
    (x1, y1), (x2, y2) = axes.ends(segment)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    x += 16 if x < (axes.left + axes.right) / 2 else -16 - 26
    y += 10 if (y2 < y1) == (x > (x1 + x2) / 2) else -36
    block.pill((x, min(max(y, axes.top + 4), axes.bottom - 34)), str(number + 1), colour_of(number), 14)


def _draw_bars(block: Block, axes: _Axes, segments: Sequence[Segment], left: int) -> None:
    """Both recordings at one scale, and ribbons from what is shown in one to where the other shows it."""
    width = MARGIN + INNER - left
    longest = max(axes.query_ms, axes.reference_ms)
    upper, lower, thick = axes.bottom - 150, axes.bottom - 30, 22
    for top, length_ms, words, colour in (
        (upper, axes.query_ms, "Query", QUERY),
        (lower, axes.reference_ms, "Reference", REFERENCE),
    ):
        block.fill((left, top, left + max(2, width * length_ms / longest), top + thick), RULE)
        at = top - 20 if top == upper else top + thick + 5
        block.text((left, at), f"{words}, {moment(length_ms)}", 13, colour)
    for number, each in enumerate(segments):
        mine = [left + time_ms / longest * width for time_ms in (each.query_start_ms, each.query_end_ms)]
        theirs = [
            left + reference_at(each, time_ms) / longest * width for time_ms in (each.query_start_ms, each.query_end_ms)
        ]
        colour = colour_of(number)
        down = upper + thick
        block.area([(mine[0], down), (mine[1], down), (theirs[1], lower), (theirs[0], lower)], colour, 60)
        block.settle()
        for (start, end), top in ((mine, upper), (sorted(theirs), lower)):
            block.fill((start, top, max(end, start + 3), top + thick), colour)
            if end - start > 24:
                block.text(((start + end) / 2, top + thick / 2), str(number + 1), 13, PAPER, "mm")


def marks_block(segments: Sequence[Segment], length_ms: int, *, is_query: bool) -> Block:
    """Of a picture and a recording: when the recording shows the picture."""
    block = Block(96)
    name, colour = ("query", QUERY) if is_query else ("reference", REFERENCE)
    block.text((MARGIN, 2), f"Where in the {name}, {moment(length_ms)} long", 17)
    block.fill((MARGIN, 38, MARGIN + INNER, 60), RULE)
    written_to = 0.0
    for each in segments:
        times = (
            (each.query_start_ms, each.query_end_ms) if is_query else (each.reference_start_ms, each.reference_end_ms)
        )
        start, end = (MARGIN + min(time_ms / max(1, length_ms), 1.0) * INNER for time_ms in times)
        block.fill((start - 2, 34, max(end, start + 2), 64), colour)
        if start < written_to:
            continue
        written_to = start + 130
        anchor = "ma" if MARGIN + 40 < start < MARGIN + INNER - 40 else "la" if start < WIDTH / 2 else "ra"
        block.text((start, 68), moment(times[0]) if times[0] == times[1] else _span(*times), 13, QUIET, anchor)
    return block


def _write_upwards(block: Block, words: str, middle: tuple[int, int]) -> None:
    lying = Block(24)
    lying.text((WIDTH / 2, 12), words, 14, REFERENCE, "mm")
    standing = lying.image.crop((WIDTH // 2 - 180, 0, WIDTH // 2 + 180, 24)).rotate(90, expand=True)
    block.picture(standing, (middle[0], middle[1] - 180))


def _list_segments(block: Block, segments: Sequence[Segment], left: int) -> None:
    columns = (left + 44, left + 204, left + 372, left + 452, left + 560)
    block.text((columns[0], 16), "Query", 14, QUERY)
    block.text((columns[1], 16), "Reference", 14, REFERENCE)
    for x, words in zip(columns[2:], ("Speed", "Found by", "Frames"), strict=True):
        block.text((x, 16), words, 14, QUIET)
    block.line([(left, 42), (MARGIN + INNER, 42)], RULE, 1)
    block.settle()
    for number, each in enumerate(segments[:LISTED_SEGMENTS]):
        top = 52 + number * 27
        block.pill((left, top), str(number + 1), colour_of(number), 12)
        block.text((columns[0], top + 11), _span(each.query_start_ms, each.query_end_ms), 14, INK, "lm")
        block.text((columns[1], top + 11), _span(each.reference_start_ms, each.reference_end_ms), 14, INK, "lm")
        block.text((columns[2], top + 11), speed_in_words(each.speed), 14, INK, "lm")
        block.text((columns[3], top + 11), _found_by(each), 14, INK, "lm")
        block.text((columns[4], top + 11), str(each.frames), 14, INK, "lm")
    if len(segments) > LISTED_SEGMENTS:
        more = f"… and {len(segments) - LISTED_SEGMENTS} more: see the match."
        block.text((columns[0], 58 + LISTED_SEGMENTS * 27), more, 14, QUIET)


def _span(start_ms: int, end_ms: int) -> str:
    return f"{clock(start_ms)} - {moment(end_ms)}"


def _found_by(segment: Segment) -> str:
    return segment.by if segment.distance_bits is None else f"{segment.by}, {segment.distance_bits} bits"


def speed_in_words(speed: int) -> str:
    words = f"{abs(speed) / SAME_SPEED:.2f} x"
    return f"{words} back" if speed < 0 else words


def ticks(most_ms: int) -> list[int]:
    """From 0 on, three to eight of them, at round seconds, minutes or hours."""
    step_s = next((step for step in _STEPS_S if most_ms / 1000 / step <= 7), _STEPS_S[-1])
    step_ms = round(step_s * 1000)
    while most_ms // step_ms > 8:
        step_ms *= 2
    return list(range(0, most_ms + 1, step_ms))


def frames_block(pairs: Sequence[FramePair]) -> Block:
    """Up to six pairs of frames, the query's above the reference's, both the same way up."""
    cell = (INNER - (MOST_PAIRS - 1) * CELL_GAP) / MOST_PAIRS
    shown = [(turned(pair.query, pair.symmetry), pair.reference) for pair in pairs]
    sizes = [[fitting(each.size, (cell, FRAME_HEIGHT)) for each in both] for both in shown]
    height = max(size[1] for both in sizes for size in both)
    block = Block(2 * (height + 34) + 64)
    block.text((MARGIN, 2), "The same moments, by their times in each", 17)
    for column, (pair, both, fitted) in enumerate(zip(pairs, shown, sizes, strict=True)):
        left = MARGIN + column * (cell + CELL_GAP)
        for row, (picture, size) in enumerate(zip(both, fitted, strict=True)):
            top = 36 + row * (height + 34)
            block.fill((left, top, left + cell, top + height), PANEL)
            at = round(left + (cell - size[0]) / 2), top + (height - size[1]) // 2
            block.picture(resized(picture, size), at)
            _draw_area_of(block, pair, row, at, size)
            time_ms, name = ((pair.query_ms, "Query"), (pair.reference_ms, "Reference"))[row]
            colour = (QUERY, REFERENCE)[row]
            block.text((left + 2, top + height + 15), f"{name}  {moment(time_ms)}", 14, colour, "lm")
        colour = colour_of(pair.segment)
        block.fill((left, 36 + 2 * (height + 34) - 2, left + cell, 36 + 2 * (height + 34) + 2), colour)
        block.text((left + cell, 36 + height + 15), f"segment {pair.segment + 1}", 13, colour, "rm")
    return block


def _draw_area_of(block: Block, pair: FramePair, row: int, at: tuple[int, int], size: tuple[int, int]) -> None:
    area = (pair.query_area, pair.reference_area)[row]
    if area is not None:
        put = PLACES[pair.symmetry if row == 0 else IDENTITY]
        draw_area(block, area, lambda x, y: inside(at, size, *put(x, y)))
