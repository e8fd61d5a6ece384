"""The API ends when what it began is over."""

import asyncio
import threading
import time
from dataclasses import replace
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker
from starlette.datastructures import State

from app.api.waiting import CheckpointWatch
from app.fingerprints.following import FollowingIndex
from app.fingerprints.similar_index import Adopter
from app.kernel.settings import Settings
from app.main import build_app, lifespan, open_services
from tests.support.databases import TestDatabase


class SlowAdopter(Adopter):
    def __init__(self, index: FollowingIndex, directory: Path) -> None:
        super().__init__(index, directory)
        self.began, self.ended = threading.Event(), threading.Event()

    def look(self, sessions: sessionmaker[Session]) -> None:
        self.began.set()
        time.sleep(0.2)
        super().look(sessions)
        self.ended.set()


class SlowWatch(CheckpointWatch):
    def __init__(self, sessions: sessionmaker[Session]) -> None:
        super().__init__(sessions)
        self.began, self.ended = threading.Event(), threading.Event()

    def _newest(self) -> str | None:
        self.began.set()
        time.sleep(0.2)
        found = super()._newest()
        self.ended.set()
        return found


def test_api_when_it_ends_during_a_look_at_the_index_then_waits_for_it(database: TestDatabase, tmp_path: Path) -> None:
    app = build_app()
    services = open_services(Settings(app_database_url=database.app_url, data=tmp_path))
    adopter = SlowAdopter(services.index, tmp_path / "index")
    app.state = State({"services": replace(services, adopter=adopter)})

    async def begin_and_end() -> None:
        async with lifespan(app):
            await asyncio.to_thread(adopter.began.wait)

    asyncio.run(begin_and_end())

    assert adopter.ended.is_set()  # Else its connection would be given back to a pool that is gone.
    assert adopter.standing is not None


def test_api_when_it_ends_while_a_tree_is_looked_for_then_waits_for_it(database: TestDatabase, tmp_path: Path) -> None:
    app = build_app()
    services = open_services(Settings(app_database_url=database.app_url, data=tmp_path))
    watch = SlowWatch(services.sessions)
    app.state = State({"services": replace(services, checkpoints=watch)})

    async def begin_and_end() -> None:
        async with lifespan(app):
            assert await watch.positions(["00" * 32], timeout_s=0) == {}
            await asyncio.to_thread(watch.began.wait)

    asyncio.run(begin_and_end())

    assert watch.ended.is_set()
