"""Killing whoever makes a package, at any step of its two jobs: it is made once all the same, and nothing is left."""

import io
import multiprocessing
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from app.blobs.local import LocalBlobStore
from app.exports.verifier.verify import parse_key, verify
from tests.exports.packages import PackageHub, open_packages
from tests.support.databases import TestDatabase
from tests.support.killed_job import Step, run_killed

KILLS: tuple[tuple[str, Step], ...] = (
    ("build_export", "begun"),
    ("build_export", "worked"),
    ("build_export", "stored"),
    ("finish_export", "begun"),
    ("finish_export", "writing"),
    ("finish_export", "worked"),
    ("finish_export", "stored"),
)


def kill(packages: PackageHub, app_url: str, name: str, export_id: str, at: Step) -> None:
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["tests.support.killed_job"])
    data = str(packages.stores.settings.data)
    killed = forks.Process(target=run_killed, args=(app_url, data, name, {"export_id": export_id}, at))
    killed.start()
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL, (name, at)


def files_below(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file() and path.suffix != ".lock"}


@pytest.mark.thorough
def test_worker_when_killed_at_every_step_of_a_package_then_it_is_made_once_and_nothing_is_left_over(
    database: TestDatabase, tmp_path: Path
) -> None:
    with open_packages(database, tmp_path) as packages:
        expected = packages.make(media=True, opens=None)
        honest = files_below(tmp_path / "packages")
        export_id = packages.ask(media=True, opens=None)
        for name, at in KILLS:
            if (name, at) == KILLS[3]:
                packages.run("build_export", export_id)
            kill(packages, database.app_url, name, str(export_id), at)
            export = packages.export(export_id)
            assert (export.state, export.package_sha256) == ("building" if name == "build_export" else "sealed", None)
            assert files_below(tmp_path / "staging") == set(), "what is staged has no name"
        kill(packages, database.app_url, "finish_export", str(export_id), "committed")
        assert packages.export(export_id).state == "ready"
        content = packages.content(export_id)
        assert verify(io.BytesIO(content), [parse_key(packages.hub.vkey.encode())]).findings == []
        assert len(content) > len(expected) - 10_000
        with packages.hub.sessions() as session:
            seals = "SELECT count(*) FROM ledger_entries WHERE type = 'export.sealed' AND object_id = :export"
            assert session.execute(text(seals), {"export": export_id}).scalar_one() == 1
        LocalBlobStore(tmp_path / "packages").close()  # As at the next start: it sweeps what the dead left.
        made = files_below(tmp_path / "packages") - honest
        assert [path.name for path in made] == [packages.export(export_id).package_sha256]
