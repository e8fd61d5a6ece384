"""IPTC-IIM as claims: what picture desks and agencies wrote into a photograph before XMP, and still do.

Source: IPTC-NAA Information Interchange Model 4.2, record 2 (application). It lies in Photoshop's image resource 0x0404
of a JPEG, and in tag 33723 of a TIFF. Nothing here is a finding.
"""

import re
from collections.abc import Iterator, Mapping

from PIL import Image

from app.media.jail.exif import MAX_TEXT_CHARACTERS, clean_text

MAX_BYTES = 256 * 1024
MOST_DATASETS = 1_000
MOST_OF_A_NAME = 20
_RESOURCE, _TIFF_TAG = 0x0404, 33723
_UTF_8 = b"\x1b%G"
_MARK, _ENVELOPE, _APPLICATION = 0x1C, 1, 2
_CHARACTER_SET, _DATE, _TIME, _DIGITIZED_DATE, _DIGITIZED_TIME = 90, 55, 60, 62, 63
_TEXTS = {
    5: "title",
    25: "keywords",
    65: "software",
    80: "artist",
    90: "city",
    92: "location_name",
    95: "region",
    101: "country",
    105: "headline",
    110: "credit",
    116: "copyright",
    120: "description",
    122: "caption_writer",
}
_SEVERAL = frozenset({"keywords", "artist"})
_DAY = re.compile(rb"(\d{4})(\d\d)(\d\d)")
_CLOCK = re.compile(rb"(\d\d)(\d\d)(\d\d)(?:([+-])(\d\d)(\d\d))?")


def iptc_claims(image: Image.Image) -> dict[str, object]:
    """``{"iptc": …}`` of an image whose pixels are loaded; empty when nothing known is there."""
    try:
        block = _block_of(image)
        known = _read(block) if block else {}
    except Exception:  # noqa: BLE001 - metadata that cannot be read is no failure of the picture
        known = {}
    return {"iptc": known} if known else {}


def _block_of(image: Image.Image) -> bytes | None:
    resources = image.info.get("photoshop")
    found = resources.get(_RESOURCE) if isinstance(resources, Mapping) else None
    if found is None:
        found = getattr(image, "tag_v2", {}).get(_TIFF_TAG)
        if isinstance(found, tuple) and found and all(isinstance(each, int) for each in found):
            # Some writers say that it is of 32-bit numbers.
            found = b"".join(each.to_bytes(4, "little") for each in found[: MAX_BYTES // 4])
    return found[:MAX_BYTES] if isinstance(found, bytes) else None


def _read(block: bytes) -> dict[str, object]:
    stated: dict[int, list[bytes]] = {}
    is_utf_8 = False
    for record, number, value in _datasets(block):
        if record == _ENVELOPE and number == _CHARACTER_SET:
            is_utf_8 = value == _UTF_8
        elif record == _APPLICATION and len(stated.setdefault(number, [])) < MOST_OF_A_NAME:
            stated[number].append(value)
    claims: dict[str, object] = {}
    for number, name in _TEXTS.items():
        values = stated.get(number, [])[: None if name in _SEVERAL else 1]
        texts = [clean_text(_text(value, is_utf_8=is_utf_8)) for value in values]
        if text := clean_text("; ".join(filter(None, texts))):
            claims[name] = text
    for name, day, clock in (("taken_at", _DATE, _TIME), ("digitized_at", _DIGITIZED_DATE, _DIGITIZED_TIME)):
        if moment := _moment(stated.get(day, [b""])[0], stated.get(clock, [b""])[0]):
            claims[name] = moment
    return claims


def _datasets(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Record, number and value of each (IIM 4.2, 1.5 d); what comes behind one of extended length is not read."""
    place = 0
    for _ in range(MOST_DATASETS):
        if place + 5 > len(block) or block[place] != _MARK:
            return
        size = int.from_bytes(block[place + 3 : place + 5], "big")
        if size & 0x8000:
            return
        yield block[place + 1], block[place + 2], block[place + 5 : place + 5 + size]
        place += 5 + size


def _text(value: bytes, *, is_utf_8: bool) -> str:
    """In UTF-8, or as most programs wrote it that name no character set: in UTF-8 all the same, or in Latin 1."""
    value = value[: 4 * MAX_TEXT_CHARACTERS]
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("utf-8", "replace") if is_utf_8 else value.decode("latin-1")


def _moment(day: bytes, clock: bytes) -> str | None:
    """In ISO 8601; a day alone when there is no time."""
    found = _DAY.fullmatch(day.strip(b"\0 "))
    if found is None or found.group(1) == b"0000":
        return None
    text = "-".join(part.decode() for part in found.groups())
    if (time := _CLOCK.fullmatch(clock.strip(b"\0 "))) is None:
        return text
    hour, minute, second, sign, *zone = (None if part is None else part.decode() for part in time.groups())
    return f"{text}T{hour}:{minute}:{second}" + (f"{sign}{zone[0]}:{zone[1]}" if sign else "")
