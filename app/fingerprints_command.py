"""``exhibit fingerprints recompute`` and ``exhibit decodings offer``: what stored files lack since a change."""

import argparse
import sys
import time
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints.again import OUTCOMES, Wanted, count_wanted, offer_batch
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.recompute import Lacking, enqueue_due, lacking
from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import application_url
from app.kernel.errors import Misconfigured
from app.kernel.primitives import format_time, utc_now
from app.kernel.settings import Settings
from app.media.decoders import latest_report
from app.media.limits import decode_limits, decoder_text, limits_by_format
from app.unit_of_work import unit_of_work

LOOK_EVERY_S = 2.0


def recompute(settings: Settings, options: argparse.Namespace) -> int:
    """Have workers take from every stored file what it lacks, a few at a time, until none lacks anything.

    1 when files still lack something, or the search for an item was given up: with ``--status`` now, else in the end.
    """
    engine = open_engine(application_url(settings), pool_size=1)
    try:
        sessions = session_factory(engine)
        if options.status:
            found = _look(sessions, CATALOG)
            _write_status(found)
            return 1 if found.due or found.unsearched else 0
        return feed(sessions, CATALOG, window=options.window, at_once=options.at_once)
    finally:
        engine.dispose()


def feed(
    sessions: sessionmaker[Session],
    catalog: Catalog,
    *,
    window: int,
    at_once: int,
    look_every_s: float = LOOK_EVERY_S,
) -> int:
    """Keep up to ``window`` jobs in the queue until nothing is due, or nothing that is due gets what it lacks. Killed
    at any moment, it goes on when run again."""
    said, after = "", None
    found = _look(sessions, catalog)
    total = at_round = found.due - found.given_up
    while (left := found.due - found.given_up) or found.unsettled:
        if found.queued < window:
            with sessions.begin() as session:
                missing = window - found.queued
                enqueued = enqueue_due(session, catalog, limit=missing, at_once=at_once, after=after)
            if enqueued:
                after = enqueued[-1]
            elif not (found.queued or found.unsettled):
                if left >= at_round:
                    break  # A whole round gave none of them what it lacks: nor would another one.
                at_round, after = left, None
        line = f"{total - left} of {total} files done, {found.unsettled} items to be searched for again\n"
        if line != said:
            said = line
            sys.stdout.write(line)
            sys.stdout.flush()
        time.sleep(look_every_s)
        found = _look(sessions, catalog)
    sys.stdout.write(
        f"{found.blobs - found.due} files have all; {found.due - found.given_up} gave nothing more; "
        f"{found.given_up} files and the search for {found.unsearched} items were given up (exhibit jobs list)\n"
    )
    return 1 if found.due or found.unsearched else 0


def _look(sessions: sessionmaker[Session], catalog: Catalog) -> Lacking:
    with sessions() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        found = lacking(session, catalog)
        session.rollback()
    return found


def _write_status(found: Lacking) -> None:
    for rule, blobs in sorted(found.by_rule.items()):
        sys.stdout.write(f"{rule}\t{blobs} of {found.blobs} files lack it\n")
    sys.stdout.write(
        f"{found.due} files to be decoded again: {found.queued} queued, {found.given_up} given up; "
        f"{found.unsettled} items to be searched for again, {found.unsearched} given up\n"
    )


def offer(settings: Settings, options: argparse.Namespace) -> int:
    """Offer the items that are meant for decoding again, in batches of one transaction each."""
    if not (options.outcome or options.decoder_changed):
        raise Misconfigured("Say which items: --outcome, --decoder-changed or both.")
    unknown = sorted(set(options.outcome) - set(OUTCOMES))
    if unknown:
        raise Misconfigured(f"{', '.join(unknown)}: no outcome. There are: {', '.join(sorted(OUTCOMES))}.")
    before = options.decoded_before or utc_now()
    engine = open_engine(application_url(settings), pool_size=1)
    try:
        sessions = session_factory(engine)
        texts = _present_decoders(sessions, settings) if options.decoder_changed else None
        wanted = Wanted(before, frozenset(options.outcome), options.case, texts)
        with sessions() as session:
            total = count_wanted(session, wanted)
            session.rollback()
        sys.stdout.write(f"{total} items; to go on after a stop: --decoded-before {format_time(before)}\n")
        _offer_all(sessions, wanted, total, options.batch)
    finally:
        engine.dispose()
    return 0


def _offer_all(sessions: sessionmaker[Session], wanted: Wanted, total: int, batch: int) -> None:
    after: UUID | None = None
    done = 0
    while True:
        with unit_of_work(sessions) as uow:
            offered = offer_batch(uow, wanted, after=after, limit=batch)
            uow.commit()
        if not offered:
            return
        after, done = offered[-1], done + len(offered)
        sys.stdout.write(f"{done} of {total} offered\n")
        sys.stdout.flush()


def _present_decoders(sessions: sessionmaker[Session], settings: Settings) -> frozenset[str]:
    """How the decoder in use would call itself, for each format. Raises Misconfigured before the first worker."""
    with sessions() as session:
        report = latest_report(session)
        versions = None if report is None else dict(report.versions)
        session.rollback()
    if versions is None:
        raise Misconfigured("No worker has reported its decoder yet: start one of this release first.")
    formats = [*limits_by_format(decode_limits(settings)), None]
    return frozenset(decoder_text(versions, limits) for limits in formats)
