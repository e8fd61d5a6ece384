"""The report as it goes with a package: what it tells and shows, what it must not, and that it stays the same."""

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from app.exports.dossier import find_dossier
from app.exports.models import Export
from app.exports.package import report
from app.exports.report.pictures import PictureBook
from app.exports.report.stories import ItemStory, acts_of
from app.exports.verifier.verify import parse_key, verify
from tests.exports.bags import opened
from tests.exports.custody_cases import integrating, publish_key
from tests.media_samples import ASSETS, excerpt, recompressed
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestServer, create_database, drop_database
from tests.support.journey import ok, received
from tests.support.pdf_reading import PdfRead, read_pdf
from tests.support.work import Work, work_of

ARABIC, UKRAINIAN, HEBREW = "ضربة على السوق", "Снято с крыши", "הצילום מהגג"
PLACE = "Al-Madina Souq"
INCIDENT: dict[str, Any] = {
    "code": "ALP-7",
    "title": ARABIC,
    "kind": "air_strike",
    "place": {"name": PLACE, "latitude": 36.199, "longitude": 37.157, "precision": "vicinity", "radius_m": 90},
    "occurred": {"from": "2026-07-13T20:00:00Z", "to": "2026-07-13T22:00:00Z", "zone": "Asia/Damascus", "basis": "b"},
}


@dataclass
class World:
    """A case with a photograph that may be seen, its copy that may not, a recording, and an incident with facts."""

    api: Api
    work: Work
    vkey: str
    anna: Person
    case_id: str
    clear: str
    graphic: str
    film: str
    incident: str

    def export_id(self, scope: str = "case", ids: list[str] | None = None, **asked: Any) -> str:
        body = {"scope": scope, "ids": ids or [self.case_id], "purpose": "court", **asked}
        made: str = ok(self.anna.post("/v1/exports", json=body), 202)["id"]
        self.work.finish()
        assert ok(self.anna.get(f"/v1/exports/{made}"))["state"] == "ready"
        return made

    def files(self, scope: str = "case", ids: list[str] | None = None, **asked: Any) -> dict[str, bytes]:
        content = self.anna.get(f"/v1/exports/{self.export_id(scope, ids, **asked)}/content").content
        assert verify(io.BytesIO(content), [parse_key(self.vkey)]).findings == []
        return opened(content, parse_key(self.vkey)).files


@pytest.fixture(scope="module")
def world(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    database, data = create_database(postgres), tmp_path_factory.mktemp("report") / "data"
    with running_api(database, data, checkpoint_wait_s=20) as api, integrating(database), work_of(api) as work:
        anna = api.person("Olena Name")
        case_id = api.case(anna, verifier=(anna,), researcher=(anna,), custodian=(anna,))
        photograph, copy = (ASSETS / "rocket.jpg").read_bytes(), recompressed(ASSETS / "rocket.jpg")
        clear = received(anna, case_id, photograph, "клад.jpg", notes=f"{UKRAINIAN} {HEBREW} <b>")
        graphic = received(anna, case_id, copy, "copy.jpg", labels={"graphic_level": "severe", "child": True})
        film = received(anna, case_id, excerpt(10.0, 13.0), "film.mp4", source="Quiet source")
        work.finish()
        incident = ok(anna.post(f"/v1/cases/{case_id}/incidents", json=INCIDENT), 201)["id"]
        ok(anna.post(f"/v1/incidents/{incident}/evidence", json={"evidence_id": clear, "depicts": True}), 201)
        stated = {"name": "Watch for All", "organisation_kind": "ngo"}
        by = ok(anna.post(f"/v1/cases/{case_id}/organisations", json={"stated": stated}), 201)["fact_id"]
        killed = {"outcome": "injured", "person_group": "civilian", "comparator": "more_than", "minimum": 100}
        killed |= {"maximum": None, "as_reported": "More than a hundred"}
        count = {"stated": killed, "source": {"organisation_id": by, "document": "Report"}}
        ok(anna.post(f"/v1/incidents/{incident}/casualties", json=count), 201)
        key = publish_key(api.app.state.services.sessions, data).encode()
        yield World(api, work, key, anna, case_id, clear, graphic, film, incident)
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def pdf_of(files: dict[str, bytes]) -> PdfRead:
    return read_pdf(files["data/report/report.pdf"])


def page_of(files: dict[str, bytes]) -> str:
    return files["data/report/report.html"].decode()


def pictures_in(page: str) -> list[Image.Image]:
    shown = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(each)), formats=("JPEG",)) for each in shown]


def test_report_when_all_is_opened_then_both_files_tell_items_incident_matches_and_how_to_verify(world: World) -> None:
    files = world.files(media=True, disclosures="all")
    page, text = page_of(files), pdf_of(files).text()
    words: tuple[str, ...] = (
        "ALP-7",
        "100 or more",
        "more than 100",
        "More than a hundred",
        PLACE,
        "36.199000, 37.157000 ± 90 m",
    )
    words += (
        UKRAINIAN,
        "Watch for All",
        "same picture",
        "air strike",
        "sha256sum -c manifest-sha256.txt",
        "Quiet source",
    )
    for word in (*words, world.clear, world.graphic, world.incident):
        assert word in page, word
        assert word.split(" <")[0] in text.replace("\n", "") or word in text, word
    assert ARABIC in page
    assert HEBREW in page
    assert "&lt;b&gt;" in page
    for letters in (*ARABIC.split(), *HEBREW.split()):
        assert letters[::-1] in text or letters[::-1].replace("ال", "لا") in text, letters


def test_report_when_it_says_how_to_verify_then_names_the_zip_as_it_is_given_out(world: World) -> None:
    taken = world.anna.get(f"/v1/exports/{world.export_id('incident', [world.incident])}/content")
    name = taken.headers["content-disposition"].removeprefix('attachment; filename="').removesuffix('"')
    assert re.fullmatch(r"custody-incident-[0-9a-f]{8}\.zip", name)
    files = opened(taken.content, parse_key(world.vkey)).files
    for told in (page_of(files), pdf_of(files).text()):
        assert "python3 -I verify.py PACKAGE.zip" in told
        assert name in told


@pytest.mark.thorough
def test_pictures_when_labels_say_so_then_are_blurred_and_grey_also_beside_their_match(world: World) -> None:
    files = world.files("selection", [world.clear, world.graphic, world.film], media=True)
    page = page_of(files)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    pictures = pictures_in(page)
    assert len(pictures) == len(captions) == 6
    for picture, caption in zip(pictures, captions, strict=True):
        assert (picture.mode == "L") is caption.endswith("blurred and grey"), caption
    shown_twice = [caption for caption in captions if caption.startswith("E-")]
    assert len(shown_twice) == 2
    assert all(caption.endswith("blurred and grey") for caption in shown_twice), "they show the same"
    assert sum(b"/DCTDecode" in value for value in pdf_of(files).objects.values()) == 5


@pytest.mark.thorough
def test_frames_of_a_recording_when_its_labels_say_so_then_are_blurred_and_grey_too(world: World) -> None:
    path = f"/v1/evidence/{world.film}"
    before = ok(world.anna.get(path))["labels"]
    ok(world.anna.change(f"{path}/labels", path, "PUT", json={**before, "graphic_level": "severe"}))
    page = page_of(world.files("evidence", [world.film], media=True))
    ok(world.anna.change(f"{path}/labels", path, "PUT", json=before))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert any(caption.startswith("Frames at") for caption in captions), captions
    assert all(caption.endswith("blurred and grey") for caption in captions), captions
    assert {picture.mode for picture in pictures_in(page)} == {"L"}


@pytest.mark.thorough
def test_pictures_when_made_then_are_derivatives_that_entries_name_and_no_original(world: World) -> None:
    files = world.files("selection", [world.clear, world.graphic], media=True)
    acts = [json.loads(line) for path, content in files.items() if "/streams/" in path for line in content.splitlines()]
    made = {act["object"]["sha256"] for act in acts if act["type"] == "evidence.derived"}
    shown = re.findall(r"base64,([^\"]+)\"", page_of(files))
    assert {hashlib.sha256(base64.b64decode(each)).hexdigest() for each in shown} <= made
    assert (ASSETS / "rocket.jpg").read_bytes()[2000:4000] not in files["data/report/report.pdf"]


@pytest.mark.thorough
@pytest.mark.parametrize("asked", [{"media": False, "disclosures": "all"}, {"media": False}])
def test_pictures_when_asked_without_originals_then_there_are_none_and_it_is_said(
    world: World, asked: dict[str, Any]
) -> None:
    files = world.files(**asked)
    assert pictures_in(page_of(files)) == []
    assert b"/DCTDecode" not in files["data/report/report.pdf"]
    assert "this report has no pictures" in page_of(files)


@pytest.mark.thorough
@pytest.mark.parametrize("opens", ["none", ["title"]])
def test_report_when_fields_stay_closed_then_tells_none_of_them_in_any_encoding(world: World, opens: Any) -> None:
    files = world.files(media=True, disclosures=opens)
    closed = {
        UKRAINIAN,
        HEBREW,
        PLACE,
        "36.199",
        "36199000",
        "Quiet source",
        "More than a hundred",
        "Olena Name",
        "клад",
    }
    closed |= {"Watch for All", "film.mp4"} | ({ARABIC, *ARABIC.split()} if opens == "none" else set())
    told = [*files.values(), pdf_of(files).everything()]
    told += [base64.b64decode(each) for each in re.findall(r"base64,([^\"]+)\"", page_of(files))]
    for word in closed:
        utf8, utf16 = word.encode(), word.encode("utf-16-be")
        forms = [utf8, utf16, word.encode("utf-16-le"), word[::-1].encode()]
        forms += [each.hex().encode() for each in (utf8, utf16)] + [
            each.hex().upper().encode() for each in (utf8, utf16)
        ]
        forms += [base64.b64encode(utf8)[:-4], json.dumps(word)[1:-1].encode()]
        for form in forms:
            assert not any(form in each for each in told), (word, form)


def test_item_when_in_quarantine_then_its_picture_stays_there_until_it_is_released(world: World) -> None:
    """As its entries say: the state of the row is the present's."""
    export_id = world.export_id("evidence", [world.clear], media=True)
    sessions = world.api.app.state.services.sessions
    with sessions() as session:
        export = session.get(Export, UUID(export_id))
        assert export is not None
        dossier = replace(find_dossier(session, sessions, export), blobs=world.work.resources.blobs)
    book, story = PictureBook(dossier), ItemStory(world.clear)
    for act in acts_of(dossier.opened()):
        story.take(act)
    assert len(book.contact_sheet(story)) == 1
    last = story.timeline.acts[-1]
    story.take(replace(last, type="evidence.quarantined", data={"outcome": "mismatch"}))
    assert book.contact_sheet(story) == []
    assert book.small(story, "x") is None
    story.take(replace(last, type="evidence.released_from_quarantine", data={}))
    assert len(book.contact_sheet(story)) == 1


_MADE_ANEW = """
import hashlib, sys, uuid
from pathlib import Path
from app.blobs.local import LocalBlobStore
from app.exports.dossier import find_dossier
from app.exports.models import Export
from app.exports.package import custody_graph, report
from app.kernel.database import open_engine, session_factory
import dataclasses
sessions = session_factory(open_engine(sys.argv[1], pool_size=2))
with sessions() as session:
    dossier = find_dossier(session, sessions, session.get(Export, uuid.UUID(sys.argv[2])))
dossier = dataclasses.replace(dossier, blobs=LocalBlobStore(Path(sys.argv[3])), scratch=None)
for part in (custody_graph, report):
    for path, chunks in part.write(dossier):
        print(path, hashlib.sha256(b"".join(chunks)).hexdigest())
"""


@pytest.mark.thorough
def test_report_and_graph_when_made_again_by_another_process_then_have_the_same_bytes(world: World) -> None:
    export_id = world.export_id(media=True, disclosures="all")
    settings = world.api.app.state.services.settings
    command = [sys.executable, "-c", _MADE_ANEW, settings.app_database_url, export_id, str(settings.data / "blobs")]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    content = world.anna.get(f"/v1/exports/{export_id}/content").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        told = dict(line.split() for line in made.stdout.splitlines())
        assert set(told) == {"data/case/custody.jsonld", "data/report/report.html", "data/report/report.pdf"}
        for path, digest in told.items():
            assert hashlib.sha256(archive.read(names[path])).hexdigest() == digest, path


@pytest.mark.thorough
def test_picture_when_the_store_has_other_bytes_for_it_then_is_not_shown(world: World) -> None:
    """Damage at rest: the entry's digest decides, not the place."""

    class Damaged:
        def read_range(self, _: str) -> Iterator[bytes]:
            yield (ASSETS / "table.jpg").read_bytes()

    export_id = world.export_id("evidence", [world.clear], media=True)
    sessions = world.api.app.state.services.sessions
    with sessions() as session:
        export = session.get(Export, UUID(export_id))
        assert export is not None
        dossier = replace(find_dossier(session, sessions, export), blobs=Damaged())  # type: ignore[arg-type]
    files = {path: b"".join(chunks) for path, chunks in report.write(dossier)}
    assert pictures_in(page_of(files)) == []
    assert "No picture could be made" in page_of(files)
