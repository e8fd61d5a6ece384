"""A calibration told as text, CSV, JSON and a drawing (SVG). Pure."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape

from app.fingerprints.calibration import PAIRS_FOR_LOOSER, AtThreshold, Curve, Together

WIDE, TALL, LEFT, TOP, GAP = 300, 150, 60, 60, 70
RECALL, WRONG = "#0b5394", "#cc0000"


def as_text(curves: Mapping[str, Curve], together: Together) -> str:
    """What all say together; then for each algorithm the thresholds at which something changes, the present one, and
    the suggested one."""
    lines = [
        "All together, at the present thresholds:",
        f"  {together.found} of {together.copies} copies found with their original, {together.found_firmly} firmly",
        f"  {together.wrong} of {together.unrelated} unrelated pairs matched, {together.wrong_firmly} firmly",
        *(f"  wrong: {asked} and {original} ({tier})" for asked, original, tier in together.wrong_pairs),
        "",
    ]
    return "\n".join([*lines, *(_curve_text(curve) for curve in curves.values())])


def _curve_text(curve: Curve) -> str:
    unit = "bits or fewer" if curve.is_distance else "points or more"
    true, unrelated = len(curve.true_values), len(curve.unrelated_values)
    lines = [f"{curve.algorithm} ({unit}): {true} pairs of a copy and its original, {unrelated} unrelated pairs"]
    lines.append("  threshold   found     %   wrong")
    shown: AtThreshold | None = None
    suggested = curve.suggested
    for row in curve.rows:
        marks = [
            word
            for word, at in (
                ("present", curve.default),
                ("suggested", None if suggested is None else suggested.threshold),
            )
            if row.threshold == at
        ]
        if shown is None or (row.found, row.wrong) != (shown.found, shown.wrong) or marks:
            share = f"{100 * row.found / true:5.1f}" if true else "    –"
            lines.append(f"  {row.threshold:9} {row.found:7} {share} {row.wrong:7}   {', '.join(marks)}".rstrip())
        shown = row
    if not curve.proposes:
        return "\n".join([*lines, "  proposes no match: its hashes are shown to people", ""])
    lines.append(_suggestion(curve))
    wrong = [one for one in curve.nearest if _is_match(curve, one.value)]
    lines += [f"  wrong at the present threshold: {one.asked} and {one.original} ({one.value})" for one in wrong]
    return "\n".join([*lines, ""])


def _is_match(curve: Curve, value: int) -> bool:
    return value <= curve.default if curve.is_distance else value >= curve.default


def _suggestion(curve: Curve) -> str:
    suggested, below = curve.suggested, curve.wrong_share_below
    if suggested is None or below is None:
        return "  no suggestion: no threshold is without wrong pairs, or no unrelated pair was measured"
    return (
        f"  suggested: {suggested.threshold}, with no wrong pair among {len(curve.unrelated_values)}; with 95 %"
        f" confidence fewer than {below:.2g} of such pairs are wrong (rule of three)"
        + (
            ""
            if len(curve.unrelated_values) >= PAIRS_FOR_LOOSER
            else f"; looser only from {PAIRS_FOR_LOOSER:,} pairs on"
        )
    )


def as_csv(curves: Mapping[str, Curve]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["algorithm", "threshold", "found", "copies", "wrong", "unrelated"])
    for curve in curves.values():
        for row in curve.rows:
            pairs = [len(curve.true_values), row.wrong, len(curve.unrelated_values)]
            writer.writerow([curve.algorithm, row.threshold, row.found, *pairs])
    return buffer.getvalue()


def as_json(curves: Mapping[str, Curve], together: Together, facts: Mapping[str, Any]) -> str:
    """``facts``: what else is to be told of the run."""
    told = {
        curve.algorithm: {
            "unit": "bits" if curve.is_distance else "points",
            "proposes": curve.proposes,
            "present": asdict(curve.at(curve.default)),
            "suggested": None if curve.suggested is None else asdict(curve.suggested),
            "copies": len(curve.true_values),
            "unrelated": len(curve.unrelated_values),
            "wrong_share_below": curve.wrong_share_below,
            "thresholds": [asdict(row) for row in curve.rows],
            "nearest_unrelated": [asdict(one) for one in curve.nearest],
        }
        for curve in curves.values()
    }
    return json.dumps({**facts, "together": asdict(together), "algorithms": told}, indent=2, ensure_ascii=False) + "\n"


def as_svg(curves: Mapping[str, Curve]) -> str:
    """A small plot of each: the share of copies found in blue, wrong pairs per unrelated pair in red, both from 0."""
    places = list(enumerate(curves.values()))
    height = TOP + (len(places) + 1) // 2 * (TALL + GAP)
    width = 2 * (LEFT + WIDE) + GAP
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" fill="{RECALL}">copies found, percent</text>',
        f'<text x="10" y="34" fill="{WRONG}">unrelated pairs that match, as a share of the most in the panel</text>',
    ]
    parts += [
        _panel(curve, LEFT + number % 2 * (LEFT + WIDE), TOP + number // 2 * (TALL + GAP)) for number, curve in places
    ]
    return "\n".join([*parts, "</svg>\n"])


def _panel(curve: Curve, left: float, top: float) -> str:
    rows, unit = curve.rows, "bits" if curve.is_distance else "points"
    most_wrong = max([row.wrong for row in rows] + [1])
    total = max(1, len(curve.true_values))

    def line(values: list[float], colour: str) -> str:
        step = WIDE / max(1, len(values) - 1)
        drawn = " ".join(f"{left + step * n:.1f},{top + TALL * (1 - value):.1f}" for n, value in enumerate(values))
        return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>'

    at_most = f"at most {max(row.wrong for row in rows)} of {len(curve.unrelated_values)}"
    present = left + WIDE * list(curve.thresholds).index(curve.default) / max(1, len(rows) - 1)
    return "".join(
        [
            f'<rect x="{left}" y="{top}" width="{WIDE}" height="{TALL}" fill="none" stroke="#bbbbbb"/>',
            f'<path d="M{present:.1f} {top}v{TALL}" stroke="#999999" stroke-dasharray="4 3"/>',
            f'<text x="{present + 3:.1f}" y="{top + 12}" fill="#666666">present: {curve.default}</text>',
            line([row.found / total for row in rows], RECALL),
            line([row.wrong / most_wrong for row in rows], WRONG),
            f'<text x="{left}" y="{top + TALL + 16}">{rows[0].threshold}</text>',
            f'<text x="{left + WIDE}" y="{top + TALL + 16}" text-anchor="end">{rows[-1].threshold} {unit}</text>',
            f'<text x="{left + WIDE / 2}" y="{top + TALL + 16}" text-anchor="middle">{escape(curve.algorithm)}</text>',
            f'<text x="{left - 5}" y="{top + 10}" text-anchor="end" fill="{RECALL}">100</text>',
            f'<text x="{left - 5}" y="{top + TALL}" text-anchor="end">0</text>',
            f'<text x="{left + WIDE - 4}" y="{top + TALL - 6}" text-anchor="end" fill="{WRONG}">' + at_most + "</text>",
        ]
    )
