"""Hostile files on the whole way, by the API and the worker: received, kept as they are, decoded or told why not."""

from pathlib import Path

import pytest

from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media_jail.hostile_files import HOSTILE, clip, small
from tests.media_jail.test_hostile_references import references
from tests.support.canaries import canaries
from tests.support.work import work_of

SAMPLE = {
    "jpeg of gigapixels": "limit_pixels",
    "webp of 34 bytes": "limit_pixels",
    "png with an overlong stream": "decoded",
    "jpeg and archive and page": "decoded",
    "pdf and jpeg": "undecodable",
    "mp4 of fragments that lasts for ever": "decoded",
    "ts of changing sizes": "decoded",
}
REFERENCES = ("playlist to web", "concat to file", "alias to path")


@pytest.mark.thorough
def test_hostile_files_when_received_then_each_is_kept_byte_for_byte_and_settled(
    hub: Hub, receive: Receive, tmp_path: Path
) -> None:
    canary = tmp_path / "canary.mp4"
    canary.write_bytes(clip("mp4"))
    with canaries(canary) as watched, work_of(hub.api, decodes_anew=True) as work:
        bodies = {name: (HOSTILE[name].make(), outcome) for name, outcome in SAMPLE.items()}
        named = references(watched.port, canary)
        bodies |= {name: (named[name], "undecodable") for name in REFERENCES}
        bodies["cut off"] = (small("progressive")[:-900], "partial")
        items = {name: receive(body) for name, (body, _) in bodies.items()}
        work.finish()

        for name, (body, outcome) in bodies.items():
            item = hub.verifier.get(f"/v1/evidence/{items[name]['id']}").json()
            assert item["state"] not in ("collected", "quarantined"), name
            assert item["decoding"]["outcome"] == outcome, (name, item["decoding"])
            assert (item["decoding"]["reason"] is None) == (outcome == "decoded"), name
            whole = hub.verifier.get(f"/v1/evidence/{items[name]['id']}/content?purpose=verification")
            assert whole.content == body, name
            assert whole.headers["Content-Disposition"].startswith("attachment"), name
            assert whole.headers["Content-Security-Policy"] == "sandbox; default-src 'none'", name
            assert hub.entries(items[name]["id"], "evidence.preserved") == 1, name
        assert watched.heard() == []
