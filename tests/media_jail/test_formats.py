"""Every format through the jail: pixels, claims, rotation, times."""

import numpy as np
import pytest
from PIL import Image

from app.media.jail.result import DecodeOutcome, Pixels
from tests import media_samples
from tests.media_jail.conftest import Decode


def mean_difference(first: Pixels, second: Pixels) -> float:
    """Of two pictures brought to 32 × 32, on the scale of 0 to 255."""
    small = [np.asarray(Image.fromarray(rgb).resize((32, 32)), dtype=np.float64) for rgb in (first, second)]
    return float(np.abs(small[0] - small[1]).mean())


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for member in value.values() for leaf in leaves(member)]
    return [value]


@pytest.mark.parametrize("media_type", media_samples.IMAGE_FORMATS)
def test_decode_when_given_an_image_format_then_it_gives_its_picture(decode: Decode, media_type: str) -> None:
    path = media_samples.PHOTOGRAPHS[0]
    result, _ = decode(media_samples.IMAGE_FORMATS[media_type](path))
    assert (result.outcome, result.reason, result.is_partial) == (DecodeOutcome.DECODED, None, False)
    assert result.picture is not None
    assert result.claims["container"] == media_type
    assert mean_difference(result.picture, np.asarray(media_samples.upright(path))) < 6
    assert result.claims["frame_count"] == (2 if media_type in ("image/gif", "image/webp") else 1)
    assert not any(isinstance(leaf, float) for leaf in leaves(result.claims))


@pytest.mark.thorough
def test_decode_when_given_twelve_megapixels_then_the_picture_is_reduced(decode: Decode) -> None:
    path = media_samples.PHOTOGRAPHS[1]
    result, _ = decode(media_samples.twelve_megapixels(path))
    assert result.picture is not None
    assert result.picture.shape == (750, 1000, 3)
    assert (result.claims["width"], result.claims["height"]) == (4000, 3000)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_when_exif_says_how_it_was_held_then_the_picture_is_upright(decode: Decode, orientation: int) -> None:
    path = media_samples.PHOTOGRAPHS[0]
    result, _ = decode(media_samples.with_exif(path, orientation=orientation))
    stored = media_samples.upright(path)
    shown = stored if orientation == 1 else stored.transpose(TRANSPOSITIONS[orientation])
    assert result.picture is not None
    assert result.picture.shape[1] / result.picture.shape[0] == pytest.approx(shown.width / shown.height, rel=0.01)
    assert (result.claims["width"], result.claims["height"]) == shown.size
    assert mean_difference(result.picture, np.asarray(shown)) < 6


TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def test_decode_when_exif_has_a_place_then_it_is_a_claim(decode: Decode) -> None:
    result, _ = decode(media_samples.with_exif(media_samples.PHOTOGRAPHS[0], model="Model\0\nX"))
    exif = result.claims["exif"]
    assert exif["make"] == "Exhibit"
    assert exif["model"].startswith("Model")
    assert exif["model"].isprintable()
    assert exif["taken_at"] == "2024:05:06 07:08:09"
    assert exif["body_serial_number"] == "SN-12345"
    assert exif["gps"] == {"latitude": "48.8583333", "longitude": "2.2944444"}


def test_decode_when_a_phone_took_it_then_its_own_claims_are_read(decode: Decode) -> None:
    exif = decode((media_samples.ASSETS / "resting-dog.jpg").read_bytes())[0].claims["exif"]
    assert (exif["make"], exif["model"], exif["orientation"]) == ("Xiaomi", "Mi A3", 3)
    assert exif["gps"]["latitude"] == "-15.8356700"
    assert exif["gps"]["time_utc"] == "02:11:51"


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (64, 64), (255, 0, 0, 0)),
        Image.new("LA", (64, 64), (0, 0)),
        Image.fromarray(np.full((64, 64), 65535, np.uint16)),
        Image.new("1", (64, 64), 1),
        Image.new("P", (64, 64), 0).convert("P"),
    ],
    ids=["transparent", "grey-transparent", "sixteen-bit", "one-bit", "palette"],
)
def test_decode_when_samples_are_unusual_then_the_picture_is_rgb(decode: Decode, image: Image.Image) -> None:
    result, _ = decode(media_samples.encoded(image, "PNG"))
    assert result.picture is not None
    assert result.picture.shape == (64, 64, 3)
    expected = 0 if image.mode == "P" else 255
    assert int(result.picture.min()) == int(result.picture.max()) == expected


def test_decode_when_a_jpeg_is_cmyk_then_it_gives_its_picture(decode: Decode) -> None:
    path = media_samples.PHOTOGRAPHS[0]
    result, _ = decode(media_samples.encoded(media_samples.upright(path).convert("CMYK"), "JPEG"))
    assert result.picture is not None
    assert mean_difference(result.picture, np.asarray(media_samples.upright(path))) < 10


@pytest.mark.thorough
@pytest.mark.parametrize("name", media_samples.VIDEO_FORMATS)
def test_decode_when_given_a_video_format_then_it_gives_timed_frames(decode: Decode, name: str) -> None:
    media_type, container, codec = media_samples.VIDEO_FORMATS[name]
    result, frames = decode(media_samples.excerpt(8, 11, container=container, codec=codec))
    assert (result.outcome, result.reason, result.is_partial) == (DecodeOutcome.DECODED, None, False)
    assert result.claims["container"] == media_type
    assert (result.claims["width"], result.claims["height"]) == (480, 270)
    times = [frame.time_ms for frame in frames]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert result.frame_count == len(times) >= 2
    assert max(b - a for a, b in zip(times, [*times[1:], 3000], strict=True)) <= 2200
    assert mean_difference(frames[0].rgb, media_samples.first_frame(8, 11)) < 6


def test_decode_when_a_phone_recorded_it_then_its_own_claims_are_read(decode: Decode) -> None:
    result, frames = decode(media_samples.PHONE_VIDEO.read_bytes())
    tags = result.claims["container_tags"]
    assert tags["location"] == "-15.8355-048.0153/"
    assert tags["created_at"] == "2019-12-20T20:08:34.000000Z"
    assert result.claims["video_codec"] == "h264"
    assert result.claims["has_audio"] is True
    assert frames[0].rgb.shape == (288, 512, 3)
    assert result.is_partial is False


@pytest.mark.parametrize(("clockwise_degrees", "quarter_turns"), [(90, 3), (180, 2), (270, 1)])
def test_decode_when_a_video_has_a_rotation_flag_then_frames_are_upright(
    decode: Decode, clockwise_degrees: int, quarter_turns: int
) -> None:
    plain = media_samples.excerpt(8, 9)
    _, straight = decode(plain)
    result, turned = decode(media_samples.with_rotation(plain, clockwise_degrees))
    assert result.outcome is DecodeOutcome.DECODED
    expected = np.ascontiguousarray(np.rot90(straight[0].rgb, quarter_turns))
    assert turned[0].rgb.shape == expected.shape
    assert mean_difference(turned[0].rgb, expected) < 1
    assert result.claims["rotation_degrees"] == clockwise_degrees


def test_decode_when_a_recording_is_cut_off_then_it_gives_what_there_is(decode: Decode) -> None:
    whole = media_samples.VIDEO.read_bytes()
    result, frames = decode(whole[: len(whole) // 2])
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, True)
    assert 5_000 < frames[-1].time_ms < 30_000


def test_decode_when_a_recording_has_no_index_then_it_is_undecodable(decode: Decode) -> None:
    result, _ = decode(media_samples.PHONE_VIDEO.read_bytes()[:100_000])
    assert result.outcome is DecodeOutcome.UNDECODABLE
    assert result.reason
