"""Every outward path of the OpenAPI document, walked as everybody: nothing of what was withdrawn, sealed or is not
labelled is in any answer, header, problem, custody page or file, log line, kept answer or table that the API reads."""

import base64
import gzip
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.contracts.calls import CALLS
from tests.contracts.document import operations
from tests.contracts.outward import (
    IDENTITY,
    NEVER,
    SEEN,
    TESTIMONY,
    UNLABELLED_BYTES,
    WITHDRAWN,
    Outward,
    holds,
    open_outward,
)
from tests.contracts.outward_walk import CARRIED_OUT_BY, SEARCHES, Walk, answers, is_outward
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.support.work import work_of

ACTS_WITHOUT_RECEIPT = frozenset(
    {
        *("createSession", "deleteCurrentSession", "changeMyPassword", "setPreferences", "saveDraft", "discardDraft"),
        *("askSun", "askShadow", "askDistance", "prepareVerdict", "endSimilarSearch", "lookUpAccount"),
    }
)
"""What neither reads of a case's things alone nor is an act that may wait for its checkpoint."""
BY_MEMBERS = frozenset({"collector", "verifier", "researcher", "legal_analyst", "auditor"})
"""Who may do nothing with what was withdrawn: coordinators and custodians carry it out."""


@pytest.fixture
def outward(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Outward]:
    with open_outward(database, sessions, tmp_path / "data") as made:
        yield made


def test_operations_when_new_then_somebody_says_whether_they_lead_outward() -> None:
    """What reads is walked by itself; of everything else it is said here, or seen by its receipts, that it acts."""
    acts = {name for name, documented in operations().items() if "wait" in documented.parameters("query")}
    unsaid = {name for name in operations() if not is_outward(name)} - acts - ACTS_WITHOUT_RECEIPT
    assert unsaid == set()
    assert not {name for name in SEARCHES | ACTS_WITHOUT_RECEIPT if name not in operations()}
    assert {name for name in operations() if not is_outward(name)} <= {call.operation for call in CALLS}


def acts_on_withdrawn(outward: Outward) -> Iterator[tuple[str, str, str, httpx.Response]]:
    """Every act on what was withdrawn, tried by those who may do none."""
    for call in (call for call in CALLS if not is_outward(call.operation)):
        if "withdrawn" in outward.world.objects.get(call.kind, {}):
            request = call.request(outward.world, "withdrawn")
            for caller in BY_MEMBERS:
                yield call.operation, "withdrawn", caller, outward.callers[caller].request(**request)


def searched(outward: Outward) -> Iterator[tuple[str, str, str, httpx.Response]]:
    """Every list that takes words, asked for those that nobody may find."""
    case_id = outward.world.objects["case"]["own"]["case_id"]
    lists = [documented for documented in operations().values() if "q" in documented.parameters("query")]
    assert len(lists) > 1
    for documented in lists:
        for word in (IDENTITY, WITHDRAWN, TESTIMONY, SEEN):
            path = documented.path.format(case_id=case_id)
            for caller in BY_MEMBERS | CARRIED_OUT_BY:
                answer = outward.callers[caller].get(path, params={"q": word})
                assert answer.status_code in (200, 403), answer.text
                found = answer.json().get("items", [])
                assert not found or word == SEEN, (word, caller)
                yield documented.name, "case", caller, answer


@pytest.mark.thorough
def test_outward_paths_when_walked_by_everybody_then_show_nothing_of_what_is_closed(
    outward: Outward, database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    walk = Walk.of(outward)
    for operation, which, caller, answer in chain(answers(outward), acts_on_withdrawn(outward), searched(outward)):
        walk.look_at(operation, which, caller, answer)
    seen, allowed = walk.seen, walk.allowed
    assert not walk.wrong, "\n".join(sorted(walk.wrong))
    # The walk is not blind: neighbours are seen, and who carries a withdrawal out sees what it is.
    assert {("listCasualties", "auditor"), ("listFindings", "researcher")} <= seen
    assert {("listEvidence", "verifier"), ("getTestimony", "researcher"), ("listTestimonies", "collector")} <= seen
    assert {("listCaseCustody", "custodian"), ("getEvidence", "coordinator"), ("listConsents", "custodian")} <= allowed
    assert not {caller for _, caller in seen} & {"outsider", "administrator", "organisation auditor"}
    logged = capsys.readouterr()
    for word in (WITHDRAWN, TESTIMONY, IDENTITY, *NEVER):
        assert not holds((logged.out + logged.err).encode(), word), f"{word} is in a log"
    _look_through(database)
    _look_through_the_rest(database, outward.data)


def _look_through(database: TestDatabase) -> None:
    """The tables as the API's own role reads them: no identity anywhere, and no kept answer with what was withdrawn."""
    with psycopg.connect(database.app_url, autocommit=True) as application:
        names = application.execute(
            "SELECT table_name, array_agg(quote_ident(column_name)) FROM information_schema.column_privileges "
            "WHERE table_schema = 'public' AND grantee IN ('exhibit_app', current_user) AND privilege_type = 'SELECT' "
            "GROUP BY table_name"
        ).fetchall()
        assert len(names) > 50
        for table, columns in names:
            rows = application.execute(f'SELECT {", ".join(columns)} FROM "{table}"'.encode()).fetchall()
            cells = b"\n".join(_bytes(cell) for row in rows for cell in row)
            assert not holds(cells, IDENTITY), table
            if table == "stored_answers":
                assert not holds(cells, WITHDRAWN)
                assert not holds(cells, TESTIMONY)


def _look_through_the_rest(database: TestDatabase, data: Path) -> None:
    """Who is sealed stands nowhere in clear: in no table as its owner reads it, what waits for workers and the vault's
    own among them, and in no file, though the vault's key lies there; the walk's other words show that it is not blind.
    """
    found = set()
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        tables = owner.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in tables.fetchall():
            rows = owner.execute(f'SELECT * FROM "{table}"'.encode()).fetchall()
            cells = b"\n".join(_bytes(cell) for row in rows for cell in row)
            assert not holds(cells, IDENTITY), table
            found |= {table} if holds(cells, SEEN) else set()
    assert {"evidence", "testimonies", "ledger_disclosures"} <= found
    files = [path for path in data.rglob("*") if path.is_file()]
    contents = [(path, path.read_bytes()) for path in files]
    assert any(UNLABELLED_BYTES.encode() in content for _, content in contents)
    for path, content in contents:
        assert not holds(content, IDENTITY), path


def _bytes(cell: Any) -> bytes:
    return bytes(cell) if isinstance(cell, (bytes, memoryview)) else str(cell).encode()


@pytest.mark.thorough
def test_search_when_it_is_by_the_withdrawn_file_then_finds_its_neighbour_and_not_it(outward: Outward) -> None:
    objects = outward.world.objects["evidence"]
    picture = (Path(__file__).parents[1] / "assets" / "table.jpg").read_bytes()
    for caller in ("verifier", "coordinator", "custodian"):
        parts: list[tuple[str, Any]] = [
            ("metadata", (None, "{}", "application/json")),
            ("file", ("x.jpg", picture, "image/jpeg")),
        ]
        made = outward.callers[caller].post("/v1/similar", files=parts)
        assert made.status_code in (200, 202), made.text
        with work_of(outward.api) as work:
            work.finish()
        found = ok(outward.callers[caller].get(made.headers.get("Location") or f"/v1/similar/{made.json()['id']}"))
        assert objects["neighbour"]["evidence_id"] in str(found), found
        assert objects["withdrawn"]["evidence_id"] not in str(found)


@pytest.mark.thorough
def test_kept_answer_when_its_request_is_repeated_then_shows_nothing_that_was_withdrawn(outward: Outward) -> None:
    assert outward.bringer is not None
    incident_id = outward.world.objects["incident"]["own"]["incident_id"]
    consent = {"subject": TESTIMONY, "subject_kind": "witness", "scopes": ["verification"], "obtained": "written"}
    stated = {"witness": TESTIMONY, "text": f"{TESTIMONY} said so.", "language": "uk", "taken_on": "2026-07-14"}
    stated |= {"taken_by": TESTIMONY, "method": "interview_in_person", "required_scope": "verification"}
    body = {**stated, "supersedes": None, "consent": {**consent, "given_on": "2026-07-14"}}
    path = f"/v1/incidents/{incident_id}/testimonies"
    repeated = outward.bringer.post(path, json=body, headers={"Idempotency-Key": TESTIMONY[::-1]})
    assert (repeated.status_code, repeated.json()["code"]) == (409, "answer_erased")


@pytest.mark.parametrize("padding", [b"", b"x", b"xy"])
def test_word_when_written_in_any_way_then_is_found(padding: bytes) -> None:
    word = "Quillonvexa"
    plain = padding + word.encode() + b" and more"
    for written in (
        plain,
        plain.decode().encode("utf-16-le"),
        plain.hex().encode(),
        base64.b64encode(plain),
        gzip.compress(plain),
        gzip.compress(base64.b64encode(plain)),
    ):
        assert holds(written, word)
        assert not holds(written, "Brimmoxalter")
