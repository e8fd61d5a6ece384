"""Recordings of every kind: what is shown and when, turned, edited, fragmented, cut off (docs/formats.md)."""

import numpy as np
import pytest
from PIL import Image

from app.media.claims import divide
from app.media.jail.result import DecodeOutcome, Pixels, VideoFrame
from app.media.sniff import HEAD_BYTES, sniff
from tests import media_formats
from tests.media_formats import RATE, RECORDINGS, recording, source
from tests.media_jail.conftest import Decode
from tests.media_jail.test_formats import mean_difference
from tests.support.examples import all_but_slow

TEN_BITS = "10-bit"


def nearest(rgb: Pixels) -> int:
    """The number of the source's frame that this one shows."""
    small = [np.asarray(Image.fromarray(one).resize((64, 48)), dtype=np.int16) for one in (rgb, *source())]
    return int(np.argmin([np.abs(small[0] - other).mean() for other in small[1:]]))


def assert_in_time(frames: list[VideoFrame], first: int = 0, tolerance: int = 1) -> None:
    """Each frame is that of its time, when the recording begins with the source's frame of this number."""
    for frame in (frames[0], frames[len(frames) // 2], frames[-1]):
        assert abs(nearest(frame.rgb) - first - frame.time_ms * RATE / 1000) <= tolerance


SLOW = (*("mp4-hevc-hev1", "mp4-hevc-10-bit", "mp4-av1-10-bit", "mkv-hevc", "ts-hevc", "webm-av1", "webm-live"),)
"""Each container and each codec is among the others."""


@pytest.mark.parametrize("name", all_but_slow(RECORDINGS, SLOW))
def test_decode_when_given_a_recording_then_its_frames_come_at_their_times(decode: Decode, name: str) -> None:
    media_type, _, _, codec, arguments = RECORDINGS[name]
    body = recording(name)
    sniffed = sniff(body[:HEAD_BYTES])
    assert sniffed is not None
    assert sniffed.media_type == media_type

    result, frames = decode(body)

    assert (result.outcome, result.reason, result.is_partial) == (DecodeOutcome.DECODED, None, False)
    assert (result.claims["width"], result.claims["height"]) == arguments.get("size", media_formats.SIZE)
    assert result.claims["video_codec"] == codec
    assert ("10" in result.claims["pixel_format"]) == name.endswith(TEN_BITS)
    assert frames[0].time_ms == 0
    assert 1800 < frames[-1].time_ms < 2000
    assert_in_time(frames)
    if name != "webm-live":  # Nothing was known of its end when its head was written.
        assert abs(result.claims["duration_ms"] - 2000) < 100
    if "variable" not in name:
        assert result.claims["frame_rate"] == str(RATE)


@pytest.mark.parametrize("name", media_formats.MATRICES)
def test_decode_when_a_recording_has_a_display_matrix_then_it_is_upright(decode: Decode, name: str) -> None:
    matrix, degrees, is_mirrored, turn = media_formats.MATRICES[name]
    result, frames = decode(media_formats.with_matrix(recording("mp4-h264"), *matrix))
    expected = turn(Image.fromarray(source()[0]))
    assert frames[0].rgb.shape == (expected.height, expected.width, 3)
    assert mean_difference(frames[0].rgb, np.asarray(expected)) < 3
    assert result.claims["rotation_degrees"] == degrees
    assert result.claims.get("is_mirrored", False) == is_mirrored


@pytest.mark.parametrize(
    ("entries", "first"),
    [
        ([(500, -1), (2000, 0)], 0),  # Half a second of nothing, then all: sound began earlier.
        ([(1000, 12288)], 24),  # From its second second on.
    ],
    ids=["empty", "offset"],
)
def test_decode_when_a_recording_has_an_edit_list_then_times_are_of_what_is_shown(
    decode: Decode, entries: list[tuple[int, int]], first: int
) -> None:
    result, frames = decode(media_formats.with_edit_list(recording("mp4-h264"), entries))
    assert result.outcome is DecodeOutcome.DECODED
    assert frames[0].time_ms == 0
    assert_in_time(frames, first, tolerance=2)


def test_decode_when_a_file_has_a_preview_track_then_the_recording_is_taken(decode: Decode) -> None:
    result, frames = decode(media_formats.with_cover_and_preview())
    assert (result.claims["width"], result.claims["height"]) == media_formats.SIZE
    assert result.claims["stream_count"] == 2
    assert mean_difference(frames[0].rgb, source()[0]) < 3


CUT_OFF = ("mp4-fragmented", "mkv-hevc", "webm-vp8", "avi-mjpeg", "ts-h264")


# The first picture of the VP8 ends at 34.9 % of the file: a cut near there may leave none.
@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
@pytest.mark.parametrize("name", CUT_OFF)
def test_decode_when_a_recording_is_cut_off_then_what_is_before_is_given_and_said(
    decode: Decode, name: str, share: float
) -> None:
    whole = recording(name)
    result, frames = decode(whole[: int(len(whole) * share) // 188 * 188 + 100])
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, True)
    assert (result.reason or "").startswith("the recording is cut off: it could be decoded as far as second ")
    assert 0 <= frames[-1].time_ms < 2000
    assert_in_time(frames)


def test_decode_when_a_live_recording_ends_anywhere_then_all_of_it_is_given(decode: Decode) -> None:
    """Nothing in it says where it would end."""
    whole = recording("webm-live")
    result, frames = decode(whole[: len(whole) * 7 // 10])
    assert result.outcome is DecodeOutcome.DECODED
    assert 500 < frames[-1].time_ms < 1800


@pytest.mark.parametrize(("name", "share"), [("mp4-h264", 0.5), ("mov-mjpeg", 0.9), ("3gp-h263", 0.5)])
def test_decode_when_the_index_was_never_written_then_the_reason_says_so(
    decode: Decode, name: str, share: float
) -> None:
    whole = recording(name)
    result, frames = decode(whole[: int(len(whole) * share)])
    assert (result.outcome, frames) == (DecodeOutcome.UNDECODABLE, [])
    assert result.reason == "the index (moov) is missing: the recording was cut off before it was written"


def test_decode_when_the_index_is_cut_off_then_the_reason_says_so(decode: Decode) -> None:
    whole = recording("mp4-h264")
    result, _ = decode(whole[: whole.rindex(b"moov") + 60])
    assert result.outcome is DecodeOutcome.UNDECODABLE
    assert result.reason == "the recording is cut off before its first picture, or within its index"


def test_decode_when_notes_follow_the_last_box_then_it_is_not_cut_off(decode: Decode) -> None:
    result, _ = decode(recording("mp4-h264") + b"notes of some program\n" * 3)
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, False)


def test_decode_when_a_quicktime_file_has_no_brand_then_its_frames_are_given(decode: Decode) -> None:
    """As cameras wrote it before there were brands: it begins with a ``wide`` box; no offset moves."""
    whole = recording("mov-mjpeg")
    assert whole[4:8] == b"ftyp"
    result, frames = decode(whole[:4] + b"wide" + whole[8:])
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, False)
    assert result.claims["container"] == "video/quicktime"
    assert_in_time(frames)


def test_decode_when_an_avi_has_no_index_then_its_frames_are_given(decode: Decode) -> None:
    whole = recording("avi-mjpeg")
    result, frames = decode(whole[: whole.rindex(b"idx1")])
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, True)  # Its head claims more bytes.
    assert frames[-1].time_ms > 1800
    assert_in_time(frames)


def test_decode_when_a_matroska_has_no_cues_then_its_frames_are_given(decode: Decode) -> None:
    whole = recording("mkv-hevc")
    cues = whole.rindex(b"\x1c\x53\xbb\x6b")
    result, frames = decode(whole[:cues] + b"\xec" + whole[cues + 1 :])
    assert result.outcome is DecodeOutcome.DECODED
    assert_in_time(frames)


def test_decode_when_a_stream_begins_between_key_frames_then_it_begins_with_the_next(decode: Decode) -> None:
    whole = recording("ts-h264")
    packets = len(whole) // 188
    result, frames = decode(whole[packets * 3 // 10 * 188 :])
    assert result.outcome is DecodeOutcome.DECODED
    first = nearest(frames[0].rgb)
    assert first % 12 == 0
    assert_in_time(frames, first)


def test_decode_when_a_recording_has_a_place_and_a_time_then_they_are_claims(decode: Decode) -> None:
    metadata = {"location": "+48.8583+002.2944/", "creation_time": "2024-05-06T07:08:09.000000Z"}
    result, _ = decode(media_formats.encode("mov", "libx264", metadata=metadata))
    tags = result.claims["container_tags"]
    assert tags["location"] == "+48.8583+002.2944/"
    assert tags["created_at"] == "2024-05-06T07:08:09.000000Z"


APPLE, ANDROID = "com.apple.quicktime.", "com.android."


def test_decode_when_telephones_write_claims_of_their_own_then_each_is_named(decode: Decode) -> None:
    """As iPhones (``mdta`` keys) and Android write them."""
    apple = {
        f"{APPLE}location.ISO6709": "+48.8583+002.2944+035.000/",
        f"{APPLE}creationdate": "2024-05-06T07:08:09+0300",
        f"{APPLE}make": "Apple",
        f"{APPLE}model": "Telephone 1",
        f"{APPLE}software": "17.4",
        f"{APPLE}content.identifier": "5F1C-1",
    }
    android = {f"{ANDROID}manufacturer": "Maker", f"{ANDROID}model": "Model 1", f"{ANDROID}version": "14"}
    options = {"movflags": "use_metadata_tags"}
    result, _ = decode(media_formats.encode("mov", "mjpeg", pixel_format="yuvj420p", metadata=apple, options=options))
    of_apple = divide(result.claims)
    said = {claim.name: claim.value for claim in of_apple.sealed}
    result, _ = decode(media_formats.encode("mp4", "mpeg4", metadata=android, options=options))
    of_android = divide(result.claims)

    tags = of_apple.open["container_tags"]
    assert (tags["make"], tags["model"], tags["software"]) == ("Apple", "Telephone 1", "17.4")
    assert tags["created_at_local"] == "2024-05-06T07:08:09+0300"
    assert said["location"] == "+48.8583+002.2944+035.000/"
    assert said["content_identifier"] == "5F1C-1"
    tags = of_android.open["container_tags"]
    assert (tags["make"], tags["model"], tags["android_version"]) == ("Maker", "Model 1", "14")
