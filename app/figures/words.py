"""What is counted, and by what it is parted. Pure."""

from enum import StrEnum

from app.verification.rules import Method


class Measure(StrEnum):
    INCIDENTS = "incidents"
    ITEMS = "items"
    """Verified ones: signed off with the verdict ``verified``."""
    CASUALTIES = "casualties"


class By(StrEnum):
    """What a series is by. An incident that says nothing of it, or nothing sure, is in the point without a key."""

    CASE = "case"
    INCIDENT = "incident"
    MONTH = "month"
    """In the zone in which people there count their time; its whole interval lies in it."""
    PLACE = "place"
    """The administrative unit of the ``level`` that was asked for, the country being 1."""
    KIND = "kind"
    WEAPON = "weapon"
    """As normalised, else as reported."""
    WEAPON_REPORTED = "weapon_reported"
    OBJECT_KIND = "object_kind"
    PROTECTED_OBJECT = "protected_object"
    """The kinds of objects that the law protects specially."""
    PROTECTED_PERSON = "protected_person"
    """The groups of which a source counts victims, or an open number of them."""
    ATTACK_PATTERN = "attack_pattern"
    CONTROL = "control"
    """Who held the place at its time: ``contested``, or the id of the organisation that did."""
    GRADING = "grading"
    PROVISION = "provision"
    QUALIFIER = "qualifier"
    """How far a legal classification goes: alleged, assessed, adjudicated."""
    METHOD = "method"
    """Methods on which the verdicts of its verified items rest."""
    MEDIA_TYPE = "media_type"
    """Of items: image or video."""


PARTITIONS = frozenset({By.CASE, By.MONTH, By.PLACE, By.KIND, By.CONTROL, By.GRADING, By.MEDIA_TYPE, By.INCIDENT})
"""An incident is in one point of them at the most, so that one of them could be computed from the others."""

SMALLEST_OF_SEXUAL_VIOLENCE = 5
"""Smaller counts in which sexual violence is are not given. A case's policy may ask for this, or more, of all."""

METHOD_BITS = (
    Method.REVERSE_IMAGE_SEARCH,
    Method.LANDMARK_MATCH,
    Method.SATELLITE_MATCH,
    Method.STREET_IMAGERY,
    Method.SHADOW_ANALYSIS,
    Method.WEATHER_CHECK,
    Method.UPLOAD_TIME,
    Method.METADATA,
    Method.LANGUAGE_AUDIO,
    Method.SOURCE_CONTACT,
    Method.MUNITION_REMNANT,
    Method.CROSS_FOOTAGE,
    Method.FIELD_VISIT,
    Method.WITNESS_STATEMENT,
)
"""The bits of ``counted_items.methods``, from the lowest; never reordered."""


def bits_of(methods: frozenset[Method]) -> int:
    return sum(1 << METHOD_BITS.index(method) for method in methods)
