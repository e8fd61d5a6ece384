"""Custody files around a key's rotation: whoever pinned one key of the overlap needs no other."""

import argparse
import io
from pathlib import Path

import pytest

from app.exports.verifier.verify_custody import parse_key, verify
from app.kernel.settings import Settings
from app.ledger_operations import rotate_key
from tests.support.api import Person, running_api
from tests.support.databases import TestDatabase
from tests.support.signing import integrating_with_files

VERIFIES_WITH = {"before": {"old"}, "during": {"old", "new"}, "after": {"new"}}


def _custody(person: Person, case_id: str) -> bytes:
    taken = person.get(f"/v1/cases/{case_id}/custody/file", params={"purpose": "audit"})
    assert taken.status_code == 200, taken.text
    return taken.content


@pytest.fixture
def rotated(database: TestDatabase, tmp_path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """A case's file before, during and after the overlap, and both keys as the API shows them."""
    settings = Settings(
        data=tmp_path, app_database_url=database.app_url, integrator_database_url=database.integrator_url
    )
    with running_api(database, tmp_path) as api, integrating_with_files(database, tmp_path):
        anna = api.person("Anna")
        case_id = api.case(anna)
        files = {"before": _custody(anna, case_id)}
        rotate_key(settings, argparse.Namespace(finish=False))
        files["during"] = _custody(anna, case_id)
        rotate_key(settings, argparse.Namespace(finish=True))
        files["after"] = _custody(anna, case_id)
        old, new = (each["vkey"] for each in api.client().get("/v1/ledger/keys").json()["keys"])
    return files, {"old": old, "new": new}


def test_custody_file_when_its_key_is_being_replaced_verifies_with_either_key_alone(
    rotated: tuple[dict[str, bytes], dict[str, str]],
) -> None:
    files, keys = rotated
    for moment, content in files.items():
        good = {name for name, key in keys.items() if verify(io.BytesIO(content), parse_key(key)).ok}
        assert good == VERIFIES_WITH[moment], moment
        assert verify(io.BytesIO(content), *map(parse_key, keys.values())).findings == []


def test_custody_file_when_only_the_replaced_key_is_pinned_says_that_a_rotation_may_be_why(
    rotated: tuple[dict[str, bytes], dict[str, str]],
) -> None:
    files, keys = rotated
    reasons = " ".join(f.reason for f in verify(io.BytesIO(files["after"]), parse_key(keys["old"])).findings)
    assert "signed with another key than the pinned one" in reasons
    assert "/v1/ledger/keys" in reasons
    assert "--key twice" in reasons
