"""Witnesses for the tests of a live server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.ledger.keys import VKEY_NAME, published_directory
from tests.support.go_witness import GoWitness
from tests.support.golang import build_go


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_go("gowitness", tmp_path_factory.mktemp("gowitness"))


@pytest.fixture
def witnesses(program: Path, tmp_path: Path) -> Iterator[list[GoWitness]]:
    """Three that run, for the log of the data directory that the product will have."""
    log_key = published_directory(tmp_path / "data") / VKEY_NAME
    made = []
    for number in range(1, 4):
        directory = tmp_path / f"w{number}"
        directory.mkdir()
        (directory / "seed").write_text(f"{number:064x}\n")
        made.append(GoWitness(program, directory, f"witness.example/w{number}", log_key))
    for witness in made:
        witness.start()
    yield made
    for witness in made:
        witness.stop()
