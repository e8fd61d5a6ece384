"""How well decoding is confined: each worker reports at its start; /readyz and the ledger tell it on."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.kernel.primitives import new_id, utc_now
from app.ledger import log
from app.ledger.event import EntryActor, EntryObject
from app.media.events import JailDegraded
from app.media.jail.decoder import JailReport
from app.media.models import DecoderReport
from app.unit_of_work import UnitOfWork


def record_decoder(uow: UnitOfWork, report: JailReport) -> None:
    """Keep a worker's report. That one decodes in degraded mode is an entry in the system stream."""
    kept = DecoderReport(
        id=new_id(),
        reported_at=utc_now(),
        mode=report.mode,
        walls=list(report.walls),
        escapes=list(report.escapes),
        versions=dict(report.versions),
    )
    uow.session.add(kept)
    if report.mode == "degraded":
        stream = log.installation(uow.session).system_stream
        uow.record(
            JailDegraded(
                stream=stream,
                actor=EntryActor(stream, "system", None),
                object=EntryObject("decoder", kept.id),
                walls=report.walls,
                escapes=report.escapes,
            )
        )


def latest_report(session: Session) -> DecoderReport | None:
    """The newest worker's report; None before the first worker's start."""
    return session.scalar(select(DecoderReport).order_by(DecoderReport.reported_at.desc()).limit(1))
