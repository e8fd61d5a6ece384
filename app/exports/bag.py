"""A package as a BagIt 1.0 bag (RFC 8493) in a zip: payload, manifests, seal, tag manifests, in this order.

The payload is staged first, because ``bag-info.txt`` counts it and stands before it. Its manifest is what the seal
commits to; the seal's own files, and the tag manifests over them, lie outside ``data/``.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.blobs.store import BlobStore
from app.exports.bag_profile import IDENTIFIER
from app.exports.dossier import Dossier, Medium
from app.exports.package_formats import COPIES_FOLDER, MEDIA_FOLDER, PACKAGE_FORMATS
from app.exports.staging import Digests, StagedFile, Staging
from app.exports.zip_stream import Member, write_zip

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
ALGORITHMS = ("sha256", "sha512")
Read = Callable[[Medium], Digests]
"""What is known of an original, read for it if it must be. Raises when its bytes are not those that were received."""


@dataclass(frozen=True)
class Seal:
    """The files of ``seal/``: the later entry, its proof, and that its tree continues the package's."""

    entry: bytes
    proof: bytes
    consistency: bytes

    def files(self) -> dict[str, bytes]:
        return {
            "seal/consistency": self.consistency,
            "seal/entry.json": self.entry,
            "seal/proof.tlog-proof": self.proof,
        }


class Payload:
    """The files below ``data/``, staged, and what stands in the bag about them. Close it when done."""

    def __init__(self, dossier: Dossier, directory: Path, read: Read) -> None:
        self.dossier = dossier
        self._directory = directory
        self.staging = Staging(directory)
        try:
            self._stage(read)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Payload":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.staging.__exit__(None, None, None)

    def _stage(self, read: Read) -> None:
        media = self.dossier.media if self.dossier.has_media else ()
        due = [(COPIES_FOLDER, self.dossier.copies), (MEDIA_FOLDER, media)]
        for part in PACKAGE_FORMATS:
            while due and due[0][0] < part.PATH:
                for each in due.pop(0)[1]:
                    self.staging.add_blob(each.path, read(each))
            for path, chunks in part.write(self.dossier):
                self.staging.add(path, chunks)

    def bag_info(self) -> bytes:
        """``Bagging-Date`` is the day of the export's entries: the same package made later has the same."""
        dossier, staging = self.dossier, self.staging
        return (
            f"External-Identifier: urn:uuid:{dossier.id}\n"
            f"Bagging-Date: {dossier.time:%Y-%m-%d}\n"
            f"Payload-Oxum: {staging.size_bytes}.{staging.files_count}\n"
            f"BagIt-Profile-Identifier: {IDENTIFIER}\n"
        ).encode()

    def manifest(self, algorithm: str) -> Iterator[bytes]:
        return manifest_lines(self.staging.files(), algorithm)

    def manifest_sha256(self) -> str:
        """Of ``manifest-sha256.txt``, as the seal names it."""
        digest = hashlib.sha256()
        for line in self.manifest("sha256"):
            digest.update(line)
        return digest.hexdigest()

    def write(self, seal: Seal, blobs: BlobStore) -> Iterator[bytes]:
        """The whole zip in pieces, in constant memory. Raises BlobMissing, BlobUnreadable."""
        with Staging(self._directory) as tags:
            before = {"bag-info.txt": self.bag_info(), "bagit.txt": DECLARATION}
            for path, content in before.items():
                tags.add(path, [content])
            for algorithm in ALGORITHMS:
                tags.add(f"manifest-{algorithm}.txt", self.manifest(algorithm))
            for path, content in seal.files().items():
                tags.add(path, [content])
            with Staging(self._directory) as lists:
                for algorithm in ALGORITHMS:
                    lists.add(f"tagmanifest-{algorithm}.txt", manifest_lines(tags.files(), algorithm))
                yield from self._zip(tags, lists, len(before), blobs)

    def _zip(self, tags: Staging, lists: Staging, before: int, blobs: BlobStore) -> Iterator[bytes]:
        folder = self.dossier.folder
        at_hand: dict[str, tuple[Staging, StagedFile]] = {}

        def files() -> Iterator[tuple[Staging, StagedFile]]:
            tag_files = list(tags.files())
            yield from ((tags, file) for file in tag_files[:before])
            yield from ((self.staging, file) for file in self.staging.files())
            yield from ((tags, file) for file in tag_files[before:])
            yield from ((lists, file) for file in lists.files())

        def members() -> Iterator[Member]:
            for staging, file in files():
                member = file.member(folder)
                at_hand["now"] = (staging, file)
                yield member

        def content(_: Member) -> Iterable[bytes]:
            staging, file = at_hand["now"]
            return staging.read(file, blobs)

        return write_zip(members, content)


def manifest_lines(files: Iterable[StagedFile], algorithm: str) -> Iterator[bytes]:
    """``<digest>  <path>``, two spaces, LF: also what ``sha256sum -c`` reads."""
    for file in files:
        yield f"{getattr(file.digests, algorithm)}  {file.path}\n".encode("ascii")
