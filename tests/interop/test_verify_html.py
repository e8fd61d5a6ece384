"""verify.html in a real Chromium: honest packages pass; whatever verify.py refuses, it refuses, for the same file."""

import io
import json
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from app.anchors.authorities import read_authorities
from app.anchors.outgoing import Outgoing
from app.anchors.stamping import stamp_heads
from app.blobs.local import LocalBlobStore
from app.exports.verifier.verify import Report, parse_key, parse_policy, verify
from app.exports.verifier_page import content_policy, page
from app.kernel.settings import Settings
from app.ledger.checkpoint import VerifierKey
from app.ledger.cosignature import WitnessKey
from tests.exports.bags import Bag, edit, opened, rebagged
from tests.exports.packages import PackageHub, Stores, open_packages
from tests.exports.tamperings import LEAVES, SEAL, STREAMS, TAMPERINGS, ZIPS
from tests.exports.test_signed_verdicts import open_affair
from tests.ledger.acts import OTHER_SIGNER
from tests.support.chromium import VerifierPage, chromium_processes, most_memory_mib, open_chromium, open_page
from tests.support.databases import TestServer, create_database, drop_database
from tests.support.forked_log import forked_package
from tests.support.time_authority import make_authority
from tests.support.web_server import web_server
from tests.support.witnesses import cosign, witness_key

pytestmark = pytest.mark.interop


def _renamed(key: str, name: str) -> str:
    """The same public key under another name."""
    return WitnessKey(name, parse_key(key, 4).public_key).encode()


@pytest.fixture(scope="module")
def packages(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageHub]:
    database = create_database(postgres)
    with open_packages(database, tmp_path_factory.mktemp("data")) as made:
        yield made
    with postgres.administration() as owner:
        drop_database(owner, database.name)


@pytest.fixture(scope="module")
def key(packages: PackageHub) -> str:
    return packages.hub.vkey.encode()


@pytest.fixture(scope="module")
def bag(packages: PackageHub, key: str) -> Bag:
    """Of a whole case, with media and all fields opened."""
    return opened(packages.make("case", media=True, opens=None), parse_key(key))


@pytest.fixture(scope="module")
def later(packages: PackageHub, bag: Bag) -> Bag:
    """A later honest package of one of the items, of the same log."""
    return opened(packages.make("evidence", packages.hub.items[0], media=True), bag.key)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def bench(browser: Browser, key: str) -> Iterator[VerifierPage]:
    """One page for all checks under the pinned key."""
    with open_page(browser) as ready:
        ready.use_key(key)
        yield ready
        assert ready.heard == []


def require_agreement(seen: dict[str, Any], said: Report) -> None:
    """The page's report is verify.py's but for words: the same checks, results, notes and culprits."""
    expected = said.as_json()
    for name in ("ok", "pinned", "export", "notes"):
        assert seen[name] == expected[name], name
    assert [(each["check"], each["result"]) for each in seen["checks"]] == [
        (each["check"], each["result"]) for each in expected["checks"]
    ]
    assert [(each["check"], each["file"]) for each in seen["findings"]] == [
        (each["check"], each["file"]) for each in expected["findings"]
    ]


def test_page_when_opened_from_the_disk_and_given_packages_of_each_scope_then_proves_them(
    browser: Browser, packages: PackageHub, key: str, bag: Bag, tmp_path: Path
) -> None:
    hub = packages.hub
    made = {
        "case": bag.zipped(bag.files),
        "incident": packages.make("incident", hub.incident),
        "evidence": packages.make("evidence", hub.items[1], media=True, opens=None),
        "selection": packages.make("selection", hub.incident, hub.items[0], opens=frozenset({"title"})),
    }
    with open_page(browser) as ready:
        ready.use_key(key)
        for scope, content in made.items():
            (tmp_path / f"{scope}.zip").write_bytes(content)
            ready.choose(tmp_path / f"{scope}.zip")
            seen = ready.run()
            require_agreement(seen, verify(io.BytesIO(content), [parse_key(key)]))
            assert (seen["ok"], seen["export"]["scope"]) == (True, scope)
            assert ready.page.inner_text("#verdict h2").startswith("PROVEN.")
            ready.drop(content)
            assert not ready.page.is_visible("#result")
            assert ready.run()["zip"]["sha256"] == seen["zip"]["sha256"]
        assert ready.heard == []


def test_report_when_saved_then_is_the_one_that_is_shown(bench: VerifierPage, later: Bag, tmp_path: Path) -> None:
    bench.drop(later.zipped(later.files))
    seen = bench.run()
    with bench.page.expect_download() as begun:
        bench.page.click("#save")
    begun.value.save_as(tmp_path / "report.json")
    assert begun.value.suggested_filename == "dropped-report.json"
    assert json.loads((tmp_path / "report.json").read_bytes()) == seen
    assert seen["ed25519"] == "this page's own arithmetic, and WebCrypto"
    assert bench.page.locator("#result table").count() == 3  # Checks, custody, media.


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_page_when_served_with_its_headers_then_checks_and_says_what_the_browser_lacks(
    browser: Browser, bag: Bag, key: str, scheme: str
) -> None:
    address, text = f"{scheme}://exhibit.example/v1/export-verifier.html", page()
    headers = {"Content-Security-Policy": content_policy(text), "Content-Type": "text/html; charset=utf-8"}
    context = browser.new_context()
    context.route("**/*", lambda route: route.fulfill(body=text, headers=headers))
    ready = VerifierPage(context.new_page())
    ready.open(address)
    ready.use_key(key)
    ready.drop(bag.zipped(bag.files))
    assert ready.run()["ok"]
    assert ready.heard == []
    lacks = ready.page.inner_text("#lacks")
    assert ("no WebCrypto" in lacks) == (scheme == "http")
    assert ready.shown()["ed25519"].startswith("this page's own arithmetic" + (" alone" if scheme == "http" else ","))
    context.close()


def test_page_when_there_is_no_key_then_refuses_or_says_loudly_what_that_is_worth(browser: Browser, bag: Bag) -> None:
    with open_page(browser) as ready:
        ready.page.click("#check")
        assert "Choose the package" in ready.page.inner_text("#status")
        ready.drop(bag.zipped(bag.files))
        ready.page.click("#check")
        assert "No key" in ready.page.inner_text("#status")
        ready.page.set_checked("#unpinned", True)
        seen = ready.run()
        require_agreement(seen, verify(io.BytesIO(bag.zipped(bag.files)), []))
        assert ready.page.inner_text("#verdict h2").startswith("UNPINNED.")
        assert "proven" not in {each["result"] for each in seen["checks"]}
        for slip in ("nonsense", bag.key.name, "a+b+c"):
            ready.use_key(slip)
            ready.page.click("#check")
            ready.page.locator("#check:enabled").wait_for()
            assert "Nothing was checked" in ready.page.inner_text("#status")
            assert not ready.page.is_visible("#result")


def test_packages_when_tampered_with_then_are_all_refused_as_verify_py_does(
    bench: VerifierPage, bag: Bag, later: Bag
) -> None:
    tried: list[tuple[str, str, bytes]] = []
    for name, tamper in TAMPERINGS.items():
        files = dict(bag.files)
        culprit = tamper(bag, later, files)
        tried += [(name, culprit, bag.zipped(files)), (f"{name}, rebuilt", culprit, bag.zipped(rebagged(files)))]
    assert len(tried) > 200
    for (name, culprit, content), seen in zip(tried, bench.check_all([each[2] for each in tried]), strict=True):
        assert not seen["ok"], name
        named = {each["file"] for each in seen["findings"]}
        assert SEAL in named or any(culprit in file or file in culprit for file in named if file), (name, named)
        require_agreement(seen, bag.check(content))


def test_zips_when_odd_or_cut_off_then_are_all_refused_as_verify_py_does(
    bench: VerifierPage, bag: Bag, later: Bag
) -> None:
    whole, draw = later.zipped(later.files), random.Random(8)
    ends = (0, 1, 21, 22, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(40)))
    tried = [*(make(bag) for make in ZIPS.values()), *(whole[:end] for end in ends)]
    for content, seen in zip(tried, bench.check_all(tried), strict=True):
        assert "zip" in {each["check"] for each in seen["findings"]}
        require_agreement(seen, bag.check(content))


def test_package_when_any_one_bit_is_flipped_then_is_refused_as_verify_py_does(bench: VerifierPage, later: Bag) -> None:
    content, draw = later.zipped(later.files), random.Random(2026)
    flips = [(draw.randrange(len(content)), 1 << draw.randrange(8)) for _ in range(300)]
    for (at, bit), seen in zip(flips, bench.check_all([content], flips), strict=True):
        flipped = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
        assert {each["check"] for each in seen["findings"]} & {"zip", "bag"}, (at, bit)
        require_agreement(seen, later.check(flipped))


def test_text_when_a_package_brings_it_then_is_shown_as_text_and_never_run(bench: VerifierPage, bag: Bag) -> None:
    evil = "<img src=x onerror=\"document.title='run'\">\u202ezip.exe"
    name = "manifest-sha256.txt"
    files = {**bag.files, name: bag.files[name] + f"{'0' * 64}  {evil}\n".encode()}
    bench.drop(bag.zipped(files))
    seen = bench.run()
    assert evil in {each["file"] for each in seen["findings"]}
    assert bench.page.locator("#result img").count() == 0
    assert evil.replace("\u202e", "\ufffd") in bench.page.inner_text("#findings")
    assert bench.page.title() == "Exhibit: check a custody package"


def _cosigned(bag: Bag) -> bytes:
    """With cosignatures of two witnesses under its tree head, which nobody sealed."""
    note = bag.files["data/ledger/checkpoint"]
    signed = note + (cosign(note.decode(), 1) + cosign(note.decode(), 3)).encode()
    return bag.zipped(rebagged({path: content.replace(note, signed) for path, content in bag.files.items()}))


POLICIES = {
    "none": "quorum none\n",
    "met": "".join(f"witness w{n} {witness_key(n).encode()}\n" for n in (1, 2, 3)) + "group g 2 w1 w2 w3\nquorum g\n",
    "unmet": "".join(f"witness w{n} {witness_key(n).encode()}\n" for n in (1, 2, 3)) + "group g all w1 w2\nquorum g\n",
    "other_key": f"witness w1 {_renamed(witness_key(2).encode(), witness_key(1).name)}\nquorum w1\n",
    "other_log": f"log {VerifierKey('other.example', OTHER_SIGNER.public_key).encode()}\nquorum none\n",
}


def test_policy_when_asked_for_then_witnesses_are_found_as_verify_py_finds_them(
    browser: Browser, bag: Bag, key: str, tmp_path: Path
) -> None:
    results = []
    with open_page(browser) as ready:
        ready.use_key(key)
        ready.page.click("summary")
        for content in (bag.zipped(bag.files), _cosigned(bag)):
            ready.drop(content)
            for text in POLICIES.values():
                (tmp_path / "policy").write_text(text)
                ready.page.set_input_files("#policy", tmp_path / "policy")
                seen = ready.run()
                said = verify(io.BytesIO(content), [parse_key(key)], parse_policy(text.encode()))
                require_agreement(seen, said)
                results.append(said.result_of("witnesses"))
    assert results == ["proven", *["FAILED"] * 4, "passed", "passed", *["FAILED"] * 3]


def test_verdicts_when_signed_then_are_proven_and_each_change_of_them_is_refused_as_verify_py_does(
    browser: Browser, postgres: TestServer, tmp_path: Path
) -> None:
    settings = Settings(data=tmp_path, checkpoint_wait_s=20)
    stores = Stores(settings, LocalBlobStore(tmp_path / "blobs"), LocalBlobStore(tmp_path / "packages"))
    with open_affair(postgres) as affair, open_page(browser) as ready:
        made = PackageHub(affair.hub, stores)
        key = affair.hub.vkey.encode()
        honest = opened(made.make("case", opens=None), parse_key(key))
        item = made.make("evidence", affair.hub.items[0], opens=frozenset({"rationale"}))
        first, second = (honest.path("data/verdicts/", number) for number in (0, 1))
        whole = honest.files[first]
        changes: dict[str, dict[str, bytes]] = {
            "signature": {first: edit(whole, lambda envelope: envelope["signatures"][0].update(sig="A" * 86 + "=="))},
            "keyid": {first: edit(whole, lambda envelope: envelope["signatures"][0].update(keyid="0" * 64))},
            "payload": {first: edit(whole, lambda envelope: envelope.update(payload="e30="))},
            "swapped": {first: honest.files[second], second: whole},
            "empty": {first: b""},
        }
        altered = [rebagged({**honest.files, **change}) for change in changes.values()]
        altered.append(rebagged({path: content for path, content in honest.files.items() if path != first}))
        tried = [honest.zipped(honest.files), item, *map(honest.zipped, altered)]
        ready.use_key(key)
        reports = ready.check_all(tried)
    for content, seen in zip(tried, reports, strict=True):
        require_agreement(seen, verify(io.BytesIO(content), [parse_key(key)]))
    assert [each["ok"] for each in reports] == [True, True, *[False] * len(altered)]
    assert all(("verdicts", first) in {(f["check"], f["file"]) for f in each["findings"]} for each in reports[2:])


def test_growth_when_stamped_then_is_proven_and_each_change_of_it_is_refused_as_verify_py_does(
    bench: VerifierPage, packages: PackageHub, key: str, tmp_path: Path
) -> None:
    authority, file = make_authority(tmp_path / "tsa", name="Hub"), tmp_path / "authorities.toml"
    with web_server(lambda _, body: authority.answer(body)) as tsa:
        file.write_text(f'[[authority]]\nname = "hub"\nurl = "{tsa.base_url}/tsr"\nroots = "{authority.root}"\n')
        with ThreadPoolExecutor(1) as aside:  # It runs an event loop of its own; the browser's runs in this thread.
            stamping = aside.submit(stamp_heads, packages.hub.sessions, read_authorities(file), Outgoing(5.0), 3600)
            assert stamping.result() == 1
    settings = packages.stores.settings.model_copy(update={"tsa_file": file})
    stores = Stores(settings, packages.stores.blobs, packages.stores.packages)
    content = PackageHub(packages.hub, stores).make("evidence", packages.hub.items[2])
    stamped = opened(content, parse_key(key))
    parts = [stamped.path(f"data/{each}/") for each in ("ledger/consistency", "ledger/checkpoints", "anchors")]
    tried = [content]
    for path in parts:
        kept = {name: each for name, each in stamped.files.items() if name != path}
        tried += [stamped.zipped(rebagged(kept)), stamped.zipped(rebagged({**stamped.files, path: b"old 1\n\nx\n"}))]
    reports = bench.check_all(tried)
    for each, seen in zip(tried, reports, strict=True):
        require_agreement(seen, verify(io.BytesIO(each), [parse_key(key)]))
    assert [each["ok"] for each in reports] == [True, *[False] * 6]
    assert {each["check"]: each["result"] for each in reports[0]["checks"]}["growth"] == "proven"
    bench.drop(content)
    bench.run()
    (command,) = [line for line in bench.page.inner_text("#result").splitlines() if line.startswith("openssl ts")]
    assert f"-in {stamped.path('data/anchors/', 2)} " in command


def test_package_when_its_log_forked_a_stream_and_signed_that_then_the_label_used_twice_is_named(
    bench: VerifierPage, bag: Bag
) -> None:
    acts = next(content for path, content in bag.files.items() if path.startswith(STREAMS)).splitlines()
    label, leaves = json.loads(acts[1])["label"].encode(), bag.files[LEAVES].splitlines()
    forked = next(number for number, leaf in enumerate(leaves) if leaf.split()[1] == label)
    content = bag.zipped(forked_package(bag.files, forked))
    bench.drop(content)
    seen = bench.run()
    require_agreement(seen, bag.check(content))
    (finding,) = seen["findings"]
    assert (finding["check"], finding["file"]) == ("leaves", LEAVES)
    assert finding["reason"] == f"line {len(leaves) + 1}: this label is used a second time: a stream was forked"
    assert "this label is used a second time" in bench.page.inner_text("#findings")


def test_check_when_cancelled_then_ends_its_workers_and_the_next_one_is_made(
    browser: Browser, later: Bag, key: str
) -> None:
    with open_page(browser) as ready:
        ready.use_key(key)
        ready.drop_long(4096)
        ready.page.click("#check")
        ready.page.locator("#status", has_text="of 4.3 GB").wait_for()
        assert 0 < float(ready.page.evaluate("document.getElementById('progress').value")) < 1
        assert ready.page.workers
        ready.page.click("#cancel")
        assert ready.page.inner_text("#status") == "Cancelled. Nothing was checked."
        assert not ready.page.is_visible("#progress")
        assert not ready.page.is_visible("#result")
        for _ in range(200):
            if ready.page.workers:
                ready.page.wait_for_timeout(50)
        assert ready.page.workers == []
        ready.drop(later.zipped(later.files))
        assert ready.run()["ok"]
        assert ready.heard == []


NOTICED = """() => {
  window.noticed = [];
  window.focused = [];
  addEventListener("focusin", (event) => window.focused.push(event.target.id || event.target.tagName));
  const told = document.getElementById("told");
  new MutationObserver(() => window.noticed.push(told.textContent)).observe(told, { childList: true, subtree: true });
}"""


def _focused(ready: VerifierPage) -> str:
    return str(ready.page.evaluate("document.activeElement.id || document.activeElement.tagName"))


def test_page_when_used_by_keyboard_and_ear_then_keeps_the_place_and_says_each_quarter_once(
    browser: Browser, later: Bag, key: str
) -> None:
    with open_page(browser) as ready:
        order = []
        for _ in range(6):
            ready.page.keyboard.press("Tab")
            order.append(_focused(ready))
        assert order == ["package", "key", "key-file", "unpinned", "SUMMARY", "check"]
        ready.page.keyboard.press("Enter")
        assert (
            ready.page.inner_text("#told")
            == ready.page.inner_text("#status")
            == "Choose the package first: a .zip file."
        )
        ready.use_key(key)
        ready.page.evaluate(NOTICED)
        ready.drop_long(256)
        ready.page.focus("#check")
        ready.page.keyboard.press("Enter")
        ready.page.locator("#verdict h2").wait_for()
        assert ready.page.evaluate("window.focused") == ["check", "cancel", "check", "H2"]  # The result's first line.
        noticed = [each for each in ready.page.evaluate("window.noticed") if "percent" in each]
        assert len(noticed) == len(set(noticed))
        assert 2 <= len(noticed) <= 6
        ready.drop(later.zipped(later.files))
        ready.page.focus("#check")
        ready.page.keyboard.press("Space")
        ready.page.locator("#verdict h2").wait_for()
        assert ready.page.inner_text("#verdict h2").startswith("PROVEN.")


def test_page_when_its_browser_remembers_what_a_check_disabled_then_can_be_used_again(
    browser: Browser, tmp_path: Path
) -> None:
    """As Firefox does of a page that is loaded again meanwhile."""
    remembered = re.sub(
        r'(<(?:input|textarea) [^>]*id="[a-z-]+"|<button type="button" id="check")', r"\1 disabled", page()
    )
    assert remembered.count(" disabled") >= 7
    (tmp_path / "page.html").write_text(remembered, encoding="utf-8")
    with open_page(browser, (tmp_path / "page.html").as_uri()) as ready:
        assert ready.page.locator("#ask :disabled").count() == 0


def test_names_when_written_from_right_to_left_then_stand_apart_from_hashes_in_unbroken_words(
    browser: Browser, bag: Bag, key: str
) -> None:
    """What the opened names say is the hub's; their direction and their place are the page's."""
    with open_page(browser) as ready:
        name = "\u0636\u0631\u0628\u0629_\u0639\u0644\u0649_\u0627\u0644\u0633\u0648\u0642.jpg"
        ready.page.evaluate(
            "(name) => { window.foreignName = foreign(name); document.body.append(window.foreignName) }", name
        )
        assert ready.page.evaluate("getComputedStyle(window.foreignName).unicodeBidi") == "isolate"
        assert ready.page.evaluate("getComputedStyle(window.foreignName).direction") == "rtl"
        ready.use_key(key)
        ready.drop(bag.zipped(bag.files))
        ready.run()
        cell = "getComputedStyle(document.querySelector('#media td:{0}'))"
        for column in ("first-child code bdi", "nth-child(3) code bdi"):
            assert ready.page.evaluate(f"{cell.format(column)}.direction") == "ltr"
        width = ready.page.evaluate("document.querySelector('#media td:last-child').getBoundingClientRect().width")
        assert width >= 160


def test_file_when_changed_after_it_was_chosen_then_nothing_is_said_of_it_and_the_next_one_is_checked(
    browser: Browser, later: Bag, key: str, tmp_path: Path
) -> None:
    content, file = later.zipped(later.files), tmp_path / "package.zip"
    with open_page(browser) as ready:
        ready.use_key(key)
        file.write_bytes(content)
        ready.choose(file)
        file.write_bytes(content + bytes(2**20))
        ready.page.click("#check")
        ready.page.locator("#check:enabled").wait_for()
        assert "the file could not be read" in ready.page.inner_text("#status")
        assert not ready.page.is_visible("#result")
        (tmp_path / "again.zip").write_bytes(content)
        ready.choose(tmp_path / "again.zip")
        assert ready.run()["ok"]


def test_memory_when_a_file_is_large_then_is_that_of_a_small_one(browser: Browser, tmp_path: Path) -> None:
    """Half a gigabyte of zeros: no zip, and read to its end for its digest all the same."""
    size, before = 512 * 2**20, set(chromium_processes())
    with open(tmp_path / "large.zip", "wb") as file:
        file.truncate(size)
    with open_page(browser) as ready:
        ready.page.set_checked("#unpinned", True)
        ready.choose(tmp_path / "large.zip")
        seen = ready.run()
        assert seen["zip"]["sha256"] == "9acca8e8c22201155389f65abbf6bc9723edc7384ead80503839f49dcc56d767"
        assert most_memory_mib(but=before) < 300  # It was 690 while the browser made a new buffer for each piece.
