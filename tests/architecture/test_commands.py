"""The command line loads a command's code by name, so that no process imports what it does not run: the names hold."""

import argparse
import inspect
import subprocess
import sys
from pkgutil import resolve_name

import pytest

from app.cli import COMMANDS, main
from app.kernel.settings import Settings

FOREIGN = ("fastapi", "uvicorn", "procrastinate", "alembic", "numpy", "PIL", "app.media", "app.access.service")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_when_named_then_takes_settings_and_options_and_gives_a_status(name: str) -> None:
    signature = inspect.signature(resolve_name(COMMANDS[name]))
    assert [parameter.annotation for parameter in signature.parameters.values()] == [Settings, argparse.Namespace]
    assert signature.return_annotation is int


@pytest.mark.parametrize("name", COMMANDS)
def test_command_when_asked_for_help_then_is_known(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help"])
    assert ended.value.code == 0
    assert f"exhibit {name}" in capsys.readouterr().out


def test_integrator_when_loaded_then_no_code_of_web_jobs_or_pictures_stands_beside_the_key() -> None:
    script = (
        f"import sys, app.cli, app.integrator_process; print([name for name in {FOREIGN!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
