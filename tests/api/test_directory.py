"""That an operation is found by its path's words as the framework finds it by asking one after the other."""

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from app.api.directory import Directory
from app.main import api_routes, build_app

ROUTES = list(api_routes(build_app()))
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
PARAMETER = re.compile(r"\{[^}]*\}")

LEFT_TO_THE_FRAMEWORK = {
    "/checkpoint",
    "/logs/{log_id}/checkpoint",
    "/tile/entries/{index:path}",
    "/logs/{log_id}/tile/entries/{index:path}",
    "/tile/{level}/{index:path}",
    "/logs/{log_id}/tile/{level}/{index:path}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/problems",
    "/problems/{code}",
}


async def elsewhere(*_: Any) -> None:
    raise AssertionError("none of this is asked")


@pytest.fixture(scope="module")
def directory() -> Directory:
    return Directory(elsewhere, ROUTES)


def asked(method: str, path: str) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path}


def asked_one_after_the_other(method: str, path: str) -> APIRoute | None:
    taking = (route for route in ROUTES if method in (route.methods or ()) and route.path_regex.match(path))
    return next(taking, None)


def paths_that_look_alike(template: str) -> set[str]:
    """A route's path with each word in its parameters' places that stands in a path as long: some are routes too."""
    alike = [route.path.split("/") for route in ROUTES if route.path.count("/") == template.count("/")]
    words = {word for parts in alike for word in parts if "{" not in word} | {"a-b"}
    return {PARAMETER.sub(word, template) for word in words}


def test_operation_when_sought_by_its_path_then_is_the_one_that_the_framework_would_ask_first(
    directory: Directory,
) -> None:
    found_otherwise = [
        (method, path)
        for template in {route.path for route in ROUTES} - LEFT_TO_THE_FRAMEWORK
        for path in paths_that_look_alike(template)
        for method in METHODS
        if directory.find(asked(method, path)) is not asked_one_after_the_other(method, path)
    ]
    assert found_otherwise == []


def test_operation_when_found_then_the_scope_names_it_and_its_parameters(directory: Directory) -> None:
    scope = asked("GET", "/v1/evidence/7/findings")
    operation = directory.find(scope)
    assert operation is not None
    assert operation.name == "listFindings"
    assert (scope["route"], scope["endpoint"]) == (operation, operation.endpoint)
    assert scope["path_params"] == {"evidence_id": "7"}


def test_operations_when_their_paths_begin_with_parameters_or_are_one_word_then_alone_are_left_to_the_framework(
    directory: Directory,
) -> None:
    left = {
        route.path
        for route in ROUTES
        for method in route.methods or ()
        if directory.find(asked(method, PARAMETER.sub("0", route.path))) is None
    }
    assert left == LEFT_TO_THE_FRAMEWORK


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/evidence/7/findings"),
        ("GET", "/v1/evidence/7/findings/"),
        ("GET", "/v1/evidence//findings"),
        ("GET", "/v1/evidence/7/8/findings"),
        ("GET", "//v1/cases"),
        ("GET", "/v1"),
        ("GET", "/"),
        ("OPTIONS", "*"),
        ("GET", "/docs"),
    ],
)
def test_path_when_no_operation_takes_it_then_it_goes_the_frameworks_way(
    directory: Directory, method: str, path: str
) -> None:
    scope = asked(method, path)
    assert directory.find(scope) is None
    assert scope == asked(method, path)
