"""A package checked by other people's programs: coreutils, bagit-python, bagit-profile, Go's note and tlog, openssl."""

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from app.anchors.authorities import read_authorities
from app.anchors.outgoing import Outgoing
from app.anchors.stamping import stamp_heads
from app.exports.bag_profile import IDENTIFIER, profile_json
from app.exports.verifier.verify import parse_key, verify
from tests.exports.packages import PackageHub, Stores, open_packages
from tests.support.databases import TestServer, create_database, drop_database
from tests.support.golang import build_go
from tests.support.time_authority import TimeAuthority, make_authority, openssl
from tests.support.web_server import web_server

pytestmark = pytest.mark.interop

DOCS = Path(__file__).resolve().parents[2] / "docs"
BAGIT = """
import bagit, sys
bag = bagit.Bag(sys.argv[1])
bag.validate()
print(bag.version, sorted(bag.algorithms), len(bag.payload_entries()))
"""
PROFILE = """
import bagit, bagit_profile, json, sys
profile = json.load(open(sys.argv[2]))
checked = bagit_profile.Profile(profile["BagIt-Profile-Info"]["BagIt-Profile-Identifier"], profile=profile)
is_valid = checked.validate(bagit.Bag(sys.argv[1]))
is_serialized = checked.validate_serialization(sys.argv[3])
sys.stderr.write(str(checked.report))
sys.exit(0 if is_valid and is_serialized else 1)
"""


@dataclass(frozen=True)
class Unpacked:
    """A package of a whole case with media, unpacked, and the zip beside it."""

    folder: Path
    archive: Path
    key: str
    authority: TimeAuthority


@pytest.fixture(scope="module")
def unpacked(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    directory = tmp_path_factory.mktemp("stock")
    authority = make_authority(directory / "tsa", name="Hub")
    database = create_database(postgres)
    with (
        open_packages(database, directory / "data") as packages,
        web_server(lambda _, body: authority.answer(body)) as tsa,
    ):
        file = directory / "authorities.toml"
        file.write_text(f'[[authority]]\nname = "hub"\nurl = "{tsa.base_url}/tsr"\nroots = "{authority.root}"\n')
        assert stamp_heads(packages.hub.sessions, read_authorities(file), Outgoing(5.0), 3600) == 1
        settings = packages.stores.settings.model_copy(update={"tsa_file": file})
        stamped = PackageHub(packages.hub, Stores(settings, packages.stores.blobs, packages.stores.packages))
        content = stamped.make("case", media=True, opens=None)
        key = packages.hub.vkey.encode()
    with postgres.administration() as owner:
        drop_database(owner, database.name)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        archive.extractall(directory / "unpacked")
    (folder,) = (directory / "unpacked").iterdir()
    packed = directory / f"{folder.name}.zip"
    packed.write_bytes(content)
    return Unpacked(folder, packed, key, authority)


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_coreutils_when_given_the_manifests_then_find_every_file_as_packed(unpacked: Unpacked) -> None:
    for algorithm in ("sha256", "sha512"):
        for name in (f"manifest-{algorithm}.txt", f"tagmanifest-{algorithm}.txt"):
            checked = run(f"{algorithm}sum", "--check", "--strict", "--quiet", name, cwd=unpacked.folder)
            assert checked.returncode == 0, checked.stdout + checked.stderr


def test_readme_by_hand_when_followed_then_an_act_stands_among_the_leaves(unpacked: Unpacked) -> None:
    (stream, *_) = sorted((unpacked.folder / "data/ledger/streams").iterdir())
    script = f"sed -n 3p {stream} | tr -d '\\n' | sha256sum | cut -c1-64 | xargs -I+ grep -c + data/ledger/leaves.txt"
    assert run("bash", "-c", script, cwd=unpacked.folder).stdout == "1\n"
    sealed = json.loads((unpacked.folder / "seal/entry.json").read_bytes())["data"]
    for name, member in (("manifest-sha256.txt", "manifest_sha256"), ("bag-info.txt", "bag_info_sha256")):
        assert run("sha256sum", name, cwd=unpacked.folder).stdout.split()[0] == sealed[member]


def test_bagit_python_when_given_the_bag_then_finds_it_valid(unpacked: Unpacked) -> None:
    checked = run(sys.executable, "-c", BAGIT, str(unpacked.folder))
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("1.0 ['sha256', 'sha512'] ")


def test_bagit_profile_when_given_the_published_profile_then_the_bag_keeps_it(unpacked: Unpacked) -> None:
    published = DOCS / "bagit-profile.json"
    assert published.read_bytes() == profile_json()
    assert json.loads(published.read_bytes())["BagIt-Profile-Info"]["BagIt-Profile-Identifier"] == IDENTIFIER
    checked = run(sys.executable, "-c", PROFILE, str(unpacked.folder), str(published), str(unpacked.archive))
    assert checked.returncode == 0, checked.stderr


def test_go_when_given_the_folder_then_proves_acts_leaves_seal_and_growth(unpacked: Unpacked, tmp_path: Path) -> None:
    checked = run(str(build_go("gobag", tmp_path)), "-key", unpacked.key, str(unpacked.folder))
    assert checked.returncode == 0, checked.stderr
    assert [line.split()[1].rstrip(":") for line in checked.stdout.splitlines()] == [
        *("checkpoint", "inclusion", "leaves", "seal", "growth"),
    ]


def test_go_when_an_act_was_altered_then_refuses(unpacked: Unpacked, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    assert run("cp", "-r", str(unpacked.folder), str(copied)).returncode == 0
    (stream, *_) = sorted((copied / "data/ledger/streams").iterdir())
    stream.write_bytes(stream.read_bytes().replace(b'"role":"', b'"role":"x', 1))
    checked = run(str(build_go("gobag", tmp_path)), "-key", unpacked.key, str(copied))
    assert checked.returncode != 0
    assert "tlog-proof" in checked.stderr


def test_openssl_when_given_the_stamp_then_verifies_the_checkpoints_bytes(unpacked: Unpacked) -> None:
    (anchored,) = (unpacked.folder / "data/anchors").iterdir()
    roots = unpacked.folder / "data/trust/tsa-roots.pem"
    assert unpacked.authority.root.read_text().strip().splitlines()[1] in roots.read_text()
    openssl(
        *("ts", "-verify", "-data", str(anchored / "checkpoint"), "-in", str(anchored / "hub.tsr")),
        *("-CAfile", str(unpacked.authority.root)),
    )
    with pytest.raises(subprocess.CalledProcessError):
        openssl(
            *("ts", "-verify", "-data", str(unpacked.folder / "data/ledger/checkpoint")),
            *("-in", str(anchored / "hub.tsr"), "-CAfile", str(unpacked.authority.root)),
        )


def test_verify_py_when_given_the_stamped_package_then_says_which_acts_the_stamp_covers(unpacked: Unpacked) -> None:
    with unpacked.archive.open("rb") as file:
        report = verify(file, [parse_key(unpacked.key)])
    assert report.findings == []
    assert report.result_of("growth") == "proven"
    assert any("was time-stamped" in note for note in report.notes)
