"""Recordings whose times or pictures are odd: every frame has its time, in order, and none is lost to it."""

import io
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import ExifTags, Image

from app.media.jail.result import DecodeOutcome, VideoFrame
from tests import media_formats
from tests import media_samples as samples
from tests.media_jail.conftest import Decode
from tests.media_jail.test_formats import mean_difference
from tests.support.kept import kept

SIZE = (160, 90)


def recording(
    stamps_ms: list[int], *, container: str = "matroska", codec: str = "libx264", pixels: str = "yuv420p"
) -> bytes:
    """The trailer's frames from second 8 on, at these times."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as target:
        stream = target.add_stream(codec, rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp_ms, frame in zip(stamps_ms, samples.frames(samples.VIDEO, 8, 12, SIZE), strict=False):
            picture = frame.reformat(format=pixels)
            picture.pts, picture.time_base = stamp_ms, Fraction(1, 1000)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return buffer.getvalue()


def standing(*, seconds: int, rate: int = 25) -> bytes:
    """One frame of the trailer all along."""
    buffer = io.BytesIO()
    picture = next(samples.frames(samples.VIDEO, 8, 12, SIZE)).reformat(format="yuv420p")
    with av.open(buffer, "w", format="matroska") as target:
        stream = target.add_stream("libx264", rate=rate, options={"qp": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(seconds * rate):
            picture.pts, picture.time_base = number, Fraction(1, rate)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return buffer.getvalue()


def times_of(frames: list[VideoFrame]) -> list[int]:
    times = [frame.time_ms for frame in frames]
    assert times[0] == 0
    assert all(earlier < later for earlier, later in pairwise(times))
    return times


def test_decode_when_there_is_a_frame_an_hour_then_each_has_its_hour(decode: Decode) -> None:
    result, frames = decode(recording([0, 3_600_000, 7_200_000]))

    assert (result.outcome, times_of(frames)) == (DecodeOutcome.DECODED, [0, 3_600_000, 7_200_000])
    assert result.end_ms == 7_200_000


@pytest.mark.thorough
def test_decode_when_there_are_a_thousand_frames_a_second_then_ten_are_looked_at(decode: Decode) -> None:
    result, frames = decode(recording(list(range(90))))

    assert (result.outcome, times_of(frames), result.end_ms) == (DecodeOutcome.DECODED, [0], 89)


def test_decode_when_there_is_one_frame_then_it_lasts_no_time(decode: Decode) -> None:
    result, frames = decode(recording([0]))

    assert (result.outcome, times_of(frames), result.end_ms) == (DecodeOutcome.DECODED, [0], 0)


def test_decode_when_the_picture_stands_then_the_last_sample_is_given_too(decode: Decode) -> None:
    """It says until when the picture was shown. Frames are 40 ms apart, samples a tenth of a second at the least."""
    result, frames = decode(standing(seconds=3))

    assert (times_of(frames), result.end_ms) == ([0, 2000, 2920], 2960)


@pytest.mark.thorough
def test_decode_when_two_recordings_were_joined_byte_for_byte_then_time_goes_on(decode: Decode) -> None:
    first, second = (samples.excerpt(start, start + 2, container="mpegts", size=SIZE) for start in (8, 25))
    _, alone = decode(first)

    result, frames = decode(first + second)

    times = times_of(frames)
    assert result.outcome is DecodeOutcome.DECODED
    assert times[: len(alone)] == times_of(alone)
    assert 3500 <= result.end_ms <= 4500


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [
        ("matroska", "libx264", "yuv420p10le"),
        ("matroska", "libx264", "yuv444p"),
        ("webm", "libvpx-vp9", "yuva420p"),
        ("avi", "mpeg4", "yuv420p"),
    ],
)
def test_decode_when_pictures_are_of_other_kinds_then_they_are_seen(
    decode: Decode, container: str, codec: str, pixels: str
) -> None:
    stamps = list(range(0, 1000, 125))
    _, usual = decode(recording(stamps))

    result, frames = decode(recording(stamps, container=container, codec=codec, pixels=pixels))

    assert result.outcome is DecodeOutcome.DECODED
    assert abs(times_of(frames)[-1] - times_of(usual)[-1]) <= 250
    assert frames[0].rgb.shape == (SIZE[1], SIZE[0], 3)
    assert abs(float(frames[0].rgb.mean()) - float(usual[0].rgb.mean())) < 4


@kept
def camera_of_jpegs(container: str) -> bytes:
    """As dashboard cameras and trail cameras write it: each frame is a JPEG file with EXIF of its own."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Exhibit"
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as target:
        stream = target.add_stream("mjpeg", rate=media_formats.RATE)
        assert isinstance(stream, av.VideoStream)
        (stream.width, stream.height), stream.pix_fmt = media_formats.SIZE, "yuvj420p"
        for number, pixels in enumerate(media_formats.source()[:12]):
            packet = av.Packet(samples.encoded(Image.fromarray(pixels), quality=90, exif=exif.tobytes()))
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, media_formats.RATE), True
            target.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("degrees", [0, 90, 270])
def test_decode_when_frames_have_exif_of_their_own_then_they_are_decoded_and_turned(
    decode: Decode, degrees: int
) -> None:
    body = camera_of_jpegs("mov")
    result, frames = decode(samples.with_rotation(body, degrees) if degrees else body)
    assert (result.outcome, result.claims["rotation_degrees"]) == (DecodeOutcome.DECODED, degrees)
    shown = Image.fromarray(media_formats.source()[0]).rotate(-degrees, expand=True)
    assert mean_difference(frames[0].rgb, np.asarray(shown)) < 6
