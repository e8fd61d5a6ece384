"""The CASE/UCO graph of packages, checked by the community's own programs: a warning of theirs is a failure of ours."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest

from app.exports.export_service import ExportScope
from tests.exports.packages import PackageHub, open_packages
from tests.support.databases import TestServer, create_database, drop_database

pytestmark = pytest.mark.interop

BINARIES = Path(sys.executable).parent
NEWEST = "case-1.5.0"


@pytest.fixture(scope="module")
def packages(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageHub]:
    database = create_database(postgres)
    with open_packages(database, tmp_path_factory.mktemp("data")) as opened:
        yield opened
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def graph_of(content: bytes) -> bytes:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data/case/custody.jsonld")]
        return archive.read(name)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BINARIES / program), *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def checked_by_both(files: list[Path], chain: Path) -> None:
    listed = [str(file) for file in files]
    checked = run("case_validate", "--built-version", NEWEST, *listed)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Conforms: True" in checked.stdout
    assert "warning" not in (checked.stdout + checked.stderr).lower()
    assert run("case_prov_rdf", str(chain), *listed).returncode == 0
    checked = run("case_prov_check", *listed, str(chain))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Conforms: True" in checked.stdout


def test_case_validate_and_prov_check_when_given_a_whole_cases_graph_then_warn_of_nothing(
    packages: PackageHub, tmp_path: Path
) -> None:
    file = tmp_path / "case.jsonld"
    file.write_bytes(graph_of(packages.make("case", media=True, opens=None)))
    checked_by_both([file], tmp_path / "prov.ttl")


def test_case_validate_and_prov_check_when_given_graphs_of_three_packages_then_they_fit_together(
    packages: PackageHub, tmp_path: Path
) -> None:
    """Of one case, with more and less opened: what several of them name they name alike, so they can be one graph."""
    hub = packages.hub
    asked: dict[str, tuple[ExportScope, tuple[UUID, ...], frozenset[str] | None]] = {
        "incident": ("incident", (hub.incident,), None),
        "evidence": ("evidence", hub.items[:1], frozenset()),
        "selection": ("selection", (hub.incident, *hub.items[1:]), frozenset({"title"})),
    }
    files = []
    for name, (scope, ids, opens) in asked.items():
        files.append(tmp_path / f"{name}.jsonld")
        files[-1].write_bytes(graph_of(packages.make(scope, *ids, media=True, opens=opens)))
    checked_by_both(files, tmp_path / "prov.ttl")


def test_case_prov_check_when_a_link_is_cut_then_says_so(packages: PackageHub, tmp_path: Path) -> None:
    """So that what it accepts means something."""
    graph = json.loads(graph_of(packages.make("evidence", packages.hub.items[0])))
    actions = [node for node in graph["@graph"] if "investigation:wasInformedBy" in node]
    del actions[0]["investigation:wasInformedBy"]
    file, chain = tmp_path / "custody.jsonld", tmp_path / "prov.ttl"
    file.write_text(json.dumps(graph))
    assert run("case_prov_rdf", str(chain), str(file)).returncode == 0
    checked = run("case_prov_check", str(file), str(chain))
    assert checked.returncode != 0
    assert "Chain of communication" in checked.stdout
