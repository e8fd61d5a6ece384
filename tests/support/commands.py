"""An operator's command, run in the test's own process: to start one takes a second or two of work."""

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from app.cli import main
from tests.support.databases import TestDatabase


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def exhibit(database: TestDatabase, *arguments: str, **settings: str) -> Done:
    """What ``exhibit`` with these arguments says and ends with, on the test's database and with no other settings.

    That a process of its own does the same is seen where the processes are the matter (tests/infrastructure).
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EXHIBIT_")}
    given: Mapping[str, str] = {
        "EXHIBIT_APP_DATABASE_URL": database.app_url,
        "EXHIBIT_INTEGRATOR_DATABASE_URL": database.integrator_url,
        **settings,
    }
    with (
        patch.dict(os.environ, {**kept, **given}, clear=True),
        redirect_stdout(io.StringIO()) as said,
        redirect_stderr(io.StringIO()) as told,
    ):
        try:
            status = main(arguments)
        except SystemExit as ended:  # Of the parser.
            status = ended.code if isinstance(ended.code, int) else 1
    return Done(status, said.getvalue(), told.getvalue())
