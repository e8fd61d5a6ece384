"""Worlds over HTTP that are made once in a run: who and what is in one, for the tests on copies of its database."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase, TestServer, copied_database, filled_template

World = TypeVar("World")


@dataclass(frozen=True)
class Kept:
    """By name: of a person the account's id, name and token; and every text. ``data``: what the API had stored."""

    admin_token: str
    people: dict[str, tuple[str, str, str]]
    texts: dict[str, str]
    data: Path

    def people_at(self, api: Api) -> dict[str, Person]:
        return {key: Person(*each, api.client(each[2])) for key, each in self.people.items()}

    def copy_data(self, data: Path) -> None:
        """The files and secrets of the world, for an API that starts on a copy of its database."""
        shutil.copytree(self.data, data)


def prepared_world(
    server: TestServer, directory: Path, name: str, make: Callable[[Api], Mapping[str, object]]
) -> tuple[str, Kept]:
    """A template with the world that ``make`` makes over an API, of which it tells people and texts by their names."""

    def fill(database: TestDatabase) -> Kept:
        data = directory / "worlds" / name
        with running_api(database, data) as api:
            made = make(api)
            people = {key: (each.id, each.name, each.token) for key, each in made.items() if isinstance(each, Person)}
            texts = {key: each for key, each in made.items() if isinstance(each, str)}
            return Kept(api.admin.token, people, texts, data)

    return filled_template(server, directory, name, fill)


def on_copies(name: str, make: Callable[[Api], Mapping[str, object]]) -> tuple[Any, Any]:
    """The fixtures ``prepared`` (the template with this world, and who and what is there) and ``database`` (a copy of
    it) of a folder or file all of whose tests begin with one world."""

    @pytest.fixture(scope="session")
    def prepared(postgres: TestServer, run_directory: Path) -> tuple[str, Kept]:
        return prepared_world(postgres, run_directory, name, make)

    @pytest.fixture
    def database(postgres: TestServer, prepared: tuple[str, Kept]) -> Iterator[TestDatabase]:
        with copied_database(postgres, prepared[0], admin_token=prepared[1].admin_token) as made:
            yield made

    return prepared, database


@contextmanager
def running_copy(database: TestDatabase, kept: Kept, data: Path, **settings: Any) -> Iterator[Api]:
    """The API over a copy of the world's database, with its files and secrets."""
    kept.copy_data(data)
    with running_api(database, data, **settings) as api:
        yield api


def known_world(kind: type[World], kept: Kept, api: Api, **more: Any) -> World:
    """The world whose attributes were told, on a copy of its database; ``more``: attributes that are the test's own."""
    world = kind.__new__(kind)
    vars(world).update({"api": api, **kept.texts, **kept.people_at(api), **more})
    return world
