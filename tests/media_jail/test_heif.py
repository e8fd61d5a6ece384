"""HEIF as phones write it: tiles, several pictures, what belongs to a picture and is none, bursts as sequences."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from app.media.jail.decoder import Decoder
from app.media.jail.result import DecodeOutcome
from tests import media_formats
from tests.media_jail import heif_boxes
from tests.media_jail.conftest import Decode
from tests.media_jail.test_formats import TRANSPOSITIONS, mean_difference
from tests.media_jail.test_pictures import photograph
from tests.media_samples import encoded

TILES = {"tile_size": 128}
DEPTH, GAIN_MAP = b"urn:mpeg:hevc:2015:auxid:2", b"urn:com:apple:photo:2020:aux:hdrgainmap"


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Exhibit"
    return exif.tobytes()


@pytest.mark.thorough
@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
def test_decode_when_a_heic_is_made_of_tiles_then_it_is_one_upright_picture(decode: Decode, orientation: int) -> None:
    """320 × 240 in tiles of 128: the last ones of a row and of a column are cut (``ispe`` of the grid)."""
    body = encoded(photograph(), "HEIF", quality=90, exif=exif_of(orientation), **TILES)
    assert b"grid" in body
    assert body.count(b"infe") >= 7, "six tiles, and the grid"

    result, frames = decode(body)

    shown = photograph() if orientation == 1 else photograph().transpose(TRANSPOSITIONS[orientation])
    assert (result.outcome, result.is_partial, frames) == (DecodeOutcome.DECODED, False, [])
    assert result.picture is not None
    assert result.picture.shape == (shown.height, shown.width, 3)
    assert mean_difference(result.picture, np.asarray(shown)) < 4
    assert (result.claims["width"], result.claims["height"]) == shown.size
    assert result.claims["exif"]["make"] == "Exhibit"


@pytest.mark.thorough
def test_decode_when_exif_says_another_turn_than_the_picture_then_the_pictures_property_counts(decode: Decode) -> None:
    """A HEIC that an editor turned: ``irot`` is what is to be seen, and EXIF what the camera once said."""
    body = encoded(photograph(), "HEIF", quality=90, exif=exif_of(6))
    turned_back = body.replace(b"\0\0\0\x09irot\x03", b"\0\0\0\x09irot\x00")
    assert turned_back != body

    result, _ = decode(turned_back)

    assert result.picture is not None
    assert mean_difference(result.picture, np.asarray(photograph())) < 4


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [DEPTH, GAIN_MAP], ids=["depth", "gain map"])
def test_decode_when_a_heic_has_a_depth_or_gain_map_then_it_is_no_page(decode: Decode, kind: bytes) -> None:
    several = encoded(
        photograph(),
        "HEIF",
        quality=90,
        save_all=True,
        append_images=[photograph().resize((80, 60)), photograph().transpose(Image.Transpose.ROTATE_180)],
    )
    assert len(decode(several)[1]) == 2

    result, frames = decode(heif_boxes.with_auxiliary(several, 3, 1, kind))

    assert (result.outcome, result.is_partial, len(frames)) == (DecodeOutcome.DECODED, False, 1)
    assert result.picture is not None
    assert mean_difference(result.picture, np.asarray(photograph())) < 4
    assert mean_difference(frames[0].rgb, np.asarray(photograph().transpose(Image.Transpose.ROTATE_180))) < 4


@pytest.mark.thorough
def test_decode_when_a_heic_is_a_sequence_alone_then_its_frames_are_given_as_of_an_animation(
    decode: Decode, decoder: Decoder, tmp_path: Path
) -> None:
    body = heif_boxes.sequence_of_pictures()

    result, frames = decode(body)

    assert (result.outcome, result.reason, result.claims["container"]) == (DecodeOutcome.DECODED, None, "image/heic")
    assert result.picture is not None
    assert mean_difference(result.picture, media_formats.source()[0]) < 6
    assert len(frames) >= 3
    assert all(frame.time_ms > 0 for frame in frames)
    assert result.claims["sequence"] == "animation"
    at = round(frames[2].time_ms * media_formats.RATE / 1000)
    assert mean_difference(frames[2].rgb, media_formats.source()[at]) < 6
    path = tmp_path / "again"
    path.write_bytes(body)
    fd = os.open(path, os.O_RDONLY)
    try:
        first = decoder.read_claims(fd)
    finally:
        os.close(fd)
    assert (first.outcome, first.frame_count, first.claims["width"]) == (DecodeOutcome.DECODED, 0, 320)


@pytest.mark.thorough
def test_decode_when_a_sequence_is_beside_a_picture_then_its_frames_follow(decode: Decode) -> None:
    still = photograph().transpose(Image.Transpose.ROTATE_180)
    result, frames = decode(heif_boxes.with_sequence(encoded(still, "HEIF", quality=90)))

    assert (result.outcome, result.reason) == (DecodeOutcome.DECODED, None)
    assert result.picture is not None
    assert mean_difference(result.picture, np.asarray(still)) < 4
    assert mean_difference(frames[0].rgb, media_formats.source()[0]) < 6
    assert len(frames) >= 3
    times = [frame.time_ms for frame in frames]
    assert times == sorted(set(times))
    assert times[0] == 1


def test_decode_when_a_sequence_is_damaged_then_the_picture_is_kept_and_the_reason_says_so(decode: Decode) -> None:
    whole = heif_boxes.with_sequence(encoded(photograph(), "HEIF", quality=90))
    place = whole.rindex(b"stsd")
    result, frames = decode(whole[:place] + b"xxxx" + whole[place + 4 :])
    assert (result.outcome, result.is_partial, frames) == (DecodeOutcome.DECODED, True, [])
    assert "sequence" in (result.reason or "")
