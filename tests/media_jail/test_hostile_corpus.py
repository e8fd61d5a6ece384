"""Hundreds of hostile files through one decoder: each ends as it must, bounded, and no parent dies of any.

The limits of time and memory are lower than in production where they are what is tried. The same files at production's
limits, and seeds without end: ``python -m tests.media_jail.long_hostile``.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from app.media.jail.result import DecodeOutcome, DecodeResult, VideoFrame
from app.media.jail.wire import MAX_SIDE_PIXELS
from tests.media_jail import hostile_files
from tests.media_jail.conftest import decode_bytes
from tests.media_jail.hostile_files import HOSTILE
from tests.support.examples import all_but_slow

LIMITS = replace(DecodeLimits(), image_cpu_s=1, video_cpu_s=1, memory_bytes=1024 * 1024 * 1024)


@pytest.fixture(scope="module")
def strict_decoder() -> Iterator[Decoder]:
    with Decoder(LIMITS) as made:
        yield made


def check_bounded(result: DecodeResult, frames: list[VideoFrame], name: str) -> None:
    """What may reach the worker, whatever the file was: and no honest decoder breaks the rules."""
    assert result.outcome is not DecodeOutcome.POLICY_VIOLATION, (name, result.reason)
    is_whole = result.outcome is DecodeOutcome.DECODED and not result.is_partial
    assert (result.reason is None) == is_whole, name
    text = json.dumps(result.claims, allow_nan=False, ensure_ascii=False)
    assert len(text) < 64 * 1024, name
    assert all(character.isprintable() for character in text), name
    assert len(result.reason or "") <= 300, name
    pictures = [frame.rgb for frame in frames] + ([] if result.picture is None else [result.picture])
    assert all(max(picture.shape) <= MAX_SIDE_PIXELS for picture in pictures), name
    assert result.outcome is not DecodeOutcome.DECODED or pictures, name


@pytest.mark.parametrize("name", all_but_slow(HOSTILE, ("ts of every programme", "ts of changing sizes")))
def test_decode_when_a_file_is_hostile_then_it_ends_as_it_must(
    strict_decoder: Decoder, tmp_path: Path, name: str
) -> None:
    strict_decoder.versions()
    zygote = zygote_of(strict_decoder)
    hostile = HOSTILE[name]
    result, frames = decode_bytes(strict_decoder, hostile.make(), tmp_path)
    assert result.outcome in hostile.allowed, result.reason
    check_bounded(result, frames, name)
    assert zygote_of(strict_decoder) == zygote


def zygote_of(decoder: Decoder) -> int | None:
    return None if decoder._zygote is None else decoder._zygote._process.pid


# Each decoding is a process: a fifth of what `make check` tries finds what is plainly broken.
@pytest.mark.thorough
@pytest.mark.parametrize(
    "files",
    [
        pytest.param(hostile_files.truncations(seed=4, each=3), id="cut off"),
        pytest.param(hostile_files.flips(seed=4, each=5), id="bits flipped"),
        pytest.param(hostile_files.truncations(seed=4, each=10), id="cut off often", marks=pytest.mark.contract),
        pytest.param(hostile_files.flips(seed=4, each=25), id="bits flipped often", marks=pytest.mark.contract),
    ],
)
def test_decode_when_files_are_damaged_at_random_then_each_has_an_outcome_and_the_zygote_lives(
    strict_decoder: Decoder, tmp_path: Path, files: Iterator[tuple[str, bytes]]
) -> None:
    strict_decoder.versions()
    zygote = zygote_of(strict_decoder)
    outcomes: Counter[str] = Counter()
    for name, body in files:
        result, frames = decode_bytes(strict_decoder, body, tmp_path)
        check_bounded(result, frames, name)
        # A decoder that crashes on one of these is a finding: it would be seen here.
        assert "crashed" not in (result.reason or ""), name
        outcomes[result.outcome] += 1
    assert outcomes[DecodeOutcome.UNDECODABLE] > 20
    assert outcomes[DecodeOutcome.DECODED] > 20
    assert zygote_of(strict_decoder) == zygote
    assert os.path.exists(f"/proc/{zygote}")
