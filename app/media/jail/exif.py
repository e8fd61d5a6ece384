"""EXIF as claims: what the file says of itself, in strict JSON without floats. Nothing here is a finding.

Source: EXIF 2.32 (CIPA DC-008-2019). Numbers that are not whole become decimal strings, so
that they can be kept in canonical JSON as they were read.
"""

from collections.abc import Mapping
from fractions import Fraction

from PIL import ExifTags, Image

MAX_TEXT_CHARACTERS = 1000

_TEXT_TAGS = {
    ExifTags.Base.Make: "make",
    ExifTags.Base.Model: "model",
    ExifTags.Base.Software: "software",
    ExifTags.Base.Artist: "artist",
    ExifTags.Base.Copyright: "copyright",
    ExifTags.Base.ImageDescription: "description",
    ExifTags.Base.DateTime: "modified_at",
    ExifTags.Base.HostComputer: "host_computer",
}
_DETAIL_TAGS = {
    ExifTags.Base.DateTimeOriginal: "taken_at",
    ExifTags.Base.OffsetTimeOriginal: "taken_at_offset",
    ExifTags.Base.SubsecTimeOriginal: "taken_at_subsecond",
    ExifTags.Base.DateTimeDigitized: "digitized_at",
    ExifTags.Base.LensMake: "lens_make",
    ExifTags.Base.LensModel: "lens_model",
    ExifTags.Base.BodySerialNumber: "body_serial_number",
    ExifTags.Base.LensSerialNumber: "lens_serial_number",
    ExifTags.Base.CameraOwnerName: "owner_name",
    ExifTags.Base.ImageUniqueID: "image_unique_id",
}
_NUMBER_TAGS = {
    ExifTags.Base.ExposureTime: "exposure_time_s",
    ExifTags.Base.FNumber: "f_number",
    ExifTags.Base.ISOSpeedRatings: "iso_speed",
    ExifTags.Base.FocalLength: "focal_length_mm",
    ExifTags.Base.FocalLengthIn35mmFilm: "focal_length_35mm",
    ExifTags.Base.Flash: "flash",
}


def read_exif(image: Image.Image) -> dict[str, object]:
    """The known tags of an opened image by readable names; empty when it has none, or none that can be read."""
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    claims: dict[str, object] = {}
    for tags, source in ((_TEXT_TAGS, exif), (_DETAIL_TAGS, details)):
        for tag, name in tags.items():
            if text := clean_text(source.get(tag)):
                claims[name] = text
    for tag, name in _NUMBER_TAGS.items():
        if (number := _decimal(details.get(tag))) is not None:
            claims[name] = number
    orientation = exif.get(ExifTags.Base.Orientation)
    if isinstance(orientation, int) and 1 <= orientation <= 8:
        claims["orientation"] = orientation
    if gps := _read_gps(exif.get_ifd(ExifTags.IFD.GPSInfo)):
        claims["gps"] = gps
    return claims


def clean_text(value: object) -> str | None:
    """Text without control characters, cut to a sane length; None when nothing is left."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return None
    printable = "".join(character for character in value if character.isprintable())
    return printable.strip()[:MAX_TEXT_CHARACTERS] or None


def _read_gps(gps: Mapping[int, object]) -> dict[str, object]:
    claims: dict[str, object] = {}
    for name, tag, reference_tag, negative in (
        ("latitude", ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S"),
        ("longitude", ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W"),
    ):
        degrees = _degrees(gps.get(tag))
        if degrees is not None:
            is_negative = clean_text(gps.get(reference_tag)) == negative
            claims[name] = f"{float(-degrees if is_negative else degrees):.7f}"
    if (altitude := _fraction(gps.get(ExifTags.GPS.GPSAltitude))) is not None:
        below_sea_level = gps.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01")
        claims["altitude_m"] = f"{float(-altitude if below_sea_level else altitude):.2f}"
    if date := clean_text(gps.get(ExifTags.GPS.GPSDateStamp)):
        claims["date_utc"] = date
    time = _triple(gps.get(ExifTags.GPS.GPSTimeStamp))
    if time is not None:
        claims["time_utc"] = ":".join(f"{int(part):02d}" for part in time)
    if method := clean_text(gps.get(ExifTags.GPS.GPSProcessingMethod)):
        claims["method"] = method.removeprefix("ASCII")
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
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None


def _decimal(value: object) -> str | None:
    if isinstance(value, tuple) and value:
        value = value[0]
    number = _fraction(value)
    if number is None or abs(number) > 10**9:
        return None
    return f"{float(number):.6f}".rstrip("0").rstrip(".")
