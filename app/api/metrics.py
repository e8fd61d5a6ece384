"""The installation's figures in Prometheus' text format, counted in the database when they are asked for.

So every API process gives the same ones, and nothing is lost by a restart. Only ``python_*`` and ``process_*`` are of
the process that happened to answer. No label names a person, a case or an item.
"""

import time
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import __version__
from app.access.actors import Actor, require_metrics_reader
from app.access.rules import Operation
from app.api.http import Requires, Services, reading, services
from app.api.problems import problem_responses
from app.audits.service import newest_audit
from app.blobs.store import BlobStorageFailed
from app.fingerprints.crossing import MATCH_ACROSS
from app.fingerprints.reading import newest_check

router = APIRouter(tags=["Health"])

JOB_STATES = ("todo", "doing", "failed")
"""Those of the queue's table; what has succeeded leaves it."""

_LEDGER = text("""
    SELECT l.id, l.origin,
        (SELECT coalesce(max(size), 0) FROM ledger_checkpoints c WHERE c.log_id = l.id) AS tree_size,
        (SELECT extract(epoch FROM signed_at) FROM ledger_checkpoints c WHERE c.log_id = l.id
            ORDER BY size DESC LIMIT 1) AS signed_at,
        EXISTS (SELECT FROM ledger_halts h WHERE h.log_id = l.id) AS is_halted
    FROM ledger_logs l ORDER BY l.id DESC LIMIT 1
""")
_QUEUE = text("""
    SELECT (SELECT count(*) FROM ledger_queue) AS length, coalesce((
        SELECT extract(epoch FROM clock_timestamp() - e.recorded_at)
        FROM (SELECT entry_id FROM ledger_queue ORDER BY entry_id LIMIT 1) q
        JOIN ledger_entries e ON e.id = q.entry_id), 0) AS oldest_s
""")
_OLDEST_ACROSS_S = text("""
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0) FROM procrastinate_events
    WHERE type = 'deferred'
        AND job_id = (SELECT min(id) FROM procrastinate_jobs WHERE status = 'todo' AND task_name = :task)
""")
_JOBS = text("SELECT CAST(status AS text) AS state, count(*) FROM procrastinate_jobs GROUP BY status")

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METRICS))]


@router.get(
    "/metrics",
    name="getMetrics",
    summary="Figures for a monitoring system",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **problem_responses(401, 403, 503),
    },
)
def get_metrics(request: Request, actor: Reader) -> Response:
    """Prometheus text format. For an administrator's token; one of the scope `read` alone is enough, and changes
    nothing.
    """
    require_metrics_reader(actor)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    with reading(request) as session:
        registry.register(
            _Counted([*_of_ledger(session), *_of_jobs(session), *_of_index(session), *_of_disk(services(request))])
        )
    return Response(
        generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
    )


class _Counted(Collector):
    """Figures that were just counted."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _of_ledger(session: Session) -> list[Metric]:
    found: list[Metric] = []
    log = session.execute(_LEDGER).one_or_none()
    if log is not None:
        size = GaugeMetricFamily("exhibit_ledger_tree_size", "Leaves of the newest signed tree.", labels=["origin"])
        size.add_metric([log.origin], log.tree_size)
        found += [
            size,
            _gauge("exhibit_ledger_signed_timestamp_seconds", "When it was signed; 0: never.", log.signed_at or 0),
            _gauge(
                "exhibit_ledger_halted", "1: the database is behind what was signed; nothing is written.", log.is_halted
            ),
        ]
    queue = session.execute(_QUEUE).one()
    found += [
        _gauge("exhibit_ledger_queue_length", "Entries that no signed tree holds yet.", queue.length),
        _gauge(
            "exhibit_ledger_oldest_unsigned_seconds", "Age of the oldest of them; 0: there is none.", queue.oldest_s
        ),
    ]
    audit = None if log is None else newest_audit(session)
    at, faults, entries, took_s = (
        (0.0, 0, 0, 0.0) if audit is None else (*(audit.at.timestamp(), audit.faults, audit.entries, audit.duration_s),)
    )
    return [
        *found,
        _gauge("exhibit_ledger_audit_timestamp_seconds", "When the last self-audit ended; 0: never.", at),
        _gauge("exhibit_ledger_audit_age_seconds", "Since then; -1: never.", time.time() - at if audit else -1),
        _gauge("exhibit_ledger_audit_duration_seconds", "How long it took.", took_s),
        _gauge("exhibit_ledger_audit_entries", "Entries that it checked.", entries),
        _gauge("exhibit_ledger_audit_faults", "Faults that it found. Anything but 0 is an alarm.", faults),
    ]


def _of_jobs(session: Session) -> list[Metric]:
    counts = {state: float(count) for state, count in session.execute(_JOBS)}
    jobs = GaugeMetricFamily("exhibit_jobs", "Background jobs by state.", labels=["state"])
    for state in JOB_STATES:
        jobs.add_metric([state], counts.get(state, 0.0))
    oldest = _gauge(
        "exhibit_jobs_oldest_across_seconds",
        "How long the oldest comparison across cases has waited: it comes after all else. 0: none waits.",
        session.scalar(_OLDEST_ACROSS_S, {"task": MATCH_ACROSS}),
    )
    return [jobs, oldest]


def _of_index(session: Session) -> list[Metric]:
    """Of the index of hashes, and of that of local features."""
    metrics: list[Metric] = []
    for name, prefix in (("fingerprints", "exhibit_index_check"), ("features", "exhibit_feature_index_check")):
        newest = newest_check(session, name)
        at, queries, missing = (
            (0.0, 0, 0) if newest is None else (newest.at.timestamp(), newest.queries, newest.missing)
        )
        metrics += [
            _gauge(f"{prefix}_timestamp_seconds", "When the index was last compared; 0: never.", at),
            _gauge(f"{prefix}_queries", "Queries whose answers were compared with the database.", queries),
            _gauge(f"{prefix}_missing", "What it did not find. Anything but 0 is an alarm.", missing),
        ]
    return metrics


def _of_disk(held: Services) -> list[Metric]:
    try:
        free_bytes: float = held.blobs.free_bytes()
    except (BlobStorageFailed, OSError):
        free_bytes = float("nan")
    reserve_bytes = held.settings.free_space_reserve_bytes
    info = GaugeMetricFamily("exhibit_info", "The release that answers.", labels=["version"])
    info.add_metric([__version__], 1)
    return [
        _gauge("exhibit_storage_free_bytes", "Free where originals are stored; NaN: it cannot be read.", free_bytes),
        _gauge("exhibit_storage_reserve_bytes", "Uploads stop before less than this is free.", reserve_bytes),
        info,
    ]


def _gauge(name: str, documentation: str, value: Any) -> Metric:
    return GaugeMetricFamily(name, documentation, value=float(value))
