"""Every router of the API, in the order of the documentation."""

from fastapi import APIRouter

from app.api import access, cases, health

ROUTERS: tuple[APIRouter, ...] = (access.router, cases.router, health.router)
