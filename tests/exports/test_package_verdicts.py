"""Packages with verdicts that their authors signed: the envelopes go along where rationales are opened."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.access.rules import Role
from app.blobs.local import LocalBlobStore
from app.erasure.service import Ground, erase_field
from app.exports.verifier.verify import parse_key
from app.kernel.primitives import canonical_json
from app.kernel.settings import Settings
from tests.exports.bags import Bag, opened, rebagged
from tests.exports.packages import PackageHub, Stores
from tests.exports.test_signed_verdicts import Affair, open_affair
from tests.factories import add_role, commit_in, make_person
from tests.support.databases import TestServer

VERDICTS = "data/verdicts/"


@pytest.fixture(scope="module")
def affair(postgres: TestServer) -> Iterator[Affair]:
    with open_affair(postgres) as made:
        yield made


@pytest.fixture(scope="module")
def packages(affair: Affair, tmp_path_factory: pytest.TempPathFactory) -> PackageHub:
    data = tmp_path_factory.mktemp("data")
    settings = Settings(data=data, checkpoint_wait_s=20)
    return PackageHub(affair.hub, Stores(settings, LocalBlobStore(data / "blobs"), LocalBlobStore(data / "packages")))


def made(packages: PackageHub, scope: Any = "case", opens: frozenset[str] | None = None) -> Bag:
    ids = () if scope == "case" else (packages.hub.items[0],)
    return opened(packages.make(scope, *ids, opens=opens), parse_key(packages.hub.vkey.encode()))


@pytest.fixture(scope="module")
def bag(packages: PackageHub) -> Bag:
    return made(packages)


def test_package_of_a_case_when_opened_then_verdicts_and_their_keys_are_proven(bag: Bag) -> None:
    report = bag.check(bag.zipped(bag.files))
    assert report.findings == []
    assert report.result_of("verdicts") == "proven"
    assert len([path for path in bag.files if path.startswith(VERDICTS)]) == 2
    (reviewer,) = json.loads(bag.files["data/trust/reviewers.json"])["reviewers"]
    envelope = json.loads(bag.files[bag.path(VERDICTS)])
    assert reviewer["keyid"] == envelope["signatures"][0]["keyid"]


def test_package_of_an_item_when_opened_then_says_that_the_binding_is_elsewhere(packages: PackageHub) -> None:
    item = made(packages, "evidence", frozenset({"rationale"}))
    report = item.check(item.zipped(item.files))
    assert report.findings == []
    assert report.result_of("verdicts") == "proven"
    assert any("binding is not in this package" in note for note in report.notes)


def test_package_when_rationales_stay_closed_then_holds_no_reviewers_words(packages: PackageHub) -> None:
    closed = made(packages, "case", frozenset({"title"}))
    assert closed.check(closed.zipped(closed.files)).findings == []
    assert not [path for path in closed.files if path.startswith(VERDICTS)]


def _in_envelope(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        envelope = json.loads(content)
        change(envelope)
        return canonical_json(envelope)

    return apply


@pytest.mark.parametrize(
    "change",
    [
        _in_envelope(lambda envelope: envelope["signatures"][0].update(sig="A" * 86 + "==")),
        _in_envelope(lambda envelope: envelope["signatures"][0].update(keyid="0" * 64)),
        _in_envelope(lambda envelope: envelope["signatures"].append(envelope["signatures"][0])),
        _in_envelope(lambda envelope: envelope.update(payload="e30=")),
        lambda content: content + b"\n",
        lambda _: b"",
    ],
)
def test_envelope_when_altered_then_is_named(bag: Bag, change: Callable[[bytes], bytes]) -> None:
    path = bag.path(VERDICTS)
    report = bag.check(bag.zipped(rebagged({**bag.files, path: change(bag.files[path])})))
    assert ("verdicts", path) in {(check, file) for check, file, _ in report.findings}


def test_envelopes_when_dropped_or_swapped_then_are_named(bag: Bag) -> None:
    first, second = (bag.path(VERDICTS, number) for number in (0, 1))
    without = {path: content for path, content in bag.files.items() if path != first}
    swapped = {**bag.files, first: bag.files[second], second: bag.files[first]}
    for files in (without, swapped):
        report = bag.check(bag.zipped(rebagged(files)))
        assert ("verdicts", first) in {(check, file) for check, file, _ in report.findings}


@pytest.mark.thorough
def test_rationale_when_erased_then_the_package_verifies_without_its_envelope(
    affair: Affair, packages: PackageHub, bag: Bag
) -> None:
    custodian = make_person(affair.hub.sessions, "Kateryna")
    add_role(affair.hub.sessions, affair.hub.coordinator, affair.hub.case_id, custodian, Role.CUSTODIAN)
    item = str(packages.hub.items[0])
    lines = bag.files[f"data/ledger/streams/{item}.jsonl"].splitlines()
    (line, *_) = [line for line in lines if json.loads(line)["type"] == "evidence.submitted"]
    ground = Ground(reason_code="persons_request", authority="controller")
    commitment = hashlib.sha256(line).hexdigest()
    commit_in(
        affair.hub.sessions,
        lambda uow: erase_field(uow, custodian, commitment, field="rationale", ground=ground),
    )
    after = made(packages)
    report = after.check(after.zipped(after.files))
    assert report.findings == []
    verdict_id = json.loads(line)["data"]["verdict_id"]
    assert f"{VERDICTS}{verdict_id}.dsse.json" not in after.files
