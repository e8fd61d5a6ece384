"""What a match says, in words that a person understands, made from its grounds and spans. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

TURNED = {
    "identity": "",
    "mirror": "mirrored",
    "flip": "turned upside down and mirrored",
    "rotate_90": "turned by 90 degrees clockwise",
    "rotate_180": "turned by 180 degrees",
    "rotate_270": "turned by 90 degrees counter-clockwise",
    "transpose": "mirrored and turned by 90 degrees counter-clockwise",
    "transverse": "mirrored and turned by 90 degrees clockwise",
}
"""What is done to the query's picture to get the reference's."""
AREAS = {
    "trimmed": "without its borders",
    "framed": "as the picture found inside a screenshot",
    "folded": "with its tones folded",
    "part": "as the inset or cell that was found in it",
}
FIRM = frozenset({"pdq"})
"""By whose hashes alone two pictures are the same one; by others they are alike, and a person looks at both."""
HELD_BACK = {
    "pictures_differ": ": they may have one layout in common, and show something else",
    "too_little": "; too little of both pictures can be compared to say that they are the same",
    "no_pictures": "; there are no working pictures of both frames to be laid upon each other, "
    "and points alone do not make two pictures the same",
}
"""Why as many points as are asked for make nothing firm."""
MOST_SPANS = 3
MARGIN = 20
"""Thousandths by which a corner may lie outside."""


def explain_in_words(tier: str, grounds: Sequence[Json], segments: Sequence[Json]) -> str:
    """One or more sentences, the strongest reason first."""
    if tier == "exact":
        return "The two files have the same bytes: their SHA-256 is the same."
    sentences = [_ground(ground) for ground in grounds]
    if segments:
        sentences += [_span(segment) for segment in segments[:MOST_SPANS]]
    if len(segments) > MOST_SPANS:
        sentences.append(f"{len(segments) - MOST_SPANS} more spans agree.")
    if tier == "likely":
        sentences.append("That is too little to be sure: a person has to look at both.")
    return " ".join(sentences)


def _ground(ground: Json) -> str:
    how = ", ".join([part for part in (*_how(ground), _moments(ground)) if part])
    how = f", {how}" if how else ""
    if ground.get("inliers") is not None:
        text = f"Local features: {ground['inliers']} points agree{how}{_where(ground)}"
        if ground.get("threshold_inliers") is not None:
            text += f" (at least {ground['threshold_inliers']} are asked for)"
        return f"{text}{_alike(ground)}."
    what = "the same picture" if ground["algorithm"] in FIRM else "alike"
    text = f"{ground['algorithm']}: {ground['distance_bits']} bits differ{how}"
    return f"{text} (up to {ground['threshold_bits']} are {what} by this rule)."


def _alike(ground: Json) -> str:
    """What the pictures say that were laid upon each other."""
    if ground.get("alike_percent") is not None:
        asked = f"at least {ground['threshold_alike_percent']} % are asked for"
        text = f"; laid upon each other, {ground['alike_percent']} % of what both pictures show is alike ({asked})"
        return text + HELD_BACK.get(ground.get("held_back") or "", "")
    return HELD_BACK.get(ground.get("held_back") or "", "")


def _where(ground: Json) -> str:
    places = [place for corner in ground.get("outline") or () for place in corner]
    if not places:
        return ""
    if all(-MARGIN <= place <= 1000 + MARGIN for place in places):
        return "; the query is the marked quadrilateral of the reference"
    if all(place <= MARGIN or place >= 1000 - MARGIN for place in places):
        return "; the reference is a part of the query"
    return "; each shows a part of the other"


def _how(ground: Json) -> list[str]:
    parts = []
    if turned := TURNED.get(ground.get("transformation", "identity"), str(ground.get("transformation"))):
        parts.append(f"with the query {turned}")
    for side in ("query", "reference"):
        area = AREAS.get(str(ground.get(f"{side}_view", "whole")).partition(".")[0])
        if area:
            parts.append(f"the {side} taken {area}")
    return parts


def _moments(ground: Json) -> str:
    at = [f"{seconds(ground[f'{side}_ms'])} of the {side}" for side in ("query", "reference") if _has(ground, side)]
    return f"at {' and '.join(at)}" if at else ""


def _has(ground: Json, side: str) -> bool:
    return ground.get(f"{side}_ms") is not None


def _span(segment: Json) -> str:
    query, reference = (_seconds_of(segment, side) for side in ("query", "reference"))
    return f"{query} of the query {_verb(query)} at {reference} of the reference{_speed(segment)}."


def _verb(span: str) -> str:
    return "appear" if "-" in span else "appears"


def _seconds_of(segment: Json, side: str) -> str:
    start, end = segment[f"{side}_start_ms"], segment[f"{side}_end_ms"]
    if start == end:
        return f"Second {start / 1000:.1f}" if side == "query" else f"second {start / 1000:.1f}"
    word = "Seconds" if side == "query" else "seconds"
    return f"{word} {start / 1000:.1f}-{end / 1000:.1f}"


def _speed(segment: Json) -> str:
    speed = segment.get("speed", 1000)
    words = []
    if speed < 0:
        words.append("played backwards")
    times = f"{abs(speed) / 1000:.2f}"
    if times != "1.00":
        words.append(f"at {times} times the speed")
    if turned := TURNED.get(segment.get("transformation", "identity"), ""):
        words.append(turned)
    return ", " + ", ".join(words) if words else ""


def seconds(time_ms: int) -> str:
    return f"second {time_ms / 1000:.1f}"
