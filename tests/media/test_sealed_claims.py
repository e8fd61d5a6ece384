"""Place and serial number over HTTP: sealed per item, shown to whoever may read the original, erased for good."""

import io
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from PIL import ExifTags, Image
from sqlalchemy import text

from app.kernel.primitives import utc_now
from app.media.claims import SealedClaim
from app.media.sealing import seal_claims
from app.unit_of_work import unit_of_work
from tests.media.people import METADATA, Hub
from tests.support.api import Api, Person
from tests.support.databases import TestDatabase
from tests.support.work import Work, work_of

SERIAL = "SN-Xylquovantha-77"
LATITUDE = "47.1234567"
GROUND = {"reason_code": "consent_withdrawn", "authority": "data_subject_request"}


def photograph() -> bytes:
    """A small one with times, an owner's serial number and a place."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Exhibit"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    details[ExifTags.Base.OffsetTimeOriginal] = "+03:00"
    details[ExifTags.Base.SubsecTimeOriginal] = "25"
    details[ExifTags.Base.BodySerialNumber] = SERIAL
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "N", (47, 7, 24.44412)
    gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "E", (2, 17, 40)
    gps[ExifTags.GPS.GPSDateStamp], gps[ExifTags.GPS.GPSTimeStamp] = "2024:05:06", (4, 8, 9)
    written = io.BytesIO()
    Image.linear_gradient("L").resize((320, 240)).convert("RGB").save(written, "JPEG", exif=exif)
    return written.getvalue()


PHOTOGRAPH = photograph()
MOVED = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
xmlns:exif="http://ns.adobe.com/exif/1.0/"><rdf:Description exif:GPSLatitude="51,30.0N" exif:GPSLongitude="2,17.6667E"
exif:DateTimeOriginal="2024-05-06T09:08:09+03:00"/></rdf:RDF></x:xmpmeta>"""


def photograph_moved() -> bytes:
    """The same, to which an editor gave another latitude and another hour in XMP, and left those in EXIF."""
    written = io.BytesIO()
    image = Image.open(io.BytesIO(PHOTOGRAPH))
    image.save(written, "JPEG", exif=image.info["exif"], xmp=MOVED)
    return written.getvalue()


class Bench(Hub):
    def __init__(self, api: Api, work: Work) -> None:
        super().__init__(api)
        self.work = work
        self.custodian = api.person("Custodian")
        answer = self.coordinator.put(f"/v1/cases/{self.case_id}/members/{self.custodian.id}/custodian")
        assert answer.status_code == 200, answer.text

    def receive(self, case_id: str | None = None, person: Person | None = None, file: bytes = PHOTOGRAPH) -> str:
        form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file.jpg", file))]
        answer = (person or self.collector).post(f"/v1/cases/{case_id or self.case_id}/evidence", files=form)
        assert answer.status_code == 201, answer.text
        self.work.finish()
        return str(answer.json()["id"])

    def claims(self, item: str, person: Person | None = None) -> dict[str, dict[str, Any]]:
        answer = (person or self.verifier).get(f"/v1/evidence/{item}/claims")
        assert answer.status_code == 200, answer.text
        return {claim["name"]: claim for claim in answer.json()["claims"]}

    def erase(self, item: str, name: str, person: Person | None = None) -> None:
        commitment = self.claims(item, person)[name]["commitment"]
        path = f"/v1/ledger/entries/{commitment}/erasures"
        answer = (person or self.custodian).post(path, json={"field": name, **GROUND})
        assert answer.status_code == 201, answer.text

    def decode_again(self, item: str, **more: str) -> None:
        """What another decoder finds in the same bytes, stored as its job would store it."""
        found = {"gps_latitude": LATITUDE, "body_serial_number": SERIAL, **more}
        with unit_of_work(self.api.app.state.services.sessions) as uow:
            seal_claims(uow, UUID(item), [SealedClaim(name, "exif", value) for name, value in found.items()])
            uow.commit()


@pytest.fixture
def bench(api: Api) -> Iterator[Bench]:
    with work_of(api) as work:
        yield Bench(api, work)


def tables_with(database: TestDatabase, words: str) -> set[str]:
    """The tables of which a row holds these words, in whatever column; byte columns are read as text."""
    found = set()
    with psycopg.connect(database.owner_url) as owner:
        columns = owner.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_class c JOIN pg_attribute a "
            "ON a.attrelid = c.oid WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace "
            "AND a.attnum > 0 AND NOT a.attisdropped"
        ).fetchall()
        for table, column, kind in columns:
            shown = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            query = f'SELECT EXISTS (SELECT FROM "{table}" WHERE {shown} ILIKE %s)'
            row = owner.execute(query.encode(), [f"%{words}%"]).fetchone()
            if row and row[0]:
                found.add(f"{table}.{column}")
    return found


@pytest.mark.thorough
def test_claims_when_read_then_each_names_its_source_and_only_who_may_read_the_original_sees_what_identifies(
    bench: Bench,
) -> None:
    item = bench.receive()

    seen = bench.claims(item)
    assert seen["make"] == claim("make", "exif", "Exhibit")
    assert seen["width"] == claim("width", "container", 320)
    assert seen["taken_at"] == claim("taken_at", "exif", "2024:05:06 07:08:09", moment="2024-05-06T07:08:09.25+03:00")
    assert seen["gps_time_utc"]["moment"] == "2024-05-06T04:08:09Z"
    latitude, serial = seen["gps_latitude"], seen["body_serial_number"]
    assert (latitude["source"], latitude["standing"], latitude["value"]) == ("exif", "disclosed", LATITUDE)
    assert (serial["standing"], serial["value"]) == ("disclosed", SERIAL)
    assert bench.claims(item, bench.collector)["body_serial_number"]["value"] == SERIAL
    for person in (bench.auditor, bench.other_collector):
        withheld = bench.claims(item, person)["body_serial_number"]
        assert (withheld["standing"], withheld["value"]) == ("withheld", None)
    assert bench.stranger.get(f"/v1/evidence/{item}/claims").status_code == 404


def claim(name: str, source: str, value: Any, *, moment: str | None = None) -> dict[str, Any]:
    said = {"name": name, "source": source, "value": value, "standing": "open", "moment": moment, "commitment": None}
    return {**said, "contradicted_by": []}


@pytest.mark.thorough
def test_place_and_serial_number_when_read_then_they_are_in_no_entry_list_or_column_but_their_seals(
    bench: Bench, database: TestDatabase
) -> None:
    item = bench.receive()

    assert tables_with(database, LATITUDE) == {"ledger_disclosures.line"}
    assert tables_with(database, SERIAL) == {"ledger_disclosures.line"}
    own = bench.verifier.get(f"/v1/evidence/{item}")
    assert own.json()["claims"]["sealed"] == {
        "body_serial_number": "exif",
        "gps_latitude": "exif",
        "gps_longitude": "exif",
    }
    preview = bench.verifier.get(f"/v1/evidence/{item}/preview")
    for answer in (own, bench.verifier.get(f"/v1/cases/{bench.case_id}/evidence"), preview):
        assert SERIAL.encode() not in answer.content
        assert LATITUDE.encode() not in answer.content
    assert bench.entries(item, "evidence.claims_read") == 1


@pytest.mark.thorough
def test_erasure_when_another_case_has_the_same_bytes_then_it_reaches_this_item_and_no_decoding_brings_it_back(
    bench: Bench, database: TestDatabase
) -> None:
    ours = bench.receive()
    keeper = bench.api.person("Other Custodian")
    other_case = bench.api.case(bench.coordinator, verifier=(keeper,), custodian=(keeper,))
    theirs = bench.receive(other_case, keeper)
    assert bench.claims(theirs, keeper)["body_serial_number"]["value"] == SERIAL

    bench.erase(ours, "body_serial_number")

    assert bench.claims(ours)["body_serial_number"]["standing"] == "erased"
    assert bench.claims(ours)["gps_latitude"]["value"] == LATITUDE
    assert bench.claims(theirs, keeper)["body_serial_number"]["value"] == SERIAL
    bench.decode_again(ours, image_unique_id=SERIAL)
    assert bench.entries(ours, "evidence.claims_read") == 1
    assert "image_unique_id" not in bench.claims(ours)
    bench.erase(theirs, "body_serial_number", keeper)
    assert tables_with(database, SERIAL) == set()


@pytest.mark.thorough
def test_decoding_again_when_nothing_was_erased_then_only_what_is_new_is_sealed(bench: Bench) -> None:
    item = bench.receive()

    bench.decode_again(item)
    assert bench.entries(item, "evidence.claims_read") == 1
    bench.decode_again(item, lens_serial_number="LENS-9")
    assert bench.entries(item, "evidence.claims_read") == 2
    assert bench.claims(item)["lens_serial_number"]["value"] == "LENS-9"


@pytest.mark.thorough
def test_claims_when_two_places_in_a_file_state_otherwise_then_both_are_sealed_shown_and_erased_apart(
    bench: Bench,
) -> None:
    item = bench.receive(file=photograph_moved())

    def stated(person: Person) -> dict[tuple[str, str], tuple[str, Any, list[str]]]:
        listed = person.get(f"/v1/evidence/{item}/claims").json()["claims"]
        return {(one["name"], one["source"]): (one["standing"], one["value"], one["contradicted_by"]) for one in listed}

    seen = stated(bench.verifier)
    assert seen["gps_latitude", "exif"] == ("disclosed", LATITUDE, ["xmp"])
    assert seen["gps_latitude", "xmp"] == ("disclosed", "51.5000000", ["exif"])
    assert [seen["gps_longitude", source][2] for source in ("exif", "xmp")] == [[], []]
    assert seen["taken_at", "exif"][2] == ["xmp"]
    assert stated(bench.auditor)["gps_latitude", "xmp"] == ("withheld", None, [])
    assert {key for key, said in seen.items() if said[2]} == {
        (name, source) for name in ("gps_latitude", "taken_at") for source in ("exif", "xmp")
    }
    assert bench.entries(item, "evidence.claims_read") == 2
    bench.decode_again(item)
    assert bench.entries(item, "evidence.claims_read") == 2, "both are there"

    listed = bench.verifier.get(f"/v1/evidence/{item}/claims").json()["claims"]
    [commitment] = [one["commitment"] for one in listed if (one["name"], one["source"]) == ("gps_latitude", "exif")]
    path = f"/v1/ledger/entries/{commitment}/erasures"
    assert bench.custodian.post(path, json={"field": "gps_latitude", **GROUND}).status_code == 201
    left = stated(bench.verifier)
    assert left["gps_latitude", "exif"] == ("erased", None, [])
    assert left["gps_latitude", "xmp"] == ("disclosed", "51.5000000", [])


@pytest.mark.thorough
def test_claims_when_an_older_entry_has_the_first_source_alone_then_the_other_is_added_beside_it(bench: Bench) -> None:
    item = bench.receive()
    with unit_of_work(bench.api.app.state.services.sessions) as uow:
        again = [SealedClaim("gps_latitude", "exif", LATITUDE), SealedClaim("gps_latitude", "xmp", "1.5")]
        seal_claims(uow, UUID(item), again)
        uow.commit()

    listed = bench.verifier.get(f"/v1/evidence/{item}/claims").json()["claims"]
    latitudes = [one for one in listed if one["name"] == "gps_latitude"]
    assert [(one["source"], one["value"]) for one in latitudes] == [("exif", LATITUDE), ("xmp", "1.5")]
    assert len({one["commitment"] for one in latitudes}) == 2
    assert bench.entries(item, "evidence.claims_read") == 2


@pytest.mark.thorough
def test_claims_and_renderings_when_another_case_had_the_bytes_before_then_no_time_tells_it(bench: Bench) -> None:
    bench.receive()
    keeper = bench.api.person("Other Custodian")
    other_case = bench.api.case(bench.coordinator, verifier=(keeper,), custodian=(keeper,))
    received_at = utc_now()
    theirs = bench.receive(other_case, keeper)

    for path in ("", "/claims", "/renderings", "/fingerprints"):
        shown = keeper.get(f"/v1/evidence/{theirs}{path}").text
        moments = [datetime.fromisoformat(found) for found in re.findall(r'"(20\d\d-\d\d-\d\dT[0-9:.]+Z)"', shown)]
        assert [one for one in moments if received_at - timedelta(days=1) < one < received_at] == [], path


def test_sealing_when_a_row_that_names_the_item_is_stored_meanwhile_then_it_does_not_wait(bench: Bench) -> None:
    """Else sealing for all items on the same bytes and storing matches between them could wait for each other."""
    item = bench.receive()
    sessions = bench.api.app.state.services.sessions
    with unit_of_work(sessions) as uow:
        seal_claims(uow, UUID(item), [SealedClaim("lens_serial_number", "exif", "LENS-9")])
        with sessions() as session:
            session.execute(text("SET LOCAL lock_timeout = '200ms'"))
            as_foreign_key = text("SELECT FROM evidence WHERE id = :item FOR KEY SHARE")
            session.execute(as_foreign_key, {"item": item})
            session.rollback()
        uow.commit()


@pytest.mark.thorough
def test_claims_when_kept_with_the_bytes_then_the_database_takes_none_that_identifies(bench: Bench) -> None:
    bench.receive()
    with bench.api.app.state.services.sessions() as session:
        for kept in ('{"exif": {"artist": "x"}}', '{"gps": {"latitude": "1.0"}}'):
            with pytest.raises(Exception, match="ck_decodings_claims_open"):
                session.execute(
                    text(
                        "INSERT INTO decodings (blob_sha256, number, decoder, outcome, claims, decoded_at) "
                        "SELECT blob_sha256, 2, decoder, outcome, CAST(:kept AS jsonb), decoded_at "
                        "FROM decodings LIMIT 1"
                    ),
                    {"kept": kept},
                )
            session.rollback()


def test_claims_when_not_read_yet_then_the_answer_says_so(bench: Bench) -> None:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file.jpg", PHOTOGRAPH))]
    item = bench.collector.post(f"/v1/cases/{bench.case_id}/evidence", files=form).json()["id"]
    lead = bench.collector.post(f"/v1/cases/{bench.case_id}/evidence", json={"lead_claim": "A film."}).json()["id"]

    early = bench.verifier.get(f"/v1/evidence/{item}/claims")
    none = bench.verifier.get(f"/v1/evidence/{lead}/claims")
    assert (early.status_code, early.json()["code"]) == (404, "claims_not_read")
    assert (none.status_code, none.json()["code"]) == (409, "no_content")


@pytest.mark.thorough
def test_custody_pages_when_read_with_a_token_not_made_for_content_then_no_claim_is_opened_by_them(
    bench: Bench,
) -> None:
    """Pages are no entry: they must not be a way around the right to read the original."""
    item = bench.receive()
    token = bench.api.admin.post(
        "/v1/tokens", json={"name": "t", "scopes": ["read"], "account_id": bench.custodian.id}
    ).json()["token"]
    reader = bench.api.client(token)
    path = f"/v1/evidence/{item}/custody"

    def opened(answer: Any) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        [entry] = [each for each in answer.json()["items"] if each["type"] == "evidence.claims_read"]
        return {name: field["value"] for name, field in entry["sealed"].items() if field["is_disclosed"]}

    assert opened(bench.custodian.get(path))["gps_latitude"] == LATITUDE
    for person in (reader, bench.auditor):
        assert opened(person.get(path)) == {}
        assert LATITUDE not in person.get(path).text
        collected = person.get(path).json()["items"][0]["sealed"]
        assert all(field["is_disclosed"] for field in collected.values()), "what people stated is open as before"
