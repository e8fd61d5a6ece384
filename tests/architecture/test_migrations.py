"""Migrations: one line of revisions, up and down and up again, models that describe the schema they make."""

from importlib import resources
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import migrations
from app.migration import check_models, downgrade, migrate
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database

pytestmark = pytest.mark.contract

LEFT_OVERS = """
SELECT 'table ' || c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    AND c.relname NOT LIKE 'alembic_version%'
UNION ALL SELECT 'function ' || p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
UNION ALL SELECT 'type ' || t.typname FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace
    AND t.typname NOT LIKE '%alembic_version'
"""

SCHEMA = """
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public'
UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), NULL, NULL FROM pg_trigger
    WHERE NOT tgisinternal
UNION ALL SELECT table_name, grantee, privilege_type, NULL, NULL FROM information_schema.role_table_grants
    WHERE table_schema = 'public' AND grantee LIKE 'exhibit_%'
ORDER BY 1, 2, 3
"""


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return ScriptDirectory.from_config(config)


def fetch(database: TestDatabase, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_revisions_when_listed_then_form_one_line() -> None:
    assert len(scripts().get_heads()) == 1
    assert len(scripts().get_bases()) == 1
    assert not [script.revision for script in scripts().walk_revisions() if script.is_merge_point]


def test_every_step_when_taken_up_down_and_up_again_then_makes_the_same_schema(postgres: TestServer) -> None:
    empty = create_database(postgres, template="template0")
    try:
        for script in reversed(list(scripts().walk_revisions())):
            migrate(empty.owner_url, script.revision)
            made = fetch(empty, SCHEMA)
            downgrade(empty.owner_url, str(script.down_revision or "base"))
            migrate(empty.owner_url, script.revision)
            assert fetch(empty, SCHEMA) == made, script.revision
        downgrade(empty.owner_url)
        assert fetch(empty, LEFT_OVERS) == []
    finally:
        with postgres.administration() as owner:
            drop_database(owner, empty.name)


def test_models_when_compared_with_the_schema_then_agree(database: TestDatabase) -> None:
    check_models(database.owner_url)


def test_queue_schema_when_the_library_changes_its_own_then_a_revision_must_follow() -> None:
    copied = (Path(migrations.__file__).parent / "procrastinate_3_10_0.sql").read_text(encoding="utf-8")
    shipped = (resources.files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
    assert copied.endswith(shipped), "write a revision with the library's own migrations between the two versions"
