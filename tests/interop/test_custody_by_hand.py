"""docs/custody.md, "By hand": run exactly as printed, with coreutils and OpenSSL, on the file of a running server."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.test_custody_tampering import resealed
from tests.interop.test_readme_tour import BLOCK, END_OF_BLOCK, ROOT, shape
from tests.media_samples import ASSETS
from tests.support.api import Api, Person
from tests.support.journey import api_of, close, received, settled
from tests.support.product import Product

PROGRAMS = ("bash", "basenc", "sha256sum", "openssl", "grep", "sed", "cut", "tr", "sort", "uniq", "head", "tail", "seq")


def printed() -> list[tuple[str, str]]:
    """Each block's commands and the output that the page prints for them."""
    text = (ROOT / "docs" / "custody.md").read_text(encoding="utf-8")
    by_hand = text.split("<!-- by hand -->")[1].split("<!-- /by hand -->")[0]
    return [(found["commands"], found["output"] or "") for found in BLOCK.finditer(by_hand)]


@pytest.fixture
def hub(server: Product) -> Iterator[Api]:
    api = api_of(server)
    yield api
    close(api)


def take_file(hub: Api) -> tuple[Person, str, bytes]:
    person = hub.person("Olena")
    case_id = hub.case(person, verifier=(person,))
    item, _ = (
        received(person, case_id, (ASSETS / name).read_bytes(), name, notes='Seen "twice" — très tôt')
        for name in ("rocket.jpg", "temple.jpg")
    )
    settled(person, item)
    answer = person.get(f"/v1/evidence/{item}/custody/file?format=jsonl&purpose=court&disclose=all")
    assert answer.status_code == 200, answer.text
    return person, item, answer.content


def run(script: str, directory: Path, key: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "FILE": "custody.jsonl", "KEY": key}
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_custody_file_when_checked_by_hand_as_printed_then_every_step_says_what_the_page_says(
    hub: Api, tmp_path: Path
) -> None:
    for program in PROGRAMS:
        assert shutil.which(program), f"checking by hand needs {program}"
    _, _, content = take_file(hub)
    (tmp_path / "custody.jsonl").write_bytes(content)
    key = hub.client().get("/v1/ledger/key").json()["vkey"]
    blocks = printed()
    assert len(blocks) == 10

    done = run(f"\necho '{END_OF_BLOCK}'\n".join(commands for commands, _ in blocks), tmp_path, key)

    assert done.returncode == 0, done.stdout + done.stderr
    outputs = [output.strip() for output in done.stdout.split(END_OF_BLOCK)]
    for (commands, expected), output in zip(blocks, outputs, strict=True):
        assert shape(output) == shape(expected.strip()), f"after:\n{commands}"

    assert_forgeries_are_seen(blocks, content, key, tmp_path)


def assert_forgeries_are_seen(blocks: list[tuple[str, str]], content: bytes, key: str, directory: Path) -> None:
    """The page's steps are checks and no decoration: each kind of forgery stops one of them."""
    script = "\n".join(commands for commands, _ in blocks)
    flipped = re.sub(rb"(\\n3\\n|\\n)(\d+)(\\n)", lambda found: found[1] + found[2] + b"0" + found[3], content, count=1)
    lines = content.split(b"\n")
    forgeries = {
        "an entry's word": content.replace(b'"method":"download"', b'"method":"bought"', 1),
        "the signed size": flipped,
        "a leaf": re.sub(rb'("index":0,"kind":"leaf","leaf":"custody-leaf/v1 )[0-9a-f]{4}', rb"\g<1>dead", content),
        "two entries exchanged": b"\n".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
        "a disclosed name": content.replace(b'"value":"', b'"value":"x', 1),
    }
    for what, forged in forgeries.items():
        assert forged != content, what
        (directory / "custody.jsonl").write_bytes(resealed(forged.splitlines()))  # Or the trailer's hash would tell.
        assert run(script, directory, key).returncode != 0, what
    (directory / "custody.jsonl").write_bytes(content)
    name, hash_, _ = key.split("+", 2)
    other = f"{name}+{hash_}+{'A' * 44}"
    assert run(script, directory, other).returncode != 0
