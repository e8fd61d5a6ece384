"""Errors nobody foresaw: one shape, no leak, and the request's id to find the log line by."""

import base64
import hashlib

import pytest
from fastapi import Depends

from app.api.http import Public
from tests.support.api import Api

SECRET = "the witness lives at 5 Long Street"


def test_unexpected_error_when_raised_then_500_problem_without_its_text_anywhere(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError(SECRET)

    api.app.get("/v1/broken", dependencies=[Depends(Public())])(broken)
    answer = api.client().get("/v1/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"]
    output = "".join(capfd.readouterr())
    assert answer.json()["request_id"] in output
    assert "test_problems.py" in output or "app/" in output
    assert SECRET not in answer.text + output


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/v1/nothing", 404, "not_found"), ("PUT", "/v1/me", 405, "method_not_allowed")],
)
def test_unknown_path_or_method_when_called_then_problem(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = api.client().request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_every_answer_when_sent_then_it_forbids_sniffing_and_framing(api: Api) -> None:
    headers = api.client().get("/healthz").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_docs_when_opened_then_every_file_they_need_comes_from_this_server(api: Api) -> None:
    page = api.client().get("/docs").text
    assert "https://" not in page
    assert "http://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"/docs/assets/{asset}" in page
        assert api.client().get(f"/docs/assets/{asset}").status_code == 200


def test_docs_when_opened_then_no_script_but_its_own_may_run(api: Api) -> None:
    answer = api.client().get("/docs")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    script = answer.text.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["connect-src"] == "'self'"


def test_path_when_it_ends_with_a_slash_then_not_found_and_no_redirect(api: Api) -> None:
    answer = api.client().get("/v1/me/", headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_readiness_when_no_worker_runs_then_503_names_the_component(api: Api) -> None:
    answer = api.client().get("/readyz")
    assert answer.status_code == 503
    components = answer.json()["components"]
    assert components["database"]["status"] == "ready"
    assert components["storage"]["status"] == "ready"
    assert components["integrator"] == {"status": "not_ready", "detail": "no integrator runs"}
    assert components["decoder"] == {"status": "not_ready", "detail": "no worker has tried its decoder's walls"}
    assert components["worker"] == {"status": "not_ready", "detail": "no worker has reported"}


def test_filter_when_misspelt_or_given_twice_then_422_and_not_the_whole_list(api: Api) -> None:
    olena = api.person("Olena")
    path = f"/v1/cases/{api.case(olena)}/evidence"
    for query in ("stat=lead", "sha256=00&sha256=01"):
        refused = olena.get(f"{path}?{query}")
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_parameter")
    assert "state" in olena.get(f"{path}?stat=lead").json()["detail"]


def test_cursor_when_given_by_another_list_then_422(api: Api) -> None:
    people = [api.person(f"Person {number}") for number in range(3)]
    case_id = api.case(people[0], verifier=tuple(people))
    other = api.admin.get("/v1/users?limit=1").json()["next_cursor"]
    own = people[0].get(f"/v1/cases/{case_id}/members?limit=1").json()["next_cursor"]
    refused = people[0].get(f"/v1/cases/{case_id}/members?cursor={other}")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")
    assert people[0].get(f"/v1/cases/{case_id}/members?cursor={own}").status_code == 200
