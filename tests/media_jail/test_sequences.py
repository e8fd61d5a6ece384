"""Animated pictures and files of several pages: every frame and page that shows something else is given, bounded."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import Explanation, Prints, explain, thresholds_of
from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from app.media.jail.result import DecodeOutcome, DecodeResult, VideoFrame
from app.media.jail.sequences import ANIMATED, PAGED
from app.media.limits import HOLD_SEVERAL
from tests import media_samples
from tests.media_jail.conftest import Decode
from tests.media_jail.test_formats import mean_difference
from tests.support.examples import all_but_slow
from tests.support.kept import kept

ANIMATIONS = ("GIF", "PNG", "WEBP", "AVIF")
PAGES = ("TIFF", "HEIF", "MPO")
STRIP_OFFSETS = 273


def picture(number: int) -> Image.Image:
    """A photograph, small; a copy, because Pillow's encoders leave their settings in what they saved."""
    return media_samples.upright(media_samples.PHOTOGRAPHS[number]).resize((320, 240)).copy()


@kept
def sequence(format_name: str) -> bytes:
    """Three photographs, in an animation 300 ms each."""
    return media_samples.encoded(
        picture(0), format_name, save_all=True, append_images=[picture(1), picture(2)], duration=300
    )


@pytest.mark.parametrize("format_name", all_but_slow(ANIMATIONS + PAGES, ("AVIF", "HEIF")))
def test_decode_when_a_file_holds_several_pictures_then_each_is_given_with_its_place(
    decode: Decode, format_name: str
) -> None:
    result, frames = decode(sequence(format_name))

    is_animated = format_name in ANIMATIONS
    assert (result.outcome, result.reason, result.is_partial) == (DecodeOutcome.DECODED, None, False)
    assert result.picture is not None
    assert [frame.time_ms for frame in frames] == ([300, 600] if is_animated else [1000, 2000])
    for number, pixels in enumerate([result.picture, *(frame.rgb for frame in frames)]):
        assert mean_difference(pixels, np.asarray(picture(number))) < 6
    assert result.claims["sequence"] == ("animation" if is_animated else "pages")
    assert result.claims["frame_count"] == 3
    assert result.claims.get("duration_ms") == (900 if is_animated else None)


@pytest.mark.thorough
def test_decode_when_frames_hardly_differ_then_only_one_in_two_seconds_is_given(decode: Decode) -> None:
    body = media_samples.encoded(
        picture(0),
        "PNG",
        save_all=True,
        append_images=[nearly(picture(0), shade) for shade in range(1, 50)],
        duration=90,
    )
    _, frames = decode(body)
    assert [frame.time_ms for frame in frames] == [2070, 4140]


def nearly(image: Image.Image, shade: int) -> Image.Image:
    """With one square that changes, so that no encoder leaves the frame out."""
    image.paste((shade, 0, 0), (0, 0, 8, 8))
    return image


@pytest.mark.thorough
def test_decode_when_a_primary_picture_is_not_the_first_then_it_is_the_picture(decode: Decode) -> None:
    body = media_samples.encoded(
        picture(0), "HEIF", save_all=True, append_images=[picture(1), picture(2)], primary_index=1
    )
    result, frames = decode(body)
    assert result.picture is not None
    given = [result.picture, *(frame.rgb for frame in frames)]
    assert [mean_difference(pixels, np.asarray(picture(n))) < 6 for pixels, n in zip(given, (1, 0, 2), strict=True)]
    assert [frame.time_ms for frame in frames] == [1000, 2000]


@pytest.fixture(scope="module")
def narrow() -> Iterator[Decoder]:
    with Decoder(DecodeLimits(sequence_frames=5, sequence_pixels=12 * 64 * 48)) as made:
        yield made


def small_pages(count: int, format_name: str) -> bytes:
    """Pages of one even shade each, all different."""
    images = [Image.new("RGB", (64, 48), (17 * number % 256,) * 3) for number in range(count)]
    return media_samples.encoded(images[0], format_name, save_all=True, append_images=images[1:], duration=100)


@pytest.mark.parametrize("format_name", ["GIF", "TIFF"])
def test_decode_when_there_are_too_many_pictures_then_it_stops_and_says_so(
    decode: Decode, narrow: Decoder, format_name: str
) -> None:
    result, frames = decode(small_pages(9, format_name), narrow)
    assert (result.outcome, result.is_partial, len(frames)) == (DecodeOutcome.DECODED, True, 5)
    assert "after 6 " in (result.reason or "")
    assert result.claims["frame_count"] == 9


def test_decode_when_pages_cost_too_many_pixels_then_it_stops_and_says_so(decode: Decode, narrow: Decoder) -> None:
    large = Image.new("RGB", (640, 480))
    body = media_samples.encoded(large, "TIFF", save_all=True, append_images=[large.copy()])
    result, frames = decode(body, narrow)
    assert (result.outcome, result.is_partial, frames) == (DecodeOutcome.DECODED, True, [])
    assert result.reason == "after 1 pages: no more are decoded of one file"


def test_decode_when_one_page_is_damaged_then_the_others_are_given(decode: Decode) -> None:
    body = media_samples.encoded(
        picture(0), "TIFF", compression="tiff_adobe_deflate", save_all=True, append_images=[picture(1), picture(2)]
    )
    with Image.open(io.BytesIO(body)) as opened:
        opened.seek(1)
        second = opened.tag_v2[STRIP_OFFSETS][0]  # type: ignore[attr-defined]
    result, frames = decode(body[:second] + bytes(400) + body[second + 400 :])
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, True)
    assert result.reason == "page 2 of 3 cannot be decoded"
    assert [frame.time_ms for frame in frames] == [2000]


@pytest.mark.parametrize(
    ("format_name", "reason"),
    [
        ("GIF", "the animation is cut off or damaged after 2 frames"),
        ("PNG", "the animation is cut off or damaged after 2 frames"),
        ("TIFF", "page 3 of 3 cannot be decoded"),
        ("WEBP", "the file ends early, behind this picture"),
    ],
)
def test_decode_when_a_sequence_is_cut_off_then_what_came_is_kept(
    decode: Decode, format_name: str, reason: str
) -> None:
    whole = sequence(format_name)
    result, frames = decode(whole[: len(whole) * 9 // 10])
    assert result.reason == reason
    assert (result.outcome, result.is_partial, len(frames)) == (DecodeOutcome.DECODED, True, 1)


def test_formats_of_several_pictures_when_limits_are_shown_then_they_are_those_that_are_gone_through() -> None:
    assert ANIMATED | PAGED - {"MPO"} | {"JPEG"} == HOLD_SEVERAL


def test_read_claims_when_a_file_holds_several_pictures_then_only_the_first_is_decoded(
    decoder: Decoder, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(sequence("TIFF"))
    fd = os.open(path, os.O_RDONLY)
    try:
        result = decoder.read_claims(fd)
    finally:
        os.close(fd)
    assert (result.outcome, result.is_partial, result.frame_count) == (DecodeOutcome.DECODED, False, 0)
    assert result.claims["width"] > 0
    assert not {"sequence", "frame_count"} & result.claims.keys()


# What the worker makes of it.


def prints_of(decoded: DecodeResult, frames: list[VideoFrame]) -> Prints:
    hasher = Hasher()
    assert decoded.sniffed is not None
    if decoded.picture is not None:
        hasher.take_picture(decoded.picture)
    for frame in frames:
        hasher.take_frame(frame)
    return Prints(decoded.sniffed.kind == "video", hasher.prints)


def compare(decode: Decode, query: bytes, reference: bytes) -> Explanation | None:
    return explain(prints_of(*decode(query)), prints_of(*decode(reference)), thresholds_of())


@pytest.mark.thorough
@pytest.mark.parametrize("format_name", ["GIF", "TIFF"])
def test_explain_when_a_picture_is_one_of_several_then_its_place_is_named(decode: Decode, format_name: str) -> None:
    again = media_samples.encoded(picture(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT), quality=60)
    for query, reference, side in (
        (again, sequence(format_name), "reference"),
        (sequence(format_name), again, "query"),
    ):
        found = compare(decode, query, reference)
        assert found is not None
        assert found.grounds[0].transformation == "mirror"
        assert [getattr(one, f"{side}_start_ms") for one in found.segments] == [600 if format_name == "GIF" else 2000]


def test_explain_when_two_files_share_one_page_then_both_places_are_named(decode: Decode) -> None:
    other = media_samples.encoded(picture(5), "TIFF", save_all=True, append_images=[picture(6), picture(1)])
    found = compare(decode, sequence("TIFF"), other)
    assert found is not None
    assert [(one.query_start_ms, one.reference_start_ms) for one in found.segments] == [(1000, 2000)]
    assert compare(decode, sequence("TIFF"), media_samples.encoded(picture(5), "TIFF")) is None


@pytest.mark.thorough
def test_explain_when_two_files_share_only_a_blank_page_then_they_do_not_match(decode: Decode) -> None:
    blank = Image.new("RGB", (320, 240), (250, 250, 250))
    first, second = (
        media_samples.encoded(blank.copy(), "TIFF", save_all=True, append_images=[picture(number)]) for number in (0, 1)
    )
    assert compare(decode, first, second) is None


@pytest.mark.thorough
def test_explain_when_an_animation_was_made_from_a_video_then_its_seconds_are_named(decode: Decode) -> None:
    frames = list(media_samples.frames(media_samples.VIDEO, 8, 10, (320, 180)))[::4]
    animation = [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in frames]
    body = media_samples.encoded(animation[0], "GIF", save_all=True, append_images=animation[1:], duration=170)
    found = compare(decode, body, media_samples.excerpt(6, 11))
    assert found is not None
    assert found.segments
    (span, *_) = found.segments
    assert span.frames >= 2
    assert abs(span.reference_start_ms - span.query_start_ms - 2000) <= 300
