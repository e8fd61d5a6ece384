"""The power fails in the middle of work: what was acknowledged is there afterwards, and the auditor's log is whole."""

import contextlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.media_samples import PHOTOGRAPHS, resized
from tests.support.api import Person
from tests.support.journey import all_pages, api_of, auditors_desk, close, settled, upload, wait_until
from tests.support.product import Product, start_product

ENOUGH = 12
"""Uploads acknowledged, by when the worker and the integrator are at work, too."""


def kill_all(product: Product) -> None:
    """Everything at once, the database too, with no chance to say goodbye."""
    postmaster = product.data_dir / "postgres" / "cluster" / "postmaster.pid"
    roots = {product.process.pid, int(postmaster.read_text().splitlines()[0])}
    for pid in with_descendants(roots):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    product.kill()


def with_descendants(roots: set[int]) -> set[int]:
    """These processes, their children, and theirs. Source: proc_pid_stat(5), field 4."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, size = set(roots), 0
    while len(found) > size:
        size = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def work_until_the_lights_go_out(person: Person, case_id: str, number: int, acknowledged: list[dict[str, Any]]) -> None:
    """Uploads without a pause; the answers that came are added to ``acknowledged``."""
    photographs = [resized(path, 0.25) for path in PHOTOGRAPHS[:4]]
    for turn in range(10_000):
        content = photographs[turn % len(photographs)] + f"{number}/{turn}".encode()
        try:
            answer = upload(person, case_id, content, f"{number}-{turn}.jpg", key=f"{number}-{turn}")
        except httpx.TransportError:
            break
        if answer.status_code == 503:
            break
        assert answer.status_code == 201, answer.text
        acknowledged.append(answer.json())


@pytest.mark.thorough
def test_product_when_killed_in_the_middle_of_work_then_nothing_acknowledged_is_missing_and_the_log_is_whole(
    open_directory: Path, tmp_path: Path
) -> None:
    product = start_product(open_directory / "data")
    api = api_of(product)
    olena = api.person("Olena")
    case_id = api.case(olena, verifier=(olena,))
    vkey = auditors_desk(tmp_path, api).vkey
    with ThreadPoolExecutor(3) as pool:
        acknowledged: list[dict[str, Any]] = []
        working = [
            pool.submit(work_until_the_lights_go_out, olena, case_id, number, acknowledged) for number in range(3)
        ]
        try:
            wait_until(lambda: len(acknowledged) >= ENOUGH, "the product is in the middle of work")
        finally:
            kill_all(product)
        for thread in working:
            thread.result()
    close(api)

    again = start_product(open_directory / "data")
    api = api_of(again)
    try:
        olena = Person(olena.id, olena.name, olena.token, api.client(olena.token))
        stored = {item["id"]: item for item in all_pages(olena, f"/v1/cases/{case_id}/evidence", limit=200)}
        for item in acknowledged:
            assert stored[item["id"]]["sha256"] == item["sha256"]
        for item in settled(olena, *stored):
            assert (item["state"], item["fingerprint_status"]) == ("preserved", "done"), item
        answer = olena.get(f"/v1/cases/{case_id}/custody/file", params={"purpose": "audit"})
        desk = auditors_desk(tmp_path / "desk", api)
        assert desk.vkey == vkey
        done = desk.check(answer.content)
        assert done.returncode == 0, done.stdout
        pages = all_pages(olena, f"/v1/cases/{case_id}/custody", limit=200)
        logged = {entry["commitment"] for entry in pages}
        assert {receipt["commitment"] for item in acknowledged for receipt in item["receipts"]} <= logged
        wait_until(lambda: whole_by_the_operator(again), "a whole log")
    finally:
        close(api)
        again.stop()


def whole_by_the_operator(product: Product) -> bool:
    """``exhibit ledger verify``, on the installation itself."""
    command = [sys.executable, "-m", "app.cli", "ledger", "verify"]
    done = subprocess.run(command, env=dict(product.environment), capture_output=True, text=True, check=False)
    assert "missing" not in done.stdout, done.stdout
    return done.returncode == 0
