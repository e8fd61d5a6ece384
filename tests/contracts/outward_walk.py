"""How every outward path is walked: the queries, the answers, and what none of them may tell."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import httpx

from tests.contracts.calls import CALLS, Call
from tests.contracts.document import operations
from tests.contracts.outward import NEVER, SEEN, TESTIMONY, WITHDRAWN, Outward, holds, objects_for

SEARCHES = frozenset({"searchHashes", "searchSimilar", "verifyFigure"})
"""What reads by POST; a search by a file is walked by itself, too."""
CHANGES_BY_GET = frozenset({"takeCaseCustodyFile", "takeEvidenceCustodyFile", "takeIncidentCustodyFile"})
CARRIED_OUT_BY = frozenset({"coordinator", "custodian"})
PAGES = frozenset({"listEvidenceCustody", "listIncidentCustody", "listCaseCustody"})
LEDGER = PAGES | CHANGES_BY_GET | {"getEntryReceipt", "getEntryProof", "listAuditedCases"}
LEDGER |= {"listLedgerEntries", "takeLedgerEntriesFile", "getExportContent"}
"""Where ids stay: the rows of the ledger do."""
MEDIA = ("image/", "video/", "application/octet-stream")
BLURRED = frozenset({"getPreview", "getStrip", "getFrame"})
"""Whose default is open for what nobody has labelled: 16 × 16 grey values."""


def is_outward(name: str) -> bool:
    return operations()[name].method in ("GET", "HEAD") or name in SEARCHES


def ways(call: Call) -> list[dict[str, str]]:
    """The queries with which a call is made: as it stands, and in every form that shows more."""
    found = [dict(call.query)]
    if call.operation == "listEvidence":
        found.append({"withdrawn": "true"})
    if call.operation == "listIncidentEvidence":
        found.append({"with_ended": "true"})
    if call.operation in CHANGES_BY_GET:
        found = [{**call.query, "format": "csv"}, {**call.query, "disclose": "all"}]
    if call.operation in PAGES:
        found = [{"limit": "200"}]
    if "as_of" in operations()[call.operation].parameters("query"):
        found += [{**each, "as_of": "{position}"} for each in found]
    if call.operation == "getContent" or "purpose" in operations()[call.operation].parameters("query"):
        found = [{"purpose": "verification", **each} for each in found]
    return found


def answers(outward: Outward) -> Iterator[tuple[str, str, str, httpx.Response]]:
    """Operation, which object, who asked, and the answer; fails for an operation that nobody says how to call."""
    calls = {call.operation: call for call in CALLS}
    assert {name for name in operations() if is_outward(name)} <= calls.keys()
    for call in (call for call in CALLS if is_outward(call.operation)):
        names = operations()[call.operation].parameters("path") - call.path.keys()
        for which, parameters in objects_for(outward, call.kind, names).items():
            outward.world.objects.setdefault(call.kind, {})[which] = parameters
            request = call.request(outward.world, which)
            for query in ways(call):
                made = {
                    **request,
                    "params": {**request["params"], **_filled(query, {**parameters, "position": outward.position})},
                }
                for caller, client in callers_for(outward, call).items():
                    yield call.operation, which, caller, client.request(**made)


def callers_for(outward: Outward, call: Call) -> dict[str, httpx.Client]:
    """Of what is public anybody's answer is everybody's."""
    return {"outsider": outward.callers["outsider"]} if call.on == "public" else outward.callers


def _filled(query: dict[str, str], parameters: dict[str, str]) -> dict[str, str]:
    return {name: value.format(**parameters) if "{" in value else value for name, value in query.items()}


def told(answer: httpx.Response) -> bytes:
    """All that an answer says: headers and body."""
    return "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode() + b"\n" + answer.content


@dataclass
class Walk:
    """What the answers told: what they should not have, and to whom they told what they may."""

    closed: frozenset[str]
    """Ids of what was withdrawn."""
    wrong: set[str] = field(default_factory=set)
    allowed: set[tuple[str, str]] = field(default_factory=set)
    seen: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, outward: Outward) -> Self:
        kinds = ("evidence", "testimony", "match")
        return cls(frozenset(outward.world.objects[kind]["withdrawn"][f"{kind}_id"] for kind in kinds))

    def look_at(self, operation: str, which: str, caller: str, answer: httpx.Response, *, role: str = "") -> None:
        """``role``: of a caller who is not called by it."""
        role = role or caller
        said, place = told(answer), f"{operation} of {which} by {caller} ({answer.status_code})"
        wrong = []
        if answer.status_code == 500:
            wrong.append(answer.text[:200])
        if not is_outward(operation) and answer.status_code < 400:
            wrong.append("done")
        if answer.status_code not in operations()[operation].statuses:
            wrong.append("not documented")
        wrong += [word for word in NEVER if holds(said, word)]
        for word in (WITHDRAWN, TESTIMONY):
            if holds(said, word):
                self.allowed.add((operation, caller)) if self._may_tell(operation, role, said) else wrong.append(word)
        is_listed = operation == "listEvidence" and role in CARRIED_OUT_BY
        if which != "withdrawn" and operation not in LEDGER and not is_listed:
            wrong += [f"names {one}" for one in self.closed if one.encode() in said]
        is_media = answer.headers.get("Content-Type", "").startswith(MEDIA) and answer.status_code < 300
        if is_media and (which == "withdrawn" or (which == "unlabelled" and operation not in BLURRED)):
            wrong.append(f"bytes of {answer.headers['Content-Type']}")
        if holds(said, SEEN):
            self.seen.add((operation, caller))
        self.wrong |= {f"{place}: {each}" for each in wrong}

    def _may_tell(self, operation: str, role: str, said: bytes) -> bool:
        if role == "custodian" and operation in PAGES:
            return True
        is_listed = operation == "listEvidence" and b"closed_at" in said
        is_read = operation in ("listConsents", "listTestimonyConsents", "getEvidence")
        return role in CARRIED_OUT_BY and (is_listed or is_read)
