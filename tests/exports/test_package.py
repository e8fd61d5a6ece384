"""Packages as the jobs make them, checked by the stand-alone verifier and by hand."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.exports import export_jobs
from app.exports.bag import Payload
from app.exports.dossier import seal_commitment
from app.exports.errors import CheckpointPending
from app.exports.verifier import verify
from app.exports.verifier.verify import Report, parse_key
from app.media.errors import LabelsMissing
from app.unit_of_work import unit_of_work
from tests.exports.packages import PackageHub, open_packages
from tests.factories import make_item
from tests.support.databases import TestServer, create_database, drop_database


@pytest.fixture(scope="module")
def packages(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageHub]:
    database = create_database(postgres)
    with open_packages(database, tmp_path_factory.mktemp("data")) as opened:
        yield opened
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def check(content: bytes, packages: PackageHub, **options: Any) -> Report:
    return verify.verify(io.BytesIO(content), [parse_key(packages.hub.vkey.encode())], **options)


def files_of(content: bytes) -> dict[str, bytes]:
    """By path below the one folder, read by another program than ours."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def test_package_when_made_of_a_case_then_every_check_passes_and_every_stream_is_there(packages: PackageHub) -> None:
    content = packages.make("case", opens=None)
    report = check(content, packages)
    assert report.findings == []
    hub = packages.hub
    streams = {name.removesuffix(".jsonl") for path in files_of(content) for name in path.split("streams/")[1:]}
    assert streams == {str(each) for each in (hub.case_id, hub.incident, *hub.items)}


@pytest.mark.thorough
@pytest.mark.parametrize("scope", ["incident", "evidence", "selection"])
def test_package_when_made_of_less_than_a_case_then_verifies_and_tells_nothing_of_the_rest(
    packages: PackageHub, scope: Any
) -> None:
    hub = packages.hub
    ids = {
        "incident": (hub.incident,),
        "evidence": (hub.items[0],),
        "selection": (hub.incident, hub.items[0]),
    }[scope]
    content = packages.make(scope, *ids, media=scope != "incident")
    assert check(content, packages).findings == []
    for other in hub.items[1:]:
        assert str(other).encode() not in content
        assert other.bytes not in content


@pytest.mark.thorough
def test_media_when_asked_for_then_lie_byte_for_byte_under_their_digests(packages: PackageHub) -> None:
    files = files_of(packages.make("selection", *packages.hub.items[:2], media=True))
    media = {path: content for path, content in files.items() if path.startswith("data/media/")}
    assert sorted(media.values()) == [b"\x01" * 1000, b"\x02" * 1000]
    assert all(path == f"data/media/{hashlib.sha256(content).hexdigest()}.jpg" for path, content in media.items())


@pytest.mark.thorough
def test_media_when_an_item_has_no_labels_then_nothing_is_exported(packages: PackageHub) -> None:
    hub = packages.hub
    bare = make_item(hub.sessions, hub.verifier, hub.case_id, labels=None)
    with pytest.raises(LabelsMissing) as refused:
        packages.ask("evidence", bare, media=True)
    assert refused.value.extra == {"evidence_ids": [str(bare)]}
    assert check(packages.make("evidence", bare), packages).ok


@pytest.mark.thorough
def test_manifest_when_checked_by_hand_then_fits_files_and_seal(packages: PackageHub) -> None:
    files = files_of(packages.make("evidence", packages.hub.items[0], media=True))
    for algorithm in ("sha256", "sha512"):
        for name, inside in ((f"manifest-{algorithm}.txt", "data/"), (f"tagmanifest-{algorithm}.txt", "")):
            for line in files[name].decode().splitlines():
                digest, path = line.split("  ")
                assert path.startswith(inside)
                assert hashlib.new(algorithm, files[path]).hexdigest() == digest
    sealed = json.loads(files["seal/entry.json"])["data"]
    assert sealed["manifest_sha256"] == hashlib.sha256(files["manifest-sha256.txt"]).hexdigest()
    assert sealed["bag_info_sha256"] == hashlib.sha256(files["bag-info.txt"]).hexdigest()


@pytest.mark.thorough
def test_fields_when_some_are_chosen_then_those_alone_are_opened(packages: PackageHub) -> None:
    content = packages.make("case", opens=frozenset({"title"}))
    assert check(content, packages).findings == []
    opened = [json.loads(line) for line in files_of(content)["data/ledger/disclosures.jsonl"].splitlines()]
    assert {each["name"] for each in opened} == {"title"}
    assert "Strikes, July" in {each["value"] for each in opened}
    assert b"Olena" not in content


@pytest.mark.thorough
def test_fields_when_none_is_opened_then_no_personal_value_is_anywhere(packages: PackageHub) -> None:
    content = packages.make("case", media=False, reason="asked for by the court")
    assert check(content, packages).findings == []
    for word in ("Strikes, July", "Olena", "a channel", "asked for by the court", "Märkte"):
        assert word.encode() not in content


@pytest.mark.thorough
def test_log_when_large_then_package_goes_without_leaves_and_says_so(packages: PackageHub) -> None:
    export_id = packages.ask("evidence", packages.hub.items[0])
    small = PackageHub(packages.hub, packages.stores.limited(5))
    small.run("build_export", export_id)
    small.run("finish_export", export_id)
    content = packages.content(export_id)
    assert [check_ for check_, _, _ in check(content, packages).findings] == ["leaves"]
    accepted = check(content, packages, leaves_optional=True)
    assert accepted.ok
    assert accepted.result_of("leaves") == "not checked"


@pytest.mark.thorough
def test_package_when_made_again_from_its_inputs_then_has_the_same_bytes(packages: PackageHub) -> None:
    """A job that was killed after the file was stored, and before anybody knew of it, ends the same way."""
    export_id = packages.ask("selection", *packages.hub.items[:2], media=True, opens=None)
    packages.run("build_export", export_id)
    with packages.hub.sessions() as session:
        plan = export_jobs.plan_finishing(session, export_id=str(export_id))
    assert plan is not None
    first = export_jobs.finish(plan, packages.stores)
    packages.run("finish_export", export_id)
    export = packages.export(export_id)
    assert (export.state, export.package_sha256, export.size_bytes) == ("ready", first.package_sha256, first.size_bytes)


@pytest.mark.thorough
def test_building_when_its_job_dies_before_it_is_stored_then_the_next_one_seals_once(packages: PackageHub) -> None:
    export_id = packages.ask("evidence", packages.hub.items[1], media=True)
    with packages.hub.sessions() as session:
        plan = export_jobs.plan_building(session, export_id=str(export_id))
    assert plan is not None
    built = export_jobs.build(plan, packages.stores)
    packages.run("build_export", export_id)
    with unit_of_work(packages.hub.sessions) as late:  # It was thought dead, and comes to its end after all.
        export_jobs.store_built(late, built)
    packages.run("build_export", export_id)
    packages.run("finish_export", export_id)
    packages.run("finish_export", export_id)
    content = packages.content(export_id)
    assert check(content, packages).findings == []
    with packages.hub.sessions() as session:
        sealed = seal_commitment(session, export_id)  # Raises unless there is exactly one.
    assert hashlib.sha256(files_of(content)["seal/entry.json"]).hexdigest() == sealed


def test_original_when_its_stored_bytes_are_damaged_then_no_package_is_made(
    packages: PackageHub, tmp_path: Path
) -> None:
    export_id = packages.ask("evidence", packages.hub.items[0], media=True)
    with packages.hub.sessions() as session:
        plan = export_jobs.plan_building(session, export_id=str(export_id))
    assert plan is not None
    with pytest.raises(export_jobs.MediumChanged):
        export_jobs.build(plan, packages.stores.with_blobs(tmp_path / "empty"))
    assert packages.export(export_id).state == "building"


@pytest.mark.thorough
def test_payload_when_it_is_not_the_sealed_one_any_more_then_is_not_stored(
    packages: PackageHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = packages.ask("evidence", packages.hub.items[0], opens=None)
    packages.run("build_export", export_id)
    monkeypatch.setattr(Payload, "manifest_sha256", lambda _: "0" * 64)
    with pytest.raises(export_jobs.PayloadChanged):
        packages.run("finish_export", export_id)
    assert packages.export(export_id).package_sha256 is None


def test_building_when_the_integrator_is_away_then_waits_uncounted() -> None:
    assert all(CheckpointPending in job.not_now for job in export_jobs.JOBS)


@pytest.mark.thorough
def test_verifier_when_run_alone_then_exit_status_tells(packages: PackageHub, tmp_path: Path) -> None:
    content = packages.make("evidence", packages.hub.items[0], media=True)
    files = files_of(content)
    assert files["data/verify/verify.py"] == Path(verify.__file__).read_bytes()
    (tmp_path / "verify.py").write_bytes(files["data/verify/verify.py"])
    (tmp_path / "x.zip").write_bytes(content)
    (tmp_path / "cut.zip").write_bytes(content[:-1])
    (tmp_path / "log.vkey").write_text(packages.hub.vkey.encode() + "\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # -I -S: no site-packages, nothing of the project: the standard library alone.
        command = [sys.executable, "-I", "-S", "verify.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert run("x.zip").returncode == 2
    unpinned = run("x.zip", "--unpinned")
    assert (unpinned.returncode, unpinned.stdout[:9]) == (0, "UNPINNED:")
    assert "proven  " not in unpinned.stdout.replace("not proven  ", "")
    pinned = run("x.zip", "--key", packages.hub.vkey.encode())
    assert pinned.returncode == 0, pinned.stdout + pinned.stderr
    assert run("cut.zip", "--key", "log.vkey").returncode == 1
    assert json.loads(run("x.zip", "--key", "log.vkey", "--json").stdout)["ok"] is True
    assert run("log.vkey", "--key", "log.vkey").returncode == 2
    assert run("nothing.zip", "--key", "log.vkey").returncode == 2
    assert run("x.zip", "--key", "log.vkey+").returncode == 2
