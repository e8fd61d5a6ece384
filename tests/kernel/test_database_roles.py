"""Login roles: made from the owner's URL, kept, checked; a role that could undo the ledger's walls is refused."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from app.kernel.database_roles import (
    APP_GROUP,
    INTEGRATOR_GROUP,
    application_url,
    check_role,
    described,
    ensure_login_roles,
    integrator_url,
    libpq_url,
    login_role,
)
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from tests.support.databases import TestDatabase, TestServer


def make_settings(data: Path, **options: str) -> Settings:
    return Settings.model_validate({"data": data, **options})


@pytest.fixture
def made_roles(postgres: TestServer, database: TestDatabase) -> Iterator[None]:
    yield
    with postgres.administration() as owner:
        for group in (APP_GROUP, INTEGRATOR_GROUP):
            name = sql.Identifier(login_role(group, database.name))
            owner.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))


@pytest.mark.usefixtures("made_roles")
def test_roles_when_owner_may_create_them_then_work_and_are_kept(database: TestDatabase, tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "data")
    urls = ensure_login_roles(settings, database.owner_url)
    assert application_url(settings) == urls.app
    assert integrator_url(settings) == urls.integrator
    assert make_url(urls.app).username == f"{database.name}_app_login"
    assert make_url(urls.app).password != make_url(urls.integrator).password
    for name in ("app-database-url", "integrator-database-url"):
        assert (tmp_path / "data" / "secrets" / name).stat().st_mode & 0o777 == 0o600
    with psycopg.connect(urls.app) as connection:
        assert connection.execute("SELECT count(*) FROM ledger_entries").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("TRUNCATE ledger_entries")


@pytest.mark.usefixtures("made_roles")
def test_roles_when_ensured_again_then_password_stays_and_a_lost_one_is_mended(
    database: TestDatabase, tmp_path: Path
) -> None:
    settings = make_settings(tmp_path / "data")
    first = ensure_login_roles(settings, database.owner_url)
    assert ensure_login_roles(settings, database.owner_url) == first
    (tmp_path / "data" / "secrets" / "app-database-url").unlink()
    second = ensure_login_roles(settings, database.owner_url)
    assert second.app != first.app
    psycopg.connect(second.app).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first.app)


def test_roles_when_owner_may_not_create_them_then_says_what_to_do(
    postgres: TestServer, database: TestDatabase, tmp_path: Path
) -> None:
    weak = f"weak_{uuid.uuid4().hex[:8]}"
    with postgres.administration() as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'weak'").format(sql.Identifier(weak)))
        try:
            url = make_url(database.owner_url).set(username=weak, password="weak")
            with pytest.raises(Misconfigured, match=r"CREATEROLE.*EXHIBIT_APP_DATABASE_URL"):
                ensure_login_roles(make_settings(tmp_path), url.render_as_string(hide_password=False))
        finally:
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(weak)))


@pytest.mark.usefixtures("made_roles")
def test_roles_when_the_groups_are_anothers_then_says_how_to_grant_them_and_that_works(
    postgres: TestServer, database: TestDatabase, tmp_path: Path
) -> None:
    maker = f"maker_{uuid.uuid4().hex[:8]}"
    url = make_url(database.owner_url).set(username=maker, password="maker").render_as_string(hide_password=False)
    with postgres.administration() as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'maker'").format(sql.Identifier(maker)))
        try:
            with pytest.raises(Misconfigured, match="may not grant exhibit_app") as refused:
                ensure_login_roles(make_settings(tmp_path), url)
            said = re.search("GRANT exhibit_app, exhibit_integrator TO .* WITH ADMIN OPTION", str(refused.value))
            assert said is not None
            owner.execute(said[0])
            ensure_login_roles(make_settings(tmp_path), url)
        finally:
            for name in (*(login_role(group, database.name) for group in (APP_GROUP, INTEGRATOR_GROUP)), maker):
                owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
                owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_database_when_described_then_without_its_password() -> None:
    assert described("postgres://me:word@db.example.org/cases") == "cases on db.example.org, port 5432"
    assert described("postgresql://me:word@/cases?host=/run/pg&port=5433") == "cases on /run/pg, port 5433"


def test_roles_when_operator_names_both_then_uses_them_and_when_only_one_then_refuses(
    database: TestDatabase, tmp_path: Path
) -> None:
    named = {"app_database_url": database.app_url, "integrator_database_url": database.integrator_url}
    urls = ensure_login_roles(make_settings(tmp_path, **named), database.owner_url)
    assert (urls.app, urls.integrator) == (database.app_url, database.integrator_url)
    with pytest.raises(Misconfigured, match="both"):
        ensure_login_roles(make_settings(tmp_path, app_database_url=database.app_url), database.owner_url)


def test_check_when_role_is_superuser_owner_or_in_another_group_then_refuses(
    postgres: TestServer, database: TestDatabase
) -> None:
    check_role(database.app_url, APP_GROUP)
    check_role(database.integrator_url, INTEGRATOR_GROUP)
    with pytest.raises(Misconfigured, match="superuser"):
        check_role(database.owner_url, APP_GROUP)
    with pytest.raises(Misconfigured, match="lacks rights"):
        check_role(database.integrator_url, APP_GROUP)
    owning = f"owning_{uuid.uuid4().hex[:8]}"
    with postgres.administration() as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'p' IN ROLE exhibit_app").format(sql.Identifier(owning)))
    with psycopg.connect(database.owner_url) as owner:
        owner.execute(sql.SQL("ALTER TABLE ledger_entries OWNER TO {}").format(sql.Identifier(owning)))
    url = make_url(database.app_url).set(username=owning, password="p").render_as_string(hide_password=False)
    with pytest.raises(Misconfigured, match="owns tables"):
        check_role(url, APP_GROUP)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(owning)))
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(owning)))
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owning)))


def test_urls_when_nothing_is_set_up_then_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="exhibit serve"):
        application_url(make_settings(tmp_path))
    with pytest.raises(Misconfigured, match="EXHIBIT_INTEGRATOR_DATABASE_URL"):
        integrator_url(make_settings(tmp_path))


@pytest.mark.parametrize("database", ["exhibit", "x" * 63, "é" * 31])
def test_login_role_when_name_is_long_then_fits_and_differs_from_the_group(database: str) -> None:
    names = [login_role(group, database) for group in (APP_GROUP, INTEGRATOR_GROUP)]
    assert all(len(name.encode()) <= 63 for name in names)
    assert len({*names, APP_GROUP, INTEGRATOR_GROUP}) == 4


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_url_when_scheme_varies_then_is_libpqs(scheme: str) -> None:
    assert libpq_url(f"{scheme}://a:b@c/d") == "postgresql://a:b@c/d"
