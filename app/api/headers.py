"""The headers of answers, in the OpenAPI document: by rules where a rule decides, by the route's word where not.

A route says ``responses={201: sends("Location")}``. A contract test compares what is documented with what is sent.
"""

from collections.abc import Iterable, Mapping
from typing import Any

DESCRIPTIONS = {
    "Accept-Ranges": "`bytes`: one range may be asked for.",
    "Access-Control-Allow-Origin": "`*`: anybody's page may read this public answer.",
    "Allow": "The methods that this address takes.",
    "Cache-Control": "Whether, and for how long, the answer may be kept.",
    "Content-Disposition": "`attachment`, with a file name made of ids.",
    "Content-Encoding": "`gzip`, for those who accept it.",
    "Content-Range": "Which bytes of how many these are; with 416, how many there are.",
    "Content-Security-Policy": "A browser that opens the answer runs nothing of it.",
    "ETag": "The version, for `If-Match` of the next change; of bytes, what they are.",
    "Idempotency-Replayed": "`true`: the first answer to this `Idempotency-Key`, given again.",
    "Preference-Applied": "`wait=…`: how many seconds the answer was waited for at the most (RFC 7240).",
    "Link": '`rel="next"`: the next page, while there is one.',
    "Location": "Where the new resource is.",
    "Repr-Digest": "SHA-256 of the whole file (RFC 9530), also with a part of it.",
    "Retry-After": "Seconds to wait before trying again.",
    "Vary": "What the answer depends on besides its address.",
    "WWW-Authenticate": "`Bearer`: a valid token is needed.",
    "X-Request-Id": "The request's id in the server's log.",
}
ALWAYS = frozenset({"X-Request-Id"})
BY_STATUS: Mapping[str, tuple[str, ...]] = {
    "401": ("WWW-Authenticate",),
    "416": ("Content-Range",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
IF_MATCH = {"type": "string", "pattern": '^"[0-9]+"$', "examples": ['"3"']}


def sends(*required: str, sometimes: Iterable[str] = (), **response: Any) -> dict[str, Any]:
    """One response of ``responses=`` with the headers that it always has, and those that it may have."""
    headers = {name: header(name, is_required=True) for name in required}
    return {**response, "headers": headers | {name: header(name) for name in sometimes}}


def header(name: str, *, is_required: bool = False) -> dict[str, Any]:
    return {"description": DESCRIPTIONS[name], "required": is_required, "schema": {"type": "string"}}


def declare_headers(document: dict[str, Any], operation: dict[str, Any]) -> None:
    """Add to an operation what follows from its shape, and say that ``If-Match`` is required where it is.

    Without it the answer is 428, of which the routes take care themselves: it must name the reason. An operation that
    has no 428 takes it if one likes.
    """
    parameters = operation.get("parameters", ())
    for parameter in parameters:
        if parameter["name"] == "If-Match":
            parameter.update(required="428" in operation["responses"], schema=IF_MATCH)
    takes_key = any(parameter["name"] == "Idempotency-Key" for parameter in parameters)
    for status, response in operation["responses"].items():
        headers = response.setdefault("headers", {})
        for name in ALWAYS:
            headers.setdefault(name, header(name, is_required=True))
        for name in BY_STATUS.get(status, ()):
            headers.setdefault(name, header(name))
        if status.startswith("2"):
            members = _members(document, response)
            if "next_cursor" in members:
                headers.setdefault("Link", header("Link"))
            if members.get("version", {}).get("type") == "integer":
                headers.setdefault("ETag", header("ETag", is_required=True))
            if takes_key:
                headers.setdefault("Idempotency-Replayed", header("Idempotency-Replayed"))
        response["headers"] = dict(sorted(headers.items()))


def _members(document: dict[str, Any], response: dict[str, Any]) -> Mapping[str, Any]:
    """The members of a JSON answer."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"].get(name, {}).get("properties", {})
    return found
