"""compose.yaml: what an operator sets in exhibit.env holds for every process of ours."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "compose.yaml").read_text(encoding="utf-8")
SERVICES = dict(re.findall(r"^  (\w+):\n((?:    .*\n|\n)+)", TEXT.partition("\nservices:\n")[2], re.MULTILINE))


def test_services_when_read_then_an_environment_sets_nothing_that_exhibit_env_may_set() -> None:
    """It would go before that file, whatever is written there."""
    ours = {name: service for name, service in SERVICES.items() if "<<: *exhibit" in service}
    assert ours.keys() == {"migrate", "api", "worker", "integrator"}
    setting = {name: re.findall(r"^      ([A-Z_]+): ", service, re.MULTILINE) for name, service in ours.items()}
    assert setting == {"migrate": ["DATABASE_URL"], "api": [], "worker": [], "integrator": []}
    assert "environment:" not in TEXT.partition("\nservices:\n")[0]


@pytest.mark.parametrize(("given", "expected"), [({}, "2"), ({"EXHIBIT_WORKER_CONCURRENCY": "5"}, "5")])
def test_worker_when_started_then_has_two_jobs_at_once_or_as_many_as_were_set(
    given: dict[str, str], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "python").write_text('#!/bin/sh\necho "$EXHIBIT_WORKER_CONCURRENCY $*"\n', encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    (script,) = re.findall(r'^    entrypoint: \[sh, -c, (".*")\]$', SERVICES["worker"], re.MULTILINE)
    command = ["sh", "-c", json.loads(script).replace("$$", "$")]  # As Compose reads it.
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(command, env={"PATH": path, **given}, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [expected, "-m", "app.cli", "worker"]
