"""What people write, where it is taken: names that are seen as they are, and addresses that are places."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.api.access import Name
from app.api.evidence_shapes import Address, Line
from app.api.finding_shapes import PlainReference
from tests.support.api import Api
from tests.support.journey import ok

PROGRAMS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "\u200bjavascript:alert(1)",
    "java\u00adscript:alert(1)",
    "javascript\u200c:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "view-source:https://example.org",
    "blob:https://example.org/1",
)
PLACES = (
    "https://example.org/javascript:alert",
    "t.me/channel/17",
    "tg://resolve?domain=x",
    "@channel",
    "mailto:hub@example.org",
    "+380 44 000 00 00",
    "example.org:8080/data:1",
    "кафе.укр/відео",
    "[erased]",
)
UNSEEN = ("\u200b", "\u202e", "\u2060\ufeff", " ", "\u3164", "\u2800")


@pytest.mark.parametrize("kind", [Address, PlainReference], ids=["address", "reference"])
@pytest.mark.parametrize("text", PROGRAMS)
def test_address_when_a_browser_would_run_it_then_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("text", PLACES)
def test_address_when_it_is_a_place_however_told_then_taken_as_it_is(text: str) -> None:
    assert TypeAdapter(Address).validate_python(text) == text


@pytest.mark.parametrize("kind", [Address, Line, Name, PlainReference], ids=["address", "line", "name", "reference"])
@pytest.mark.parametrize("text", UNSEEN)
def test_text_when_nothing_of_it_is_seen_then_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("name", ["Olena\u202egnp.exe", "\u2067Olena\u2069", "Olena\nRita"])
def test_name_when_it_is_not_read_as_it_is_written_then_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


@pytest.mark.parametrize("name", ["Олена", "علی\u200cرضا", "עדי\u200f", "O'Brien-Ōe"])
def test_name_when_of_any_script_then_taken_as_it_is(name: str) -> None:
    assert TypeAdapter(Name).validate_python(name) == name


def test_lead_and_purpose_when_wrong_then_the_problem_has_one_code(api: Api) -> None:
    coordinator = api.person("Cora")
    case_id = api.case(coordinator)
    path = f"/v1/cases/{case_id}/evidence"
    refused = coordinator.post(path, json={"lead_address": "javascript:alert(1)"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_metadata")
    lead = ok(coordinator.post(path, json={"lead_address": "t.me/x/17"}), 201)["id"]
    asked = coordinator.post(f"/v1/evidence/{lead}/source/openings", json={"reason": "To warn them."})
    taken = coordinator.get(f"/v1/cases/{case_id}/custody/file")
    packed = coordinator.post("/v1/exports", json={"scope": "case", "ids": [case_id]})
    signed = coordinator.post(f"/v1/evidence/{lead}/content-url", json={})
    looked = coordinator.get(f"/v1/evidence/{lead}/content")
    answers = [(each.status_code, each.json()["code"]) for each in (asked, taken, packed, signed, looked)]
    assert answers == [(422, "purpose_needed")] * 5
