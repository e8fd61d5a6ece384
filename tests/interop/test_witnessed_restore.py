"""A database put back to an earlier copy, and the record beside the key with it: only the witnesses know of the rest.

Live processes, Go's ``sumdb/note`` and ``sumdb/tlog`` as witnesses, and the operator's own commands.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from app.ledger.checkpoint import parse_checkpoint, split_note
from app.ledger.keys import keys_directory
from app.ledger.record import RECORD_NAME
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database
from tests.support.go_witness import GoWitness, checked_by_go, wait_for, witness_policy
from tests.support.product import Product, start_product

pytestmark = pytest.mark.interop


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """What is started in a test, stopped at its end."""
    with ExitStack() as stack:
        yield stack


def start(running: ExitStack, directory: Path, database: TestDatabase) -> Product:
    product = start_product(
        directory / "data",
        database,
        EXHIBIT_WITNESS_POLICY=str(directory / "policy"),
        EXHIBIT_WITNESS_PERIOD_S="0.2",
    )

    def stop() -> None:
        with suppress(AssertionError, ProcessLookupError, ValueError):
            product.stop()

    running.callback(stop)
    return product


def act(product: Product, name: str) -> httpx.Response:
    with httpx.Client(base_url=product.base_url, timeout=30) as client:
        return client.post(
            "/v1/users?wait=checkpoint",
            json={"name": name, "email": f"{name}@hub.example"},
            headers={"Authorization": f"Bearer {product.admin_token}"},
        )


def acted(product: Product, name: str) -> int:
    """The size of the tree that holds an act."""
    made = act(product, name)
    assert made.status_code == 201, made.text
    size: int = made.json()["receipts"][0]["tree_size"]
    return size


def published(product: Product, prefix: str = "") -> str:
    answer = httpx.get(f"{product.base_url}{prefix}/checkpoint", timeout=30)
    return answer.text if answer.status_code == 200 else ""


def size_of(note: str) -> int:
    return parse_checkpoint(split_note(note)[0]).size if note else 0


def ledger(product: Product, *command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "app.cli", "ledger", *command]
    return subprocess.run(arguments, env=product.environment, capture_output=True, text=True, check=False, timeout=60)


def test_restore_when_only_witnesses_know_of_the_rest_then_halts_the_log_and_they_cosign_the_next_one(
    postgres: TestServer,
    database: TestDatabase,
    witnesses: list[GoWitness],
    program: Path,
    tmp_path: Path,
    running: ExitStack,
) -> None:
    (tmp_path / "policy").write_text(witness_policy(witnesses))
    product = start(running, tmp_path, database)
    acted(product, "olena")
    product.stop()
    copy = create_database(postgres, template=database.name)
    running.callback(drop, postgres, copy)
    record = keys_directory(product.data_dir) / RECORD_NAME
    shutil.copy2(record, tmp_path / "record")

    product = start(running, tmp_path, database)
    lost = [acted(product, f"person-{number}") for number in range(12)][-1]
    wait_for(lambda: size_of(published(product)) >= lost)
    wait_for(lambda: all(witness.holds(size_of(published(product))) for witness in witnesses))
    kept = published(product)
    product.stop()

    for witness in witnesses:
        witness.stop()
    shutil.copy2(tmp_path / "record", record)
    product = start(running, tmp_path, copy)
    assert acted(product, "petro") < lost, "nothing that is left can tell"
    witnesses[0].start()
    wait_for(lambda: "witness.example/w1: ahead" in readiness(product).text)
    assert readiness(product).status_code == 503
    acted(product, "ruth")  # One witness's word is an alarm, and no more.
    witnesses[1].start()
    wait_for(lambda: "the ledger is halted" in readiness(product).text)
    refused = act(product, "ihor")
    assert (refused.status_code, refused.json()["code"]) == (503, "ledger_halted")
    assert f"w1 one of {size_of(kept)} leaves" in readiness(product).text
    product.stop()

    assert ledger(product, "start-new-log", "--reason", "put back").returncode == 2, "not without saying so"
    begun = ledger(product, "start-new-log", "--the-old-log-ends", "--reason", "put back to an earlier copy")
    assert begun.returncode == 0, begun.stderr
    for witness in witnesses:  # Its operator adds the log of the new name.
        witness.stop()
        witness.state_name = "state-of-2"
        witness.start()
    product = start(running, tmp_path, copy)
    size = acted(product, "ihor")
    wait_for(lambda: size_of(published(product, "/logs/2")) >= size)
    wait_for(lambda: checked(program, product, witnesses).returncode == 0)
    assert readiness(product).status_code == 200
    verified = ledger(product, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def checked(program: Path, product: Product, witnesses: list[GoWitness]) -> subprocess.CompletedProcess[str]:
    return checked_by_go(program, witnesses[0].log_key, published(product, "/logs/2"), *witnesses)


def readiness(product: Product) -> httpx.Response:
    return httpx.get(f"{product.base_url}/readyz", timeout=30)


def drop(postgres: TestServer, database: TestDatabase) -> None:
    with postgres.administration() as owner:
        drop_database(owner, database.name)
