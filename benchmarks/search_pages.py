"""Pages of searched lists with 100,000 incidents and 1,000,000 items in one case, and the plans of their queries.

``python -m benchmarks.search_pages DIRECTORY [--incidents 100000] [--items 1000000] [--plans FILE] [--times 5]``

The API runs in a thread of this process; requests go over a socket. *cold*: the first answer of a PostgreSQL that was
just started, after the operating system was asked to forget its files; *warm*: the median of the next ones. On a busy
machine look at the processor's time, which is told beside: this process's (API and client) and PostgreSQL's. Filters
are the worst that we could think of: words in half of all texts and in one of ten thousand, marks that hardly anything
has, common ones that exclude each other, pages deep in the list, what is linked to what. ``--plans`` writes what
EXPLAIN (ANALYZE, BUFFERS) says of every statement of each page.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.many_incidents import NEEDLE, Filled, Size, filled
from tests.support.api import Person

LIMIT = 50
ITEMS: dict[str, list[tuple[str, str]]] = {
    "nothing asked": [],
    "a word of one in 10,000": [("q", NEEDLE)],
    "a word of many": [("q", "strike")],
    "many words that one begins": [("q", "kar*")],
    "two common words, in two scripts": [("q", "strike удар")],
    "a common word, and a mark of 1 %": [("q", "strike"), ("label", "sexual_violence")],
    "no such word": [("q", "zzzzz")],
    "state of 4 %": [("state", "lead")],
    "one of two states, one of two labels": [
        *[("state", word) for word in ("preserved", "disputed")],
        *[("label", word) for word in ("child", "graphic_severe")],
    ],
    "common marks that exclude each other": [("state", "preserved"), ("verdict", "verified")],
    "verdict, label, kind and text": [
        ("verdict", "manipulated"), ("label", "child"), ("kind", "video"), ("q", "strike"),
    ],
    "claimed within one day": [("occurred_from", "2024-05-01T00:00:00Z"), ("occurred_before", "2024-05-02T00:00:00Z")],
    "weapon of a linked incident": [("weapon", "Х-101")],
    "weapon, pattern, place of a linked one, label": [
        ("weapon", "Kh-101"), ("attack_pattern", "double_tap"), ("near", "49.9935,36.2304"), ("radius_m", "5000"),
        ("label", "child"),
    ],
    "linked in a box that holds few": [("box", "49.99,36.23,49.992,36.232")],
}  # fmt: skip
INCIDENTS: dict[str, list[tuple[str, str]]] = {
    "nothing asked": [],
    "a word of one in 10,000": [("q", NEEDLE)],
    "a word of many": [("q", "strike")],
    "a weapon however spelled, as text": [("q", "Х-101")],
    "weapon, object, person": [("weapon", "Kh-101"), ("object_kind", "hospital"), ("protected_person", "child")],
    "place across the 180th meridian": [("box", "-17,179.9,-16.5,-179.9")],
    "within 500 m": [("near", "49.9935,36.2304"), ("radius_m", "500")],
    "one day": [("occurred_from", "2024-05-01T00:00:00Z"), ("occurred_before", "2024-05-01T12:00:00Z")],
    "common marks that exclude each other": [
        ("kind", "torture"), ("weapon", "Kh-101"), ("object_kind", "cultural"), ("q", "zi*"),
    ],
    "with a linked item of a rare label": [("label", "sexual_violence"), ("verdict", "manipulated")],
    "with a linked lead: none": [("state", "lead")],
    "everything": [
        ("q", "strike"), ("kind", "missile_strike"), ("weapon", "Shahed-136"), ("grading", "confirmed"),
        ("occurred_from", "2023-01-01T00:00:00Z"), ("box", "44,22,52.5,40.3"), ("verdict", "verified"),
        ("label", "child"),
    ],
}  # fmt: skip
Statement = tuple[str, Any]


def backends_cpu_s(port_of: psycopg.Connection[Any]) -> float:
    """Processor seconds of all PostgreSQL's processes so far."""
    pids = [row[0] for row in port_of.execute("SELECT pid FROM pg_stat_activity").fetchall()]
    ticks = 0
    for pid in pids:
        try:
            fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def heard(engine: Engine) -> Iterator[list[Statement]]:
    """The statements that are executed meanwhile."""
    said: list[Statement] = []

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        said.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def asked(
    person: Person, path: str, filters: list[tuple[str, str]], cursor: str | None
) -> tuple[float, dict[str, Any]]:
    parameters = [*filters, ("limit", str(LIMIT)), *([] if cursor is None else [("cursor", cursor)])]
    before = time.perf_counter()
    answer = person.get(path, params=parameters)
    took_s = time.perf_counter() - before
    if answer.status_code != 200:
        raise SystemExit(f"{filters}: {answer.text}")
    return took_s, answer.json()


class Run:
    def __init__(self, person: Person, owner: psycopg.Connection[Any], engine: Engine, plans: Any, times: int) -> None:
        self.person, self.owner, self.engine, self.plans, self.times = person, owner, engine, plans, times
        self.worst_ms = 0.0

    def page(self, name: str, path: str, filters: list[tuple[str, str]], cursor: str | None = None) -> dict[str, Any]:
        with heard(self.engine) as said:
            cold_s, answer = asked(self.person, path, filters, cursor)
        cpu, postgres = time.process_time(), backends_cpu_s(self.owner)
        warm = [asked(self.person, path, filters, cursor)[0] for _ in range(self.times)]
        cpu_ms = (time.process_time() - cpu) * 1000 / self.times
        postgres_ms = (backends_cpu_s(self.owner) - postgres) * 1000 / self.times
        warm_ms = statistics.median(warm) * 1000
        self.worst_ms = max(self.worst_ms, warm_ms)
        rows = f"{len(answer['items'])}{'+' if answer['next_cursor'] else ''}"
        print(f"  {name:<48} {rows:>4} rows  cold {cold_s * 1000:6.0f} ms  warm {warm_ms:5.0f} ms  "
              f"of processors: ours {cpu_ms:4.0f}, PostgreSQL's {postgres_ms:4.0f}", flush=True)  # fmt: skip
        if self.plans is not None:
            self.explain(f"{path.rpartition('/')[2]}: {name}", said)
        return answer

    def explain(self, name: str, said: list[Statement]) -> None:
        print(f"\n=== {name}", file=self.plans)
        with psycopg.ClientCursor(self.owner) as cursor:
            for statement, parameters in said:
                if "search_" not in statement:
                    continue
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {statement}".encode(), parameters)
                print("", *(row[0] for row in cursor.fetchall()), sep="\n", file=self.plans)

    def deep(self, path: str, filters: list[tuple[str, str]], pages: int) -> None:
        """A page far down the list: half of what there is lies before it."""
        cursor = None
        for _ in range(pages):
            cursor = asked(self.person, path, filters, cursor)[1]["next_cursor"]
        name = f"deep: page {pages + 1} of {', '.join(word for _, word in filters) or 'all'}"
        self.page(name, path, filters, cursor)


def forget_files(directory: Path) -> None:
    """Ask the system to drop what it holds of the database's files."""
    os.sync()
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(run: Run, there: Filled) -> None:
    base = f"/v1/cases/{there.case_id}"
    print(f"{there.items:,} items")
    for name, filters in ITEMS.items():
        run.page(name, f"{base}/evidence", filters)
    middle = run.owner.execute(
        "SELECT blob_sha256, id FROM evidence WHERE file_name = %s", [f"IMG_{there.items // 2 // 10 * 10}.jpg"]
    ).fetchone()
    assert middle is not None
    run.page("resembling one of them", f"{base}/evidence", [("similar_to", str(middle[1]))])
    run.deep(f"{base}/evidence", [], 40)
    half = [("registered_after", "2024-03-01T00:00:00Z")]
    run.page("deep: after half of all", f"{base}/evidence", half)
    run.page("deep: after half of all, a common word", f"{base}/evidence", [*half, ("q", "strike")])
    run.page("deep: after half of all, excluding marks", f"{base}/evidence",
             [*half, ("state", "preserved"), ("verdict", "verified")])  # fmt: skip
    print(f"{there.incidents:,} incidents")
    for name, filters in INCIDENTS.items():
        run.page(name, f"{base}/incidents", filters)
    run.deep(f"{base}/incidents", [], 20)
    run.deep(f"{base}/incidents", [("q", "strike")], 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--plans", type=Path)
    options = parser.parse_args()
    options.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    size = Size(options.incidents, options.items)
    with filled(options.directory, size):
        pass  # Filled, and stopped again.
    forget_files(options.directory)
    plans = None if options.plans is None else options.plans.open("w", encoding="utf-8")
    with filled(options.directory, size) as (api, person, there, url), psycopg.connect(url, autocommit=True) as owner:
        engine = api.app.state.services.sessions.kw["bind"]
        run = Run(person, owner, engine, plans, options.times)
        measure(run, there)
    print(f"the slowest of the warm ones: {run.worst_ms:.0f} ms")


if __name__ == "__main__":
    main()
