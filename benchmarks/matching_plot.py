"""Drawings of what was measured, plainly as SVG: recall per edit; costs that grow. Pure."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

COLOURS = ("#0b5394", "#b45f06", "#6aa84f", "#a64d79", "#7f6000", "#674ea7", "#888888")
FONT = 'font-family="sans-serif" font-size="12"'


def recall_svg(title: str, recalls: Mapping[str, Mapping[str, float]]) -> str:
    """A row for each edit, a mark for each of those that were asked; from 0 to 100 %."""
    edits = list(dict.fromkeys(edit for one in recalls.values() for edit in one))
    left, top, row, wide = 230, 60 + 16 * len(recalls), 18, 560
    height = top + row * len(edits) + 30
    parts = [_begin(left + wide + 40, height, f"Recall, {title}")]
    for number, name in enumerate(recalls):
        parts.append(_mark(left, 44 + 16 * number, number) + _text(left + 12, 48 + 16 * number, name))
    for percent in range(0, 101, 20):
        x = left + wide * percent / 100
        parts.append(_line(x, top - 6, x, height - 24, "#dddddd") + _text(x, height - 8, f"{percent} %", "middle"))
    for place, edit in enumerate(edits):
        y = top + row * place + 6
        parts.append(_text(left - 10, y + 4, edit, "end") + _line(left, y, left + wide, y, "#eeeeee"))
        for number, (_, found) in reversed(list(enumerate(recalls.items()))):
            if edit in found:
                parts.append(_mark(left + wide * found[edit], y, number))
    return "\n".join([*parts, "</svg>\n"])


def growth_svg(
    title: str, across: str, up: str, lines: Mapping[str, Sequence[tuple[float, float]]], *, wide: int = 640
) -> str:
    """Both axes logarithmic, a decade a grid line."""
    points = [point for line in lines.values() for point in line]
    (low_x, high_x), (low_y, high_y) = (
        (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) - 1e-9))
        for values in ([x for x, _ in points], [y for _, y in points])
    )
    left, top, tall = 90, 50 + 16 * len(lines), 320

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + wide * (math.log10(x) - low_x) / max(1, high_x - low_x),
            top + tall * (1 - (math.log10(y) - low_y) / max(1, high_y - low_y)),
        )

    parts = [_begin(left + wide + 40, top + tall + 60, title)]
    for power in range(low_x, high_x + 1):
        x, _ = place(10.0**power, 10.0**low_y)
        parts.append(_line(x, top, x, top + tall, "#dddddd") + _text(x, top + tall + 18, _number(power), "middle"))
    for power in range(low_y, high_y + 1):
        _, y = place(10.0**low_x, 10.0**power)
        parts.append(_line(left, y, left + wide, y, "#dddddd") + _text(left - 8, y + 4, _number(power), "end"))
    parts.append(_text(left + wide / 2, top + tall + 42, across, "middle") + _text(8, top - 10, up))
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(x, y) for x, y in sorted(line)]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [_mark(x, y, number) for x, y in places]
        parts.append(_mark(left, 36 + 16 * number, number) + _text(left + 12, 40 + 16 * number, name))
    return "\n".join([*parts, "</svg>\n"])


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _begin(wide: float, tall: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{tall:.0f}" {FONT}>'
        f'<rect width="100%" height="100%" fill="white"/>{_text(10, 20, title)}'
    )


def _mark(x: float, y: float, number: int) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[number % len(COLOURS)]}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
