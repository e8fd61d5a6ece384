"""Lists with many filters, asked with and without: what is not looked for has the default that it has."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Query, Request
from fastapi.dependencies.models import Dependant

from app.api.narrowing import PAGING, asks_without_filters, has_many_filters, without_filters
from app.api.waiting import LedgerRoute
from app.main import api_routes, build_app

LISTS = [
    route for route in api_routes(build_app()) if isinstance(route, LedgerRoute) and has_many_filters(route.dependant)
]


def dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from dependants(each)


def declared(dependant: Dependant) -> set[str]:
    return {parameter.alias for each in dependants(dependant) for parameter in each.query_params}


def test_lists_when_they_have_many_filters_then_are_these() -> None:
    assert {route.name for route in LISTS} == {
        "listEvidence",
        "listIncidents",
        "listLedgerEntries",
        "takeLedgerEntriesFile",
    }


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.name)
def test_filter_when_left_out_then_what_is_called_has_its_default(route: LedgerRoute) -> None:
    for dependant in dependants(route.dependant):
        for parameter in dependant.query_params:
            if parameter.alias not in PAGING and not parameter.field_info.is_required():
                assert dependant.call is not None
                signature = inspect.signature(dependant.call)
                assert signature.parameters[parameter.name].default == parameter.default, parameter.name


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.name)
def test_operation_when_it_is_told_of_no_filters_then_all_else_is_declared_as_before(route: LedgerRoute) -> None:
    bare = without_filters(route.dependant)
    assert declared(bare) < declared(route.dependant)
    must_be_given = {"purpose"} & declared(route.dependant)
    assert declared(bare) - PAGING == must_be_given
    pairs = zip(dependants(route.dependant), dependants(bare), strict=True)
    assert all(
        (whole.call, whole.path_params, whole.header_params) == (left.call, left.path_params, left.header_params)
        for whole, left in pairs
    )


@pytest.mark.parametrize(
    ("query", "is_without"),
    [
        (b"", True),
        (b"limit=5&cursor=a.b", True),
        (b"limit=5&kind=image", False),
        (b"kind=", False),
        (b"liimt=5", False),
    ],
)
def test_request_when_it_gives_paging_alone_then_asks_without_filters(query: bytes, is_without: bool) -> None:
    assert asks_without_filters(Request({"type": "http", "query_string": query, "headers": []})) is is_without


async def of_words(
    word: Annotated[list[str] | None, Query()] = None,
    a: int = 1,
    b: int = 2,
    c: int = 3,
    d: int = 4,
    e: int = 5,
) -> dict[str, Any]:
    return {"word": word, "sum": a + b + c + d + e}


@pytest.fixture(scope="module")
def listing() -> FastAPI:
    app = FastAPI()
    app.router.route_class = LedgerRoute

    @app.get("/words/{name}")
    async def list_words(
        name: str,
        of: Annotated[dict[str, Any], Depends(of_words)],
        f: str | None = None,
        g: str | None = None,
        h: str | None = None,
        i: str | None = None,
        limit: Annotated[int, Query(le=200)] = 50,
    ) -> dict[str, Any]:
        return {"name": name, **of, "f": f, "limit": limit}

    return app


def ask(app: FastAPI, address: str) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get(address)

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("", {}),
        ("?limit=5", {"limit": 5}),
        ("?f=x", {"f": "x"}),
        ("?a=10&word=x&word=y&limit=7", {"sum": 24, "word": ["x", "y"], "limit": 7}),
        ("?f=", {"f": ""}),
    ],
)
def test_list_when_asked_with_and_without_filters_then_each_is_what_was_given_or_its_default(
    listing: FastAPI, asked: str, told: dict[str, Any]
) -> None:
    answer = ask(listing, f"/words/n{asked}")
    assert answer.json() == {"name": "n", "word": None, "sum": 15, "f": None, "limit": 50} | told


@pytest.mark.parametrize("asked", ["?limit=201", "?limit=x", "?a=x", "?a=x&limit=5"])
def test_list_when_a_parameter_does_not_fit_then_is_refused(listing: FastAPI, asked: str) -> None:
    assert ask(listing, f"/words/n{asked}").status_code == 422
