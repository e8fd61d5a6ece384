"""What a file claims of itself, in two parts: what whoever reads an item's metadata may see, and what identifies a
person, a place or a device, which is sealed in each item's own stream and kept nowhere else. Pure; decision 0022.

A confined decoder gives claims as ``{"width": 640, …, "exif": {"make": …, "gps": {…}}, "container_tags": {…}}``. What
it measured or named itself stands at the top. Texts inside a group are what somebody wrote into the file: one whose
name is not known here is kept nowhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Source = Literal["exif", "xmp", "iptc", "container", "track"]

NOTICE = "What the file says of itself. Anybody can write anything into a file: each of these is a claim, not a fact."
SEALED = "sealed"
"""The member of the open claims that names the sealed ones, each with where it stands in the file."""

GROUPS: Mapping[str, Source] = {
    "exif": "exif",
    "gps": "exif",
    "xmp": "xmp",
    "iptc": "iptc",
    "container_tags": "container",
    "track_tags": "track",
}
_TAG_GROUPS = ("container_tags", "track_tags")
_OPEN_TAGS = frozenset(
    {
        *("created_at", "created_at_local", "modified_at", "date", "make", "model", "software", "encoder"),
        *("android_version", "lens_model"),
    }
)
_SEALED_TAGS = {
    "location": "location",
    "location_name": "location_name",
    **{name: name for name in ("artist", "author", "copyright", "description", "title", "comment")},
    "serial_number": "body_serial_number",
    "content_identifier": "content_identifier",
}

_OF_DESKS = (
    *("artist", "copyright", "description", "title", "headline", "credit", "caption_writer", "keywords"),
    *("city", "region", "country", "location_name"),
)
"""What picture desks write, in XMP and in IPTC-IIM."""

OPEN_TEXTS: Mapping[str, frozenset[str]] = {
    "exif": frozenset(
        {
            *("make", "model", "software", "lens_make", "lens_model"),
            *("taken_at", "taken_at_offset", "taken_at_subsecond"),
            *("digitized_at", "digitized_at_offset", "digitized_at_subsecond"),
            *("modified_at", "modified_at_offset", "modified_at_subsecond"),
            *("exposure_time_s", "f_number", "iso_speed", "focal_length_mm", "focal_length_35mm", "flash"),
        }
    ),
    "gps": frozenset({"date_utc", "time_utc"}),
    "xmp": frozenset(
        {
            *(
                "created_at",
                "modified_at",
                "metadata_changed_at",
                "taken_at",
                "software",
                "make",
                "model",
                "lens_model",
            ),
            *("history", "digital_source_type"),
        }
    ),
    "iptc": frozenset({"taken_at", "digitized_at", "software"}),
    **dict.fromkeys(_TAG_GROUPS, _OPEN_TAGS),
}
SEALED_TEXTS: Mapping[str, Mapping[str, str]] = {
    "exif": {
        name: name
        for name in (
            *("artist", "copyright", "description", "title", "user_comment", "author", "comment", "host_computer"),
            *("body_serial_number", "lens_serial_number", "owner_name", "image_unique_id"),
            *("photographer", "image_editor"),
        )
    },
    "gps": {
        "latitude": "gps_latitude",
        "longitude": "gps_longitude",
        "altitude_m": "gps_altitude_m",
        "direction_degrees": "gps_direction_degrees",
        "destination_latitude": "gps_destination_latitude",
        "destination_longitude": "gps_destination_longitude",
        "area": "gps_area",
        "method": "gps_method",
    },
    "xmp": {
        "latitude": "gps_latitude",
        "longitude": "gps_longitude",
        "altitude_m": "gps_altitude_m",
        "direction_degrees": "gps_direction_degrees",
        **{name: name for name in (*_OF_DESKS, "owner_name")},
        **{name: name for name in ("body_serial_number", "lens_serial_number", "document_id", "original_document_id")},
    },
    "iptc": {name: name for name in _OF_DESKS},
    **dict.fromkeys(_TAG_GROUPS, _SEALED_TAGS),
}
"""Group → name in the file's claims → the sealed field of ``evidence.claims_read``."""

SEALED_FIELDS = frozenset(field for names in SEALED_TEXTS.values() for field in names.values())


@dataclass(frozen=True)
class SealedClaim:
    """What identifies somebody or something, and where in the file it stands. ``name``: its sealed field."""

    name: str
    source: Source
    value: str


@dataclass(frozen=True)
class FileClaims:
    """``open`` may be kept with the bytes; of ``sealed`` it has each name with its first source, and no value."""

    open: dict[str, Any]
    sealed: tuple[SealedClaim, ...]
    """By sources, in the order EXIF, XMP, IPTC, the container, its track. A source states each name once."""


def divide(claims: Mapping[str, Any]) -> FileClaims:
    """A decoder's claims in their two parts. What stands in two places is kept of both: they may contradict."""
    kept: dict[str, Any] = {name: value for name, value in claims.items() if not isinstance(value, dict)}
    sealed: list[SealedClaim] = []
    groups = {name: value for name, value in claims.items() if isinstance(value, dict)}
    exif = groups.get("exif", {})
    if isinstance(exif.get("gps"), dict):
        groups["gps"] = exif["gps"]
    for group in GROUPS:
        if group in groups and (open_part := _divide_group(group, groups[group], sealed)):
            kept[group] = open_part
    first = next(iter(parted(sealed)), {})
    kept[SEALED] = {name: claim.source for name, claim in sorted(first.items())}
    return FileClaims(kept, tuple(sealed))


def parted(claims: Iterable[SealedClaim]) -> list[dict[str, SealedClaim]]:
    """In as few parts as can be, of which none has a name twice: an entry seals a field once. The first part has the
    first source of every name."""
    parts: list[dict[str, SealedClaim]] = []
    for claim in claims:
        part = next((one for one in parts if claim.name not in one), None)
        if part is None:
            parts.append({claim.name: claim})
        else:
            part[claim.name] = claim
    return parts


def _divide_group(group: str, stated: Mapping[str, Any], sealed: list[SealedClaim]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in stated.items():
        if name in SEALED_TEXTS[group] and not isinstance(value, dict):
            sealed.append(SealedClaim(SEALED_TEXTS[group][name], GROUPS[group], str(value)))
        elif isinstance(value, bool | int) or (isinstance(value, str) and name in OPEN_TEXTS[group]):
            kept[name] = value
    return kept
