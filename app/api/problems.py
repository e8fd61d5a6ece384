"""RFC 9457 problem details: every refusal has the same shape, a stable ``code``, and words that help."""

import traceback
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException

from app.kernel.errors import AppError, Conflict, Invalid, constraint_errors
from app.media.errors import PurposeNeeded

logger = structlog.get_logger(__name__)

_SOURCE = Path(__file__).resolve().parents[1]


class FieldProblem(BaseModel):
    field: str = Field(examples=["metadata.acquired_at"])
    reason: str = Field(examples=["Input should have timezone info"])


class Problem(BaseModel):
    """A refusal (RFC 9457, `application/problem+json`). `code` is stable; `detail` is for people."""

    type: str = Field(examples=["/problems/wrong_state"])
    title: str = Field(examples=["The item's state does not allow this"])
    status: int = Field(examples=[409])
    code: str = Field(examples=["wrong_state"])
    detail: str = Field(examples=["'submit' is possible from: in_verification. The item is 'preserved'."])
    request_id: str = Field(examples=["6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11"])
    errors: list[FieldProblem] | None = Field(default=None, description="Which fields are wrong, and why.")


class InvalidRequest(Invalid):
    """A field is missing, unknown, of the wrong type or out of its range, or the body is no JSON."""

    code = "invalid_request"
    title = "The request does not fit this operation"


class MethodNotAllowed(AppError):
    code = "method_not_allowed"
    status = 405
    title = "Method Not Allowed"


class DatabaseUnavailable(AppError):
    """Whether the change was made is not known: only a repetition with the same Idempotency-Key is safe."""

    code = "database_unavailable"
    status = 503
    title = "The database cannot be reached just now"
    advice = (
        "Repeat the request with the same Idempotency-Key where one was sent; else look first whether the change "
        "was made."
    )


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of an operation, for its ``responses=``."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted(statuses)
    }


def problem(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> JSONResponse:
    body = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": getattr(request.state, "request_id", ""),
        **extra,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Register the handlers; with ``answer_unexpected`` behind them every error has one shape."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(IntegrityError, _integrity_error)
    app.add_exception_handler(DBAPIError, _database_error)


def _app_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    return problem(
        request,
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        headers=error.headers,
        **error.extra,
    )


def field_problems(errors: Iterable[Any]) -> list[dict[str, str]]:
    """Pydantic's errors as field and reason; never the input, which may hold what no log or answer should."""
    return [
        {"field": ".".join(str(part) for part in error["loc"]) or "body", "reason": error["msg"]} for error in errors
    ]


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if len(faults) == 1 and faults[0]["type"] == "missing" and faults[0]["loc"][-1] == "purpose":
        return _app_error(request, PurposeNeeded("Say in 'purpose' what this is for: it stands in the custody entry."))
    return _invalid_request(request, field_problems(faults))


def _invalid_request(request: Request, errors: list[dict[str, str]]) -> JSONResponse:
    return problem(
        request,
        status=InvalidRequest.status,
        code=InvalidRequest.code,
        title=InvalidRequest.title,
        detail="See 'errors' for each field and what is wrong with it.",
        errors=errors,
    )


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # FastAPI's answer to a body that is no JSON for another reason than its grammar, which it answers with 422:
        # bytes that are not UTF-8, nesting without end, a number of thousands of digits.
        return _invalid_request(request, [{"field": "body", "reason": "It cannot be read as JSON."}])
    phrase = HTTPStatus(error.status_code).phrase
    return problem(
        request,
        status=error.status_code,
        code=phrase.lower().replace(" ", "_").replace("-", "_"),
        title=phrase,
        detail=str(error.detail),
        headers=dict(error.headers or {}),
    )


def _integrity_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, IntegrityError)
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    known = constraint_errors.get(name or "")
    if known is not None:
        return _app_error(request, known)
    logger.error("constraint_without_meaning", constraint=name, request_id=request.state.request_id)
    return problem(
        request,
        status=Conflict.status,
        code=Conflict.code,
        title="The change conflicts with another one",
        detail="Nothing was changed. Read the resource again, then repeat the change.",
    )


def _database_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DBAPIError)
    if not isinstance(error, OperationalError) and not error.connection_invalidated:
        return answer_unexpected(request, error)
    logger.error("database_unavailable", request_id=request.state.request_id, kind=type(error.orig).__name__)
    return problem(
        request,
        status=DatabaseUnavailable.status,
        code=DatabaseUnavailable.code,
        title=DatabaseUnavailable.title,
        detail="It is not known whether the change was made. Repeat the request with the same Idempotency-Key.",
        headers={"Retry-After": "2"},
    )


def answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    """A bug. Its place is logged, without values: an exception's text can hold names or addresses."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    # The last place in our own code says more than the last one in a library.
    ours = [frame for frame in frames if str(_SOURCE) in frame.f_code.co_filename] or frames
    place = f"{ours[-1].f_code.co_filename}:{ours[-1].f_lineno}" if ours else ""
    logger.error("unexpected_error", kind=type(error).__name__, place=place, request_id=request.state.request_id)
    return problem(
        request,
        status=AppError.status,
        code=AppError.code,
        title="Something went wrong on our side",
        detail="Nothing was changed. Tell the operator the request_id.",
    )
