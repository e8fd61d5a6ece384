"""Errors that a caller can act on. One handler (``app.api.problems``) turns them into RFC 9457 problem details."""

from collections.abc import Mapping
from typing import Any, ClassVar


class AppError(Exception):
    """A refusal with a stable ``code``, an HTTP status, and words that say what to do next.

    Subclass it where a cause is known (``class LeaseLost(AppError): code = "lease_lost"; status = 409``).
    ``detail`` is shown to the caller: never put into it what the caller may not know.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    advice: ClassVar[str | None] = None
    """What to do, for its page; None: what is true of every refusal with this status (``app.api.problem_pages``)."""

    def __init__(
        self, detail: str, *, extra: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})


class NotFound(AppError):
    """Outside one's cases everything is this, in the same words: an outsider does not learn that it exists."""

    code = "not_found"
    status = 404
    title = "Not found"

    def __init__(self, detail: str = "There is nothing here that you may see.") -> None:
        super().__init__(detail)


class Forbidden(AppError):
    code = "forbidden"
    status = 403
    title = "Your role does not allow this"
    advice = (
        "'detail' says what is missing: a role (a coordinator gives roles in the case, an administrator those of "
        "the organisation) or a scope (take a token that was made with it)."
    )


class Unauthenticated(AppError):
    code = "unauthenticated"
    status = 401
    title = "Sign in first"

    def __init__(self, detail: str = "Send a valid token: Authorization: Bearer …") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Conflict(AppError):
    code = "conflict"
    status = 409
    title = "The present state does not allow this"
    advice = "Read the resource again: 'detail' says what stands in the way."


class Invalid(AppError):
    code = "invalid"
    status = 422
    title = "The request cannot be understood"


class WrongState(Conflict):
    code = "wrong_state"
    title = "The item's state does not allow this"
    advice = "Read the item: 'detail' says from which states it is possible, 'possible_events' what is possible now."


class VersionMismatch(AppError):
    code = "version_mismatch"
    status = 412
    title = "It was changed since you read it"


class PreconditionRequired(AppError):
    code = "precondition_required"
    status = 428
    title = "Say which version you mean"


class Misconfigured(Exception):
    """The operator's settings or environment cannot work; the message says what to change. Stops the start."""


constraint_errors: dict[str, AppError] = {}
"""Database constraint name → the error it means. Domains add theirs beside the table that has the constraint."""
