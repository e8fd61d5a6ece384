"""What a withdrawal closes of testimonies: everything, to everybody. ``closed_at`` is worked out by the database."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.testimonies.models import Testimony


def is_open() -> ColumnElement[bool]:
    return or_(Testimony.closed_at.is_(None), Testimony.closed_at > func.now())


def closed_among(session: Session, fact_ids: Collection[UUID]) -> set[UUID]:
    """Those of these testimonies that are closed (no permission check)."""
    return set(session.scalars(select(Testimony.fact_id).where(Testimony.fact_id.in_(fact_ids), ~is_open())))


def closed_of(session: Session, incident_ids: Collection[UUID]) -> set[UUID]:
    """The closed testimonies of these incidents (no permission check)."""
    return set(session.scalars(select(Testimony.fact_id).where(Testimony.incident_id.in_(incident_ids), ~is_open())))
