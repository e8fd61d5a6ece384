"""Every router of the API, in the order of the documentation."""

from fastapi import APIRouter

from app.api import (
    access,
    anchors,
    cases,
    content,
    custody,
    erasure,
    evidence,
    health,
    incidents,
    ledger,
    matches,
    metrics,
    organisation,
    problem_pages,
    public_log,
    reviewer_keys,
    transitions,
    uploads,
    verdict_signing,
    verification,
)

ROUTERS: tuple[APIRouter, ...] = (
    access.router,
    cases.router,
    uploads.router,
    evidence.router,
    content.router,
    matches.router,
    custody.router,
    organisation.router,
    erasure.router,
    ledger.router,
    anchors.router,
    public_log.router,
    incidents.router,
    reviewer_keys.router,
    verification.router,
    verdict_signing.router,
    transitions.router,
    health.router,
    metrics.router,
    problem_pages.router,
)
