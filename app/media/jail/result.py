"""What the worker gets of one decoded file, and the checks on what a child says: it is never trusted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from app.media.jail.wire import MAX_SIDE_PIXELS, BrokenMessage
from app.media.sniff import SniffedType

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
"""Height × width × 3 (RGB), uint8, contiguous."""

MAX_CLAIM_CHARACTERS = 1000
MAX_CLAIMS = 100
MAX_CLAIMS_MESSAGES = 100
MAX_CLAIMS_BYTES = 256 * 1024
"""Of one file, as JSON: they become a row and an answer."""
MAX_REASON_CHARACTERS = 300


class DecodeOutcome(StrEnum):
    """How decoding ended. In every case the file itself is kept as it is."""

    DECODED = "decoded"
    UNDECODABLE = "undecodable"
    LIMIT_TIME = "limit_time"
    LIMIT_MEMORY = "limit_memory"
    LIMIT_PIXELS = "limit_pixels"
    POLICY_VIOLATION = "policy_violation"


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame that was kept because the picture had changed; of a file of several pages, one page."""

    time_ms: int
    """Since the first frame; a page by its number, as in ``sequences.py``."""
    rgb: Pixels


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The outcome of one file. Pixels of videos went to the caller's function, frame by frame."""

    outcome: DecodeOutcome
    reason: str | None
    """In words that may be shown to people; None when all was decoded."""
    is_partial: bool
    """True when there are pixels but not all: a recording that is cut off, or a limit that was hit on the way."""
    sniffed: SniffedType | None
    claims: Mapping[str, Any] = field(default_factory=dict)
    """What the file says of itself: strict JSON of objects, texts, whole numbers and booleans; no floats."""
    picture: Pixels | None = None
    """Of an image: upright, longer side at most 1024 pixels."""
    frame_count: int = 0
    """Of a video: how many frames were given; of an image: how many further frames or pages."""
    end_ms: int = 0
    """Of a video: the time of the last frame that was decoded, given or not."""


def checked_pixels(header: Mapping[str, object], payload: memoryview, largest_side: int = MAX_SIDE_PIXELS) -> Pixels:
    """The payload as pixels, when header and length agree. Raises BrokenMessage."""
    width = checked_int(header, "width", 1, largest_side)
    height = checked_int(header, "height", 1, largest_side)
    if len(payload) != width * height * 3:
        raise BrokenMessage(f"{len(payload)} bytes are no picture of {width} × {height}")
    return np.frombuffer(payload, dtype=np.uint8).reshape(height, width, 3)


def checked_int(header: Mapping[str, object], name: str, least: int, most: int) -> int:
    """A whole number of a header within its bounds. Raises BrokenMessage."""
    value = header.get(name)
    if type(value) is not int or not least <= value <= most:
        raise BrokenMessage(f"{name} is not a whole number from {least} to {most}")
    return value


def checked_claims(claims: Mapping[str, object], depth: int = 0) -> dict[str, Any]:
    """Claims of bounded size and depth, without floats, nulls, control characters or halves of surrogate pairs.

    Raises BrokenMessage for what an honest child never sends.
    """
    if depth > 2 or len(claims) > MAX_CLAIMS:
        raise BrokenMessage("the claims are too deep or too many")
    checked: dict[str, Any] = {}
    for name, value in claims.items():
        if not (name.isascii() and name.isidentifier() and len(name) <= 64):
            raise BrokenMessage("a claim has an impossible name")
        if isinstance(value, dict):
            checked[name] = checked_claims(value, depth + 1)
        elif isinstance(value, str):
            checked[name] = checked_text(value, MAX_CLAIM_CHARACTERS)
        elif type(value) is bool or (type(value) is int and abs(value) < 2**53):
            checked[name] = value
        else:
            raise BrokenMessage(f"the claim {name} is of no known kind")
    return checked


def merged_claims(known: dict[str, Any], more: dict[str, Any], messages: int) -> dict[str, Any]:
    """What a file claims, with the next message's claims; bounded over all messages. Raises BrokenMessage."""
    merged = known | more
    if messages > MAX_CLAIMS_MESSAGES or len(merged) > MAX_CLAIMS or len(json.dumps(merged)) > MAX_CLAIMS_BYTES:
        raise BrokenMessage("the claims of one file are too many")
    return merged


def checked_text(value: object, most_characters: int) -> str:
    """Printable text of bounded length: other characters are left out. Raises BrokenMessage when it is no text."""
    if not isinstance(value, str):
        raise BrokenMessage("a text is missing")
    return "".join(character for character in value[:most_characters] if character.isprintable())
