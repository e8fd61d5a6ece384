"""A series as bars, one below the other: numbers, ranges, open ranges, what is unknown, and what is not told."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from app.pictures.chart import Bar, Chart, PictureFormat, Standing
from app.pictures.drawing.canvas import INK, LIGHT, MARGIN_IN, MIDDLE, PAPER, RULE, Sheet, fitted, font, shown, width_in
from app.pictures.words import LABEL_CHARACTERS, one_line

ROW_IN, HEAD_IN = 0.25, 0.1
LABEL_PT, LABELS_IN = 8.0, 2.6
"""Labels' size, and how wide they may be."""
THICK = 0.62
ROOM = 1.28
"""Right of the longest bar: an arrow, and the words."""
LEGEND = "Dark: the minimum. Light: up to the maximum. Arrow: open, no maximum is known. Hatched: unknown."


def draw(chart: Chart, picture_format: PictureFormat) -> bytes:
    labels = [fitted(shown(bar.label, LABEL_CHARACTERS), LABEL_PT, LABELS_IN) for bar in chart.bars]
    left_in = MARGIN_IN + 0.15 + max((width_in(label, LABEL_PT) for label in labels), default=0)
    notes = (*chart.notes, LEGEND, *chart.drawn.lines())
    sheet = Sheet(chart.title, chart.counted, ROW_IN * max(len(chart.bars), 1) + HEAD_IN, notes, left_in)
    _frame(sheet.axes, chart.bars, labels)
    end = _end(chart.bars)
    for row, bar in enumerate(chart.bars):
        _bar(sheet.axes, row, bar, end)
    if not chart.bars:
        _words(sheet.axes, 0, 0, "Nothing is counted.", colour=MIDDLE)
    return sheet.file(picture_format, chart.title, _in_words(chart), chart.drawn)


def _end(bars: tuple[Bar, ...]) -> float:
    """Where open ranges end, right of every number there is."""
    numbers = [max(bar.minimum, bar.maximum or 0) for bar in bars if bar.standing.has_number]
    return max([*numbers, 1]) * 1.1


def _frame(axes: Axes, bars: tuple[Bar, ...], labels: list[str]) -> None:
    axes.set_xlim(0, _end(bars) * ROOM / 1.1)
    axes.set_ylim(max(len(bars), 1) - 0.5, -0.5 - HEAD_IN)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_yticks(range(len(bars)), labels=labels, parse_math=False)
    for label in axes.get_yticklabels():
        label.set(fontproperties=font(LABEL_PT), color=INK)
    for label in axes.get_xticklabels():
        label.set(fontproperties=font(7), color=MIDDLE)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=RULE, linewidth=0.5)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set(color=INK, linewidth=0.8)


def _bar(axes: Axes, row: int, bar: Bar, end: float) -> None:
    """Parts are named (``gid``): bar-3-minimum, bar-3-range, bar-3-open, bar-3-suppressed,
    bar-3-not-stated, bar-3-value."""
    name = f"bar-{row}"
    if not bar.standing.has_number:
        _words(axes, 0, row, bar.value, colour=MIDDLE, gid=f"{name}-{bar.standing.replace('_', '-')}")
        return
    hatch = "////" if bar.standing is Standing.UNKNOWN else None
    reach = end if bar.maximum is None else bar.maximum
    shape: dict[str, Any] = {"height": THICK, "edgecolor": INK, "linewidth": 0.7, "hatch": hatch}
    if reach > bar.minimum:
        axes.barh(row, reach - bar.minimum, left=bar.minimum, color=LIGHT, gid=f"{name}-range", **shape)
    if bar.minimum:
        fill = PAPER if bar.standing is Standing.UNKNOWN else MIDDLE
        axes.barh(row, bar.minimum, color=fill, gid=f"{name}-minimum", **shape)
    if bar.maximum is None:
        axes.plot([reach], [row], marker=">", markersize=8, color=INK, clip_on=False, gid=f"{name}-open")
    _words(axes, reach, row, bar.value, away_pt=9 if bar.maximum is None else 4, gid=f"{name}-value")


def _words(
    axes: Axes, x: float, row: int, words: str, *, away_pt: float = 4, colour: str = INK, gid: str | None = None
) -> None:
    axes.annotate(
        words, (x, row), (away_pt, 0), textcoords="offset points", va="center", color=colour, parse_math=False,
        fontproperties=font(7.5), gid=gid,
    )  # fmt: skip


def _in_words(chart: Chart) -> list[str]:
    rows = [f"{one_line(bar.label, 4 * LABEL_CHARACTERS)}: {bar.value}{_besides(bar)}" for bar in chart.bars]
    return [f"{chart.counted}.", *(rows or ["Nothing is counted."]), *chart.notes]


def _besides(bar: Bar) -> str:
    return " (unknown)" if bar.standing is Standing.UNKNOWN and bar.label != "unknown" else ""
