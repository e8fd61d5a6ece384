"""What tests are given a second time is what decoding gives, with its files in the store at hand."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.blobs.local import LocalBlobStore
from app.blobs.store import BlobMissing
from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints.algorithms.catalog import CATALOG
from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media import frames
from app.media.jail.result import Pixels
from tests.media_samples import PHOTOGRAPHS, resized
from tests.support import work as remembering
from tests.support.api import Api
from tests.support.work import work_of


def stored(blobs: LocalBlobStore, content: bytes) -> Sha256Hex:
    with blobs.begin() as writer:
        writer.write(content)
        return writer.commit().sha256


def test_decoding_when_given_again_then_is_that_of_the_same_bytes_and_its_files_are_stored(
    api: Api, tmp_path: Path
) -> None:
    content = resized(PHOTOGRAPHS[1], 0.2)
    with work_of(api) as work, closing(LocalBlobStore(tmp_path / "other")) as other:
        first, second = work.resources, replace(work.resources, blobs=other)
        decoded = fingerprint_jobs.decode(stored(api.app.state.services.blobs, content), first, CATALOG)
        with pytest.raises(BlobMissing):
            fingerprint_jobs.decode(sha256_hex(content), second, CATALOG)
        again = fingerprint_jobs.decode(stored(other, content), second, CATALOG)

        assert again.prints is decoded.prints, "it was decoded twice"
        assert replace(again, renderings=()) == replace(decoded, renderings=())
        assert len(again.renderings) == len(decoded.renderings) > 0
        for each in again.renderings:
            assert b"".join(other.read_range(each.file.sha256)) == each.rendering.content

        damaged = next((tmp_path / "other").glob(f"??/??/{sha256_hex(content)}"))
        damaged.chmod(0o600)
        damaged.write_bytes(content[: len(content) // 2])
        assert fingerprint_jobs.decode(sha256_hex(content), second, CATALOG).prints != decoded.prints
    assert fingerprint_jobs.decode is remembering._decode


def test_working_picture_when_an_image_is_decoded_then_it_is_made_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Pixels] = []
    make = frames._jpeg

    def keep(rgb: Pixels) -> bytes:
        made.append(rgb)
        return make(rgb)

    monkeypatch.setattr(frames, "_jpeg", keep)
    with work_of(api, decodes_anew=True) as work:
        sha256 = stored(api.app.state.services.blobs, resized(PHOTOGRAPHS[1], 0.2))
        decoded = fingerprint_jobs.decode(sha256, work.resources, CATALOG)

    assert [each.rendering.details["frames"] for each in decoded.renderings if each.rendering.kind == "frames"] == [1]
    assert len(made) == 1
