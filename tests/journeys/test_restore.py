"""A restore from a backup that lost signed entries, from the halt to files of both logs that auditors check offline."""

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.erasure.events import EntryErased
from app.exports.verifier import verify_custody
from app.exports.verifier.verify_custody import Report, parse_key, verify
from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import canonical_json, new_id, utc_now
from app.kernel.settings import Settings
from app.ledger import log
from app.ledger.checkpoint import open_checkpoint, parse_vkey
from app.ledger.event import EntryActor, EntryObject
from app.ledger.merkle import verify_consistency
from app.ledger.witness_request import parse_add_checkpoint
from app.ledger_operations import start_new_log
from tests.erasure.hub import GROUND
from tests.exports.test_custody_tampering import resealed
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database
from tests.support.signing import integrating_with_files


@dataclass(frozen=True)
class Files:
    """What auditors hold after a restore: the case's file of the ended log and of the current one, and both keys."""

    old: bytes
    new: bytes
    item_old: bytes
    item_new: bytes
    before: bytes
    """Taken before the disaster."""
    lost: str
    keys: list[str]
    halted: dict[str, Any]
    later_than_log: int
    audit: subprocess.CompletedProcess[str]
    statuses: dict[str, int]
    database: TestDatabase
    erasing: tuple[int, str]
    """Status and code of what a custodian was told who asked for the erasure of the body that names an end."""
    erased_old: bytes
    """The item in the ended log, in which an entry of the newer one erased a field; and that newer part."""
    erased_new: bytes
    growth: dict[int, tuple[int, str]]
    """By log number, what was answered to who asked for the proof that this log only grew since ``before``."""

    def check(self, old: bytes, new: bytes | None = None) -> Report:
        newer = None if new is None else _stream(new)
        return verify(_stream(old), *map(parse_key, self.keys), continued_by=newer)


def _stream(content: bytes) -> Any:
    return io.BytesIO(content)


def _wait(found: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _lead(person: Person, case_id: str) -> Any:
    return person.post(f"/v1/cases/{case_id}/evidence", json={"lead_address": "https://example.org/1"})


def _custody(person: Person, path: str, **query: Any) -> bytes:
    taken = person.get(f"{path}/custody/file", params={"purpose": "audit", "disclose": "all", **query})
    assert taken.status_code == 200, taken.text
    return taken.content


def _again(api: Api, person: Person) -> Person:
    """The same person at a server that runs on a copy of the database."""
    return Person(person.id, person.name, person.token, api.client(person.token))


@pytest.fixture(scope="module")
def files(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    data = tmp_path_factory.mktemp("restore") / "data"
    data.mkdir()
    made: list[TestDatabase] = []

    def database(**template: str) -> TestDatabase:
        made.append(create_database(postgres, **template))
        return made[-1]

    lived = database()
    with running_api(lived, data) as api:
        with integrating_with_files(lived, data):
            anna, olga, admin = api.person("Anna"), api.person("Olga"), api.admin
            case_id = api.case(anna, custodian=(olga,))
            item = _lead(anna, case_id).json()["id"]
            before = _custody(anna, f"/v1/cases/{case_id}")
        old_key = api.client().get("/v1/ledger/key").json()["vkey"]
        anna.get(f"/v1/evidence/{item}")
    backup = database(template=lived.name)  # A real copy, of a server that nobody writes to.
    with running_api(lived, data, admin_token=admin.token) as api, integrating_with_files(lived, data):
        lost = _lead(_again(api, anna), case_id).json()["id"]
        _custody(_again(api, anna), f"/v1/cases/{case_id}")  # Hence signed, and in other hands.
    with ExitStack() as running:
        api = running.enter_context(running_api(backup, data, admin_token=admin.token))
        anna = _again(api, anna)
        _lead(anna, case_id)
        tail = _lead(anna, case_id)  # Written before anybody noticed; it will never get a leaf.
        with integrating_with_files(backup, data):
            _wait(lambda: _lead(anna, case_id).status_code == 503, "the log was not halted")
            halted = _lead(anna, case_id)
            read = anna.get(f"/v1/cases/{case_id}")
            refused = anna.get(f"/v1/cases/{case_id}/custody/file", params={"purpose": "audit"})
        settings = Settings.model_validate(
            {
                "data": data,
                "DATABASE_URL": backup.owner_url,
                "app_database_url": backup.app_url,
                "integrator_database_url": backup.integrator_url,
            }
        )
        options = argparse.Namespace(the_old_log_ends=True, reason="The disk burned.", origin=None, halt=False)
        assert start_new_log(settings, options) == 0
        running.enter_context(integrating_with_files(backup, data))
        _wait(lambda: api.client().get("/v1/ledger/key").json()["prefix"] == "/logs/2", "no key of the new log")
        statuses = {"tail": tail.status_code, "read": read.status_code, "file": refused.status_code}
        statuses["after"] = _lead(anna, case_id).status_code
        path = f"/v1/cases/{case_id}"
        old, new = _custody(anna, path, log=1), _custody(anna, path)
        item_path = f"/v1/evidence/{tail.json()['id']}"
        first_path = f"/v1/evidence/{item}"
        item_old, item_new = _custody(anna, item_path, log=1), _custody(anna, item_path, log=2)
        later = anna.get(f"{path}/custody/file", params={"purpose": "audit", "log": 3})
        statuses["table"] = anna.get(
            f"{path}/custody/file", params={"purpose": "audit", "log": 1, "format": "csv"}
        ).status_code
        [naming] = [line for line in item_new.splitlines() if b'"continues"' in line]
        erasures = f"/v1/ledger/entries/{hashlib.sha256(naming).hexdigest()}/erasure-requests"
        answered = _again(api, olga).post(erasures, json=GROUND)
        erasing = (answered.status_code, answered.json()["code"])
        sealing = next(line for line in _custody(anna, first_path, log=1).splitlines() if b'"sealed":{"' in line)
        asked = {"field": min(json.loads(sealing)["sealed"]), **GROUND}
        place = hashlib.sha256(sealing).hexdigest()
        erased = _again(api, olga).post(f"/v1/ledger/entries/{place}/erasures", json=asked)
        assert erased.status_code == 201, erased.text
        erased_old, erased_new = _custody(anna, first_path, log=1), _custody(anna, first_path)
        sizes = {"old": _header(before)["tree_size"], "new": _header(old)["tree_size"]}
        growth = {}
        for number in (1, 2, 3):
            proof = api.client().get("/v1/ledger/consistency", params={**sizes, "log": number})
            growth[number] = (proof.status_code, proof.text)
        head = api.client().get(f"/v1/ledger/checkpoints/{sizes['old']}", params={"log": 1})
        assert head.status_code == 200, head.text
        assert head.text == json.loads(before.splitlines()[1])["note"]
        new_key = api.client().get("/v1/ledger/key").json()["vkey"]
    environment = dict(os.environ) | {
        "EXHIBIT_DATA": str(data),
        "DATABASE_URL": backup.owner_url,
        "EXHIBIT_APP_DATABASE_URL": backup.app_url,
        "EXHIBIT_INTEGRATOR_DATABASE_URL": backup.integrator_url,
    }
    command = [sys.executable, "-m", "app.cli", "ledger", "verify"]
    audit = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    keys = [old_key, new_key]
    answer = halted.json()
    status = later.status_code
    yield Files(
        *(old, new, item_old, item_new, before, lost, keys, answer, status, audit, statuses, backup, erasing),
        *(erased_old, erased_new, growth),
    )
    with postgres.administration() as owner:
        for each in made:
            drop_database(owner, each.name)


@pytest.mark.thorough
def test_restore_when_signed_entries_are_lost_halts_writing_keeps_reading_and_goes_on_in_a_new_log(
    files: Files,
) -> None:
    assert files.halted["code"] == "ledger_halted"
    assert files.statuses == {"tail": 201, "read": 200, "file": 503, "after": 201, "table": 200}
    assert files.later_than_log == 404
    assert files.audit.returncode == 0, files.audit.stdout + files.audit.stderr


def test_files_of_both_logs_when_checked_together_prove_every_entry_also_those_without_a_leaf(files: Files) -> None:
    for old, new in ((files.old, files.new), (files.item_old, files.item_new)):
        newer, report = files.check(new), files.check(old, new)
        assert newer.findings == []
        assert report.findings == []
        results = {check: report.result_of(check) for check in ("chain", "inclusion", "leaves", "completeness")}
        assert set(results.values()) == {"proven"}, results
    header = json.loads(files.old.splitlines()[0])
    assert [header["log"], header["continued_by"]] == [key.split("+")[0] for key in files.keys]
    assert any(stream["integrated"] < stream["entries"] for stream in header["streams"])
    assert files.lost.encode() not in files.old  # It is nowhere any more: the new log says how much was signed.
    assert files.check(files.before).findings == []  # What was taken before goes on verifying.


@pytest.mark.parametrize("scope", ["case", "evidence"])
def test_file_of_a_log_that_continues_another_says_what_is_not_in_it_and_calls_it_not_checked(
    files: Files, scope: str
) -> None:
    old, new = (files.old, files.new) if scope == "case" else (files.item_old, files.item_new)
    report = files.check(new)
    older = _header(old)
    ends = {each["stream"]: (older["log"], each["entries"], each["head"]) for each in older["streams"]}

    assert report.ok
    assert report.result_of("completeness") == "not checked"
    assert older["log"] in report.skipped["completeness"]
    assert "--continued-by" in report.skipped["completeness"]
    assert "first entry in this log" in report.claim_of("chain")
    told = report.as_json()["continues"]
    assert told
    assert all(ends[each["stream"]] == (each["log"], each["entries"], each["head"]) for each in told)
    assert ends.keys() == {each["stream"] for each in told}
    lines = list(verify_custody.describe(report))
    for each in told:
        assert any(
            each["log"] in line and f"{each['entries']} entries there, not in this file" in line for line in lines
        )
    assert lines[-1].startswith("OK: as it was logged; ")
    assert older["log"] in lines[-1]
    together = files.check(old, new)
    assert together.result_of("completeness") == "proven"
    assert together.as_json()["continues"] == []
    assert list(verify_custody.describe(together))[-1] == "OK: as it was logged"


def test_file_of_an_ended_log_when_the_newer_one_is_not_given_names_what_only_that_proves(files: Files) -> None:
    report = files.check(files.old)
    assert {found.check for found in report.findings} == {"inclusion"}
    assert "have no leaf" in report.findings[0].reason
    assert report.result_of("completeness") == report.result_of("leaves") == "not checked"


def test_file_of_an_ended_log_when_the_newer_one_erased_a_field_names_that_and_is_proven_with_it(files: Files) -> None:
    alone = files.check(files.erased_old)
    assert {found.check for found in alone.findings} == {"disclosures"}
    assert "or it was erased by an entry of the newer log" in alone.findings[0].reason
    assert "--continued-by" in alone.findings[0].reason
    assert "unless the newer log's file explains" in list(verify_custody.describe(alone))[-1]
    together = files.check(files.erased_old, files.erased_new)
    assert together.findings == []
    assert together.result_of("disclosures") == "proven"
    assert [name for _, _, name in together.withheld] != []


def test_growth_of_a_log_that_has_ended_when_asked_for_by_its_number_is_proven(files: Files) -> None:
    from_size, to_size = (_header(content)["tree_size"] for content in (files.before, files.old))
    key = parse_vkey(files.keys[0])
    kept = open_checkpoint(json.loads(files.before.splitlines()[1])["note"], key)
    status, text = files.growth[1]
    assert status == 200, text
    proof = parse_add_checkpoint(text)
    grown = open_checkpoint(proof.checkpoint, key)
    assert (kept.size, grown.size) == (proof.old, to_size) == (from_size, to_size)
    verify_consistency(kept.size, grown.size, kept.root, grown.root, list(proof.hashes))
    assert (files.growth[3][0], json.loads(files.growth[3][1])["code"]) == (404, "no_such_log")
    assert files.growth[2] != files.growth[1]


def test_disclosure_when_dropped_from_the_file_of_an_ended_log_is_a_fault_alone_and_with_the_newer(
    files: Files,
) -> None:
    """That the log ended is the header's word alone: whoever drops a line must not have it pass by that word."""
    lines = files.old.splitlines()
    dropped = next(place for place, line in enumerate(lines) if json.loads(line).get("kind") == "disclosure")
    content = resealed([*lines[:dropped], *lines[dropped + 1 :]])
    alone, together = files.check(content), files.check(content, files.new)
    assert alone.result_of("disclosures") == together.result_of("disclosures") == "FAILED"
    assert not any("erased by an entry of the newer log" in found.reason for found in together.findings)


def test_body_that_names_the_end_in_the_log_before_when_erased_is_refused_by_service_and_database(files: Files) -> None:
    assert files.erasing == (409, "entry_not_erasable")
    naming = next(line for line in files.item_new.splitlines() if b'"continues"' in line)
    erased, stream = hashlib.sha256(naming).digest(), UUID(json.loads(naming)["stream"])
    event = EntryErased(
        stream=stream,
        actor=EntryActor(new_id(), "user", "custodian"),
        object=EntryObject("evidence", stream),
        request=new_id(),
        seq=1,
        commitment=erased.hex(),
    )
    engine = open_engine(files.database.app_url, pool_size=1)
    with session_factory(engine)() as session:
        for table in ("disclosures", "bodies"):
            session.execute(text(f"DELETE FROM ledger_{table} WHERE commitment = :erased"), {"erased": erased})
        log.append(session, [event], recorded=utc_now())
        with pytest.raises(IntegrityError, match="where its stream ended in the log before"):
            session.commit()
    engine.dispose()


@pytest.mark.thorough
def test_verifier_when_run_on_both_files_says_so_with_its_exit_status(files: Files, tmp_path: Path) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    old.write_bytes(files.old)
    new.write_bytes(files.new)
    program = [sys.executable, "-I", verify_custody.__file__]
    keys = [word for key in files.keys for word in ("--key", key)]

    def status(*words: str) -> int:
        return subprocess.run([*program, *words], capture_output=True, check=False).returncode

    assert status(str(old), *keys, "--continued-by", str(new)) == 0
    assert status(str(old), *keys) == 1
    assert status(str(old), *keys[:2], "--continued-by", str(new)) == 1  # The new log's key is not pinned.
    assert status(str(new), *keys, "--continued-by", str(old)) == 1
    assert status(str(old), *keys, "--continued-by", str(tmp_path / "none")) == 2


def _edit_header(content: bytes, change: Callable[[dict[str, Any]], object]) -> list[bytes]:
    lines = content.splitlines()
    header = json.loads(lines[0])
    change(header)
    return [canonical_json(header), *lines[1:]]


def _cut_a_tail(files: Files) -> bytes:
    """The last entry of a stream that ends in some without a leaf is left out, and the header fits what is shown."""
    values = [json.loads(line) for line in files.old.splitlines()]
    place, stream = next((i, s) for i, s in enumerate(values[0]["streams"]) if s["entries"] - s["integrated"] > 1)
    last = next(v for v in values if v.get("prev") and (v["stream"], v["seq"]) == (stream["stream"], stream["entries"]))
    shorter = {"entries": stream["entries"] - 1, "head": last["prev"]}
    lines = _edit_header(files.old, lambda header: header["streams"][place].update(shorter))
    return resealed([line for line in lines if json.loads(line) != last])


def _pretend_no_leaf(files: Files) -> bytes:
    """A stream's newest entry that is in the tree is said to have no leaf, and loses its proof."""
    place, stream = next((i, s) for i, s in enumerate(_header(files.old)["streams"]) if s["integrated"])
    lines = _edit_header(files.old, lambda header: header["streams"][place].update(integrated=stream["integrated"] - 1))
    gone = {"kind": "proof", "stream": stream["stream"], "seq": stream["integrated"]}
    return resealed([line for line in lines if not gone.items() <= json.loads(line).items()])


def _drop_stream(files: Files) -> bytes:
    """One whole stream without any leaf is left out."""
    dropped = next(s["stream"] for s in _header(files.old)["streams"] if not s["integrated"])
    kept = [s for s in _header(files.old)["streams"] if s["stream"] != dropped]
    lines = _edit_header(files.old, lambda header: header.update(streams=kept))
    return resealed([lines[0], *(line for line in lines[1:] if json.loads(line).get("stream") != dropped)])


def _change_a_tail(files: Files) -> bytes:
    lines = files.item_old.splitlines()
    place = next(i for i, line in enumerate(lines) if b'"v":"custody-entry/v1"' in line)
    entry = json.loads(lines[place])
    entry["data"]["purpose"] = "forged"
    return resealed([*lines[:place], canonical_json(entry), *lines[place + 1 :]])


def _say_it_lives(files: Files) -> bytes:
    return resealed(_edit_header(files.old, lambda header: header.pop("continued_by")))


def _name_another_log(files: Files) -> bytes:
    return resealed(_edit_header(files.old, lambda header: header.update(continued_by="log.example.org/3")))


def _header(content: bytes) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(content.splitlines()[0])
    return header


@pytest.mark.parametrize(
    ("tamper", "item", "check"),
    [
        (_cut_a_tail, False, "completeness"),
        (_change_a_tail, True, "completeness"),
        (_pretend_no_leaf, False, "leaves"),
        (_drop_stream, False, "completeness"),
        (_say_it_lives, False, "file"),
        (_name_another_log, False, "completeness"),
    ],
)
def test_file_of_an_ended_log_when_tampered_with_is_found(
    files: Files, tamper: Callable[[Files], bytes], item: bool, check: str
) -> None:
    report = files.check(tamper(files), files.item_new if item else files.new)
    assert check in {found.check for found in report.findings}


def test_file_of_an_ended_log_when_the_newer_file_is_another_objects_or_damaged_is_found(files: Files) -> None:
    other = files.check(files.old, files.item_new)
    assert "completeness" in {found.check for found in other.findings}
    damaged = files.check(files.old, files.new[:-2])
    assert "check it first" in " ".join(found.reason for found in damaged.findings)
