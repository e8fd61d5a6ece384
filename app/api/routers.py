"""Every router of the API, in the order of the documentation."""

from fastapi import APIRouter

from app.api import access, cases, health, uploads

ROUTERS: tuple[APIRouter, ...] = (access.router, cases.router, uploads.router, health.router)
