"""Whether a member of one case can tell by the time that another case holds the same bytes, or a picture like them.

``python -m benchmarks.held_elsewhere [--pairs 100] [--held bytes|like]``

Two worlds, each a process with an API, a database and a worker's jobs of its own. In the one a foreign case holds the
file that is sent afterwards, in the other an unlike one; for the next file it is the other way around, and which world
is asked first alternates too. A pair is one file, sent in both worlds into a case that nobody else is in and that has a
picture like it: so the two sides differ in nothing but what the foreign case holds. Each is searched with first, then
uploaded. ``same`` (the foreign case holds the unlike file in both worlds) is what the measurement says of nothing.

Of each stage: the processor time of the world's process and of its database's, the statements, and the time by the
clock; ``done``: from sending until the item is done, as the client can see it, at best (jobs run one after the other in
the process, without a queue's waiting). Decoding happens in the jail's processes and counts by the clock alone.
"""

import argparse
import io
import json
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psycopg
import structlog
from PIL import Image, ImageDraw
from sqlalchemy import event

from benchmarks.paired import effect
from tests.support.api import Api, Person, running_api
from tests.support.databases import (
    TestDatabase,
    close_connections,
    create_database,
    make_run_directory,
    open_server,
    remove_run_directory,
)
from tests.support.work import Work, work_of

METADATA = {"collector": "O", "method": "download", "acquired_at": "2026-07-14T09:30:00Z", "source": "A channel"}
SIZE = (960, 720)
SHAPES = 260
BESIDE = ("UPDATE tokens", "SELECT fingerprint_batches")
"""Asked once in a while, whatever is done: that the token was used, and by the thread that follows the index."""
AFTERWARDS = "match_across"
SEARCHING = ("similar", "search_similar")
HELD = ("bytes", "like", "same")


class Cost(NamedTuple):
    """Milliseconds, but for the statements."""

    process_ms: float = 0.0
    database_ms: float = 0.0
    clock_ms: float = 0.0
    statements: float = 0.0

    def plus(self, other: "Cost") -> "Cost":
        return Cost(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


Costs = dict[str, Cost]


def spent_in_database_ms(connection: psycopg.Connection[Any]) -> dict[int, float]:
    """The processor time of each of the processes that serve this database, but for this connection's own."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    spent = {}
    for (pid,) in connection.execute(query):
        path = Path(f"/proc/{pid}/schedstat")
        if path.exists():
            spent[pid] = int(path.read_text(encoding="ascii").split()[0]) / 1e6
    return spent


class World:
    """One installation, which counts what each stage costs it."""

    def __init__(self, database: TestDatabase, api: Api, work: Work) -> None:
        self._api, self._work = api, work
        self._watched = psycopg.connect(database.owner_url, autocommit=True)
        self._statements = 0
        event.listen(api.app.state.services.sessions.kw["bind"], "after_cursor_execute", self._count)
        self._stranger, self._asker = api.person("Stranger"), api.person("Asker")
        self._foreign = api.case(self._stranger, collector=(self._stranger,))
        self._own = ""

    def _count(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        self._statements += not statement.startswith(BESIDE)

    def hold_elsewhere(self, content: bytes) -> None:
        self._receive(self._stranger, self._foreign, content)
        self._work.finish()

    def open_case(self, *contents: bytes) -> None:
        """A case of the asker's alone, with these files."""
        self._own = self._api.case(self._asker, collector=(self._asker,))
        for content in contents:
            self._receive(self._asker, self._own, content)
        self._work.finish()

    def send(self, content: bytes) -> Costs:
        """Search with a file, then upload it: what each stage cost."""
        costs: Costs = {}
        self._stage(costs, lambda: self._search(content))
        self._run_jobs(costs)
        self._stage(costs, lambda: self._receive(self._asker, self._own, content))
        self._run_jobs(costs)
        sent = [cost for name, cost in costs.items() if name not in (*SEARCHING, AFTERWARDS)]
        for name, part in (("searched", [costs[name] for name in SEARCHING]), ("done", sent)):
            for cost in part:
                costs[name] = costs.get(name, Cost()).plus(cost)
        return costs

    def _run_jobs(self, costs: Costs) -> None:
        while self._stage(costs, self._work.run_one) is not None:
            pass

    def _stage(self, costs: Costs, run: Callable[[], str | None]) -> str | None:
        """Run what says its name, and count what it cost under that."""
        before = spent_in_database_ms(self._watched)
        self._statements, process_s, clock_s = 0, time.process_time(), time.perf_counter()
        name = run()
        clock_ms, process_ms = (time.perf_counter() - clock_s) * 1e3, (time.process_time() - process_s) * 1e3
        statements, after = self._statements, spent_in_database_ms(self._watched)
        database_ms = sum(spent - before.get(pid, 0.0) for pid, spent in after.items())
        if name is not None:
            costs[name] = costs.get(name, Cost()).plus(Cost(process_ms, database_ms, clock_ms, statements))
        return name

    def _receive(self, person: Person, case_id: str, content: bytes) -> str:
        answer = person.post(f"/v1/cases/{case_id}/evidence", files=_form(METADATA, content))
        assert answer.status_code == 201, answer.text
        return "upload"

    def _search(self, content: bytes) -> str:
        files = _form({"case_ids": [self._own]}, content)
        answer = self._asker.post("/v1/similar", files=files, headers={"Prefer": "wait=0"})
        assert answer.status_code == 202, answer.text
        return "similar"


def _form(metadata: dict[str, Any], content: bytes) -> list[tuple[str, Any]]:
    return [("metadata", (None, json.dumps(metadata))), ("file", ("file", content))]


def _serve(database: TestDatabase, data: Path, asked: Connection) -> None:
    """A world's process: does what it is asked until it is asked for nothing."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with running_api(database, data) as api, work_of(api, decodes_anew=True) as work:
        world = World(database, api, work)
        while (question := asked.recv()) is not None:
            name, arguments = question
            asked.send(getattr(world, name)(*arguments))


class Asked:
    """A world in another process."""

    def __init__(self, database: TestDatabase, data: Path) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._connection, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_serve, args=(database, data, theirs))
        self._process.start()

    def do(self, name: str, *arguments: bytes) -> Any:
        self._connection.send((name, arguments))
        while not self._connection.poll(0.5):
            assert self._process.is_alive(), "a world has ended"
        return self._connection.recv()

    def close(self) -> None:
        self._connection.send(None)
        self._process.join()


def picture(number: int) -> Image.Image:
    """One that resembles no other: shapes anywhere, of any colour, with a camera's noise."""
    chance = np.random.default_rng(number)
    image = Image.new("RGB", SIZE, tuple(chance.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(SHAPES):
        (x, y), (w, h) = chance.uniform((0, 0), SIZE), chance.gamma(2, 40, 2)
        shape = (draw.rectangle, draw.ellipse)[int(chance.integers(2))]
        shape((x - w, y - h, x + w, y + h), fill=tuple(chance.integers(0, 256, 3).tolist()))
    noisy = np.asarray(image, np.float32) + chance.normal(0, 4, (SIZE[1], SIZE[0], 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def as_file(image: Image.Image, quality: int) -> bytes:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality)
    return written.getvalue()


def measure(worlds: tuple[Asked, Asked], number: int, held: str) -> Iterator[tuple[Costs, Costs]]:
    """Two pairs: of each, what a file cost that a foreign case holds, and the same one where it holds an unlike one."""
    images = [picture(3 * number + which) for which in range(3)]
    files = [as_file(image, 90) for image in images]
    foreign = {"bytes": files, "like": [as_file(image, 75) for image in images], "same": [files[2]] * 2}[held]
    for world, content in zip(worlds, foreign, strict=False):
        world.do("hold_elsewhere", content)
        world.do("open_case", *(as_file(image, 50) for image in images[:2]))
    for turn, which in enumerate((0, 1) if number % 2 else (1, 0)):
        order = (0, 1) if (number // 2 + turn) % 2 else (1, 0)
        costs = {place: worlds[place].do("send", files[which]) for place in order}
        yield costs[which], costs[1 - which]


def report(pairs: list[tuple[Costs, Costs]]) -> None:
    print(f"{'stage':15} {'of':13} {'held':>8} {'not':>8}   held is more by (95 %)            p")
    for stage in pairs[0][0]:
        for column in Cost._fields:
            first, second = ([getattr(side[stage], column) for side in sides] for sides in zip(*pairs, strict=True))
            if column == "statements":
                same = sum(one == other for one, other in zip(first, second, strict=True))
                told = f"equal in {same} of {len(pairs)} pairs"
            else:
                found = effect(first, second)
                told = f"{found.share:+7.1%}  ({found.low:+.1%} to {found.high:+.1%})".ljust(32) + f"{found.p:.3f}"
                told += "  seen" if found.is_seen else ""
            print(f"{stage:15} {column:13} {np.median(first):8.1f} {np.median(second):8.1f}   {told}")


@contextmanager
def two_worlds() -> Iterator[tuple[Asked, Asked]]:
    directory = make_run_directory()
    try:
        server = open_server(directory)
        with tempfile.TemporaryDirectory() as data:
            first, second = (Asked(create_database(server), Path(data) / name) for name in "ab")
            with closing(first), closing(second):
                yield first, second
    finally:
        close_connections()
        remove_run_directory(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--held", choices=HELD, default="bytes")
    options = parser.parse_args()
    with two_worlds() as worlds:
        for _ in measure(worlds, 0, options.held):
            pass  # Everything is warm afterwards.
        pairs = [pair for number in range(1, options.pairs // 2 + 1) for pair in measure(worlds, number, options.held)]
    print(f"held elsewhere: {options.held}; {len(pairs)} pairs")
    report(pairs)


if __name__ == "__main__":
    main()
