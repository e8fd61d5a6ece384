"""Witnesses that are nobody's code of ours, against a live ``exhibit serve``: Go's ``sumdb/note`` and ``sumdb/tlog``
(tests/interop/gowitness) over HTTP, with state on disk; 2 of 3 with one down; its answers 409 and 422; a restore.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from app.exports.verifier import verify_custody
from app.ledger.checkpoint import parse_checkpoint, split_note
from tests.support.databases import TestDatabase
from tests.support.go_witness import GoWitness, checked_by_go, wait_for, witness_policy
from tests.support.product import Product, start_product

pytestmark = pytest.mark.interop


@pytest.fixture
def product(database: TestDatabase, witnesses: list[GoWitness], tmp_path: Path) -> Iterator[Product]:
    """``exhibit serve`` with a policy of 2 of the 3."""
    policy = tmp_path / "policy"
    policy.write_text(witness_policy(witnesses))
    started = start_product(
        tmp_path / "data", database, EXHIBIT_WITNESS_POLICY=str(policy), EXHIBIT_WITNESS_PERIOD_S="0.2"
    )
    yield started
    with suppress(AssertionError, ProcessLookupError):
        started.stop()


@pytest.fixture
def client(product: Product) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {product.admin_token}"}
    with httpx.Client(base_url=product.base_url, timeout=30, headers=headers) as opened:
        yield opened


def act(client: httpx.Client, name: str) -> int:
    """One act, provable when this returns; the size of the tree that holds it."""
    made = client.post("/v1/users?wait=checkpoint", json={"name": name, "email": f"{name}@hub.example"})
    assert made.status_code == 201, made.text
    size: int = made.json()["receipts"][0]["tree_size"]
    return size


def published_size(client: httpx.Client) -> int:
    answer = client.get("/checkpoint")
    if answer.status_code == 503:
        return 0
    return parse_checkpoint(split_note(answer.text)[0]).size


def show_witnesses(product: Product, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", "ledger", "witnesses", *options]
    return subprocess.run(command, env=product.environment, capture_output=True, text=True, check=False, timeout=60)


def known_sizes(database: TestDatabase) -> list[int]:
    """How large a tree the product knows each witness to hold; what is asked but not yet written is not among them."""
    with psycopg.connect(database.owner_url) as connection:
        return [size for (size,) in connection.execute("SELECT size FROM witnesses WHERE state = 'cosigning'")]


def forget_witnesses(database: TestDatabase) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("DELETE FROM witnesses")


def test_quorum_when_one_of_three_is_down_then_heads_are_published_and_go_verifies_them(
    product: Product, client: httpx.Client, witnesses: list[GoWitness], program: Path
) -> None:
    first, second, third = witnesses
    third.stop()
    size = act(client, "olena")
    wait_for(lambda: published_size(client) >= size)

    note = client.get("/checkpoint").text
    assert checked_by_go(program, first.log_key, note, first, second).returncode == 0
    lacking = checked_by_go(program, first.log_key, note, first, second, third)
    assert lacking.returncode == 1
    assert "not signed by witness.example/w3" in lacking.stderr
    assert checked_by_go(program, first.log_key, note.replace("\n", "\r\n", 1), first).returncode == 1
    told = client.get("/readyz").json()["components"]["witnesses"]
    assert told["status"] == "ready"
    assert "witness.example/w3: connection" in told["detail"]

    second.stop()  # One is no quorum: the log goes on, and what is published stays.
    newer = act(client, "petro")
    wait_for(lambda: int(first.state.read_text().split()[0]) >= newer)
    assert published_size(client) < newer
    second.start()
    wait_for(lambda: published_size(client) >= newer)

    third.start()
    retried = show_witnesses(product, "--retry", third.name)
    assert retried.returncode == 0, retried.stderr
    newest = act(client, "ruth")
    wait_for(lambda: all(int(each.state.read_text().split()[0]) >= newest for each in witnesses))
    wait_for(lambda: checked_by_go(program, first.log_key, client.get("/checkpoint").text, *witnesses).returncode == 0)
    kept = client.get(f"/v1/ledger/checkpoints/{newest}").text
    assert checked_by_go(program, first.log_key, kept, *witnesses).returncode == 0


def test_custody_file_when_taken_then_carries_its_quorum_and_our_verifier_checks_it_against_a_policy(
    product: Product, client: httpx.Client, witnesses: list[GoWitness], program: Path, tmp_path: Path
) -> None:
    """The file's own head is cosigned, not just a later one; a reader's stricter or other policy is not met."""
    witnesses[2].stop()
    me = client.get("/v1/me").json()["account"]["id"]
    case = client.post("/v1/cases", json={"title": "Strikes", "coordinator_id": me}).json()["id"]
    taken = client.get(f"/v1/cases/{case}/custody/file", params={"format": "jsonl", "purpose": "court"})
    assert taken.status_code == 200, taken.text
    (tmp_path / "custody.jsonl").write_bytes(taken.content)
    note = json.loads(taken.content.splitlines()[1])["note"]
    assert checked_by_go(program, witnesses[0].log_key, note, *witnesses[:2]).returncode == 0

    met = verify_file(tmp_path, tmp_path / "policy", witnesses[0].log_key)
    assert met.returncode == 0, met.stdout + met.stderr
    assert "proven       witnesses" in met.stdout
    assert "not proven   that the log shows everybody the same tree" not in met.stdout
    strict = tmp_path / "strict"
    strict.write_text((tmp_path / "policy").read_text().replace("three 2", "three all"))
    unmet = verify_file(tmp_path, strict, witnesses[0].log_key)
    assert unmet.returncode == 1
    assert "BAD: line 2: the policy's quorum did not cosign this tree: 2 of 3 did" in unmet.stdout
    plain = verify_file(tmp_path, None, witnesses[0].log_key)
    assert plain.returncode == 0
    assert "witnesses" not in plain.stdout.replace("witnesses cosign", "")


def verify_file(directory: Path, policy: Path | None, log_key: Path) -> subprocess.CompletedProcess[str]:
    """As an auditor runs it: the one script, a Python, no package."""
    command = [sys.executable, "-I", verify_custody.__file__, str(directory / "custody.jsonl"), "--key", str(log_key)]
    command += [] if policy is None else ["--policy", str(policy)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_witness_when_our_record_of_it_is_lost_then_its_409_brings_the_proof_from_where_it_stands(
    client: httpx.Client, witnesses: list[GoWitness], database: TestDatabase
) -> None:
    size = act(client, "olena")
    wait_for(lambda: published_size(client) >= size)
    # The record, not the witness's own state: an answer on its way when we forget would be written after it.
    wait_for(lambda: len([known for known in known_sizes(database) if known >= published_size(client)]) == 3)
    assert all("409" not in witness.answers() for witness in witnesses)
    asked = [len(witness.answers()) for witness in witnesses]

    forget_witnesses(database)
    size = act(client, "petro")
    wait_for(lambda: published_size(client) >= size)

    # Later heads may bring more answers before we look.
    def since(number: int) -> list[str]:
        return witnesses[number].answers()[asked[number] :]

    wait_for(lambda: all(since(number)[:2] == ["409", "200"] for number in range(3)))
    assert all("409" not in since(number)[1:] for number in range(3))


def test_witness_when_it_holds_another_tree_then_its_422_is_an_alarm_until_an_operator_has_looked(
    product: Product, client: httpx.Client, witnesses: list[GoWitness]
) -> None:
    first = witnesses[0]
    size = act(client, "olena")
    wait_for(lambda: first.state.exists() and int(first.state.read_text().split()[0]) >= size)
    good = first.state.read_text()
    size = int(good.split()[0])  # The product's own entries may have made it larger.
    first.state.write_text(f"{size} {'A' * 43}=\n")

    newer = act(client, "petro")
    wait_for(lambda: client.get("/readyz").status_code == 503)
    told = client.get("/readyz").json()["components"]["witnesses"]
    assert told["status"] == "not_ready"
    assert "witness.example/w1: proof_refused" in told["detail"]
    assert "witness_contradicts_the_log" in (product.data_dir / "logs" / "worker-1.log").read_text()
    assert first.answers().count("422") == 1
    act(client, "ruth")
    wait_for(lambda: published_size(client) > newer)  # The other two go on.
    assert first.answers().count("422") == 1, "never asked again blindly"
    shown = show_witnesses(product)
    assert shown.returncode == 1
    assert f"{first.name} alarm at {size} proof_refused" in shown.stdout

    first.state.write_text(good)
    assert show_witnesses(product, "--retry", first.name).returncode == 0
    wait_for(lambda: first.answers()[-1] == "200")
    wait_for(lambda: client.get("/readyz").status_code == 200)
