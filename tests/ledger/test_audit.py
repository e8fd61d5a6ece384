"""The self-audit finds each kind of tampering that a database's superuser can do, and names the place."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.ledger import audit, published
from app.ledger.audit_report import AuditReport, Fault
from app.ledger.checkpoint import VerifierKey, open_checkpoint
from app.ledger.monitor import NotServed, monitor
from app.ledger.reading import NotInLog, latest_checkpoint
from app.ledger.tiles import parse_tile_path
from tests.exports import test_custody_tampering as custody
from tests.ledger.acts import OTHER_SIGNER, SIGNER, append, integrate_all, make_view, open_log, verifier_key
from tests.ledger.tampering import MINE, TAMPERINGS, Tampering, rewrite
from tests.ledger.test_monitor import KEPT_TAMPERINGS, TILE_TAMPERINGS

Sessions = sessionmaker[Session]


@pytest.fixture
def _filled(sessions: Sessions, integrating: Engine) -> None:
    """Six entries in one stream, integrated by threes, and one in another stream, still in the queue."""
    mine, other = open_log(sessions, 2)
    append(sessions, [make_view(mine) for _ in range(6)])
    integrate_all(integrating, limit=3)
    append(sessions, [make_view(other)])


def _audit(engine: Engine, key: VerifierKey) -> AuditReport:
    with engine.connect() as connection:
        return audit.verify_log(connection, key)


@pytest.mark.usefixtures("_filled")
def test_verify_log_of_an_untouched_log_finds_nothing(sessions: Sessions, engine: Engine) -> None:
    told: list[tuple[str, int]] = []
    with engine.connect() as connection:
        report = audit.verify_log(connection, verifier_key(sessions), lambda what, count: told.append((what, count)))

    assert report.is_sound
    assert (report.streams, report.entries, report.queued) == (3, 7, 1)
    assert (report.leaves, report.checkpoints, report.size) == (6, 2, 6)
    assert told == [("entries", 7), ("leaves", 6)]


def test_verify_log_of_an_empty_log_finds_nothing(sessions: Sessions, engine: Engine) -> None:
    open_log(sessions)

    assert _audit(engine, verifier_key(sessions)).is_sound


@pytest.mark.usefixtures("_filled")
def test_verify_log_with_another_key_accepts_no_checkpoint(sessions: Sessions, engine: Engine) -> None:
    report = _audit(engine, VerifierKey(verifier_key(sessions).name, OTHER_SIGNER.public_key))

    assert {"checkpoint"} <= {fault.kind for fault in report.faults} <= {"checkpoint", "key"}
    assert report.size == 0


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize("name", TAMPERINGS)
def test_verify_log_after_tampering_names_the_culprit(
    sessions: Sessions, engine: Engine, owning: Engine, name: str
) -> None:
    tampering, key = TAMPERINGS[name], verifier_key(sessions)
    with owning.begin() as connection:
        mine = connection.exec_driver_sql(f"SELECT {MINE}").scalar_one()
        tampering.apply(connection)

    report = _audit(engine, key)

    found = [(fault.kind, fault.seq, fault.log_index, fault.stream == mine) for fault in report.faults]
    stream_is_mine = tampering.is_mine and tampering.seq is not None
    expected = (tampering.kind, tampering.seq, tampering.leaf, stream_is_mine)
    assert expected in found, "\n".join(map(str, report.faults))
    assert not report.is_sound


@pytest.mark.usefixtures("_filled")
def test_rewriting_with_the_logs_own_key_is_found_only_by_whoever_kept_a_checkpoint(
    sessions: Sessions, engine: Engine, owning: Engine
) -> None:
    key = verifier_key(sessions)
    with sessions() as session:
        kept = latest_checkpoint(session)
    assert kept is not None
    with owning.begin() as connection:
        Tampering(lambda every: rewrite(every, SIGNER), "fork").apply(connection)

    assert _audit(engine, key).is_sound  # It fits itself: said so in docs/custody.md.
    with sessions() as session:

        def fetch(path: str) -> bytes:
            try:
                return published.read_tile(session, parse_tile_path(path.removeprefix("tile/")))
            except NotInLog as error:
                raise NotServed(path) from error

        served = latest_checkpoint(session)
        assert served is not None
        report = monitor(fetch, served.note.encode(), [key], kept=[open_checkpoint(kept.note, key)])
    assert [fault.kind for fault in report.faults] == ["fork"]


def test_kinds_of_tampering_that_are_tried_and_named_are_more_than_sixty() -> None:
    """Each name is one kind; a change of one field of a file's entry or header counts as one."""
    in_files = {f"entry's {name}" for name in custody.ENTRY_CHANGES} | {f"header's {n}" for n in custody.HEADER_CHANGES}
    kinds = [*TAMPERINGS, *TILE_TAMPERINGS, *KEPT_TAMPERINGS, *in_files]

    assert len(TAMPERINGS) >= 80
    assert len(set(kinds)) == len(kinds) >= 150


def test_fault_as_text_names_kind_and_place() -> None:
    assert str(Fault("node", "gone", log_index=4)) == "node: leaf 4, gone"
