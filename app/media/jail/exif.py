"""EXIF as claims: what the file says of itself, in strict JSON without floats. Nothing here is a finding.

Source: EXIF 2.32 (CIPA DC-008-2019). Numbers that are not whole become decimal strings, so
that they can be kept in canonical JSON as they were read. Anybody can write anything into them: lengths, exponents
and ranges are bounded before a number is made of a text.
"""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from PIL import ExifTags, Image, TiffImagePlugin

MAX_TEXT_CHARACTERS = 200
MAX_MOMENT_CHARACTERS = 40
"""Of all texts together: each character as long as JSON can make it, they fit into one message of 64 KiB."""

_NUMBER = re.compile(r"[+-]?(\d+/\d+|\d+(\.\d*)?([eE][+-]?\d{1,2})?)", re.ASCII)
MAX_NUMBER_CHARACTERS = 40
MAX_ALTITUDE_M = 100_000

_TEXT_TAGS: dict[int, str] = {
    ExifTags.Base.Make: "make",
    ExifTags.Base.Model: "model",
    ExifTags.Base.Software: "software",
    ExifTags.Base.Artist: "artist",
    ExifTags.Base.Copyright: "copyright",
    ExifTags.Base.ImageDescription: "description",
    ExifTags.Base.HostComputer: "host_computer",
    ExifTags.Base.CameraSerialNumber: "body_serial_number",
}
_WINDOWS_TAGS: dict[int, str] = {
    ExifTags.Base.XPTitle: "title",
    ExifTags.Base.XPComment: "comment",
    ExifTags.Base.XPAuthor: "author",
}
"""Written by Windows, in UTF-16."""
_DETAIL_TAGS: dict[int, str] = {
    ExifTags.Base.LensMake: "lens_make",
    ExifTags.Base.LensModel: "lens_model",
    ExifTags.Base.BodySerialNumber: "body_serial_number",
    ExifTags.Base.LensSerialNumber: "lens_serial_number",
    ExifTags.Base.CameraOwnerName: "owner_name",
    ExifTags.Base.ImageUniqueID: "image_unique_id",
    0xA437: "photographer",  # EXIF 3.0
    0xA438: "image_editor",
}
_MOMENT_TAGS: dict[int, str] = {
    ExifTags.Base.DateTimeOriginal: "taken_at",
    ExifTags.Base.OffsetTimeOriginal: "taken_at_offset",
    ExifTags.Base.SubsecTimeOriginal: "taken_at_subsecond",
    ExifTags.Base.DateTimeDigitized: "digitized_at",
    ExifTags.Base.OffsetTimeDigitized: "digitized_at_offset",
    ExifTags.Base.SubsecTimeDigitized: "digitized_at_subsecond",
    ExifTags.Base.OffsetTime: "modified_at_offset",
    ExifTags.Base.SubsecTime: "modified_at_subsecond",
}
_NUMBER_TAGS = {
    ExifTags.Base.ExposureTime: "exposure_time_s",
    ExifTags.Base.FNumber: "f_number",
    ExifTags.Base.ISOSpeedRatings: "iso_speed",
    ExifTags.Base.FocalLength: "focal_length_mm",
    ExifTags.Base.FocalLengthIn35mmFilm: "focal_length_35mm",
    ExifTags.Base.Flash: "flash",
}


def open_exif(image: Image.Image) -> Image.Exif | None:
    """The tags of an image whose pixels are loaded; None when Pillow cannot read them. Ask once an image."""
    try:
        exif = image.getexif()
        # Opening a JPEG asked for the tags once already, and what was wrong then is not told a second time.
        Image.Exif().load(image.info.get("exif") or b"")
        exif.get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - whatever it was, it is claimed as unreadable, and the picture is compared
        return None
    return exif


def orientation_of(exif: Image.Exif | None) -> int | None:
    """From 1 to 8; None when nothing of the kind is claimed."""
    orientation = None if exif is None else exif.get(ExifTags.Base.Orientation)
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else None


def exif_claims(exif: Image.Exif | None) -> dict[str, object]:
    """``{"exif": …}``; ``{"exif_unreadable": True}`` when Pillow cannot read it; empty without any."""
    try:
        known = None if exif is None else _read_exif(exif)
    except Exception:  # noqa: BLE001 - whatever it was, it is claimed as unreadable, and the picture is compared
        known = None
    if known is None:
        return {"exif_unreadable": True}
    return {"exif": known} if known else {}


def _read_exif(exif: Image.Exif) -> dict[str, object]:
    """The known tags by readable names; empty when there are none."""
    if not len(exif):
        return {}
    details = exif.get_ifd(ExifTags.IFD.Exif)
    claims: dict[str, object] = dict(_texts(exif, details))
    for tag, name in _NUMBER_TAGS.items():
        if (number := _decimal(details.get(tag))) is not None:
            claims[name] = number
    if (orientation := orientation_of(exif)) is not None:
        claims["orientation"] = orientation
    if gps := _read_gps(exif.get_ifd(ExifTags.IFD.GPSInfo)):
        claims["gps"] = gps
    return claims


def _texts(exif: Mapping[int, object], details: Mapping[int, object]) -> Iterator[tuple[str, str]]:
    stated = [(name, exif.get(tag), MAX_TEXT_CHARACTERS) for tag, name in _TEXT_TAGS.items()]
    stated += [(name, details.get(tag), MAX_TEXT_CHARACTERS) for tag, name in _DETAIL_TAGS.items()]
    stated += [(name, _of_windows(exif.get(tag)), MAX_TEXT_CHARACTERS) for tag, name in _WINDOWS_TAGS.items()]
    stated.append(("user_comment", _of_charset(details.get(ExifTags.Base.UserComment)), MAX_TEXT_CHARACTERS))
    stated += [(name, details.get(tag), MAX_MOMENT_CHARACTERS) for tag, name in _MOMENT_TAGS.items()]
    stated.append(("modified_at", exif.get(ExifTags.Base.DateTime), MAX_MOMENT_CHARACTERS))
    for name, value, most_characters in stated:
        if text := clean_text(value, most_characters):
            yield name, text


def _of_windows(value: object) -> str | None:
    if isinstance(value, tuple) and all(isinstance(part, int) and 0 <= part < 256 for part in value):
        value = bytes(value)
    return value[: 8 * MAX_TEXT_CHARACTERS].decode("utf-16-le", "replace") if isinstance(value, bytes) else None


def _of_charset(value: object) -> str | None:
    """A comment whose first eight bytes name its character set (EXIF 2.32, 4.6.5, UserComment)."""
    if not isinstance(value, bytes):
        return None
    charset, text = value[:8].rstrip(b"\0 "), value[8 : 8 + 4 * MAX_TEXT_CHARACTERS]
    if charset not in (b"", b"ASCII", b"UNICODE", b"JIS"):
        return value[: 4 * MAX_TEXT_CHARACTERS].decode("utf-8", "replace")  # Some writers name none.
    if charset == b"UNICODE":
        # Most writers use the byte order of the file's own processor; a mark or a first zero byte tells which.
        order = "utf-16-be" if text[:2] == b"\xfe\xff" or (text[:1] == b"\0" and text[1:2] != b"\0") else "utf-16-le"
        return text.decode(order, "replace")
    return text.decode("utf-8", "replace")


def clean_text(value: object, most_characters: int = MAX_TEXT_CHARACTERS) -> str | None:
    """Text without control characters, cut to a sane length; None when nothing is left."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return None
    beginning = value[: 4 * most_characters]
    printable = "".join(character for character in beginning if character.isprintable())
    return printable.strip()[:most_characters].strip() or None


_COORDINATES = (
    ("latitude", ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90),
    ("longitude", ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180),
    ("destination_latitude", ExifTags.GPS.GPSDestLatitude, ExifTags.GPS.GPSDestLatitudeRef, "S", 90),
    ("destination_longitude", ExifTags.GPS.GPSDestLongitude, ExifTags.GPS.GPSDestLongitudeRef, "W", 180),
)


def _read_gps(gps: Mapping[int, object]) -> dict[str, object]:
    claims: dict[str, object] = {}
    for name, tag, reference_tag, negative, most in _COORDINATES:
        degrees = _degrees(gps.get(tag))
        if degrees is not None and 0 <= degrees <= most:
            is_negative = clean_text(gps.get(reference_tag), 1) == negative
            claims[name] = f"{float(-degrees if is_negative else degrees):.7f}"
    altitude = _fraction(gps.get(ExifTags.GPS.GPSAltitude))
    if altitude is not None and abs(altitude) <= MAX_ALTITUDE_M:
        below_sea_level = gps.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01")
        claims["altitude_m"] = f"{float(-altitude if below_sea_level else altitude):.2f}"
    direction = _fraction(gps.get(ExifTags.GPS.GPSImgDirection))
    if direction is not None and 0 <= direction <= 360:
        claims["direction_degrees"] = f"{float(direction):.2f}"
    if date := clean_text(gps.get(ExifTags.GPS.GPSDateStamp), MAX_MOMENT_CHARACTERS):
        claims["date_utc"] = date
    time = _triple(gps.get(ExifTags.GPS.GPSTimeStamp))
    if time is not None and all(0 <= part <= 60 for part in time):
        claims["time_utc"] = ":".join(f"{int(part):02d}" for part in time)
    for name, tag in (("method", ExifTags.GPS.GPSProcessingMethod), ("area", ExifTags.GPS.GPSAreaInformation)):
        if text := clean_text(_of_charset(gps.get(tag)), MAX_MOMENT_CHARACTERS):
            claims[name] = text
    return claims


def _degrees(value: object) -> Fraction | None:
    parts = _triple(value)
    return None if parts is None else parts[0] + parts[1] / 60 + parts[2] / 3600


def _triple(value: object) -> tuple[Fraction, Fraction, Fraction] | None:
    if not isinstance(value, tuple) or len(value) != 3:
        return None
    first, second, third = (_fraction(part) for part in value)
    if first is None or second is None or third is None:
        return None
    return first, second, third


def _fraction(value: object) -> Fraction | None:
    """A number of EXIF as an exact fraction; None for what is none (a zero denominator is common in real files)."""
    if not isinstance(value, int | float | str | TiffImagePlugin.IFDRational):
        return None
    text = str(value)
    if len(text) > MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(text):
        return None
    try:
        return Fraction(text)
    except ZeroDivisionError:
        return None


def _decimal(value: object) -> str | None:
    if isinstance(value, tuple) and value:
        value = value[0]
    number = _fraction(value)
    if number is None or abs(number) > 10**9:
        return None
    return f"{float(number):.6f}".rstrip("0").rstrip(".")
