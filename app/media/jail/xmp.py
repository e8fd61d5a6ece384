"""XMP as claims: what programs wrote into a picture, in strict JSON without floats. Nothing here is a finding.

Sources: ISO 16684-1 (XMP in RDF/XML); Adobe's XMP Specification Part 2 (xmp, xmpMM, exif, tiff, photoshop); IPTC Photo
Metadata 2023.1. Read by events with bounds on size, depth and number. A document type, and so every entity but the five
of XML itself, ends the reading; what the packet says of its encoding is not asked, so that no codec is looked for.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from xml.parsers import expat

from app.media.jail.exif import MAX_MOMENT_CHARACTERS, MAX_TEXT_CHARACTERS, clean_text

MAX_PACKET_BYTES = 512 * 1024
MOST_ELEMENTS = 20_000
DEEPEST = 32
MOST_OF_A_NAME = 20
"""Values of one property that are kept: persons, keywords."""
MAX_HISTORY_CHARACTERS = 600

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
_DC, _MM = "http://purl.org/dc/elements/1.1/ ", "http://ns.adobe.com/xap/1.0/mm/ "
_XMP, _EXIF = "http://ns.adobe.com/xap/1.0/ ", "http://ns.adobe.com/exif/1.0/ "
_EXIF_EX, _AUX = "http://cipa.jp/exif/1.0/ ", "http://ns.adobe.com/exif/1.0/aux/ "
_TIFF, _PHOTOSHOP = "http://ns.adobe.com/tiff/1.0/ ", "http://ns.adobe.com/photoshop/1.0/ "
_CORE, _EXT = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/ ", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/ "
_CAMERA, _EVENT = "http://ns.google.com/photos/1.0/camera/ ", "http://ns.adobe.com/xap/1.0/sType/ResourceEvent# "
_ITEM, _HISTORY = f"{_RDF}li", f"{_MM}History"

_TEXTS = {
    f"{_XMP}CreatorTool": "software",
    f"{_TIFF}Software": "software",
    f"{_TIFF}Make": "make",
    f"{_TIFF}Model": "model",
    f"{_AUX}Lens": "lens_model",
    f"{_EXIF_EX}LensModel": "lens_model",
    f"{_DC}creator": "artist",
    f"{_TIFF}Artist": "artist",
    f"{_DC}rights": "copyright",
    f"{_DC}title": "title",
    f"{_DC}description": "description",
    f"{_DC}subject": "keywords",
    f"{_AUX}OwnerName": "owner_name",
    f"{_EXIF_EX}CameraOwnerName": "owner_name",
    f"{_AUX}SerialNumber": "body_serial_number",
    f"{_EXIF_EX}BodySerialNumber": "body_serial_number",
    f"{_AUX}LensSerialNumber": "lens_serial_number",
    f"{_EXIF_EX}LensSerialNumber": "lens_serial_number",
    f"{_MM}DocumentID": "document_id",
    f"{_MM}OriginalDocumentID": "original_document_id",
    f"{_PHOTOSHOP}Headline": "headline",
    f"{_PHOTOSHOP}Credit": "credit",
    f"{_PHOTOSHOP}CaptionWriter": "caption_writer",
    f"{_PHOTOSHOP}City": "city",
    f"{_PHOTOSHOP}State": "region",
    f"{_PHOTOSHOP}Country": "country",
    f"{_CORE}Location": "location_name",
    f"{_EXT}City": "city",
    f"{_EXT}ProvinceState": "region",
    f"{_EXT}CountryName": "country",
    f"{_EXT}Sublocation": "location_name",
}
_MOMENTS = {
    f"{_XMP}CreateDate": "created_at",
    f"{_XMP}ModifyDate": "modified_at",
    f"{_XMP}MetadataDate": "metadata_changed_at",
    f"{_EXIF}DateTimeOriginal": "taken_at",
    f"{_PHOTOSHOP}DateCreated": "taken_at",
}
_OTHERS = {
    f"{_EXIF}GPSLatitude": "latitude",
    f"{_EXIF}GPSLongitude": "longitude",
    f"{_EXIF}GPSAltitude": "altitude_m",
    f"{_EXIF}GPSAltitudeRef": "altitude_reference",
    f"{_EXIF}GPSImgDirection": "direction_degrees",
    f"{_EXT}DigitalSourceType": "digital_source_type",
    f"{_CAMERA}MotionPhoto": "motion_photo",
    f"{_CAMERA}MicroVideo": "motion_photo",
}
_KNOWN: Mapping[str, str] = _TEXTS | _MOMENTS | _OTHERS
_SEVERAL = frozenset({"artist", "keywords"})
_STEP = {f"{_EVENT}action": "action", f"{_EVENT}when": "when", f"{_EVENT}softwareAgent": "by"}

_COORDINATE = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d{1,10})?)(?:,(\d{1,2}(?:\.\d{1,10})?))?([NSEW])", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,9}(?:/\d{1,9}|\.\d{1,9})?", re.ASCII)
_SOURCE_TYPE = re.compile(r"(?:https?://cv\.iptc\.org/newscodes/digitalsourcetype/)?([A-Za-z]{1,60})", re.ASCII)


class _Refused(Exception):
    """The packet has what no program writes: it is not read any further."""


def prepare() -> None:
    """Loads what reading needs. No hostile byte is read here."""
    xmp_claims(b"<x/>")


def xmp_claims(packet: object) -> dict[str, object]:
    """``{"xmp": …}``; ``{"xmp_unreadable": True}`` of what is no XMP or is larger than it may be; empty without any."""
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if not isinstance(packet, bytes) or not packet.strip(b"\0 \r\n\t"):
        return {}
    reader = _Reader()
    try:
        reader.read(packet)
        known = reader.claims()
    except (expat.ExpatError, _Refused, ValueError):
        return {"xmp_unreadable": True}
    return {"xmp": known} if known else {}


class _Reader:
    """The handlers of one packet. Properties are attributes or elements, their values texts or lists of texts."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}
        self._steps: list[dict[str, str]] = []
        self._stack: list[str] = []
        self._text = ""
        self._elements = 0

    def read(self, packet: bytes) -> None:
        """Raises ExpatError, _Refused."""
        if len(packet) > MAX_PACKET_BYTES:
            raise _Refused
        is_wide = packet[:2] in (b"\xff\xfe", b"\xfe\xff")
        parser = expat.ParserCreate("utf-16" if is_wide else "utf-8", " ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._take_text
        parser.Parse(packet if is_wide else packet.rstrip(b"\0 \r\n\t"), True)

    def _refuse(self, *_: object) -> None:
        raise _Refused

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS or len(self._stack) >= DEEPEST:
            raise _Refused
        self._text = ""
        if name == _ITEM and _HISTORY in self._stack:
            self._steps.append({})
        self._stack.append(name)
        for attribute, value in attributes.items():
            self._say(attribute, value)

    def _take_text(self, text: str) -> None:
        if len(self._text) < 4 * MAX_TEXT_CHARACTERS:
            self._text += text[: 4 * MAX_TEXT_CHARACTERS]

    def _end(self, name: str) -> None:
        self._stack.pop()
        text, self._text = self._text, ""
        if name == _ITEM:
            name = next((outer for outer in reversed(self._stack) if outer in _KNOWN), name)
        self._say(name, text)

    def _say(self, name: str, value: str) -> None:
        if name in _STEP and self._steps:
            self._steps[-1].setdefault(_STEP[name], value)
        elif name in _KNOWN and value.strip():
            values = self._found.setdefault(_KNOWN[name], [])
            if len(values) < MOST_OF_A_NAME:
                values.append(value)

    def claims(self) -> dict[str, object]:
        """The known properties by readable names; empty when there are none."""
        claims: dict[str, object] = {}
        for name, values in self._found.items():
            most = MAX_MOMENT_CHARACTERS if name in _MOMENTS.values() else MAX_TEXT_CHARACTERS
            stated = "; ".join(filter(None, (clean_text(each) for each in values))) if name in _SEVERAL else values[0]
            if name not in _OTHERS.values() and (text := clean_text(stated, most)):
                claims[name] = text
        claims |= self._of_numbers()
        if history := "; ".join(map(_step_words, self._steps)).strip("; "):
            claims["history"] = history[:MAX_HISTORY_CHARACTERS]
        return claims

    def _of_numbers(self) -> dict[str, object]:
        first = {name: values[0].strip() for name, values in self._found.items()}
        claims: dict[str, object] = {}
        for name, most in (("latitude", 90), ("longitude", 180)):
            degrees = _degrees(first.get(name, ""))
            if degrees is not None and abs(degrees) <= most:
                claims[name] = f"{float(degrees):.7f}"
        if (altitude := _fraction(first.get("altitude_m", ""))) is not None and abs(altitude) <= 100_000:
            claims["altitude_m"] = f"{float(-altitude if first.get('altitude_reference') == '1' else altitude):.2f}"
        if (direction := _fraction(first.get("direction_degrees", ""))) is not None and 0 <= direction <= 360:
            claims["direction_degrees"] = f"{float(direction):.2f}"
        if kind := _SOURCE_TYPE.fullmatch(first.get("digital_source_type", "")):
            claims["digital_source_type"] = kind.group(1)
        if first.get("motion_photo") == "1":
            claims["motion_photo"] = True
        return claims


def _step_words(step: Mapping[str, str]) -> str:
    """``saved 2024-05-06T07:08:09Z by Editor 1.0``, in ASCII; empty for a step without an action."""
    action, when, by = (
        "".join(character for character in step.get(name, "") if " " <= character <= "~" and character != ";")[:60]
        for name in ("action", "when", "by")
    )
    return " ".join(filter(None, (action, when, by and f"by {by}"))) if action else ""


def _degrees(text: str) -> Fraction | None:
    """``48,51.5N`` or ``48,51,30N`` (XMP Part 2, GPSCoordinate)."""
    found = _COORDINATE.fullmatch(text)
    if found is None:
        return None
    degrees, minutes, seconds, side = found.groups()
    value = Fraction(degrees) + Fraction(minutes) / 60 + Fraction(seconds or 0) / 3600
    return -value if side in "SW" else value


def _fraction(text: str) -> Fraction | None:
    try:
        return Fraction(text) if _NUMBER.fullmatch(text) else None
    except ZeroDivisionError:
        return None
