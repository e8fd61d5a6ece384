"""What an operator got wrong ends a command with a sentence that says so, never with a traceback."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.support.databases import TestServer
from tests.support.examples import PROFILE


def migrate(data: Path, **environment: str) -> str:
    """What ``exhibit migrate`` says when it refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "migrate"],
        env=os.environ | {"EXHIBIT_DATA": str(data)} | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EXHIBIT_PORT", "http", "exhibit: setting EXHIBIT_PORT: "),
        ("EXHIBIT_CORS_ORIGINS", "https://desk.example.org", '"cors_origins"'),
        ("DATABASE_URL", "mysql://somewhere/else", "must be a PostgreSQL URL"),
        ("DATABASE_URL", "postgresql://nobody:hidden-word@127.0.0.1:1/none", "cannot be used"),
    ],
)
def test_start_when_a_setting_is_wrong_then_one_sentence_names_it(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    message = migrate(tmp_path / "data", **{name: value})
    assert said in message
    assert "hidden-word" not in message


@pytest.mark.thorough
def test_start_when_a_variable_is_no_setting_then_warned_with_the_nearest_one_and_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PROFILE, raising=False)  # The tests' own, which is no setting of the product.
    unknown = {"EXHIBIT_PROT": "8080", "EXHIBIT_DATABASE_URL": "secret-word", "EXHIBIT_ZZZZ": "1"}
    fine = {"EXHIBIT_DATA": str(tmp_path), "EXHIBIT_TEST_X": "1", "EXHIBIT_STRESS_ACTS": "1", "EXHIBIT_FUZZ_X": "1"}
    for command in ("api", "worker", "integrator"):  # They end by themselves here: nothing was set up.
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", command],
            env=os.environ | unknown | fine,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        warnings = [line for line in done.stderr.splitlines() if "warning: EXHIBIT_" in line]
        assert warnings == [
            "exhibit: warning: EXHIBIT_DATABASE_URL is no setting and has no effect: did you mean DATABASE_URL?",
            "exhibit: warning: EXHIBIT_PROT is no setting and has no effect: did you mean EXHIBIT_PORT?",
            "exhibit: warning: EXHIBIT_ZZZZ is no setting and has no effect: docs/deployment.md lists the settings.",
        ]
        assert "run `exhibit serve` or `exhibit migrate` first" in done.stderr
        assert "secret-word" not in done.stderr


@pytest.mark.thorough
def test_migrate_when_the_owner_lacks_rights_then_told_which(tmp_path: Path, postgres: TestServer) -> None:
    role = f"exhibit_test_{secrets.token_hex(8)}"
    with postgres.administration() as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'only-for-tests'").format(sql.Identifier(role)))
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(role)))
    url = make_url(postgres.url(role)).set(username=role, password="only-for-tests")
    try:
        message = migrate(tmp_path / "data", DATABASE_URL=url.render_as_string(hide_password=False))
    finally:
        with postgres.administration() as owner:
            _remove(owner, role)
    assert "It must own" in message


def _remove(owner: psycopg.Connection, role: str) -> None:
    owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(role)))
    owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
