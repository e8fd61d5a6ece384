"""Taking a package apart and putting it together again, as somebody does who knows the formats."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.exports.verifier.verify import Key, Report, verify
from app.exports.zip_stream import Member, write_zip
from app.kernel.primitives import canonical_json

Files = dict[str, bytes]
ALGORITHMS = ("sha256", "sha512")


@dataclass(frozen=True)
class Bag:
    """One honest package: its top folder, and its files by path below that."""

    folder: str
    files: Files
    key: Key

    def path(self, beginning: str, number: int = 0) -> str:
        """The n-th file that begins so."""
        return sorted(path for path in self.files if path.startswith(beginning))[number]

    def check(self, content: bytes, *keys: Key) -> Report:
        return verify(io.BytesIO(content), list(keys or (self.key,)))

    def zipped(self, files: Mapping[str, bytes]) -> bytes:
        return zipped(self.folder, files)


def opened(content: bytes, key: Key) -> Bag:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        return Bag(folder, {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}, key)


def zipped(folder: str, files: Mapping[str, bytes]) -> bytes:
    """These files in a zip whose every header is right."""
    members = [Member(f"{folder}/{path}", len(files[path]), zlib.crc32(files[path])) for path in sorted(files)]
    return b"".join(write_zip(lambda: members, lambda member: [files[member.path.partition("/")[2]]]))


def rebagged(files: Mapping[str, bytes]) -> Files:
    """The same files under manifests, counts and tag manifests that fit them."""
    made = {path: content for path, content in files.items() if "manifest-" not in path}
    payload = {path: content for path, content in made.items() if path.startswith("data/")}
    oxum = f"Payload-Oxum: {sum(map(len, payload.values()))}.{len(payload)}"
    lines = made["bag-info.txt"].decode().split("\n")
    made["bag-info.txt"] = "\n".join(oxum if line.startswith("Payload-Oxum") else line for line in lines).encode()
    for algorithm in ALGORITHMS:
        made[f"manifest-{algorithm}.txt"] = _manifest(payload, algorithm)
    tags = {path: content for path, content in made.items() if path not in payload}
    for algorithm in ALGORITHMS:
        made[f"tagmanifest-{algorithm}.txt"] = _manifest(tags, algorithm)
    return made


def _manifest(files: Mapping[str, bytes], algorithm: str) -> bytes:
    return b"".join(f"{hashlib.new(algorithm, files[path]).hexdigest()}  {path}\n".encode() for path in sorted(files))


def edit(content: bytes, change: Callable[[Any], object]) -> bytes:
    """Canonical JSON with one change."""
    value = json.loads(content)
    change(value)
    return canonical_json(value)


def edit_line(content: bytes, number: int, change: Callable[[Any], object]) -> bytes:
    """JSON lines with one change in the n-th, from 0; negative: from the end."""
    lines = content.splitlines()
    lines[number] = edit(lines[number], change)
    return b"".join(line + b"\n" for line in lines)
