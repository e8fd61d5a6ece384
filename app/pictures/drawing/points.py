"""Incidents as points on a graticule: no base map, so nothing claims a border or is fetched from anywhere.

Plate carrée, true at the middle's latitude: one degree of longitude is drawn as long as it is there.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, cos, floor, radians

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from app.pictures.chart import Map, PictureFormat, Point
from app.pictures.drawing.canvas import INK, LIGHT, MARGIN_IN, MIDDLE, PAPER, RULE, WIDTH_IN, Sheet, font, shown
from app.pictures.words import LABEL_CHARACTERS, one_line

METRES_PER_DEGREE = 111_195.0
"""Of a great circle on a sphere of 6,371 km."""
LEAST_COSINE = 0.05
LEFT_IN = 0.75
LOWEST_IN, HIGHEST_IN = 2.0, 8.0
LEAST_SPAN = 0.02
"""Degrees of latitude shown at the least: some two kilometres."""
WIDEST_RADIUS_M = 100_000
"""To which a picture grows for a circle of precision; a larger one is drawn as far as it can be seen."""
LABELLED = 40
LEGEND_COLUMNS, LEGEND_ROW_IN = 5, 0.2
STEPS = (30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
LEGEND = "A filled mark: the true place is within the circle drawn. An empty mark: nobody says how near it is."


@dataclass(frozen=True)
class Window:
    """Degrees; ``west`` to ``east`` may go beyond 180."""

    south: float
    north: float
    west: float
    east: float

    @property
    def cosine(self) -> float:
        return max(cos(radians((self.south + self.north) / 2)), LEAST_COSINE)

    @property
    def ratio(self) -> float:
        """Height by width as drawn."""
        return (self.north - self.south) / ((self.east - self.west) * self.cosine)


def draw(drawn: Map, picture_format: PictureFormat) -> bytes:
    points = _beside_each_other(drawn.points)
    window = _window(points)
    wide_in = WIDTH_IN - LEFT_IN - MARGIN_IN
    height_in = min(max(wide_in * window.ratio, LOWEST_IN), HIGHEST_IN)
    window = _filled(window, height_in / wide_in)
    kinds = sorted({point.kind for point in points})
    notes = (*drawn.notes, *_left_out(drawn), LEGEND, *drawn.drawn.lines())
    subtitle = f"{len(points)} incidents with a point"
    sheet = Sheet(
        drawn.title, subtitle, height_in, notes, LEFT_IN, LEGEND_ROW_IN * (0.5 + ceil(len(kinds) / LEGEND_COLUMNS))
    )
    _graticule(sheet.axes, window)
    for number, point in enumerate(points):
        _point(sheet.axes, number, point, _marker(kinds.index(point.kind)), is_named=len(points) <= LABELLED)
    _legend(sheet.axes, kinds)
    return sheet.file(picture_format, drawn.title, _in_words(drawn, points), drawn.drawn)


def _beside_each_other(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Longitudes counted on from the widest gap between them, so that neighbours across 180° stay neighbours."""
    if not points:
        return ()
    turned = sorted({point.longitude % 360 for point in points})
    gaps = [(later - earlier, later) for earlier, later in pairwise(turned)]
    _, first = max([*gaps, (turned[0] + 360 - turned[-1], turned[0])])
    found = []
    for point in points:
        longitude = point.longitude % 360
        longitude += 360 if longitude < first else 0
        found.append((point, longitude))
    around = 360 if min(longitude for _, longitude in found) >= 180 else 0
    return tuple(
        Point(point.label, point.kind, point.latitude, longitude - around, point.radius_m) for point, longitude in found
    )


def _window(points: tuple[Point, ...]) -> Window:
    if not points:
        return Window(-90, 90, -180, 180)
    reach = [_degrees(point) for point in points]
    south = min(point.latitude - high for point, (high, _) in zip(points, reach, strict=True))
    north = max(point.latitude + high for point, (high, _) in zip(points, reach, strict=True))
    west = min(point.longitude - wide for point, (_, wide) in zip(points, reach, strict=True))
    east = max(point.longitude + wide for point, (_, wide) in zip(points, reach, strict=True))
    high = max((north - south) * 0.08, LEAST_SPAN / 2)
    wide = max((east - west) * 0.08, LEAST_SPAN / 2)
    return Window(max(south - high, -90), min(north + high, 90), west - wide, min(east + wide, west - wide + 360))


def _degrees(point: Point) -> tuple[float, float]:
    """How far a point's circle reaches to the north and to the east, as far as the picture grows for it."""
    high = min(point.radius_m or 0, WIDEST_RADIUS_M) / METRES_PER_DEGREE
    return high, high / max(cos(radians(point.latitude)), LEAST_COSINE)


def _filled(window: Window, ratio: float) -> Window:
    """Wider or higher, so that it fills the sheet undistorted."""
    if window.ratio < ratio:
        more = (window.east - window.west) * window.cosine * ratio - (window.north - window.south)
        return Window(window.south - more / 2, window.north + more / 2, window.west, window.east)
    more = (window.north - window.south) / ratio / window.cosine - (window.east - window.west)
    return Window(window.south, window.north, window.west - more / 2, window.east + more / 2)


def _graticule(axes: Axes, window: Window) -> None:
    axes.set_xlim(window.west, window.east)
    axes.set_ylim(window.south, window.north)
    axes.set_facecolor(PAPER)
    step_x, step_y = _step(window.east - window.west), _step(window.north - window.south)
    meridians = _lines(window.west, window.east, step_x)
    parallels = [each for each in _lines(window.south, window.north, step_y) if -90 <= each <= 90]
    axes.set_xticks(meridians, labels=[_longitude(each) for each in meridians])
    axes.set_yticks(parallels, labels=[_latitude(each) for each in parallels])
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(fontproperties=font(7), color=MIDDLE)
    axes.grid(color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set(color=MIDDLE, linewidth=0.8)


def _step(span: float) -> float:
    """Between two lines: the smallest that gives at most seven."""
    fitting = [step for step in STEPS if span / step <= 7]
    return fitting[-1] if fitting else 60


def _lines(begin: float, end: float, step: float) -> list[float]:
    first, last = floor(begin / step) + 1, floor(end / step)
    return [round(number * step, 6) for number in range(first, last + 1)]


def _longitude(degrees: float) -> str:
    turned = (degrees + 180) % 360 - 180
    return _named(turned, "E", "W")


def _latitude(degrees: float) -> str:
    return _named(degrees, "N", "S")


def _named(degrees: float, positive: str, negative: str) -> str:
    return f"{abs(degrees):.6g}°{'' if degrees in (0, -180) else positive if degrees > 0 else negative}"


def _point(axes: Axes, number: int, point: Point, marker: str, *, is_named: bool) -> None:
    """Parts are named (``gid``): point-3, point-3-radius."""
    place = (point.longitude, point.latitude)
    if point.radius_m:
        high = 2 * point.radius_m / METRES_PER_DEGREE
        wide = high / max(cos(radians(point.latitude)), LEAST_COSINE)
        circle = Ellipse(
            place, wide, high, facecolor=LIGHT, edgecolor=MIDDLE, alpha=0.5, linewidth=0.7, gid=f"point-{number}-radius"
        )
        axes.add_patch(circle)
    fill = PAPER if point.radius_m is None else INK
    axes.plot(
        *([each] for each in place), marker=marker, markersize=5, markerfacecolor=fill, markeredgecolor=INK,
        linestyle="none", gid=f"point-{number}",
    )  # fmt: skip
    if is_named:
        label = shown(point.label, LABEL_CHARACTERS // 2)
        axes.annotate(
            label, place, (5, 4), textcoords="offset points", color=INK, parse_math=False, fontproperties=font(6.5)
        )


def _legend(axes: Axes, kinds: list[str]) -> None:
    if not kinds:
        return
    marks = [
        Line2D([], [], marker=_marker(number), color=INK, linestyle="none", markersize=5)
        for number in range(len(kinds))
    ]
    axes.legend(
        marks, [shown(kind, LABEL_CHARACTERS // 2) for kind in kinds], prop=font(7), loc="upper left",
        bbox_to_anchor=(0, 0), borderaxespad=2.6, frameon=False, ncols=LEGEND_COLUMNS,
    )  # fmt: skip


def _marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def _left_out(drawn: Map) -> tuple[str, ...]:
    return (f"{drawn.without_point} more incidents have no point and are not drawn.",) if drawn.without_point else ()


def _in_words(drawn: Map, points: tuple[Point, ...]) -> list[str]:
    rows = [
        f"{one_line(point.label)} ({one_line(point.kind)}): {_latitude(point.latitude)} {_longitude(point.longitude)}, "
        + ("precision not stated" if point.radius_m is None else f"within {point.radius_m} m")
        for point in points
    ]
    return [f"{len(points)} incidents with a point.", *rows, *_left_out(drawn), *drawn.notes]
