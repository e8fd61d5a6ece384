"""XMP and IPTC as programs write them, and as a stranger may: known claims, bounded, and no entity is ever followed."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from app.media.claims import divide
from app.media.jail import xmp
from app.media.jail.iptc import _read
from app.media.jail.result import DecodeOutcome
from app.media.jail.xmp import MAX_HISTORY_CHARACTERS, MAX_PACKET_BYTES, xmp_claims
from tests.media_jail.conftest import Decode
from tests.media_jail.hostile_files import chunk
from tests.media_jail.test_exif import leaves, require_bounded
from tests.media_samples import encoded

NAMESPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
    'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" '
    'xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
)


def packet(inner: str, attributes: str = "", before: str = "") -> bytes:
    return (
        f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {NAMESPACES}>'
        f"<rdf:Description {attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


EDITED = packet(
    "<dc:creator><rdf:Seq><rdf:li>N. N.</rdf:li><rdf:li>O. O.</rdf:li></rdf:Seq></dc:creator>"
    '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A street</rdf:li><rdf:li xml:lang="fr">Rue</rdf:li></rdf:Alt>'
    "</dc:title><photoshop:City>Xylquovantha</photoshop:City><Iptc4xmpCore:Location>The bridge</Iptc4xmpCore:Location>"
    "<exif:GPSAltitude>1234/10</exif:GPSAltitude><exif:GPSAltitudeRef>1</exif:GPSAltitudeRef>"
    "<xmpMM:History><rdf:Seq>"
    '<rdf:li stEvt:action="created" stEvt:when="2024-05-06T07:08:09Z" stEvt:softwareAgent="Editor 1.0"/>'
    '<rdf:li rdf:parseType="Resource"><stEvt:action>saved</stEvt:action><stEvt:when>2024-05-07</stEvt:when></rdf:li>'
    "</rdf:Seq></xmpMM:History>",
    'xmp:CreatorTool="Editor 1.0" xmp:CreateDate="2024-05-06T07:08:09+03:00" exif:GPSLatitude="48,51.5N" '
    'exif:GPSLongitude="2,17,40W" aux:SerialNumber="SN-1" GCamera:MotionPhoto="1" Iptc4xmpExt:DigitalSourceType='
    '"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"',
)
READ = {
    "software": "Editor 1.0",
    "created_at": "2024-05-06T07:08:09+03:00",
    "latitude": "48.8583333",
    "longitude": "-2.2944444",
    "altitude_m": "-123.40",
    "body_serial_number": "SN-1",
    "artist": "N. N.; O. O.",
    "title": "A street",
    "city": "Xylquovantha",
    "location_name": "The bridge",
    "history": "created 2024-05-06T07:08:09Z by Editor 1.0; saved 2024-05-07",
    "motion_photo": True,
    "digital_source_type": "trainedAlgorithmicMedia",
}
SMALL = Image.new("RGB", (64, 48), (90, 120, 150))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_decode_when_a_format_carries_xmp_then_it_is_claimed(decode: Decode, format_name: str) -> None:
    result, _ = decode(with_xmp(format_name))

    assert (result.outcome, result.claims["xmp"]) == (DecodeOutcome.DECODED, READ)


def with_xmp(format_name: str) -> bytes:
    if format_name == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = EDITED
        return encoded(SMALL, "TIFF", tiffinfo=tags)
    if format_name == "PNG":
        return with_itxt(encoded(SMALL, "PNG"), EDITED)
    return encoded(SMALL, format_name, xmp=EDITED)


def with_itxt(png: bytes, text: bytes) -> bytes:
    return png[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text) + png[33:]


def test_claims_when_read_from_xmp_then_persons_places_and_serial_numbers_are_sealed() -> None:
    found = divide({"xmp": READ})
    assert found.open["xmp"] == {
        name: READ[name] for name in ("software", "created_at", "history", "motion_photo", "digital_source_type")
    }
    assert {claim.name: claim.value for claim in found.sealed} == {
        **{name: READ[name] for name in ("artist", "title", "city", "location_name", "body_serial_number")},
        "gps_latitude": "48.8583333",
        "gps_longitude": "-2.2944444",
        "gps_altitude_m": "-123.40",
    }
    assert {claim.source for claim in found.sealed} == {"xmp"}


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "hostile",
    [
        packet("<dc:title>&l9;</dc:title>", before=f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>'),
        packet("<dc:title>&f;</dc:title>", before='<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
        packet("", before='<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
        packet("<a>" * 400 + "</a>" * 400),
        packet("<a/>" * 30_000),
        packet("<dc:title>" + "x" * MAX_PACKET_BYTES + "</dc:title>"),
        packet("<dc:title>a</dc:title>")[:-40],
        b'<?xml version="1.0" encoding="utf-7"?>+ADw-x/+AD4-',
        b"\xff\xfe<\0x\0",
    ],
    ids=["laughs", "a file", "a document type elsewhere", "deep", "many", "large", "cut", "an odd encoding", "wide"],
)
def test_decode_when_xmp_is_hostile_then_it_is_unreadable_and_the_picture_is_kept(
    decode: Decode, hostile: bytes
) -> None:
    assert xmp_claims(hostile) == {"xmp_unreadable": True}
    result, _ = decode(encoded(SMALL, "WEBP", xmp=hostile))
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, False)
    assert result.claims["xmp_unreadable"] is True
    assert "xmp" not in result.claims


def test_xmp_when_it_names_another_encoding_then_no_codec_is_looked_for(decode: Decode) -> None:
    """Python would import a codec by that name, and a confined child may open no file."""
    named = packet("<dc:title>A</dc:title>", before='<?xml version="1.0" encoding="shift_jis"?>')
    assert decode(encoded(SMALL, "WEBP", xmp=named))[0].claims["xmp"] == {"title": "A"}


@given(st.binary(max_size=300), st.text(max_size=300))
def test_xmp_when_it_is_any_bytes_or_any_text_then_claims_are_bounded(tail: bytes, text: str) -> None:
    escaped = "".join(f"&#{ord(c)};" for c in text if c.isprintable())
    for given_packet in (tail, b"<x>" + tail, packet(f"<dc:title>{escaped}</dc:title>"), EDITED[: len(text)] + tail):
        require_bounded(xmp_claims(given_packet))


def test_xmp_when_all_texts_are_as_long_as_they_can_be_then_they_fit_into_one_message() -> None:
    faces = "\U0001f600" * 300
    elements = ""
    for number, name in enumerate(xmp._KNOWN):
        namespace, local = name.split(" ")
        elements += f'<n{number}:{local} xmlns:n{number}="{namespace}">{faces}</n{number}:{local}>'
    step = f'<rdf:li stEvt:action="{"a" * 99}" stEvt:when="{"b" * 99}" stEvt:softwareAgent="{"c" * 99}"/>'
    claims: Any = xmp_claims(packet(f"{elements}<xmpMM:History><rdf:Seq>{step * 99}</rdf:Seq></xmpMM:History>"))

    assert len(leaves(claims)) > 20
    assert len(claims["xmp"].pop("history")) == MAX_HISTORY_CHARACTERS
    require_bounded(claims)


def dataset(number: int, value: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


DESK = (
    dataset(55, b"20240506")
    + dataset(60, b"070809+0300")
    + dataset(80, "Søren".encode("latin-1"))
    + dataset(90, b"Xylquovantha")
    + dataset(101, b"Nowhere")
    + dataset(120, b"A caption\r\nof two lines")
    + dataset(25, b"street")
    + dataset(25, b"smoke")
)


def with_photoshop(jpeg: bytes, iptc: bytes) -> bytes:
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) & 1)
    body = b"Photoshop 3.0\0" + resource
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


DESK_READ = {
    "taken_at": "2024-05-06T07:08:09+03:00",
    "artist": "Søren",
    "city": "Xylquovantha",
    "country": "Nowhere",
    "description": "A captionof two lines",
    "keywords": "street; smoke",
}


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
def test_decode_when_a_picture_desk_wrote_iptc_then_it_is_claimed(decode: Decode, format_name: str) -> None:
    result, _ = decode(with_iptc(format_name))

    assert (result.outcome, result.claims["iptc"]) == (DecodeOutcome.DECODED, DESK_READ)
    assert divide(result.claims).open["iptc"] == {"taken_at": "2024-05-06T07:08:09+03:00"}


def with_iptc(format_name: str) -> bytes:
    if format_name == "JPEG":
        return with_photoshop(encoded(SMALL), DESK)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[33723] = 7
    tags[33723] = DESK
    return encoded(SMALL, "TIFF", tiffinfo=tags)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=20), st.binary(max_size=60))
def test_iptc_when_it_is_anything_then_claims_are_bounded(given_sets: list[tuple[int, bytes]], tail: bytes) -> None:
    block = b"".join(dataset(number, value) for number, value in given_sets) + tail
    for claims in (_read(block), _read(tail), _read(DESK + block)):
        require_bounded({"iptc": claims} if claims else {})
