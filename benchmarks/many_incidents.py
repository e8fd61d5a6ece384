"""A database with many incidents and items, for what is measured at that size: search pages, figures now and then.

``python -m benchmarks.many_incidents DIRECTORY [--incidents 100000] [--items 1000000] [--seed 1]`` fills a PostgreSQL
below the directory and leaves it stopped; ``filled()`` opens it for a benchmark, and fills it if nobody has.

Everything is one case's, made by set-based SQL from a seed: the same seed and size give the same rows. Ledger and
triggers are bypassed, as a restore would: **no entry, checkpoint or stream stands behind these rows**, so custody logs
and audits of them mean nothing. What reads as of a position need is there: every row names the act that made it, what
changed has its versions, and ``POSITIONS`` signed trees are told, with a few late acts. No fingerprints, files or jobs:
start no worker and no integrator on it. ``fill`` adds such a case to any migrated database, as tests do at small size.

Skewed as real cases are: few incidents have thousands of items, most have a few; some words and towns are in
thousands of texts, some in one; a tenth of the items are copies; sources disagree; a tenth of the facts was corrected.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from app.facts.folding import fold_area, fold_designation, fold_name
from app.facts.weapons import WEAPONS
from app.gradings.vocabularies import PROVISIONS, STANDARDS
from app.kernel.database_roles import ensure_login_roles, libpq_url
from app.kernel.embedded_postgres import start_postgres
from app.kernel.settings import Settings
from app.migration import migrate
from benchmarks.many_incidents_rows import FUNCTIONS, STATEMENTS
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase

POSITIONS = 200
"""Signed trees that are told, evenly over the time in which everything was recorded."""
BEGIN, END = datetime(2022, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
"""When the first row was recorded, and until when the last one."""


class Town(NamedTuple):
    name: str
    local: str
    """As people there write it."""
    units: tuple[str, ...]
    latitude: float
    longitude: float
    weight: int


TOWNS = (
    Town("Kharkiv", "Харків", ("Ukraine", "Kharkiv Oblast", "Kharkiv"), 49.9935, 36.2304, 22),
    Town("Kyiv", "Київ", ("Ukraine", "Kyiv City"), 50.4501, 30.5234, 14),
    Town("Mykolaiv", "Миколаїв", ("Ukraine", "Mykolaiv Oblast", "Mykolaiv"), 46.975, 31.9946, 9),
    Town("Odesa", "Одеса", ("Ukraine", "Odesa Oblast", "Odesa"), 46.4825, 30.7233, 8),
    Town("Zaporizhzhia", "Запоріжжя", ("Ukraine", "Zaporizhzhia Oblast"), 47.8388, 35.1396, 8),
    Town("Kherson", "Херсон", ("Ukraine", "Kherson Oblast", "Kherson"), 46.6354, 32.6169, 8),
    Town("Aleppo", "حلب", ("Syria", "Aleppo Governorate", "Aleppo"), 36.2021, 37.1343, 8),
    Town("Idlib", "إدلب", ("Syria", "Idlib Governorate", "Idlib"), 35.9306, 36.6339, 6),
    Town("Gaza", "غزة", ("Palestine", "Gaza Governorate", "Gaza"), 31.5018, 34.4668, 6),
    Town("Sderot", "שדרות", ("Israel", "Southern District", "Sderot"), 31.525, 34.5955, 2),
    Town("Khartoum", "الخرطوم", ("Sudan", "Khartoum State", "Khartoum"), 15.5007, 32.5599, 4),
    Town("Sagaing", "စစ်ကိုင်း", ("Myanmar", "Sagaing Region"), 21.8787, 95.9797, 3),
    Town("Taveuni", "Taveuni", ("Fiji", "Northern Division", "Taveuni"), -16.8333, 179.98, 3),
    Town("Nowhere", "Nowhere", (), 0.0, 0.0, 1),
)
"""The last one stands for incidents without a point; Taveuni lies on the antimeridian."""

ORGANISATIONS = (
    *("Airwars", "Human Rights Watch", "UN OHCHR", "WHO", "State Emergency Service", "Ministry of Health"),
    *("Сили оборони", "Збройні сили", "الدفاع المدني", "Party A", "Party B", "Party C"),
)
"""Sources first, then three that are parties and hold areas."""

REPORTED = (
    *("Kh-101", "Х-101", "X-101", "KH 101", "Kh-10112", "Iskander-M", "Искандер-М", "Shahed-136", "Шахед-136"),
    *("Geran-2", "FAB-500", "ФАБ-500", "GBU-39", "3M-14 Kalibr", "S-300", "С-300", "unknown rocket", "Mk 84"),
)
NEEDLE = "quartzneedle"
"""In the texts of one item and one incident of ten thousand."""


@dataclass(frozen=True)
class Size:
    incidents: int
    items: int


@dataclass(frozen=True)
class Filled:
    """What was filled, and a member's token to ask with."""

    case_id: str
    account_id: str
    token: str
    seed: int
    incidents: int
    items: int


def vocabulary(words: int = 2000) -> list[str]:
    """Made-up words, the first ones the commonest; some in Cyrillic and Arabic letters."""
    heads, tails = ("ka", "ro", "mi", "te", "su", "lo", "vé", "да", "пі", "نا"), ("rin", "tok", "lum", "sar", "нок")
    middles = ("", "ne", "go", "la", "bu", "zi", "шо", "مر")
    made = [h + m + t for h in heads for m in middles for t in tails]
    common = ["strike", "hospital", "video", "channel", "удар", "лікарня", "قصف", "smoke", "crater", "school"]
    return [*common, *(f"{word}{number or ''}" for number in range(words // len(made) + 1) for word in made)][:words]


def fill(connection: psycopg.Connection[Any], size: Size, *, case_id: str, account_id: str, seed: int = 1) -> None:
    """Fill the case with all of it; the caller commits. ``connection``: of the tables' owner, a superuser. The case,
    and the account that is named as everybody, are there; no tree was signed yet."""
    row = connection.execute("SELECT last_value FROM ledger_acts").fetchone()
    assert row is not None
    for statement in _preparing(size, row[0], case_id, account_id, seed):
        connection.execute(statement)
    for text in STATEMENTS:
        connection.execute(text.encode())


def _preparing(size: Size, base: int, case_id: str, account_id: str, seed: int) -> Iterator[sql.SQL | sql.Composed]:
    """Triggers off; what the statements draw from, as functions and tables of this session."""
    numbers = {"incidents": size.incidents, "items": size.items, "phrases": min(20_000, 100 + size.items)}
    numbers |= {"positions": min(POSITIONS, size.incidents + size.items), "seed": seed, "base": base}
    yield sql.SQL("SET LOCAL session_replication_role = replica")
    for name, value in numbers.items():
        yield _constant(f"{name}_", sql.SQL("bigint"), value)
    for name, identity in (("case_", UUID(case_id)), ("who", UUID(account_id))):
        yield _constant(name, sql.SQL("uuid"), identity)
    lists: dict[str, Sequence[Any]] = {
        "word_list": vocabulary(),
        "provision_list": [term.code for term in PROVISIONS.terms[:40]],
        "standard_list": [term.code for term in STANDARDS.terms],
    }
    for name, values in lists.items():
        yield _constant(name, sql.SQL("text[]"), list(values))
    yield _constant("begin_", sql.SQL("timestamptz"), BEGIN)
    yield _constant("span_", sql.SQL("interval"), str(END - BEGIN).replace(", 0:00:00", ""))
    yield _constant("needle", sql.SQL("text"), NEEDLE)
    for table, columns, rows in _tables():
        yield sql.SQL(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
        for row in rows:
            literals = sql.SQL(", ").join(map(sql.Literal, row))
            yield sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(table), literals)
        yield _constant(f"{table}_", sql.SQL("bigint"), len(rows))
    for statement in FUNCTIONS.split(";\n"):
        yield sql.SQL(statement)


def _tables() -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    """Names, columns and rows of what is drawn from; a town is there as often as it weighs."""
    towns = [
        (slot, town.name, town.local, list(town.units), fold_area(town.units), town.latitude, town.longitude)
        for slot, town in enumerate(town for town in TOWNS for _ in range(town.weight))
    ]
    columns = "slot int PRIMARY KEY, name text, local text, units text[], key text, latitude float8, longitude float8"
    yield "towns", columns, towns
    columns = (
        "slot int PRIMARY KEY, reported text, reported_key text, normalised text, normalised_key text, category text"
    )
    yield "named_weapons", columns, [_weapon(slot, reported) for slot, reported in enumerate(REPORTED)]
    organisations = [(n, name, fold_name(name)) for n, name in enumerate(ORGANISATIONS)]
    yield "named_organisations", "n int PRIMARY KEY, name text, name_key text", organisations


def _weapon(slot: int, reported: str) -> tuple[Any, ...]:
    weapon = WEAPONS.find("Kh-101" if reported == "Kh-10112" else reported)
    if weapon is None:
        return slot, reported, fold_designation(reported), None, None, "unknown"
    return slot, reported, fold_designation(reported), weapon.name, fold_designation(weapon.name), weapon.category


def _constant(name: str, kind: sql.SQL, value: Any) -> sql.Composed:
    """A function of this session that the planner sees through."""
    return sql.SQL("CREATE OR REPLACE FUNCTION pg_temp.{}() RETURNS {} LANGUAGE sql IMMUTABLE AS {}").format(
        sql.Identifier(name), kind, sql.Literal(sql.SQL("SELECT {}::{}").format(sql.Literal(value), kind).as_string())
    )


@contextmanager
def filled(directory: Path, size: Size, seed: int = 1) -> Iterator[tuple[Api, Person, Filled, str]]:
    """The API in a thread of this process on such a database, a member of the case, what there is, the owner's URL.

    The directory is one that PostgreSQL's account may enter (``chmod 711``); what is in it from before is used again.
    """
    postgres = start_postgres(directory / "data", fsync=False)
    try:
        migrate(postgres.owner_url)
        files = directory / "files"
        files.mkdir(exist_ok=True)
        urls = ensure_login_roles(Settings(data=files), postgres.owner_url)
        database = TestDatabase("exhibit", postgres.owner_url, urls.app, urls.integrator)
        marker = directory / "filled.json"
        known = json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else {}
        if known:
            _keep_tokens(libpq_url(postgres.owner_url))
        with running_api(database, files, admin_token=known.get("admin_token")) as api:
            if not known:
                known = {"admin_token": api.admin.token, **asdict(_fill_anew(api, postgres.owner_url, size, seed))}
                marker.write_text(json.dumps(known), encoding="utf-8")
            there = Filled(**{name: value for name, value in known.items() if name != "admin_token"})
            if (there.incidents, there.items, there.seed) != (size.incidents, size.items, seed):
                raise SystemExit(f"{directory} holds another data set: {there}")
            member = Person(there.account_id, "Researcher", there.token, api.client(there.token))
            yield api, member, there, libpq_url(postgres.owner_url)
    finally:
        postgres.stop()


def _keep_tokens(owner_url: str) -> None:
    """Those of the first run are good for an hour; the data is used longer."""
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET LOCAL session_replication_role = replica")
        owner.execute("UPDATE tokens SET expires_at = now() + interval '1 day'")


def _fill_anew(api: Api, owner_url: str, size: Size, seed: int) -> Filled:
    person = api.person("Researcher")
    case_id = api.case(person, researcher=(person,), verifier=(person,), legal_analyst=(person,))
    began = time.monotonic()
    with psycopg.connect(libpq_url(owner_url)) as owner:
        owner.execute("SET LOCAL session_replication_role = replica")
        # What made account and case would wait for an integrator: nothing would stand now.
        owner.execute("DELETE FROM ledger_queue")
        fill(owner, size, case_id=case_id, account_id=person.id, seed=seed)
    with psycopg.connect(libpq_url(owner_url), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")
    print(f"{size.incidents:,} incidents and {size.items:,} items in {time.monotonic() - began:.0f} s", flush=True)
    return Filled(case_id, person.id, person.token, seed, size.incidents, size.items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    with filled(options.directory, Size(options.incidents, options.items), options.seed) as (_, _, there, _):
        print(f"case {there.case_id}")


if __name__ == "__main__":
    main()
