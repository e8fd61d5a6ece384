"""Worlds over HTTP that are made once in a run: who and what is in one, for the tests on copies of its database."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase, TestServer, filled_template

World = TypeVar("World")


@dataclass(frozen=True)
class Kept:
    """By the names of a world's attributes: of a person the account's id, name and token; and every text."""

    admin_token: str
    people: dict[str, tuple[str, str, str]]
    texts: dict[str, str]


def prepared_world(
    server: TestServer, directory: Path, name: str, data: Path, make: Callable[[Api], object]
) -> tuple[str, Kept]:
    """A template with the world that ``make`` makes over an API; ``data`` is that API's, and gone for the tests."""

    def fill(database: TestDatabase) -> Kept:
        with running_api(database, data) as api:
            made = vars(make(api))
            people = {key: (each.id, each.name, each.token) for key, each in made.items() if isinstance(each, Person)}
            texts = {key: each for key, each in made.items() if isinstance(each, str)}
            return Kept(api.admin.token, people, texts)

    return filled_template(server, directory, name, fill)


def known_world(kind: type[World], kept: Kept, api: Api, **more: Any) -> World:
    """The world that a copy of its database holds; ``more``: attributes that are the test's own."""
    people = {key: Person(*each, api.client(each[2])) for key, each in kept.people.items()}
    world = kind.__new__(kind)
    vars(world).update({"api": api, **kept.texts, **people, **more})
    return world
