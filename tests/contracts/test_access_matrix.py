"""Who may do what: every operation, everyone who may call, every kind of object, against the domain's own table."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from tests.contracts.calls import CALLS, Call
from tests.contracts.document import operations
from tests.contracts.world import Caller, World, token
from tests.support.examples import is_thorough

GRANTED = 0
PUBLIC_CALLERS = ("anonymous", "deactivated", "outsider")
OPERATIONS = tuple(call.operation for call in CALLS)
UNMADE = frozenset({"date", "x-request-id"})


def expected(call: Call, caller: Caller, which: str) -> int:
    """The status by the domain's table, or GRANTED."""
    if call.on == "public":
        return GRANTED
    if not caller.is_active:
        return 401
    if call.scope and call.scope not in caller.scopes:
        return 403
    if call.on == "case":
        return _in_case(call, caller, which)
    return _in_organisation(call, caller, which)


def _in_case(call: Call, caller: Caller, which: str) -> int:
    case = {"own": "A", "other": "A", "foreign": "B"}.get(which)
    if case is None:
        return 404
    roles = caller.roles.get(case, frozenset())
    if roles & call.may or caller.organisation & call.organisation:
        return GRANTED
    if not roles:
        return 404
    if roles & call.own:
        return GRANTED if which == "own" and call.kind in caller.owns else call.refused
    return 403


def _in_organisation(call: Call, caller: Caller, which: str) -> int:
    is_administrator = "administrator" in caller.organisation and "admin" in caller.scopes
    if call.on == "self":  # Everybody, on what is their own.
        wider = call.operation == "createToken" and caller.is_limited
        return 403 if wider else GRANTED
    if call.on == "auditing":
        return GRANTED if "organisation_auditor" in caller.organisation else 403
    is_absent = which == "missing" and call.kind != "nothing"
    if call.on == "overseeing":
        permitted = caller.organisation & {"administrator", "organisation_auditor"}
        return 403 if not permitted else 404 if is_absent else GRANTED
    if is_administrator:
        return 404 if is_absent else GRANTED
    if call.on == "token":
        return 404
    is_oneself = call.on == "account" and which == "other" and caller.name == "outsider"
    return GRANTED if is_oneself else 403


def seen(call: Call, answer: httpx.Response) -> int:
    if answer.status_code not in (401, 403, 404):
        return GRANTED
    code = answer.json()["code"] if answer.content else ""
    return GRANTED if code in call.granted_codes else answer.status_code


def ask(world: World, call: Call, caller: Caller, which: str) -> httpx.Response:
    arguments = call.request(world, which)
    if call.operation == "deleteCurrentSession" and caller.is_active:
        secret = _spare(world, caller)
        arguments["headers"]["Authorization"] = f"Bearer {secret}"
    return caller.http.request(**arguments)


def _spare(world: World, caller: Caller) -> str:
    """A token that may be thrown away, as narrow as the caller's, made by the caller or, if that may not, for it."""
    limits = {"limited to B": {"case_ids": [world.cases["B"]]}, "limited to auditor": {"roles": ["auditor"]}}
    wanted = {"name": "spare", "scopes": sorted(caller.scopes), **limits.get(caller.name, {})}
    maker = caller.http
    if "write" not in caller.scopes:
        maker = world.api.admin.http
        wanted["account_id"] = caller.account_id
    return str(maker.post("/v1/tokens", json=wanted).json()["token"])


def anonymised(answer: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """All that an answer tells, besides its time and id."""
    headers = {name: value for name, value in answer.headers.items() if name not in UNMADE}
    return answer.status_code, headers, {**answer.json(), "request_id": ""} if answer.content else None


def callers_for(world: World, call: Call) -> list[Caller]:
    """All in `make check`. In `make test` all that may, and half of those who may not, in turn by operation."""
    if call.on == "public":
        return [caller for caller in world.callers if caller.name in PUBLIC_CALLERS]
    every = [
        caller
        for caller in world.callers
        if not caller.name.startswith("without") or caller.name == f"without {call.scope}" or not call.scope
    ]
    if is_thorough():
        return every
    own = next(iter(world.objects[call.kind]))
    return [
        caller for caller in every if expected(call, caller, own) == GRANTED or turn_of(world, call, caller) % 2 == 0
    ]


def turn_of(world: World, call: Call, caller: Caller) -> int:
    return world.callers.index(caller) + OPERATIONS.index(call.operation)


def objects_for(world: World, call: Call, caller: Caller, wanted: Callable[[str], int]) -> list[str]:
    """Which objects the caller asks for: all in `make check`. In `make test` its own, which the role decides, and
    every third caller one of the others, in turn by caller and operation; who is let in nowhere asks for one. What is
    to look like a missing one is asked for beside it."""
    every = list(world.objects[call.kind])
    if is_thorough() or len(every) == 1:
        return every
    turn = turn_of(world, call, caller) // 2
    asked = every[:1] if caller.is_active else [every[turn % len(every)]]
    if caller.is_active and turn % 3 == 0:
        asked.append(every[1 + turn // 3 % (len(every) - 1)])
    looks_missing = "missing" not in asked and any(wanted(which) == 404 for which in asked)
    return [*asked, "missing"] if looks_missing else asked


def test_table_when_compared_with_the_document_then_no_operation_is_missing() -> None:
    assert {call.operation for call in CALLS} == set(operations())


@pytest.mark.scaled
@pytest.mark.parametrize("name", list(operations()))
def test_operation_when_called_by_everyone_then_answers_as_the_domain_says(world: World, name: str) -> None:
    wrong: list[str] = []
    for call in (call for call in CALLS if call.operation == name):
        for caller in callers_for(world, call):
            asked = objects_for(world, call, caller, partial(expected, call, caller))
            answers = {which: ask(world, call, caller, which) for which in asked}
            for which, answer in answers.items():
                wanted = expected(call, caller, which)
                told = f"{caller.name} on {which} ({call.json if not callable(call.json) else ''})"
                if seen(call, answer) != wanted:
                    wrong.append(f"{told}: {answer.status_code} instead of {wanted or 'granted'}: {answer.text[:200]}")
                if answer.status_code not in call.documented.statuses:
                    wrong.append(f"{told}: {answer.status_code} is not documented")
                if wanted == 404 and anonymised(answer) != anonymised(answers["missing"]):
                    wrong.append(f"{told}: does not look like a missing one")
    assert not wrong, "\n".join(wrong)


def test_link_when_the_item_is_foreign_then_it_looks_like_a_missing_one(world: World) -> None:
    path = f"/v1/incidents/{world.objects['incident']['own']['incident_id']}/evidence"
    answers = [
        world.people["coordinator"].post(path, json={**world.objects["evidence"][which], "depicts": True})
        for which in ("foreign", "missing")
    ]
    assert answers[0].status_code == 404
    assert anonymised(answers[0]) == anonymised(answers[1])


def test_lists_when_read_by_a_member_of_one_case_then_hold_nothing_of_another(world: World) -> None:
    verifier = world.people["verifier"]
    assert [case["id"] for case in verifier.get("/v1/cases").json()["items"]] == [world.cases["A"]]
    item = verifier.get(f"/v1/evidence/{world.objects['evidence']['own']['evidence_id']}/matches").json()["items"]
    assert {match["case_id"] for match in item} == {world.cases["A"]}


def test_custody_pages_when_read_by_a_verifier_then_hold_own_acts_only(world: World) -> None:
    verifier, case_id = world.people["verifier"], world.cases["A"]
    members = world.people["coordinator"].get(f"/v1/cases/{case_id}/members").json()["items"]
    pseudonym = next(member["pseudonym"] for member in members if member["account_id"] == verifier.id)
    entries = verifier.get(f"/v1/cases/{case_id}/custody").json()["items"]
    assert {entry["actor"]["id"] for entry in entries} == {pseudonym}


def test_token_when_limited_then_makes_none_that_is_wider(world: World) -> None:
    everyone = world.people["everyone"]
    limited = world.api.client(
        token(everyone, case_ids=[world.cases["A"]], roles=["auditor"], scopes=["read", "write"])
    )
    same = {"name": "x", "scopes": ["read", "write"], "case_ids": [world.cases["A"]], "roles": ["auditor"]}
    assert limited.post("/v1/tokens", json=same).status_code == 201
    for wider in (
        {"scopes": ["read", "write", "content"]},
        {"case_ids": None},
        {"case_ids": [world.cases["A"], world.cases["B"]]},
        {"roles": None},
        {"roles": ["auditor", "coordinator"]},
    ):
        refused = limited.post("/v1/tokens", json={**same, **wider})
        assert (refused.status_code, refused.json()["code"]) == (403, "wider_than_owner"), wider
