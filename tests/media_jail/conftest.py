"""A decoder for the tests, and a way to give it bytes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.media.jail.decoder import Decoder
from app.media.jail.result import DecodeResult, VideoFrame

Decode = Callable[..., tuple[DecodeResult, list[VideoFrame]]]


def decode_bytes(decoder: Decoder, body: bytes, place: Path) -> tuple[DecodeResult, list[VideoFrame]]:
    """The result and a video's frames."""
    path = place / "file"
    path.write_bytes(body)
    frames: list[VideoFrame] = []
    fd = os.open(path, os.O_RDONLY)
    try:
        return decoder.decode(fd, frames.append), frames
    finally:
        os.close(fd)


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    with Decoder() as made:
        yield made


@pytest.fixture
def decode(decoder: Decoder, tmp_path: Path) -> Decode:
    def decode(body: bytes, by: Decoder | None = None) -> tuple[DecodeResult, list[VideoFrame]]:
        return decode_bytes(by or decoder, body, tmp_path)

    return decode
