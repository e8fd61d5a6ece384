"""``exhibit ledger purge``: a name that was written everywhere and erased is in no file of the data directory."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.cli import main
from app.erasure.purging import purge, purged_tables
from app.exports.verifier.verify_custody import parse_key, verify
from app.kernel.embedded_postgres import start_postgres
from app.kernel.errors import Misconfigured
from tests.erasure.hub import Hub, erase_all, fill
from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.support.journey import api_of, close
from tests.support.product import Product, start_product

RARE = "Vraxilomenova-Ї"
"""With a letter outside ASCII, so that escaped copies are sought too."""


@pytest.fixture
def product(open_directory: Path) -> Iterator[Product]:
    """The whole product on a server of its own, whose files are all below one directory."""
    running = start_product(open_directory / "data")
    yield running
    running.stop()


@pytest.fixture
def api(product: Product) -> Iterator[Api]:
    opened = api_of(product)
    yield opened
    close(opened)


def files_with(directory: Path, words: str) -> list[str]:
    """Every file in which these words stand, as text or as JSON escapes it, in whatever case; but for originals, which
    are evidence whatever they claim."""
    spellings = {words.encode(), words.encode("ascii", "backslashreplace"), words.partition("-")[0].encode()}
    spellings |= {each.lower() for each in spellings}
    found = []
    originals = directory / "blobs"
    for file in sorted(each for each in directory.rglob("*") if each.is_file() and originals not in each.parents):
        content = file.read_bytes()
        if any(each in content for each in spellings):
            found.append(str(file.relative_to(directory)))
    return found


def analyse(product: Product) -> None:
    """As autovacuum does in time: the most common values of each column go into the statistics."""
    server = start_postgres(product.data_dir)
    with psycopg.connect(server.owner_url, autocommit=True) as owner:
        owner.execute("ANALYZE")
        owner.execute("CHECKPOINT")


def plain_vacuum(product: Product) -> None:
    server = start_postgres(product.data_dir)
    with psycopg.connect(server.owner_url, autocommit=True) as owner:
        owner.execute("VACUUM")
        owner.execute("CHECKPOINT")


@pytest.mark.thorough
def test_name_when_erased_and_purged_then_no_file_holds_it_and_copies_verify(product: Product, api: Api) -> None:
    hub = fill(Hub(api, RARE), product=product)
    before = hub.take()
    analyse(product)
    assert any("postgres" in name for name in files_with(product.data_dir, RARE))
    erase_all(hub)
    plain_vacuum(product)
    assert files_with(product.data_dir, RARE), "a plain VACUUM would do: then so should we"
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "ledger", "purge"],
        env=dict(product.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Purged.\n")
    assert files_with(product.data_dir, RARE) == []
    key = parse_key((product.data_dir / "published" / "log.vkey").read_text())
    for content in (before, hub.take()):
        assert verify(io.BytesIO(content), key).findings == []


def test_purge_when_an_old_snapshot_is_open_then_says_so_and_purges_nothing(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.erasure.purging.OLD_SNAPSHOTS_S", 0.5)
    with psycopg.connect(database.owner_url) as reader, psycopg.connect(database.owner_url, autocommit=True) as owner:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM evidence")
        owner.execute("SELECT txid_current()")  # Something happens after what the reader sees.
        with pytest.raises(Misconfigured, match="still sees the erased rows"):
            purge(owner, lambda _: None)
        reader.rollback()


def test_purge_when_its_tables_are_listed_then_are_all_that_the_map_names_and_bodies_on_demand() -> None:
    tables = purged_tables(with_bodies=False)
    assert {"evidence", "accounts", "verdict_envelopes", "ledger_disclosures", "stored_answers"} <= set(tables)
    assert set(purged_tables(with_bodies=True)) - set(tables) == {"ledger_bodies"}


def test_purge_when_there_is_no_database_then_two_and_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")
    assert main(["ledger", "purge"]) == 2
    assert "secret" not in capsys.readouterr().err
