"""Recognition by first bytes."""

import pytest

from app.media.sniff import ALL_TYPES, HEAD_BYTES, MediaKind, sniff
from tests import media_samples


@pytest.mark.parametrize("media_type", media_samples.IMAGE_FORMATS)
def test_sniff_when_given_an_image_format_then_it_names_it(media_type: str) -> None:
    found = sniff(media_samples.IMAGE_FORMATS[media_type](media_samples.PHOTOGRAPHS[0])[:HEAD_BYTES])
    assert found is not None
    assert (found.media_type, found.kind) == (media_type, MediaKind.IMAGE)


@pytest.mark.parametrize("name", media_samples.VIDEO_FORMATS)
def test_sniff_when_given_a_video_format_then_it_names_it(name: str) -> None:
    media_type, container, codec = media_samples.VIDEO_FORMATS[name]
    found = sniff(media_samples.excerpt(0, 0.5, container=container, codec=codec)[:HEAD_BYTES])
    assert found is not None
    assert (found.media_type, found.kind) == (media_type, MediaKind.VIDEO)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xd8",
        media_samples.text_named_jpg(),
        media_samples.hls_playlist("http://127.0.0.1/x.ts"),
        media_samples.concat_script("/etc/passwd"),
        media_samples.sdp_session(5004),
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"<!DOCTYPE html><html></html>",
        b"BM and so on: a text that begins like a bitmap",
        b"GGGGGGGG" * 100,
        b"%PDF-1.7\n",
        b"PK\x03\x04" + bytes(60),
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"\0\0\0\x20ftypM4A \0\0\0\0",
    ],
)
def test_sniff_when_given_anything_else_then_it_is_none(head: bytes) -> None:
    assert sniff(head) is None


def test_types_when_listed_then_media_types_are_distinct_and_extensions_safe() -> None:
    assert len({kind.media_type for kind in ALL_TYPES}) == len(ALL_TYPES)
    assert all(kind.extension.isalnum() for kind in ALL_TYPES)
