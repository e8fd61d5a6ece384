"""Appending and reading back, on PostgreSQL, as the application's role."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.errors import Misconfigured
from app.kernel.primitives import new_id, utc_now
from app.ledger import log, reading
from app.ledger.event import first_link
from app.ledger.log import NoInstallation, NoStream
from app.ledger.proof import parse_proof, verify_proof
from app.ledger.reading import NotInLog
from tests.ledger.acts import append, integrate_all, make_export, make_view, open_log, scalar, verifier_key

Sessions = sessionmaker[Session]


def _stream(sessions: Sessions, stream: UUID) -> list[reading.StoredEntry]:
    with sessions() as session:
        return list(reading.each_entry(session, stream, last_seq=1_000_000))


def test_append_of_several_acts_chains_them_in_their_order(sessions: Sessions) -> None:
    first, second = open_log(sessions, 2)

    receipts = append(sessions, [make_view(first), make_view(second), make_view(first, rendering="original")])

    assert [(r.stream, r.seq) for r in receipts] == [(first, 1), (second, 1), (first, 2)]
    entries = _stream(sessions, first)
    values = [entry.value() for entry in entries]
    assert [entry.commitment for entry in entries] == [receipts[0].commitment, receipts[2].commitment]
    assert values[0]["label"] == receipts[0].label == first_link(first).label
    assert values[0]["prev"] == ""
    assert (values[1]["prev"], values[1]["label"]) == (receipts[0].commitment, values[0]["next"])
    assert values[1]["data"]["rendering"] == "original"


def test_append_in_a_later_transaction_goes_on_from_the_head(sessions: Sessions) -> None:
    (stream,) = open_log(sessions)
    (first,) = append(sessions, [make_view(stream)])
    (second,) = append(sessions, [make_view(stream)])

    assert second.seq == 2
    assert _stream(sessions, stream)[1].value()["prev"] == first.commitment
    with sessions() as session:
        assert reading.head_of(session, stream) == reading.Head(2, second.commitment)


def test_append_to_a_stream_created_in_the_same_transaction_works(sessions: Sessions) -> None:
    open_log(sessions)
    stream = new_id()
    with sessions.begin() as session:
        log.create_stream(session, stream, "incident", new_id())
        (receipt,) = log.append(session, [make_view(stream)], recorded=utc_now())

    assert receipt.seq == 1


@pytest.mark.thorough
def test_append_of_more_than_a_chunk_keeps_one_chain(sessions: Sessions, engine: Engine) -> None:
    first, second = open_log(sessions, 2)

    append(sessions, [make_view((first, second)[number % 2]) for number in range(2 * log.CHUNK_ENTRIES + 2)])

    entries = _stream(sessions, first)
    assert [entry.seq for entry in entries] == list(range(1, log.CHUNK_ENTRIES + 2))
    assert all(b.value()["prev"] == a.commitment for a, b in pairwise(entries))
    assert scalar(engine, "SELECT count(*) FROM ledger_queue") == 2 * log.CHUNK_ENTRIES + 2


def test_append_of_nothing_writes_nothing_even_before_the_first_start(sessions: Sessions) -> None:
    assert append(sessions, []) == []


def test_append_to_an_unknown_stream_is_refused(sessions: Sessions) -> None:
    open_log(sessions)
    unknown = new_id()

    with pytest.raises(NoStream, match=str(unknown)):
        append(sessions, [make_view(unknown)])


def test_append_before_the_log_has_an_identity_is_refused(sessions: Sessions) -> None:
    stream = new_id()
    with sessions() as session:
        log.create_stream(session, stream, "evidence", None)
        with pytest.raises(NoInstallation):
            log.append(session, [make_view(stream)], recorded=utc_now())


def test_append_when_rolled_back_leaves_nothing(sessions: Sessions, engine: Engine) -> None:
    (stream,) = open_log(sessions)
    with sessions() as session:
        log.append(session, [make_view(stream)], recorded=utc_now())

    for table in ("ledger_entries", "ledger_bodies", "ledger_disclosures", "ledger_queue"):
        assert scalar(engine, f"SELECT count(*) FROM {table}") == 0
    assert append(sessions, [make_view(stream)])[0].seq == 1


def test_append_keeps_personal_fields_out_of_the_body(sessions: Sessions) -> None:
    (stream,) = open_log(sessions)
    (receipt,) = append(sessions, [make_view(stream, viewer_name="Grace Hopper")])

    (entry,) = _stream(sessions, stream)
    with sessions() as session:
        opened = reading.disclosures_of(session, [receipt.commitment])
    assert b"Grace" not in entry.body
    assert b'"value":"Grace Hopper"' in opened[receipt.commitment]["viewer_name"]


@pytest.mark.thorough
def test_append_by_many_writers_at_once_loses_and_repeats_nothing(sessions: Sessions, engine: Engine) -> None:
    streams = open_log(sessions, 3)
    together = threading.Barrier(6)

    def write(number: int) -> None:
        together.wait()
        order = streams if number % 2 else streams[::-1]  # Opposite orders: a deadlock, were they not sorted.
        for _ in range(15):
            append(sessions, [make_view(stream) for stream in order])

    with ThreadPoolExecutor(6) as writers:
        list(writers.map(write, range(6)))

    for stream in streams:
        assert [entry.seq for entry in _stream(sessions, stream)] == list(range(1, 91))


def test_initialise_when_called_again_keeps_the_identity(sessions: Sessions) -> None:
    with sessions.begin() as session:
        first = log.initialise(session, "log.example.org/2026")
    with sessions.begin() as session:
        assert log.initialise(session) == first == log.installation(session)
        assert first.origin == "log.example.org/2026"


def test_initialise_by_two_processes_at_once_makes_one_identity(sessions: Sessions) -> None:
    together = threading.Barrier(4)

    def start(_: int) -> log.Installation:
        together.wait()
        with sessions.begin() as session:
            return log.initialise(session)

    with ThreadPoolExecutor(4) as processes:
        assert len(set(processes.map(start, range(4)))) == 1


@pytest.mark.parametrize("origin", ["https://log.example.org", "two words", "a+b", "", "line\nbreak"])
def test_initialise_when_the_origin_is_no_key_name_is_refused(sessions: Sessions, origin: str) -> None:
    with sessions() as session, pytest.raises(Misconfigured):
        log.initialise(session, origin)


def test_initialise_when_the_origin_is_another_is_refused(sessions: Sessions) -> None:
    open_log(sessions)
    with sessions() as session, pytest.raises(Misconfigured, match="for ever"):
        log.initialise(session, "log.example.org/other")


def test_entries_of_gives_pages_with_places_in_the_tree(sessions: Sessions, integrating: Engine) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(5)])
    integrate_all(integrating)
    append(sessions, [make_view(stream)])

    with sessions() as session:
        page = reading.entries_of(session, stream, after_seq=3, limit=2)
        rest = reading.entries_of(session, stream, after_seq=5, limit=2)
    assert [(entry.seq, entry.log_index) for entry in page] == [(4, 3), (5, 4)]
    assert [(entry.seq, entry.log_index) for entry in rest] == [(6, None)]


def test_proof_of_every_entry_verifies_in_every_signed_tree(sessions: Sessions, integrating: Engine) -> None:
    (stream,) = open_log(sessions)
    receipts = append(sessions, [make_view(stream) for _ in range(23)])
    sizes = integrate_all(integrating, limit=7)
    key = verifier_key(sessions)

    assert sizes == [7, 14, 21, 23]
    with sessions() as session:
        for index, leaf in enumerate(reading.each_leaf(session, 23)):
            for size in sizes:
                if index < size:
                    text = reading.proof(session, leaf.commitment, size).encode()
                    assert verify_proof(parse_proof(text), leaf.leaf, key).size == size
        newest = reading.proof(session, receipts[-1].commitment)
        assert newest.index == 22


def test_proof_when_not_yet_in_a_signed_tree_is_refused(sessions: Sessions, integrating: Engine) -> None:
    (stream,) = open_log(sessions)
    (first,) = append(sessions, [make_view(stream)])
    with sessions() as session, pytest.raises(NotInLog):
        reading.proof(session, first.commitment)
    integrate_all(integrating)
    (second,) = append(sessions, [make_view(stream)])
    integrate_all(integrating)

    with sessions() as session:
        with pytest.raises(NotInLog):
            reading.proof(session, second.commitment, 1)
        with pytest.raises(NotInLog):
            reading.proof(session, "00" * 32)


def test_wait_for_checkpoint_when_integrated_meanwhile_gives_the_smallest_tree(
    sessions: Sessions, integrating: Engine
) -> None:
    (stream,) = open_log(sessions)
    receipts = append(sessions, [make_view(stream) for _ in range(3)])
    wanted = [receipt.commitment for receipt in receipts]
    assert reading.wait_for_checkpoint(sessions, wanted, 0.0) is None
    with ThreadPoolExecutor(1) as waiting:
        found = waiting.submit(reading.wait_for_checkpoint, sessions, wanted, 10.0)
        integrate_all(integrating)
        append(sessions, make_export([stream]))
        integrate_all(integrating)
        checkpoint = found.result()

    assert checkpoint is not None
    assert checkpoint.size == 3
