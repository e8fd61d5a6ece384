"""Operators offer items for decoding again in bulk: by outcome, by decoder; what broke the rules only by name."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Role
from app.cli import main
from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints.again import Wanted, offer_batch
from app.fingerprints.decodings import Decoded
from app.fingerprints.match_job import JOBS as MATCH_JOBS
from app.kernel.primitives import Sha256Hex, utc_now
from app.media.decoders import record_decoder
from app.media.jail.decoder import JailReport
from app.media.jail.limits import DecodeLimits
from app.media.limits import decoder_text, limits_by_format
from app.media.models import Evidence
from app.unit_of_work import unit_of_work
from app.worker import Runner, WorkerLimits
from tests.factories import commit_in, make_case, make_item, make_log, make_person
from tests.support.commands import exhibit
from tests.support.databases import TestDatabase

VERSIONS = {"av": "18.1.0", "pillow": "13.0.0"}
PRESENT = decoder_text(VERSIONS, limits_by_format(DecodeLimits())[0])
OUTCOMES = (("decoded", PRESENT), ("limit_time", PRESENT), ("partial", "av/17.0.0"), ("policy_violation", "av/17.0.0"))


@pytest.fixture
def items(sessions: sessionmaker[Session]) -> dict[str, UUID]:
    """One item for each outcome, decoded by the decoder beside it; the present one was reported by a worker."""
    make_log(sessions)
    olena = make_person(sessions, "olena")
    case_id = make_case(sessions, olena, [(olena, Role.VERIFIER)])
    report = JailReport("strict", ("seccomp",), (), VERSIONS)
    commit_in(sessions, lambda uow: record_decoder(uow, report))
    return {outcome: decoded_item(sessions, olena, case_id, outcome, decoder) for outcome, decoder in OUTCOMES}


def decoded_item(sessions: sessionmaker[Session], olena: Actor, case_id: UUID, outcome: str, decoder: str) -> UUID:
    item = make_item(sessions, olena, case_id, is_compared=False)
    with sessions() as session:
        sha256 = session.get_one(Evidence, item).blob_sha256
    decoded = Decoded(decoder, outcome, None if outcome == "decoded" else "words", {}, [])
    result = fingerprint_jobs.Result(item, Sha256Hex(str(sha256)), decoded)
    commit_in(sessions, lambda uow: fingerprint_jobs.store(uow, result))
    nothing_stored: Any = SimpleNamespace(blobs=None)  # Nothing is compared, so no working picture is read.
    Runner(sessions, nothing_stored, WorkerLimits()).run(MATCH_JOBS[0], None, 0, {"evidence_id": str(item)})
    return item


def pending(sessions: sessionmaker[Session], items: dict[str, UUID]) -> set[str]:
    with sessions() as session:
        return {
            outcome
            for outcome, item in items.items()
            if session.get_one(Evidence, item).fingerprint_status == "pending"
        }


def test_offer_when_given_outcomes_then_those_wait_for_a_decoder_with_their_entries(
    database: TestDatabase, sessions: sessionmaker[Session], items: dict[str, UUID]
) -> None:
    answer = exhibit(database, "decodings", "offer", "--outcome", "limit_time", "--batch", "1")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("1 items; to go on after a stop: --decoded-before 20")
    assert pending(sessions, items) == {"limit_time"}
    with sessions() as session:
        query = "SELECT count(*) FROM ledger_entries WHERE type = 'evidence.decoding_requested' AND stream_id = :item"
        assert session.scalar(text(query), {"item": items["limit_time"]}) == 1
        job = "SELECT priority FROM procrastinate_jobs WHERE task_name = 'fingerprint' AND args->>'evidence_id' = :item"
        priorities = set(session.scalars(text(job), {"item": str(items["limit_time"])}))
    assert -10 in priorities, "after new uploads"


@pytest.mark.thorough
def test_offer_when_the_decoder_changed_then_what_the_present_one_decoded_stays_and_so_do_violations(
    database: TestDatabase, sessions: sessionmaker[Session], items: dict[str, UUID]
) -> None:
    assert exhibit(database, "decodings", "offer", "--decoder-changed").returncode == 0
    assert pending(sessions, items) == {"partial"}

    assert exhibit(database, "decodings", "offer", "--outcome", "policy_violation").returncode == 0
    assert pending(sessions, items) == {"partial", "policy_violation"}


def test_offer_when_it_says_nothing_or_an_unknown_word_then_it_is_refused(database: TestDatabase) -> None:
    assert exhibit(database, "decodings", "offer").returncode == 2
    unknown = exhibit(database, "decodings", "offer", "--outcome", "slow")
    assert (unknown.returncode, "limit_time" in unknown.stderr) == (2, True)


@pytest.mark.thorough
def test_offer_when_it_goes_on_after_a_stop_then_none_is_offered_twice(
    sessions: sessionmaker[Session], items: dict[str, UUID]
) -> None:
    wanted = Wanted(utc_now(), frozenset(items))
    offered: list[UUID] = []
    for _ in range(2):  # The second run begins anew, after the first was stopped behind its first batch.
        with unit_of_work(sessions) as uow:
            offered += offer_batch(uow, wanted, after=None, limit=2)
            uow.commit()
    assert sorted(offered) == sorted(items.values())


@pytest.mark.thorough
def test_recompute_when_nothing_is_lacking_then_status_says_so(database: TestDatabase, items: dict[str, UUID]) -> None:
    assert items
    status = exhibit(database, "fingerprints", "recompute", "--status")
    assert "pdq/1\t3 of 3 files lack it" in status.stdout, (
        "the factory's have no rows; what broke the rules is left out"
    )
    assert status.returncode == 1


def test_numbers_of_a_command_when_below_one_then_they_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--window", "--at-once"):
        with pytest.raises(SystemExit) as ended:
            main(["fingerprints", "recompute", option, "0"])
        assert (ended.value.code, f"{option}: '0' is no whole number" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("given", ["yesterday", "2026-01-31T12:00:00"])
def test_time_of_a_command_when_it_is_none_or_has_no_zone_then_says_what_is_expected(
    capsys: pytest.CaptureFixture[str], given: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["decodings", "offer", "--decoded-before", given])
    said = f"argument --decoded-before: {given!r} is no time with its zone, such as 2026-01-31T12:00:00+00:00"
    assert (ended.value.code, said in capsys.readouterr().err) == (2, True)


@pytest.mark.thorough
def test_rules_in_force_when_set_back_or_removed_then_the_database_refuses(
    sessions: sessionmaker[Session], items: dict[str, UUID]
) -> None:
    with sessions.begin() as session:
        session.execute(text("INSERT INTO rules_in_force SELECT blob_sha256, 'pdq/1', number FROM decodings LIMIT 1"))
    for statement in ("UPDATE rules_in_force SET decoding = decoding", "DELETE FROM rules_in_force"):
        with pytest.raises(DBAPIError), sessions.begin() as session:
            session.execute(text(statement))
