"""Is it alive, is it ready, and if not: which component."""

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import __version__
from app.anchors.standing import anchor_standing, witness_standing
from app.api.http import Public, Shape, services
from app.audits.service import Audited, newest_audit
from app.blobs.store import BlobStorageFailed
from app.fingerprints.models import IndexCheck
from app.fingerprints.reading import newest_check
from app.fingerprints.similar_index import Standing
from app.kernel.primitives import utc_now
from app.ledger.integrator import ADVISORY_LOCK
from app.ledger.policy import Policy
from app.media.decoders import latest_report
from app.media.models import DecoderReport

router = APIRouter(tags=["Health"])

INTEGRATOR_PATIENCE_S = 15
AUDIT_PATIENCE_S = 1800
WORKER_PATIENCE_S = 60
IN_FILE, IN_MEMORY = "searches in the worker's file", "searches in memory: there is no file yet, or nothing in it"

_LEDGER_BACKLOG_S = text("""
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0)
    FROM (SELECT entry_id FROM ledger_queue ORDER BY entry_id LIMIT 1) q JOIN ledger_entries e ON e.id = q.entry_id
""")
_INTEGRATOR_RUNS = text("""
    SELECT EXISTS (
        SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
            AND l.classid = 0 AND l.objid = :key AND l.objsubid = 1
    )
""")
_HALT_REASON = text("SELECT reason FROM ledger_halts WHERE log_id = (SELECT max(id) FROM ledger_logs)")
_WORKER_SILENCE_S = text(
    "SELECT extract(epoch FROM clock_timestamp() - max(last_heartbeat)) FROM procrastinate_workers"
)


class Alive(Shape):
    status: Literal["alive"] = "alive"
    version: str = Field(examples=[__version__])


class Component(Shape):
    status: Literal["ready", "limited", "not_ready"] = Field(
        description="`limited`: what `detail` says is refused, and all else works: the server is ready all the same."
    )
    detail: str = Field(examples=["newest heartbeat 3 s ago"])


class Readiness(Shape):
    """Every component by name. `ready` only when none of them is `not_ready`."""

    status: Literal["ready", "not_ready"]
    components: dict[str, Component]


@router.get("/healthz", name="getHealth", summary="Is the process alive", dependencies=[Depends(Public())])
def get_health() -> Alive:
    """Answers without touching database or storage."""
    return Alive(version=__version__)


@router.get(
    "/readyz",
    name="getReadiness",
    summary="Is each component ready",
    response_model=Readiness,
    responses={503: {"description": "Not ready: see which component", "model": Readiness}},
    dependencies=[Depends(Public())],
)
def get_readiness(request: Request) -> JSONResponse:
    """Database, ledger integrator, worker, the fingerprints' index as last checked and as this process searches in it,
    and storage, with witnesses and time stamps where they are set up; 503 while one of them is not ready.
    """
    components = {**_database_components(request), "storage": _storage(request)}
    ready = all(component.status != "not_ready" for component in components.values())
    answer = Readiness(status="ready" if ready else "not_ready", components=components)
    return JSONResponse(answer.model_dump(), 200 if ready else 503)


def _database_components(request: Request) -> dict[str, Component]:
    try:
        with services(request).sessions() as session:
            backlog_s = float(session.scalar(_LEDGER_BACKLOG_S) or 0)
            is_integrating = bool(session.scalar(_INTEGRATOR_RUNS, {"key": ADVISORY_LOCK}))
            halted: str | None = session.scalar(_HALT_REASON)
            silence_s: Any = session.scalar(_WORKER_SILENCE_S)
            report = latest_report(session)
            newest = newest_audit(session)
            checked, features_checked = newest_check(session), newest_check(session, "features")
            searching = services(request).adopter.standing
            outside = _outside(session, services(request).witness_policy)
    except SQLAlchemyError as error:
        unknown = Component(status="not_ready", detail="unknown: the database does not answer")
        reached = Component(status="not_ready", detail=f"no answer ({type(error).__name__})")
        return {"database": reached, "decoder": unknown, "integrator": unknown, "worker": unknown}
    return {
        **outside,
        **_audit(newest, services(request).settings.audit_period_s),
        **_index("index", checked),
        **_index("feature_index", features_checked),
        **_search(searching),
        "database": Component(status="ready", detail="answers"),
        "decoder": _decoder(report),
        "integrator": _component(
            is_integrating and backlog_s <= INTEGRATOR_PATIENCE_S,
            f"oldest entry without a checkpoint: {backlog_s:.0f} s" if is_integrating else "no integrator runs",
        )
        if halted is None
        else Component(status="not_ready", detail=f"the ledger is halted, nothing can be written: {halted}"),
        "worker": _component(
            silence_s is not None and silence_s <= WORKER_PATIENCE_S,
            "no worker has reported" if silence_s is None else f"newest heartbeat {silence_s:.0f} s ago",
        ),
    }


def _decoder(report: DecoderReport | None) -> Component:
    """The newest worker's decoder: ready also in degraded mode, which an operator asked for, and says what gets out."""
    if report is None:
        return Component(status="not_ready", detail="no worker has tried its decoder's walls")
    versions = ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items()))
    escapes = f"; NOT refused: {', '.join(report.escapes)}" if report.escapes else ""
    return Component(status="ready", detail=f"{report.mode}: {', '.join(report.walls)}{escapes}; {versions}")


def _audit(newest: Audited | None, period_s: int) -> dict[str, Component]:
    """The newest check of the whole log. Not ready after one that found faults, and when none has come for two periods;
    before the first one there is nothing to say.
    """
    if newest is None:
        return {}
    age_s = (utc_now() - newest.at).total_seconds()
    found = f"{newest.faults} faults found" if newest.faults else f"{newest.entries} entries, no fault"
    is_late = 0 < period_s < age_s / 2 - AUDIT_PATIENCE_S
    detail = f"{found}, {age_s / 3600:.1f} h ago{', and none since' if is_late else ''}"
    return {"audit": _component(not newest.faults and not is_late, detail)}


def _index(name: str, newest: IndexCheck | None) -> dict[str, Component]:
    """The newest comparison of the fingerprints' index with the database. After one that found something missing, not
    ready until a later one finds nothing missing; searches are right all the same, for the index is set aside.
    """
    if newest is None:
        return {}
    age_s = (utc_now() - newest.at).total_seconds()
    detail = f"{newest.missing} missing of what {newest.queries} queries should find, {age_s / 3600:.1f} h ago"
    return {name: _component(not newest.missing, detail)}


def _search(standing: Standing | None) -> dict[str, Component]:
    """The index in the process that answers: limited while there are more hashes than it reads without a file, and no
    worker on its machine has made one. Not how many it holds: whoever sent a file, and saw that they are no more, would
    know that another case had it."""
    if standing is None or not standing.is_ready:
        detail = "no index yet: searches by hashes are refused until a worker on this machine has made its file"
        return {"search": Component(status="limited", detail=detail)}
    return {"search": Component(status="ready", detail=IN_FILE if standing.rows_in_file else IN_MEMORY)}


def _outside(session: Session, policy: Policy | None) -> dict[str, Component]:
    """Witnesses and time stamps, where they are used. Only a contradiction makes it not ready: the log goes on."""
    found = {
        "witnesses": None if policy is None else witness_standing(session, policy),
        "time_stamps": anchor_standing(session),
    }
    return {name: _component(each.is_ready, each.detail) for name, each in found.items() if each is not None}


def _storage(request: Request) -> Component:
    """Not how much is free, which administrators read in the metrics: bytes that another case holds take no more."""
    held = services(request)
    try:
        free_bytes = held.blobs.free_bytes()
    except (BlobStorageFailed, OSError) as error:
        return Component(status="not_ready", detail=f"cannot be read ({type(error).__name__})")
    reserve_bytes = held.settings.free_space_reserve_bytes
    if free_bytes > reserve_bytes:
        return Component(status="ready", detail="more than the reserve is free")
    return Component(status="not_ready", detail="the reserve is all that is free")


def _component(is_ready: bool, detail: str) -> Component:
    return Component(status="ready" if is_ready else "not_ready", detail=detail)
