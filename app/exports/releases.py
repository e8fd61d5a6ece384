"""Releases: a package that its case stands by, with the versions of items, verdicts and figures that it rests on.

A release is looked through before it is made, and what stands in its way is named, all at once (``release_checks``). It
never changes. Whether what it rests on has changed since is worked out from the ledger whenever it is read: every act
that makes a release stale is an entry in one of its streams behind the package's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import NOWHERE, authorise, current_policy
from app.exports.dossier import frozen_of
from app.exports.errors import ExportNotReady, FigureDoesNotVerify, NotReleasable, ReleasedBefore
from app.exports.events import ExportReleased
from app.exports.export_service import NAMED_AT_MOST
from app.exports.models import Export
from app.exports.release_checks import Included, Stale, included_in, obstacles_of, staleness_of
from app.exports.release_models import Release, ReleaseFigure, ReleaseItem
from app.figures.verifying import Kept, verify_answer
from app.kernel.errors import NotFound
from app.kernel.primitives import canonical_json, format_time, new_id, sha256_hex, utc_now
from app.ledger import reading
from app.ledger.event import EntryObject
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork
from app.verification.models import Verdict, VerdictWithdrawal

PINS_FORMAT = "exhibit-release/v1"


def check_figures(session: Session, actor: Actor, export_id: UUID, figures: Sequence[Kept]) -> list[dict[str, Any]]:
    """The answers as they are pinned, each recomputed now. The session holds one snapshot.

    Raises NotFound, Forbidden, FigureDoesNotVerify, and what asking the figures raises.
    """
    case_id = session.scalar(select(Export.case_id).where(Export.id == export_id))
    authorise(session, actor, case_id or NOWHERE, Operation.EXPORT)
    wrong: list[dict[str, Any]] = []
    for number, kept in enumerate(figures, 1):
        if kept.query.get("cases") != [str(case_id)]:
            wrong.append({"figure": number, "summary": "of another case, or of several"})
            continue
        found = verify_answer(session, actor, kept)
        if found.reasons:
            wrong.append({"figure": number, "summary": found.summary})
    if wrong:
        raise FigureDoesNotVerify(f"Figures that are not what is answered now: {len(wrong)}.", extra={"figures": wrong})
    return [_pinned(kept) for kept in figures]


def _pinned(kept: Kept) -> dict[str, Any]:
    """Without floats: what can be recomputed of them is left out."""
    return {
        "query": dict(kept.query),
        "query_sha256": kept.query_sha256,
        "log": kept.log_id,
        "head": {"origin": kept.head.origin, "size": kept.head.size, "root": kept.head.root},
        "asked_at": format_time(kept.asked_at),
        "numbers": dict(kept.numbers),
        "counted": {"count": kept.counted.count, "sha256": kept.counted.sha256},
    }


def require_releasing(session: Session, actor: Actor, export_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    case_id = session.scalar(select(Export.case_id).where(Export.id == export_id))
    authorise(session, actor, case_id or NOWHERE, Operation.RELEASE)


def release_export(
    uow: UnitOfWork, actor: Actor, export_id: UUID, *, figures: Sequence[dict[str, Any]], reason: str | None
) -> Release:
    """Raises NotFound, Forbidden, ExportNotReady, ReleasedBefore, NotReleasable, which names every obstacle."""
    session = uow.session
    case_id = session.scalar(select(Export.case_id).where(Export.id == export_id))
    grant = authorise(session, actor, case_id or NOWHERE, Operation.RELEASE)
    export = session.scalar(select(Export).where(Export.id == export_id).with_for_update())
    if export is None:
        raise NotFound()
    if export.state != "ready":
        raise ExportNotReady(f"A package is released when it is ready; this one is '{export.state}'.")
    if session.scalar(select(Release.id).where(Release.export_id == export_id)) is not None:
        raise ReleasedBefore("A package is released once. Have a new one made, and release that.")
    policy_version, policy = current_policy(session, export.case_id)
    included = included_in(session, export)
    obstacles = obstacles_of(session, export, included, needs_sign_off=policy.releases_need_sign_off)
    if obstacles:
        raise NotReleasable(
            f"What stands in its way: {', '.join(obstacle.check for obstacle in obstacles)}.",
            extra={"obstacles": [obstacle.document(NAMED_AT_MOST) for obstacle in obstacles]},
        )
    release, items = _frozen(session, export, included, actor, policy_version, figures)
    session.add(release)
    session.flush()
    session.add_all(items)
    session.add_all(ReleaseFigure(release_id=release.id, number=at, answer=each) for at, each in enumerate(figures, 1))
    uow.record(
        ExportReleased(
            stream=export.case_id,
            actor=grant.entry_actor,
            object=EntryObject("export", export.id, sha256=export.package_sha256, size=export.size_bytes),
            release=release.id,
            manifest_sha256=release.manifest_sha256,
            tree_size=release.tree_size,
            pins_sha256=release.pins_sha256,
            items=release.items_count,
            figures=release.figures_count,
            policy_version=policy_version,
            reason=reason,
        )
    )
    return release


def _frozen(
    session: Session,
    export: Export,
    included: Sequence[Included],
    actor: Actor,
    policy_version: int,
    figures: Sequence[dict[str, Any]],
) -> tuple[Release, list[ReleaseItem]]:
    assert export.frozen is not None
    assert export.manifest_sha256 is not None
    frozen = frozen_of(export.frozen)
    checkpoint = reading.checkpoint_of(session, frozen.tree_size, log_id=included[0].log_id)
    assert checkpoint is not None
    release = Release(
        id=new_id(),
        case_id=export.case_id,
        export_id=export.id,
        policy_version=policy_version,
        log_origin=frozen.checkpoint.split("\n", 1)[0],
        tree_size=frozen.tree_size,
        root=checkpoint.root,
        manifest_sha256=export.manifest_sha256,
        items_count=0,
        figures_count=len(figures),
        released_by=actor.account_id,
        released_at=utc_now(),
    )
    items = _items(session, release.id, included)
    release.items_count = len(items)
    release.pins_sha256 = sha256_hex(_pins(release, items, figures))
    return release, items


def _items(session: Session, release_id: UUID, included: Sequence[Included]) -> list[ReleaseItem]:
    spans = {each.stream: each for each in included if each.kind == "evidence"}
    found = session.scalars(select(Evidence).where(Evidence.id.in_(spans)).order_by(Evidence.id)).all()
    newest = (
        select(Verdict)
        .where(
            Verdict.evidence_id.in_(spans),
            ~select(VerdictWithdrawal.verdict_id).where(VerdictWithdrawal.verdict_id == Verdict.id).exists(),
        )
        .ext(distinct_on(Verdict.evidence_id))
        .order_by(Verdict.evidence_id, Verdict.version.desc())
    )
    verdicts = {verdict.evidence_id: verdict for verdict in session.scalars(newest)}
    return [_item(release_id, each, spans[each.id], verdicts.get(each.id)) for each in found]


def _item(release_id: UUID, evidence: Evidence, span: Included, verdict: Verdict | None) -> ReleaseItem:
    return ReleaseItem(
        release_id=release_id,
        evidence_id=evidence.id,
        version=evidence.version,
        state=evidence.state,
        entries=span.seq,
        head=span.commitment,
        verdict_id=None if verdict is None else verdict.id,
        verdict_version=None if verdict is None else verdict.version,
        outcome=None if verdict is None else verdict.outcome,
    )


def pins_of(session: Session, actor: Actor, release_id: UUID) -> bytes:
    """What the release pins, as canonical JSON: its SHA-256 stands in the custody entry. Raises NotFound, Forbidden."""
    release = get_release(session, actor, release_id)
    items = session.scalars(
        select(ReleaseItem).filter_by(release_id=release_id).order_by(ReleaseItem.evidence_id)
    ).all()
    figures = session.scalars(
        select(ReleaseFigure.answer).filter_by(release_id=release_id).order_by(ReleaseFigure.number)
    ).all()
    return _pins(release, items, figures)


def _pins(release: Release, items: Sequence[ReleaseItem], figures: Sequence[Mapping[str, Any]]) -> bytes:
    return canonical_json(
        {
            "format": PINS_FORMAT,
            "release": str(release.id),
            "case": str(release.case_id),
            "export": str(release.export_id),
            "manifest_sha256": release.manifest_sha256,
            "policy_version": release.policy_version,
            "head": {"origin": release.log_origin, "size": release.tree_size, "root": release.root},
            "items": [_pinned_item(item) for item in sorted(items, key=lambda one: str(one.evidence_id))],
            "figures": list(figures),
        }
    )


def _pinned_item(item: ReleaseItem) -> dict[str, Any]:
    verdict = None
    if item.verdict_id is not None:
        verdict = {"id": str(item.verdict_id), "version": item.verdict_version, "outcome": item.outcome}
    return {
        "evidence": str(item.evidence_id),
        "version": item.version,
        "state": item.state,
        "entries": item.entries,
        "head": item.head,
        "verdict": verdict,
    }


@dataclass(frozen=True)
class ReadRelease:
    """``stale``: what happened since to what it rests on, the earliest first; nothing: it is as it was released."""

    release: Release
    stale: Sequence[Stale]


def get_release(session: Session, actor: Actor, release_id: UUID) -> Release:
    """Raises NotFound, Forbidden."""
    release = session.get(Release, release_id)
    authorise(session, actor, NOWHERE if release is None else release.case_id, Operation.EXPORT)
    if release is None:
        raise NotFound()
    return release


def with_staleness(session: Session, releases: Sequence[Release]) -> list[ReadRelease]:
    """In two queries, however many (no permission check)."""
    found = staleness_of(session, [release.id for release in releases])
    return [ReadRelease(release, found.get(release.id, [])) for release in releases]


def list_releases(
    session: Session, actor: Actor, case_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Release]:
    """A case's, the newest first. Raises NotFound, Forbidden."""
    authorise(session, actor, case_id, Operation.EXPORT)
    query = select(Release).where(Release.case_id == case_id)
    if before is not None:
        query = query.where(tuple_(Release.released_at, Release.id) < before)
    return list(session.scalars(query.order_by(Release.released_at.desc(), Release.id.desc()).limit(limit)))


def list_release_items(
    session: Session, actor: Actor, release_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[ReleaseItem]:
    """By the items' ids. Raises NotFound, Forbidden."""
    get_release(session, actor, release_id)
    query = select(ReleaseItem).where(ReleaseItem.release_id == release_id)
    if after is not None:
        query = query.where(ReleaseItem.evidence_id > after)
    return session.scalars(query.order_by(ReleaseItem.evidence_id).limit(limit)).all()
