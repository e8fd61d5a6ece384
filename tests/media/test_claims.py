"""Claims: what names somebody is parted from the rest, texts with unknown names are kept nowhere; times are read."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrations
from app.ledger.event import Event
from app.media import claims
from app.media.claims import divide, parted
from app.media.events import ClaimsRead
from app.media.jail import exif, iptc, tags, xmp
from app.media.moments import gps_moment, iso_moment

GIVEN = {
    "width": 640,
    "container": "image/jpeg",
    "exif": {
        "make": "Exhibit",
        "body_serial_number": "SN-1",
        "orientation": 6,
        "invented": "a name",
        "gps": {"latitude": "48.8583333", "date_utc": "2024:05:06"},
    },
    "container_tags": {"location": "+48.8-002.3/", "created_at": "2024-05-06T07:08:09Z", "artist": "N. N."},
    "invented": {"text": "a name", "number": 1},
}


def test_claims_when_divided_then_what_identifies_is_named_and_not_said() -> None:
    found = divide(GIVEN)

    assert found.open == {
        "width": 640,
        "container": "image/jpeg",
        "exif": {"make": "Exhibit", "orientation": 6},
        "gps": {"date_utc": "2024:05:06"},
        "container_tags": {"created_at": "2024-05-06T07:08:09Z"},
        "sealed": {
            "artist": "container",
            "body_serial_number": "exif",
            "gps_latitude": "exif",
            "location": "container",
        },
    }
    said = {claim.name: (claim.source, claim.value) for claim in found.sealed}
    assert said == {
        "body_serial_number": ("exif", "SN-1"),
        "gps_latitude": ("exif", "48.8583333"),
        "location": ("container", "+48.8-002.3/"),
        "artist": ("container", "N. N."),
    }


def test_claims_when_places_in_a_file_state_the_same_then_each_is_kept_and_the_first_is_named() -> None:
    stated = {"latitude": "50.5127000"}
    found = divide({"iptc": {"artist": "N. N."}, "xmp": {"artist": "O. O.", **stated}, "exif": {"gps": {**stated}}})

    said = [(claim.name, claim.source, claim.value) for claim in found.sealed]
    assert said == [
        ("gps_latitude", "exif", "50.5127000"),
        ("artist", "xmp", "O. O."),
        ("gps_latitude", "xmp", "50.5127000"),
        ("artist", "iptc", "N. N."),
    ]
    assert found.open["sealed"] == {"artist": "xmp", "gps_latitude": "exif"}
    assert [{name: claim.source for name, claim in part.items()} for part in parted(found.sealed)] == [
        {"gps_latitude": "exif", "artist": "xmp"},
        {"gps_latitude": "xmp", "artist": "iptc"},
    ]


_NAMES = st.sampled_from(
    ["make", "gps", "latitude", "artist", "location", "title", "width", "sealed", "exif", "container_tags", "zz", "x1"]
)
_SECRET = "Xylquovantha"
_VALUES = st.recursive(
    st.one_of(st.just(_SECRET), st.integers(), st.booleans()),
    lambda inner: st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.thorough
@given(st.dictionaries(st.sampled_from([*claims.GROUPS, "zz", "sealed"]), st.dictionaries(_NAMES, _VALUES), max_size=4))
def test_claims_when_a_group_holds_anything_then_only_open_names_keep_their_text(given_claims: dict[str, Any]) -> None:
    found = divide(given_claims)

    for group, kept in found.open.items():
        if group != claims.SEALED:
            texts = {name for name, value in kept.items() if isinstance(value, str)}
            assert texts <= claims.OPEN_TEXTS[group]
            assert not kept.keys() & claims.SEALED_TEXTS[group].keys(), "nor a number: a place may be one"
    assert all(isinstance(claim.value, str) for claim in found.sealed)
    assert {claim.name for claim in found.sealed} <= claims.SEALED_FIELDS
    parts = parted(found.sealed)
    assert sorted(map(repr, found.sealed)) == sorted(repr(claim) for part in parts for claim in part.values())
    assert {name: claim.source for part in parts[:1] for name, claim in part.items()} == found.open[claims.SEALED]


def test_sealed_fields_when_declared_then_the_entry_seals_exactly_these() -> None:
    inherited = {field.name for field in dataclasses.fields(Event)}
    sealed = {each.name for each in dataclasses.fields(ClaimsRead) if each.metadata.get("sealed")} - inherited
    assert sealed == claims.SEALED_FIELDS


def test_names_when_the_decoder_reads_them_then_each_is_either_open_or_sealed() -> None:
    read = {
        "exif": {
            *exif._TEXT_TAGS.values(),
            *exif._WINDOWS_TAGS.values(),
            *exif._DETAIL_TAGS.values(),
            *exif._MOMENT_TAGS.values(),
            *exif._NUMBER_TAGS.values(),
        },
        "gps": {name for name, *_ in exif._COORDINATES},
        "xmp": {*xmp._TEXTS.values(), *xmp._MOMENTS.values(), "history", "latitude", "longitude", "altitude_m"},
        "iptc": {*iptc._TEXTS.values(), "taken_at", "digitized_at"},
        "container_tags": {*tags._MOVIE_TAGS.values(), *tags._PICTURE_TEXTS.values()},
    }
    for group, names in read.items():
        known = claims.OPEN_TEXTS[group] | claims.SEALED_TEXTS[group].keys()
        assert names - known == set(), group
    for group in claims.GROUPS:
        assert not claims.OPEN_TEXTS[group] & claims.SEALED_TEXTS[group].keys()


def test_names_when_sealed_then_the_database_refuses_them_in_what_is_kept_with_the_bytes() -> None:
    [file] = Path(migrations.__file__).parent.glob("versions/*_xmp_and_iptc.py")
    spec = importlib.util.spec_from_file_location("claims_migration", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert set(module.IDENTIFYING) == {"gps"}.union(*(names.keys() for names in claims.SEALED_TEXTS.values()))


@pytest.mark.parametrize(
    ("stated", "offset", "subsecond", "expected"),
    [
        ("2024:05:06 07:08:09", None, None, "2024-05-06T07:08:09"),
        ("2024:05:06 07:08:09", "+03:00", "25 ", "2024-05-06T07:08:09.25+03:00"),
        ("2019-12-20T20:08:34.000000Z", None, None, "2019-12-20T20:08:34.000000Z"),
        ("2021-08-01T12:00:00+0545", None, None, "2021-08-01T12:00:00+05:45"),
        ("2024:05:06 07:08:09", "+99:00", "x", "2024-05-06T07:08:09"),
        ("2024:13:06 07:08:09", None, None, None),
        ("0000:00:00 00:00:00", None, None, None),
        ("2024:05:06 07:08:09 yesterday", None, None, None),
        ("    :  :     :  :  ", None, None, None),
    ],
)
def test_moments_when_stated_then_they_read_as_iso_8601_and_no_zone_is_guessed(
    stated: str, offset: str | None, subsecond: str | None, expected: str | None
) -> None:
    assert iso_moment(stated, offset=offset, subsecond=subsecond) == expected


def test_moments_when_of_satellites_then_they_are_utc() -> None:
    assert gps_moment({"date_utc": "2024:05:06", "time_utc": "07:08:09"}) == "2024-05-06T07:08:09Z"
    assert gps_moment({"time_utc": "07:08:09"}) is None


@given(st.text(max_size=60), st.text(max_size=10), st.text(max_size=10))
def test_moments_when_stated_as_anything_then_nothing_breaks(stated: str, offset: str, subsecond: str) -> None:
    found = iso_moment(stated, offset=offset, subsecond=subsecond)
    assert found is None or found[:19].replace("T", " ").replace("-", ":") == stated.strip()[:19].replace(
        "T", " "
    ).replace("-", ":")
