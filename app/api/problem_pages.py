"""A page for each problem: what its ``type`` leads to. Made of the error classes, so that none is missing."""

from collections.abc import Iterator
from html import escape
from http import HTTPStatus
from inspect import cleandoc
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import HTMLResponse

from app.api.headers import sends
from app.api.http import Public
from app.api.problems import problem_responses
from app.kernel.errors import AppError, NotFound

router = APIRouter(prefix="/problems", tags=["Problems"])

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "public, max-age=3600"}
HTML = {"text/html": {"schema": {"type": "string"}}}

ADVICE = {
    400: "Send the request again, whole and well formed.",
    401: "Sign in, or send a token that is valid: Authorization: Bearer …",
    404: "Check the address and the id. What is outside your cases looks the same as what does not exist.",
    405: "Use a method that the API's document names for this address.",
    408: "Send the request again; a slow line may need a smaller file or another moment.",
    412: "Read the resource again, look at what changed, and repeat the change with the new ETag.",
    413: "Send less at once: 'detail' says how much is taken.",
    415: "Send the body in a form that the API's document names for this operation.",
    416: "Ask for a range within the file's size, which Content-Range names.",
    422: "Correct what 'detail' and 'errors' name. Sending the same again is answered the same.",
    428: "Read the resource, and send its ETag as If-Match with the change.",
    429: "Wait for as long as Retry-After says.",
    500: "This is a fault of the server: tell the operator the request_id.",
    507: "Tell the operator: the storage is full. Nothing of the request was kept.",
}
"""What to do where the code says no more than the status. A refusal by 403, 409 or 503 has words of its own: which
person, which condition, and whether waiting helps at all, the status does not tell."""


class NoSuchProblem(NotFound):
    code = "no_such_problem"
    title = "No problem has this code"
    advice = "Choose one of the codes in the list of all problems."


def known_problems() -> dict[str, type[AppError]]:
    """Every class of refusal that the product has, by its code; of several with one code, the most general."""
    found: dict[str, type[AppError]] = {}
    for kind in _descendants(AppError):
        found.setdefault(kind.code, kind)
    return dict(sorted(found.items()))


def advice_of(kind: type[AppError]) -> str:
    """What to do about it: the class's own words, else what is true of every refusal with its status."""
    return kind.advice or ADVICE[kind.status]


def _descendants(kind: type[AppError]) -> Iterator[type[AppError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _descendants(below)


@router.get(
    "",
    name="showProblems",
    summary="Every problem that an answer may name",
    response_class=HTMLResponse,
    responses={200: sends("Content-Security-Policy", "Cache-Control", description="A page.", content=HTML)},
    dependencies=[Depends(Public())],
)
def show_problems() -> HTMLResponse:
    """For people: the codes, each with its page."""
    rows = "".join(
        f'<tr><td><a href="/problems/{code}"><code>{code}</code></a></td><td>{kind.status}</td>'
        f"<td>{escape(kind.title)}</td></tr>"
        for code, kind in known_problems().items()
    )
    return _page("Problems", f"<table><tr><th>code</th><th>status</th><th>title</th></tr>{rows}</table>")


@router.get(
    "/{code}",
    name="showProblem",
    summary="What a problem means and what to do",
    response_class=HTMLResponse,
    responses={
        200: sends("Content-Security-Policy", "Cache-Control", description="A page.", content=HTML),
        **problem_responses(404),
    },
    dependencies=[Depends(Public())],
)
def show_problem(code: Annotated[str, Path(examples=["wrong_state"])]) -> HTMLResponse:
    """The `type` of a problem (RFC 9457) leads here: its title, its status, and what to do about it."""
    kind = known_problems().get(code)
    if kind is None:
        raise NoSuchProblem("The codes stand at /problems.")
    about = f"<p>{escape(_about(kind))}</p>" if _about(kind) else ""
    return _page(
        kind.title,
        f"<p>Code <code>{code}</code>, status {kind.status} ({HTTPStatus(kind.status).phrase}).</p>{about}"
        f"<h2>What to do</h2><p>{escape(advice_of(kind))}</p><p>The answer's own <code>detail</code> says what "
        'happened to this request.</p><p><a href="/problems">All problems</a></p>',
    )


def _about(kind: type[AppError]) -> str:
    """The class's own words, as one paragraph; a text that only a class above has says nothing of this one."""
    own = kind.__dict__.get("__doc__") if kind is not AppError else None
    return "" if own is None else " ".join(cleandoc(own).replace("``", "").split())


def _page(title: str, content: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - Exhibit</title></head>'
        f"<body><h1>{escape(title)}</h1>{content}</body></html>",
        headers=HEADERS,
    )
