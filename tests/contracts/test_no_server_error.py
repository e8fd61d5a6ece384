"""Whatever is sent to any operation: an answer in the documented form, never a bug's 500.

Requests are written to the socket byte by byte, so that what no well-behaved client sends is sent too. Most are a valid
call with one thing wrong, because what is wrong altogether is refused at the door.
"""

import copy
import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.contracts.calls import CALLS, Call
from tests.contracts.document import Documented, operations
from tests.contracts.world import World, form, incident, link, spare_token, token

pytestmark = pytest.mark.contract

EXAMPLES = 40
BOUNDARY = "limit0f0parts"

# --- what is wrong ----------------------------------------------------------------------------------------------------

ODD_TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud800",
        "\u202e",
        "\ufeff",
        "\n",
        "'; DROP TABLE cases; --",
        "%s%n",
        "../..",
    ),
    *("null", "NaN", "1e999", "٣", "x" * 5000, "11111111-1111-4111-8111-111111111111", "0" * 64),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "2026-07-14T09:30:00", "24:00"),
)
ODD_NUMBERS = (
    0,
    -1,
    1,
    2**31,
    2**53,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
)
ODD_VALUES: tuple[Any, ...] = (None, True, [], {}, [[]], {"": {}}, {"\x00": 1}, {"\ud800": 1}, *ODD_TEXTS, *ODD_NUMBERS)

odd_values = st.one_of(
    st.sampled_from(ODD_VALUES),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
)
ODD_BODIES = (
    *(b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe\x00", b'{"a":"\xc3"}', b"\x00" * 100, b"1" * 5000),
    *(b"[" * 100_000, b'{"a":' * 20_000, b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", b"NaN", b"-", b"'{}'"),
)
ODD_TYPES = (
    *(
        "application/json",
        "application/json; charset=utf-16",
        "text/plain",
        "application/xml",
        "",
        "*/*",
        "application/",
    ),
    *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 300),
    *(f"multipart/form-data; boundary={BOUNDARY}", "application/x-www-form-urlencoded", "application/problem+json"),
)
ODD_HEADERS: dict[str, tuple[str, ...]] = {
    "If-Match": ("*", '"x"', 'W/"1"', '"-1"', '"9999999999"', '""', '"1", "2"', "1", "\xb2", '"\xb2"', '"1'),
    "Idempotency-Key": ("", " ", "k" * 201, "\xff", "a b", "k-1"),
    "Prefer": ("wait", "wait=", "wait=-1", "wait=0, wait=1", "respond-async;;", ",", "=", "\xff", "p" * 300),
    "Range": ("bytes=0-0", "bytes=-1", "bytes=9999999999999999999-", "bytes=5-1", "bytes=--", "x=1-2", "bytes=0-0,2-3"),
    "If-Range": ('"x"', "\xff", "Sat, 01 Jan 2000 00:00:00 GMT"),
    "Authorization": ("", "Bearer", "Bearer  ", "Basic eDp4", "Bearer \xff", "Bearer " + "t" * 5000),
    "Content-Length": ("-1", "x", "99999999999999999999"),
    "Accept": ("image/png", "\xff"),
    "X-Request-Id": ("\xff" * 50,),
}
ODD_CURSORS = (
    "",
    "=",
    "x",
    "W10",
    "WyJ4IiwieCJd",
    "WzFd",
    "WyIyMDI2LTAxLTAxIiwiMSJd",
    "WyJcdTAwMDAiLCJcdTAwMDAiXQ",
    "\u00e9",
)
ODD_SEGMENTS = (
    "%00",
    "%ff",
    "%zz",
    "%",
    "%2e%2e",
    "..",
    "%ed%a0%80",
    "x",
    "%20",
    "é",
    "0" * 400,
    "00000000-0000-0000-0000-000000000000",
)


GENERAL_HEADERS = ("Authorization", "Content-Length", "Accept", "X-Request-Id")
FILE_HEADS = (
    b'form-data; name="file"; filename="a.jpg"',
    b'form-data; name="file"; filename="a\x00b"',
    b'form-data; name="file"; filename="\xff\xfe"',
    b"form-data; name=\"file\"; filename*=UTF-8''%ff%00",
    b'form-data; name="file"; filename="' + b"n" * 400 + b'"',
    b'form-data; name="other"',
    b"attachment",
    b"",
)


@dataclass(frozen=True)
class Request:
    """One request, as its bytes will be."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def damaged(value: Any, draw: Any) -> Any:
    """The JSON value with one member replaced, removed or added."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 3)) == 0:
        return draw(odd_values)
    made = copy.copy(value)
    key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    act = draw(st.sampled_from(["inside", "inside", "inside", "remove", "add"]))
    if act == "inside":
        made[key] = damaged(value[key], draw)
    elif act == "remove":
        del made[key]
    elif isinstance(made, dict):
        made[draw(st.sampled_from(["id", "case_id", "\x00", "\ud800", "x" * 1000]))] = draw(odd_values)
    else:
        made.append(draw(odd_values))
    return made


def example_bodies(documented: Documented, fallback: Any) -> list[Any]:
    """The valid bodies that the document shows, and the one of the access matrix."""
    content = documented.body.get("application/json", {})
    shown = [example["value"] for example in content.get("examples", {}).values()]
    schema = content.get("schema", {})
    return [*shown, *schema.get("examples", []), *([] if fallback is None else [fallback])] or [{}]


def form_of(metadata: bytes, file_head: bytes, end: bytes) -> bytes:
    """A form with the metadata and a file of five bytes."""
    edge = b"--" + BOUNDARY.encode("ascii")
    first = edge + b'\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n' + metadata + b"\r\n"
    return first + edge + b"\r\nContent-Disposition: " + file_head + b"\r\n\r\nbytes\r\n" + edge + end


def given_body(call: Call, world: World) -> Any:
    """The body of the access matrix."""
    which = "own" if "own" in world.objects[call.kind] else "other"
    return call.json(world, which) if callable(call.json) else call.json


def usual(call: Call, world: World, objects: dict[str, str]) -> Request:
    """The call as the access matrix makes it, with a version that may be right."""
    documented = call.documented
    target = documented.path.format(**objects, **call.path)
    if call.query:
        target += "?" + urlencode(call.query)
    headers = {"If-Match": '"1"'}
    body = b""
    if call.form:
        headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
        body = form_of(json.dumps(call.metadata).encode("ascii"), FILE_HEADS[0], b"--\r\n")
    elif documented.body:
        headers["Content-Type"] = "application/json"
        body = json.dumps(given_body(call, world)).encode("ascii")
    return Request(documented.method, target, tuple(headers.items()), body)


def with_one_oddity(call: Call, world: World, objects: dict[str, str]) -> Iterator[Request]:
    """Each odd value in each place that is not inside a JSON body, all else as usual."""
    documented, fine = call.documented, usual(call, world, objects)
    given = {**objects, **call.path}
    for name in sorted(documented.parameters("path")):
        for odd in ODD_SEGMENTS:
            yield replace(fine, target=documented.path.format(**{**given, name: odd}))
    for name in sorted(documented.parameters("query")):
        for odd in ODD_CURSORS if name == "cursor" else ODD_TEXTS:
            query = urlencode({**call.query, name: odd}, errors="surrogatepass", quote_via=quote)
            yield replace(fine, target=documented.path.format(**given) + "?" + query)
    for name in (*sorted(documented.parameters("header")), *GENERAL_HEADERS):
        for odd in ODD_HEADERS[name]:
            yield replace(fine, headers=(*(pair for pair in fine.headers if pair[0] != name), (name, odd)))
    if documented.body:
        for content_type in ODD_TYPES:
            yield replace(fine, headers=(("If-Match", '"1"'), ("Content-Type", content_type)))
        for body in ODD_BODIES:
            yield replace(fine, body=body)


@st.composite
def damaged_bodies(draw: Any, call: Call, world: World, objects: dict[str, str]) -> Request:
    """The call with one member of its body damaged, as JSON or as the metadata of a form."""
    fine = usual(call, world, objects)
    headers = tuple({**dict(fine.headers), "If-Match": draw(st.sampled_from(['"1"', '"2"', '"3"', '"4"']))}.items())
    if call.form:
        metadata = _json(damaged(dict(call.metadata), draw), draw)
        end = draw(st.sampled_from([b"--\r\n", b"", b"\r\n"]))
        return replace(fine, headers=headers, body=form_of(metadata, draw(st.sampled_from(FILE_HEADS)), end))
    given = given_body(call, world)
    value = draw(st.sampled_from(example_bodies(call.documented, given)))
    return replace(fine, headers=headers, body=_json(damaged(value, draw), draw))


def _json(value: Any, draw: Any) -> bytes:
    if draw(st.booleans()):
        return json.dumps(value).encode("ascii")
    return json.dumps(value, ensure_ascii=False).encode("utf-8", errors="surrogatepass")


# --- asking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    media_type: str
    body: bytes


def send(base_url: str, secret: str, request: Request) -> Answer | None:
    """The answer; None when the server closed the connection instead, as it does on a broken head."""
    address = urlsplit(base_url)
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {address.netloc}", "Connection: close"]
    given = {name.lower() for name, _ in request.headers}
    if "authorization" not in given:
        lines.append(f"Authorization: Bearer {secret}")
    if "content-length" not in given:
        lines.append(f"Content-Length: {len(request.body)}")
    lines += [f"{name}: {value}" for name, value in request.headers]
    head = "\r\n".join(lines).encode("latin-1", errors="replace") + b"\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=20) as connection:
        try:
            connection.sendall(head + request.body)
            if "content-length" in given:
                connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection, method=request.method)
            response.begin()
            return Answer(response.status, response.headers.get_content_type(), response.read())
        except (ConnectionError, http.client.RemoteDisconnected):
            return None


def check(documented: Documented, request: Request, answer: Answer) -> None:
    told = f"{request} → {answer.status} {answer.body[:300]!r}"
    assert answer.status < 500 or (answer.status in documented.statuses and answer.status != 500), told
    if answer.status == 400 and answer.media_type == "text/plain":
        return  # The server's own refusal of a broken head: no operation was reached.
    if answer.status >= 400:
        if answer.status in (404, 405) and _is_another_path(request):
            return
        assert answer.status in documented.statuses, told
        if request.method != "HEAD":
            assert [answer.media_type] == list(documented.facts["responses"][str(answer.status)]["content"]), told
        if answer.media_type == "application/problem+json" and answer.body:
            assert json.loads(answer.body)["code"], told


def _is_another_path(request: Request) -> bool:
    """Whether the odd segment made an address that is not this operation's."""
    return any(segment in request.target for segment in ("..", "%2e%2e", "%2F"))


@pytest.fixture(scope="module")
def places(world: World) -> dict[str, dict[str, str]]:
    """Objects for operations that would end what the others need: each gets what nobody misses."""
    api, everyone = world.api, world.people["everyone"]
    case_id = api.case(everyone, verifier=(everyone,))
    incident_id = incident(everyone, world.cases["A"], code="I-2")
    evidence_id = world.objects["evidence"]["own"]["evidence_id"]
    victim = api.person("Victim")
    return {
        "closeCase": {"case_id": case_id},
        "deactivateUser": {"account_id": victim.id},
        "resetPassword": {"account_id": victim.id},
        "revokeToken": {"token_id": spare_token(everyone)},
        "unlinkEvidence": {"incident_id": incident_id, "link_id": link(everyone, incident_id, evidence_id)},
    }


def secret_for(world: World, call: Call) -> str:
    """An authorised person's token."""
    if call.scope == "admin":
        return world.api.admin.token
    if call.operation == "deleteCurrentSession":
        return token(world.people["everyone"])
    return world.people["everyone"].token


def variants(name: str) -> Iterator[Call]:
    """The operation's calls; of those to one door with many events, the examples in the document are enough."""
    found = [call for call in CALLS if call.operation == name]
    yield from found[:1] if len(found) > 2 else found


def objects_for(world: World, places: dict[str, dict[str, str]], call: Call) -> dict[str, str]:
    of_kind = world.objects[call.kind]
    return {**(of_kind["own"] if "own" in of_kind else of_kind["other"]), **places.get(call.operation, {})}


def ask(world: World, call: Call, secret: str, request: Request) -> None:
    answer = send(world.api.base_url, secret, request)
    if answer is not None:
        check(call.documented, request, answer)


@pytest.mark.parametrize("name", list(operations()))
def test_operation_when_one_part_of_the_request_is_odd_then_no_server_error(
    world: World, places: dict[str, dict[str, str]], name: str
) -> None:
    for call in variants(name):
        for request in with_one_oddity(call, world, objects_for(world, places, call)):
            ask(world, call, secret_for(world, call), request)


@pytest.mark.parametrize("name", [name for name, documented in operations().items() if documented.body])
def test_operation_when_its_body_is_damaged_then_no_server_error(
    world: World, places: dict[str, dict[str, str]], name: str
) -> None:
    for call in variants(name):
        send_damaged(world, call, objects_for(world, places, call))


def send_damaged(world: World, call: Call, objects: dict[str, str]) -> None:
    secret = secret_for(world, call)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged_bodies(call, world, objects))
    def ask_one(request: Request) -> None:
        ask(world, call, secret, request)

    ask_one()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0999-12-31T00:00:00Z"])
def test_time_when_utc_has_no_four_digits_for_its_year_then_422(world: World, moment: str) -> None:
    everyone, case_id = world.people["everyone"], world.cases["A"]
    occurred = {"from": "2026-07-03T05:10:00Z", "to": "2026-07-03T05:10:00Z", "zone": "UTC", "basis": "x"}
    bodies = (
        ("incidents", {"code": "I-9", "title": "x", "kind": "other", "occurred": {**occurred, "from": moment}}),
        ("incidents", {"code": "I-9", "title": "x", "kind": "other", "occurred": {**occurred, "to": moment}}),
    )
    answers = [everyone.post(f"/v1/cases/{case_id}/{path}", json=body) for path, body in bodies]
    answers += [
        everyone.post(f"/v1/cases/{case_id}/evidence", files=form(**{field: moment}))
        for field in ("acquired_at", "claimed_from", "claimed_to")
    ]
    item = f"/v1/evidence/{world.objects['evidence']['own']['evidence_id']}"
    correction = {"field": "claimed_from", "value": moment, "reason": "x"}
    answers.append(everyone.change(f"{item}/corrections", item, json=correction))
    assert [answer.status_code for answer in answers] == [422] * 6, [answer.text for answer in answers]


def test_token_when_a_role_is_named_thousands_of_times_then_its_entry_names_it_once(world: World) -> None:
    body = {"name": "x", "scopes": ["read"], "roles": ["auditor"] * 9000}
    made = world.people["everyone"].post("/v1/tokens", json=body)
    assert made.status_code == 201, made.text
