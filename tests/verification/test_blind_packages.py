"""Packages and logs in a blind round: not for those who may verify, and whoever else takes one is no second."""

from pathlib import Path
from typing import Any

import pytest

from app.access.actors import Actor
from app.access.rules import Role
from app.auditing.entry_log import Range, stage_log
from app.auditing.selection import Filters
from app.blobs.local import LocalBlobStore
from app.exports import export_service
from app.fingerprints.service import decide_match, undecided_matches
from app.kernel.database import open_engine
from app.kernel.settings import Settings
from app.ledger.checkpoint import VerifierKey
from app.verification.errors import NotShownYet, SecondNotBlind
from tests.exports.custody_cases import Hub, integrating
from tests.exports.packages import PackageHub, Stores
from tests.factories import add_role, commit_in, make_item, make_person
from tests.ledger.acts import SIGNER, integrate_all
from tests.support.databases import TestDatabase
from tests.verification.bench import Bench
from tests.verification.test_blind import blind, custody_file, to_first_verdict

__all__ = ["blind"]


def test_package_in_a_blind_round_when_another_person_takes_it_then_they_are_no_second(
    blind: Bench, database: TestDatabase, tmp_path: Path
) -> None:
    to_first_verdict(blind)
    vkey = VerifierKey("exhibit.local/nobody", SIGNER.public_key)  # Nothing here is verified.
    hub = Hub(blind.sessions, vkey, blind.case_id, blind.coordinator, blind.olena, (blind.item,), blind.item)
    settings = Settings(data=tmp_path, checkpoint_wait_s=20)
    packages = PackageHub(hub, Stores(settings, LocalBlobStore(tmp_path / "b"), LocalBlobStore(tmp_path / "p")))
    with pytest.raises(NotShownYet):
        packages.ask("evidence", blind.item, actor=blind.rita)
    export_id = packages.ask("evidence", blind.item)
    with integrating(database):
        packages.run("build_export", export_id)
        packages.run("finish_export", export_id)
    custodian = make_person(blind.sessions, "Kateryna")
    add_role(blind.sessions, blind.coordinator, blind.case_id, custodian, Role.CUSTODIAN)
    with blind.sessions() as session, pytest.raises(NotShownYet):
        export_service.find_package(session, blind.rita, export_id)
    commit_in(blind.sessions, lambda uow: export_service.log_download(uow, custodian, export_id, window_s=900))
    add_role(blind.sessions, blind.coordinator, blind.case_id, custodian, Role.VERIFIER)
    with pytest.raises(SecondNotBlind):
        blind.take(custodian)
    other = make_person(blind.sessions, "Danylo")
    add_role(blind.sessions, blind.coordinator, blind.case_id, other, Role.VERIFIER)
    blind.take(other)


@pytest.mark.parametrize("shows", ["the case", "the item", "another item"])
def test_log_in_a_blind_round_when_it_shows_the_item_then_whoever_takes_it_is_no_second(
    blind: Bench, database: TestDatabase, shows: str
) -> None:
    to_first_verdict(blind)
    another = make_item(blind.sessions, blind.olena, blind.case_id)
    integrating = open_engine(database.integrator_url, pool_size=1)
    integrate_all(integrating)
    integrating.dispose()
    stream = {"the case": None, "the item": blind.item, "another item": another}[shows]

    def take(actor: Actor) -> None:
        asked = (blind.case_id if stream is None else None, stream, Filters(), Range())
        as_file: Any = {"file_format": "jsonl", "purpose": "audit", "reason": None}
        commit_in(blind.sessions, lambda uow: stage_log(uow, actor, *asked, **as_file))

    if shows == "another item":
        take(blind.coordinator)
        add_role(blind.sessions, blind.coordinator, blind.case_id, blind.coordinator, Role.VERIFIER)
        blind.take(blind.coordinator)
        return
    with pytest.raises(NotShownYet):
        take(blind.rita)
    take(blind.coordinator)
    add_role(blind.sessions, blind.coordinator, blind.case_id, blind.coordinator, Role.VERIFIER)
    with pytest.raises(SecondNotBlind):
        blind.take(blind.coordinator)


def test_custody_file_when_a_match_was_decided_about_in_the_other_items_blind_round_then_waits(blind: Bench) -> None:
    other, blind.item = (
        make_item(blind.sessions, blind.olena, blind.case_id, content=b"the same bytes") for _ in range(2)
    )
    blind.open(blind.olena)
    commit_in(blind.sessions, lambda uow: custody_file(uow, blind.rita, "evidence", other))
    with blind.sessions() as session:
        (match,) = undecided_matches(session, blind.item)
    commit_in(blind.sessions, lambda uow: decide_match(uow, blind.olena, match, relation="exact_copy", reason="Equal."))
    with pytest.raises(NotShownYet):
        commit_in(blind.sessions, lambda uow: custody_file(uow, blind.rita, "evidence", other))
