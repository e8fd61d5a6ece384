"""Packages in a blind round: not for those who may verify, and whoever else takes one is no second any more."""

from pathlib import Path

import pytest

from app.access.rules import Role
from app.blobs.local import LocalBlobStore
from app.exports import export_service
from app.kernel.settings import Settings
from app.ledger.checkpoint import VerifierKey
from app.verification.errors import NotShownYet, SecondNotBlind
from tests.exports.custody_cases import Hub, integrating
from tests.exports.packages import PackageHub, Stores
from tests.factories import add_role, commit_in, make_person
from tests.ledger.acts import SIGNER
from tests.support.databases import TestDatabase
from tests.verification.bench import Bench
from tests.verification.test_blind import blind, to_first_verdict

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
