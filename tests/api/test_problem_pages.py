"""Every problem that the product can answer with has a page at its ``type``: for people, without a token."""

import ast
import re
from html import escape
from pathlib import Path

from app.api.problem_pages import ADVICE, advice_of, known_problems
from tests.contracts.document import document
from tests.support.api import Api

SOURCE = Path(__file__).parents[2] / "app"


def codes_in_the_source() -> set[str]:
    """Every ``code = "…"`` in a class of the source, however it is reached."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found |= {
                    statement.value.value
                    for statement in node.body
                    if isinstance(statement, (ast.Assign, ast.AnnAssign))
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                    and "code" in ast.unparse(statement).partition("=")[0].partition(":")[0].split()
                }
    return found


def test_every_code_in_the_source_when_looked_for_then_is_known() -> None:
    codes = codes_in_the_source()
    assert len(codes) > 80
    assert codes == set(known_problems())


def test_every_problem_when_its_type_is_opened_then_its_page_says_what_it_is_and_what_to_do(api: Api) -> None:
    anybody = api.client()
    index = anybody.get("/problems").text
    for code, kind in known_problems().items():
        answer = anybody.get(f"/problems/{code}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), code
        assert f"<code>{code}</code>" in answer.text
        assert f"status {kind.status}" in answer.text
        assert f'href="/problems/{code}"' in index
        assert escape(advice_of(kind)) in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_advice_when_the_status_does_not_say_what_to_do_then_each_code_has_its_own() -> None:
    """Which person, which condition, and whether waiting helps: 403, 409 and 503 leave that open."""
    assert not {403, 409, 503} & set(ADVICE)
    own = {code: vars(kind).get("advice") for code, kind in known_problems().items() if kind.status in (403, 409, 503)}
    assert [code for code, advice in own.items() if not advice] == []
    assert len(set(own.values())) == len(own)


def test_advice_when_the_cause_is_a_person_or_the_operator_then_it_promises_no_role_and_no_retry(api: Api) -> None:
    def page(code: str) -> str:
        return api.client().get(f"/problems/{code}").text.partition("<h2>What to do</h2>")[2]

    assert "No role" in page("self_review")
    assert "coordinator" not in page("self_review")
    assert "Repeating does not help" in page("ledger_halted")
    assert "undecided_matches" in page("matches_undecided")
    assert "/lease" in page("lease_not_held")


def test_advice_when_it_names_an_operation_then_the_api_has_it() -> None:
    paths = document()["paths"]
    known = {f"{method.upper()} {re.sub('{.*?}', '{id}', path)}" for path, item in paths.items() for method in item}
    advice = " ".join(advice_of(kind) for kind in known_problems().values())
    named = {re.sub("{.*?}", "{id}", one) for one in re.findall(r"(?:GET|POST|PUT|DELETE) /v1[\w/{}-]+", advice)}
    assert len(named) >= 4
    assert named <= known


def test_page_when_the_code_is_unknown_or_hostile_then_404_and_nothing_of_it_is_shown(api: Api) -> None:
    for code in ("nonsense", "<script>alert(1)</script>", "..%2f..%2fetc", "%00"):
        answer = api.client().get(f"/problems/{code}")
        assert answer.status_code == 404, code
        assert "script" not in answer.text


def test_problems_of_the_frame_when_answered_then_their_pages_exist_too(api: Api) -> None:
    anybody = api.client()
    for answer in (anybody.put("/v1/me"), anybody.get("/v1/nothing"), anybody.post("/v1/sessions", json={})):
        assert anybody.get(answer.json()["type"]).status_code == 200
