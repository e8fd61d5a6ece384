"""Two worlds in which the same is done in case A, and that differ in what a foreign case holds: the same footage, or
other footage of the same kinds. What the people of A are answered is put down with everything random taken out."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from sqlalchemy import event

from app.worker import NotNow
from tests import media_samples as samples
from tests.contracts.calls import CALLS, Call
from tests.contracts.world import MISSING, PICTURE, World, open_world, receive
from tests.support.databases import TestDatabase
from tests.support.work import Work, work_of

ASSETS = PICTURE.parent
UNMADE = frozenset({"date", "x-request-id", "content-length"})
"""Headers that are another's each time; the length is the body's."""
BESIDE = ("UPDATE tokens", "SELECT fingerprint_batches")
"""Asked once in a while, whatever is done: that the token was used, and by the thread that follows the index."""
ENDING = re.compile("^(ROLLBACK TO|RELEASE) SAVEPOINT")
"""What was stored within it stays or not: one statement either way."""
MOST_PAGES = 12
CALLERS = ("verifier", "coordinator", "custodian", "auditor", "outsider")
ASKED_IN_FULL = ("own", "excerpt")
"""These objects are asked for in every form, and lists of them page by page."""
COPIES = dict.fromkeys(("own", "other"), "either")
"""Items on the same bytes: which of them stands for both is a matter of their random ids."""
BY_IDS = frozenset(
    {
        "listMembers",
        "createExport",
        "getGroup",
        "listGroups",
        "listGroupMembers",
        "getIncidentOrigins",
        "listIncidentCustody",
        "listIncidentOrigins",
    }
)
"""Answered in the order of random ids."""
NOT_ASKED = ("missing", "other")
""":mod:`tests.contracts.test_access_matrix` asks for them."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
RANDOM = re.compile(
    rf"(?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)|(?P<id>{UUID})|(?P<digest>\b[0-9a-f]{{64}}\b)"
    r"|(?P<key>(?<=\"key_id\":\")[0-9a-f]{16}\b)"
    r"|(?P<cursor>\b[0-9a-f]{8}\.[A-Za-z0-9_-]+)|(?P<made>[A-Za-z0-9+/_-]{24,}={0,2})"
)
"""Times, ids, digests, keys' ids; and what is made of them: cursors, proofs, signatures, tokens."""
SMALL = re.compile(r"(?<=\.\d\d)\d+")
"""Of a number in a drawing: where a line stands depends by a thousandth of a point on the letters of a random id."""


@dataclass(frozen=True)
class Footage:
    """What the foreign case holds before anything is sent to A; ``first``: of what A has from its beginning."""

    first: bytes
    others: tuple[bytes, ...]
    later: tuple[bytes, ...]
    """What comes to the foreign case when A has all that it gets."""


def footage(*, is_same: bool) -> Footage:
    """As many files of the same kinds either way."""
    names = (
        ("table.jpg", "railway.jpg", "rocket.jpg") if is_same else ("temple.jpg", "park-dogs.jpg", "resting-dog.jpg")
    )
    first, *others = ((ASSETS / name).read_bytes() for name in names)
    film = samples.excerpt(0.0, 4.0, path=samples.VIDEO if is_same else samples.PHONE_VIDEO)
    later = (samples.recompressed(ASSETS / names[1], 50), (ASSETS / names[2]).read_bytes())
    return Footage(first, (*others, film), later)


SENT: dict[str, Callable[[], bytes]] = {
    "crop": lambda: samples.cropped(ASSETS / "railway.jpg", 0.25),
    "again": lambda: samples.recompressed(ASSETS / "rocket.jpg", 60),
    "bytes": (ASSETS / "rocket.jpg").read_bytes,
    "excerpt": lambda: samples.excerpt(1.0, 3.0),
}
"""What is sent to A: of what the one foreign case holds, a crop, a copy of less quality, the very bytes (of what A has
a copy of), and an excerpt."""


@dataclass
class Names:
    """What is random is called by its name, or else by when an answer says it first."""

    known: dict[str, str] = field(default_factory=dict)

    def within(self, said: str) -> str:
        first: dict[str, str] = {}

        def named(found: re.Match[str]) -> str:
            kind, value = str(found.lastgroup), found[0]
            if kind not in ("id", "digest"):
                return f"<{kind}>"
            return self.known.get(value) or first.setdefault(value, f"<{kind} {len(first)}>")

        return RANDOM.sub(named, said)


def told(answer: httpx.Response, names: Names) -> str:
    """All that an answer says."""
    headers = [f"{name}: {value}" for name, value in sorted(answer.headers.items()) if name not in UNMADE]
    return names.within("\n".join([str(answer.status_code), *headers, _body(answer)]))


def _body(answer: httpx.Response) -> str:
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("image/png") and b"PNG" in answer.content[:8]:  # A comparison has ids drawn into it.
        return f"{Image.open(io.BytesIO(answer.content)).size}"
    if kind.startswith("image/svg"):
        return SMALL.sub("", answer.text)
    try:
        return answer.content.decode()
    except UnicodeDecodeError:
        return base64.b16encode(answer.content).decode()


@dataclass
class Told:
    """What one world told: by operation, object, caller and query; and what the jobs for A asked the database."""

    answers: dict[tuple[str, str, str, str], str] = field(default_factory=dict)
    statements: dict[str, list[str]] = field(default_factory=dict)


@contextmanager
def _statements(world: World) -> Iterator[list[str]]:
    engine, asked = world.api.app.state.services.sessions.kw["bind"], list[str]()

    def remember(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.startswith(BESIDE):
            asked.append(ENDING.sub("END", statement))

    event.listen(engine, "after_cursor_execute", remember)
    try:
        yield asked
    finally:
        event.remove(engine, "after_cursor_execute", remember)


def tell(database: TestDatabase, data: Path, *, is_same: bool) -> Told:
    """Everything in one of the worlds."""
    told_here, abroad = Told(), footage(is_same=is_same)
    with open_world(database, data, foreign=abroad.first) as world, work_of(world.api) as work:
        for content in abroad.others:
            receive(world.people["everyone"], world.cases["B"], content)
        _finish(work)
        _send(world, work, told_here)
        for content in abroad.later:
            receive(world.people["everyone"], world.cases["B"], content)
        _finish(work)
        _add_match_of_both(world)
        _walk(world, told_here)
    return told_here


def _send(world: World, work: Work, told_here: Told) -> None:
    """Search with each file, then upload it; each job's statements are kept, and each search's answer."""
    verifier, names = world.people["verifier"], Names()
    for name, make in SENT.items():
        content = make()
        files = [("metadata", (None, json.dumps({"case_ids": [world.cases["A"]]}))), ("file", ("a", content))]
        with _statements(world) as told_here.statements[f"similar of {name}"]:
            asked = verifier.post("/v1/similar", files=files, headers={"Prefer": "wait=0"})
        _run_jobs(world, work, told_here, name)
        answer = verifier.get(asked.headers["Location"])
        told_here.answers["getSimilarSearch", name, "verifier", ""] = told(answer, names)
        search = {"similar_search": answer.json()["id"]}
        found = verifier.get(f"/v1/cases/{world.cases['A']}/evidence", params=search)
        told_here.answers["listEvidence", name, "verifier", "similar_search"] = told(found, names)
        with _statements(world) as told_here.statements[f"upload of {name}"]:
            item = receive(world.people["second collector"], world.cases["A"], content)
        _run_jobs(world, work, told_here, name)
        world.objects["evidence"][name] = {"evidence_id": item["id"]}


def _finish(work: Work) -> None:
    while _run_one(work) is not None:
        pass


def _run_one(work: Work) -> str | None:
    """The name of the job that ran; of one that cannot be done, since nobody signs a checkpoint here, nothing is."""
    try:
        return work.run_one()
    except NotNow as refused:
        return str(refused)


def _run_jobs(world: World, work: Work, told_here: Told, name: str) -> None:
    while True:
        with _statements(world) as asked:
            job = _run_one(work)
        if job is None:
            return
        told_here.statements[f"{job} of {name}"] = asked


def _add_match_of_both(world: World) -> None:
    """The match that nobody of A alone sees, where there is one."""
    item = world.objects["evidence"]["crop"]["evidence_id"]
    seen = world.people["everyone"].get(f"/v1/evidence/{item}/matches").json()["items"]
    across = [one["id"] for one in seen if one["case_id"] != one["reference_case_id"]]
    world.objects["match"]["across"] = {"match_id": across[0] if across else MISSING}


def _walk(world: World, told_here: Told) -> None:
    """Every operation, by everybody of A alone, of every object; lists also page by page, and in every form."""
    callers = {caller.name: caller.http for caller in world.callers if caller.name in CALLERS}
    names = Names()
    for kind, objects in world.objects.items():
        for which, parameters in objects.items():
            for value in parameters.values():
                names.known.setdefault(value, f"<{COPIES.get(which, which)} {kind}>")
    for call in sorted(CALLS, key=lambda call: call.operation == "acknowledgeNotice"):  # Last: it leaves an entry.
        if call.operation == "deleteCurrentSession":
            continue  # Everybody's walk would be over.
        for which in _asked(call, world):
            request, is_in_full = call.request(world, which), which in ASKED_IN_FULL
            for query in _ways(call, world) if is_in_full else [{}]:
                made = {**request, "params": {**request["params"], **query}}
                for caller, http in callers.items():
                    answer = http.request(**made)
                    key = call.operation, f"{call.kind} {which}", caller, names.within(f"{_body_of(call)}{query}")
                    first = told(answer, names)
                    if call.operation in BY_IDS:
                        first = _sorted(first)
                    elif is_in_full:
                        first += _pages(http, made, answer, names)
                    told_here.answers[key] = first


def _sorted(said: str) -> str:
    """Of what is in the order of ids: what it says, in an order of its own."""
    return "\n".join(sorted(re.split(r"[{},]", re.sub(r"<(id|digest) \d+>|<\w+ evidence>", "<>", said))))


def _asked(call: Call, world: World) -> list[str]:
    """Which objects. What changes something fails by the object's state, the same for all."""
    every = sorted(world.objects[call.kind].keys() - set(NOT_ASKED))
    is_change = call.documented.method not in ("GET", "HEAD")
    return [which for which in every if not is_change or which in ("own", "foreign", "across")]


def _body_of(call: Call) -> str:
    return "" if call.json is None or callable(call.json) else json.dumps(call.json, sort_keys=True)


def _ways(call: Call, world: World) -> Iterator[Mapping[str, str]]:
    """As the call stands; each switch on; each word of those that may be chosen; what resembles an item."""
    yield {}
    for parameter in call.documented.facts.get("parameters", ()):
        schema, name = parameter["schema"], parameter["name"]
        if parameter["in"] != "query" or name in call.query or name == "purpose":
            continue
        if schema.get("type") == "boolean":
            yield {name: "true"}
        if name == "similar_to":
            for which in ("own", "crop", "excerpt"):
                yield {name: world.objects["evidence"][which]["evidence_id"]}
        yield from ({name: value} for value in schema.get("enum", ()))


def _pages(http: httpx.Client, made: Mapping[str, Any], answer: httpx.Response, names: Names) -> str:
    """Of a list: every page of one, so that their number and order count."""
    if made["method"] != "GET" or answer.status_code != 200 or b'"next_cursor"' not in answer.content:
        return ""
    pages, params = list[str](), {**made["params"], "limit": "1"}
    while len(pages) < MOST_PAGES:
        page = http.request(**{**made, "params": params})
        pages.append(told(page, names))
        cursor = page.json().get("next_cursor")
        if not cursor:
            break
        params = {**params, "cursor": cursor}
    return "\n\n".join(["", *pages])
