"""Whatever is done to a package, the verifier refuses it and names the file; also under manifests made anew.

Each kind of tampering is tried plain, with the bag's lists as they were, and with all lists rebuilt, which every stock
BagIt program then accepts.
"""

import io
import json
import os
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.exports.verifier import verify as verifier
from app.exports.verifier.verify import CHECKS, parse_key
from tests.exports.bags import Bag, opened, rebagged
from tests.exports.packages import PackageHub, open_packages
from tests.exports.tamperings import LEAVES, SEAL, STREAMS, TAMPERINGS, ZIPS, patched
from tests.support.databases import TestServer, create_database, drop_database
from tests.support.forked_log import forked_package


@pytest.fixture(scope="module")
def packages(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageHub]:
    database = create_database(postgres)
    with open_packages(database, tmp_path_factory.mktemp("data")) as made:
        yield made
    with postgres.administration() as owner:
        drop_database(owner, database.name)


@pytest.fixture(scope="module")
def bag(packages: PackageHub) -> Bag:
    """Of a whole case, with media and all fields opened."""
    return opened(packages.make("case", media=True, opens=None), parse_key(packages.hub.vkey.encode()))


@pytest.fixture(scope="module")
def later(packages: PackageHub, bag: Bag) -> Bag:
    """A later honest package of one of the items, of the same log."""
    return opened(packages.make("evidence", packages.hub.items[0], media=True), bag.key)


def test_packages_when_honest_then_pass(bag: Bag, later: Bag) -> None:
    for each in (bag, later):
        report = each.check(each.zipped(each.files))
        assert report.findings == []
        assert {report.result_of(check) for check in CHECKS} <= {"proven", "not checked"}
        assert rebagged(each.files) == each.files


@pytest.mark.parametrize("name", TAMPERINGS)
def test_package_when_tampered_with_then_is_refused_and_the_file_is_named(bag: Bag, later: Bag, name: str) -> None:
    files = dict(bag.files)
    culprit = TAMPERINGS[name](bag, later, files)
    plain = bag.check(bag.zipped(files))
    assert not plain.ok
    assert any(culprit in file or file in culprit for _, file, _ in plain.findings), plain.findings
    rebuilt = bag.check(bag.zipped(rebagged(files)))
    assert not rebuilt.ok
    named = {file for _, file, _ in rebuilt.findings}
    # What no other act binds is bound by the seal: that then names the bag as a whole.
    assert named & {culprit, SEAL} or any(culprit in file or file in culprit for file in named if file), named


def test_seal_when_all_lists_are_rebuilt_then_alone_finds_what_stock_programs_pass(bag: Bag) -> None:
    for name in (
        "readme",
        "table_cell",
        "map_moved",
        "verifier",
        "policy",
        "graph_actor",
        "report_words",
        "report_printed",
    ):
        files = dict(bag.files)
        TAMPERINGS[name](bag, bag, files)
        assert {check for check, _, _ in bag.check(bag.zipped(rebagged(files))).findings} == {"seal"}


@pytest.mark.parametrize("name", ZIPS)
def test_zip_when_not_in_its_one_spelling_then_is_refused(bag: Bag, name: str) -> None:
    report = bag.check(ZIPS[name](bag))
    assert "zip" in report.failed(), report.findings
    assert report.result_of("seal") != "proven"


def test_zip_when_cut_off_anywhere_then_is_refused(later: Bag) -> None:
    content = later.zipped(later.files)
    draw = random.Random(8)
    for end in (0, 1, 21, 22, len(content) - 1, *(draw.randrange(len(content)) for _ in range(60))):
        assert "zip" in later.check(content[:end]).failed()


def test_package_when_its_log_forked_a_stream_and_signed_that_then_the_label_used_twice_is_named(bag: Bag) -> None:
    """Whoever holds the log's key makes every proof, list and seal right: this alone is left to find it by."""
    leaves = bag.files[LEAVES].splitlines()
    acts = next(content for path, content in bag.files.items() if path.startswith(STREAMS)).splitlines()
    label = json.loads(acts[1])["label"].encode()
    forked = next(number for number, leaf in enumerate(leaves) if leaf.split()[1] == label)
    report = bag.check(bag.zipped(forked_package(bag.files, forked)))
    assert report.findings == [
        ("leaves", LEAVES, f"line {len(leaves) + 1}: this label is used a second time: a stream was forked")
    ]
    assert report.result_of("inclusion") == report.result_of("seal") == "passed"


FLIPS = 10_000  # Some 15 s.


@dataclass(frozen=True)
class Part:
    """Bytes of a zip up to ``end``, from the part before on: a member's content, or what the zip says of a member."""

    end: int
    is_content: bool
    member: str
    number: int


def _parts(content: bytes) -> list[Part]:
    """In the order in which they stand in the zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos, at = archive.infolist(), archive.start_dir
    parts = []
    for number, info in enumerate(infos, 1):
        begins = info.header_offset + 30 + len(info.filename)  # None is so large that it has a ZIP64 field.
        parts += [Part(begins, False, info.filename, number)]
        parts += [Part(begins + info.file_size, True, info.filename, number)]
    for number, info in enumerate(infos, 1):
        at += 46 + len(info.filename)
        parts.append(Part(at, False, info.filename, number))
    return [*parts, Part(len(content), False, "the zip's end record", 0)]


def _is_named(part: Part, reason: str) -> bool:
    """By its number or its name, of which the flip may have altered one letter or the length; or it ends too late."""
    said = reason.partition(":")[0]
    altered = sum(a != b for a, b in zip(said, part.member, strict=False)) <= 1
    return (
        (len(said) > 1 and altered)
        or said == f"member {part.number}"
        or part.member in reason
        or "ends too early" in reason
    )


@pytest.mark.thorough
def test_package_when_any_one_bit_is_flipped_then_is_refused_and_its_place_is_named(later: Bag) -> None:
    content = later.zipped(later.files)
    draw = random.Random() if os.environ.get("EXHIBIT_HYPOTHESIS_PROFILE") == "fuzz" else random.Random(2026)
    parts = _parts(content)
    for _ in range(FLIPS):
        at, bit = draw.randrange(len(content)), 1 << draw.randrange(8)
        part = next(each for each in parts if at < each.end)
        findings = later.check(patched(content, at, bytes([content[at] ^ bit]))).findings
        if part.is_content:
            assert ("zip", part.member.partition("/")[2]) in {(check, file) for check, file, _ in findings}, (at, bit)
        else:
            ((check, _, reason),) = findings
            assert check == "zip", (at, bit)
            assert _is_named(part, reason) or "not a zip" in reason, (at, bit, reason)


def test_verifier_when_read_then_imports_nothing_of_the_producer() -> None:
    source = Path(verifier.__file__).read_text(encoding="utf-8")
    assert "import app" not in source
    assert "from app" not in source
