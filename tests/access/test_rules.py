"""The rules of access, compared with docs/domain.md: neither changes without the other."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.access.rules import RULES, Operation, OrganisationRole, Role, Rule
from app.media.closing import CARRIED_OUT_BY
from app.media.rules import OPERATIONS, Transition

DOMAIN = (Path(__file__).parents[2] / "docs" / "domain.md").read_text(encoding="utf-8")
SPELT: dict[str, Role | OrganisationRole] = {
    **{str(role): role for role in Role if role is not Role.AUDITOR},
    "auditor (case)": Role.AUDITOR,
    "administrator": OrganisationRole.ADMINISTRATOR,
    "auditor (organisation)": OrganisationRole.AUDITOR,
}
"""The columns of the table "Roles"."""


@dataclass(frozen=True)
class By:
    """The operation by which a row is permitted, and which words of its cells permit it: for whom, and on what is
    their own alone."""

    operation: Operation
    every: frozenset[str] = frozenset({"x"})
    own: frozenset[str] = frozenset()


def by(operation: Operation, every: Iterable[str] = ("x",), own: Iterable[str] = ()) -> By:
    return By(operation, frozenset(every), frozenset(own))


ROWS: dict[str, tuple[By, ...]] = {
    "accounts, tokens of others, settings": (by(Operation.ADMINISTER),),
    "the installation's figures": (by(Operation.READ_METRICS),),
    "members of the case, its policy": (by(Operation.MANAGE_CASE),),
    "notices of what resembles": (by(Operation.READ_NOTICES), by(Operation.READ_AGREEMENT)),
    "the stop list": (by(Operation.EDIT_STOP_LIST), by(Operation.READ_STOP_LIST, every=("x", "read"))),
    "what each member has seen": (by(Operation.READ_EXPOSURE),),
    "have an item's bytes decoded again": (by(Operation.REQUEST_DECODING),),
    "find the account": (by(Operation.LOOK_UP_ACCOUNT),),
    "register and assess leads": (by(Operation.RECEIVE_EVIDENCE), by(Operation.ASSESS_LEAD)),
    # There are no drafts but one's own.
    "drafts of findings": (by(Operation.VERIFY, every=("own",)),),
    "list and read metadata": (
        by(Operation.READ_METADATA, every=("x", "metadata")),
        by(Operation.READ_WITHDRAWN, every=("x", "metadata")),
        by(Operation.READ_PREVIEW),
    ),
    "original content": (by(Operation.READ_ORIGINAL, own=("own",)),),
    "have a copy of a picture made": (by(Operation.REDACT),),
    "approve or refuse, as the second person, a package": (by(Operation.DECIDE_EXPORT),),
    "release a package": (by(Operation.RELEASE),),
    "say to whom a package is handed over": (by(Operation.TRANSFER_EXPORT),),
    "findings, verdicts, peer review": (by(Operation.VERIFY),),
    "vouch for another's reviewer's key": (by(Operation.MANAGE_CASE),),
    "revoke a reviewer's key": (by(Operation.REVOKE_REVIEWER_KEY, own=("own",)),),
    "record a consent": (by(Operation.RECORD_CONSENT), by(Operation.WITHDRAW_CONSENT)),
    # No rule: those for whom what a withdrawal closed stays open, CARRIED_OUT_BY.
    "read an item that a withdrawn consent closed": (),
    "record a testimony": (by(Operation.EDIT_INCIDENTS),),
    "read testimonies, and their consents": (by(Operation.READ_TESTIMONIES), by(Operation.READ_WITNESS_CONSENTS)),
    "seal who an item's source": (by(Operation.SEAL_IDENTITY, own=("own",)),),
    "ask to be told who a sealed source is": (by(Operation.REQUEST_OPENING), by(Operation.OPEN_IDENTITY)),
    "approve, as the second person, that a sealed identity": (by(Operation.DECIDE_OPENING),),
    "incidents and their facts": (by(Operation.EDIT_INCIDENTS),),
    "adjudicate, sign off, grade incidents": (by(Operation.SIGN_OFF), by(Operation.GRADE_INCIDENTS)),
    "legal classification": (by(Operation.CLASSIFY_INCIDENTS),),
    "hold, quarantine, destruction": (by(Operation.ERASE),),
    "the signed receipt of an entry": (by(Operation.TAKE_RECEIPT, every=("x", "all"), own=("own acts",)),),
    "what the checks of the whole log found": (by(Operation.READ_AUDITS),),
    "the list of all cases": (by(Operation.AUDIT_ORGANISATION),),
    "custody logs, ledger entries of the case; exports": (
        by(Operation.READ_CUSTODY, every=("x", "all, entries without content"), own=("own acts",)),
        by(Operation.EXPORT, every=("x", "all, entries without content")),
        by(Operation.SCHEDULE_LOGS, every=("x", "all, entries without content")),
    ),
}
"""How each row of the table "Roles" begins, and what permits it."""

UNRULED = {
    # One's own exposure everybody is shown, whatever their roles.
    "what each member has seen": {"own"},
    # By being given a role that may.
    "original content": {"if granted"},
    "read an item that a withdrawn consent closed": {"x"},
}
"""The words of a row that no rule repeats."""

EVERYBODYS = {
    Operation.PUBLIC,
    Operation.SIGNED_IN,
    Operation.END_OWN_ACCESS,
    Operation.MANAGE_OWN_ACCESS,
    Operation.SET_PREFERENCES,
}
"""Operations for which no role is asked."""

BY_A_PERSON = {Transition.RECEIVE: "collector", Transition.SUBMIT: "lease holder", Transition.WITHDRAW: "its author"}
"""Events that the table of states gives to whom the item knows, and not to roles: who brings it, works on it, wrote
the verdict. Their roles are in the table "Roles"."""


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, its head first."""
    below = DOMAIN.split(f"\n## {heading}\n")[1]
    found = re.search(r"(?:^\|.*\|\n)+", below, re.MULTILINE)
    assert found is not None
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in found[0].splitlines())
    assert {len(row) for row in rows} == {len(head)}
    return [head, *rows]


def roles_table() -> dict[str, dict[Role | OrganisationRole, str]]:
    """By what one may: the word in each role's cell."""
    (_, *roles), *rows = table("Roles")
    assert sorted(roles) == sorted(SPELT)
    return {may: dict(zip((SPELT[role] for role in roles), cells, strict=True)) for may, *cells in rows}


def cells_of(beginning: str) -> Mapping[Role | OrganisationRole, str]:
    (row,) = [cells for may, cells in roles_table().items() if may.startswith(beginning)]
    return row


def rule_of(cells: Mapping[Role | OrganisationRole, str], permitted: By) -> Rule:
    """The rule that a row states, of whom alone."""
    may = {role for role, word in cells.items() if word in permitted.every}
    return Rule(
        roles=frozenset(role for role in may if isinstance(role, Role)),
        own=frozenset(role for role, word in cells.items() if word in permitted.own and isinstance(role, Role)),
        organisation=frozenset(role for role in may if isinstance(role, OrganisationRole)),
    )


def who(rule: Rule) -> tuple[frozenset[Role], frozenset[Role], frozenset[OrganisationRole]]:
    return rule.roles, rule.own, rule.organisation


@pytest.mark.parametrize(
    ("beginning", "permitted"),
    [
        pytest.param(beginning, each, id=f"{each.operation}: {beginning}")
        for beginning, operations in ROWS.items()
        for each in operations
    ],
)
def test_rule_when_compared_with_its_row_of_the_domains_table_then_permits_the_same_roles(
    beginning: str, permitted: By
) -> None:
    assert who(RULES[permitted.operation]) == who(rule_of(cells_of(beginning), permitted))


def test_table_of_roles_when_read_then_each_row_and_each_word_in_it_has_its_operation() -> None:
    rows = roles_table()
    assert len(rows) == len(ROWS)
    for beginning, operations in ROWS.items():
        ruled = {word for each in operations for word in each.every | each.own}
        assert set(cells_of(beginning).values()) - {""} == ruled | UNRULED.get(beginning, set()), beginning


def test_operation_when_permitted_by_roles_then_stands_in_a_table_of_the_domain() -> None:
    in_rows = {each.operation for operations in ROWS.values() for each in operations}
    assert set(RULES) == set(Operation)
    assert set(Operation) == in_rows | set(OPERATIONS.values()) | EVERYBODYS | {Operation.MOVE_EVIDENCE}
    assert {operation for operation, rule in RULES.items() if who(rule) == who(Rule())} == EVERYBODYS


def test_item_that_a_withdrawal_closed_when_the_table_is_read_then_stays_open_to_the_same_roles() -> None:
    cells = cells_of("read an item that a withdrawn consent closed")
    assert {role for role, word in cells.items() if word == "x"} == CARRIED_OUT_BY


@pytest.mark.parametrize("event", OPERATIONS)
def test_event_when_compared_with_the_table_of_states_then_is_permitted_to_the_same_roles(event: Transition) -> None:
    _, *rows = table("An evidence item's states")
    (by_whom,) = [by_whom for _, events, by_whom, *_ in rows if event in events.split(" / ")]
    rule = RULES[OPERATIONS[event]]
    assert rule.roles <= RULES[Operation.MOVE_EVIDENCE].roles
    if event in BY_A_PERSON:
        assert by_whom == BY_A_PERSON[event]
    else:
        assert rule.roles == {SPELT[role] for role in by_whom.split(", ")}
