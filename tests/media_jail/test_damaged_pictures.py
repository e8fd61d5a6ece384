"""Pictures whose file ends early or is damaged: decoded as far as they go, and nothing is invented."""

import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from app.fingerprints.algorithms.algorithm import hamming
from app.fingerprints.algorithms.pdq import PDQ
from app.media.jail.damaged import MISSING_LEVEL
from app.media.jail.result import DecodeOutcome, DecodeResult, Pixels
from tests import media_samples
from tests.media_jail.conftest import Decode
from tests.media_samples import encoded
from tests.support.examples import all_but_slow

SIZE = (640, 480)


def photograph(number: int = 0) -> Image.Image:
    return media_samples.upright(media_samples.PHOTOGRAPHS[number]).resize(SIZE)


def cut(body: bytes, fraction: float) -> bytes:
    return body[: int(len(body) * fraction)]


def directory_first(tiff: bytes) -> bytes:
    """The same TIFF with its directory in front of the strips, as cameras write it; Pillow writes it behind them."""
    at = int.from_bytes(tiff[4:8], "little")
    directory, strips = bytearray(tiff[at:]), tiff[8:at]
    moved = len(directory)
    for entry in range(2, 2 + 12 * int.from_bytes(directory[:2], "little"), 12):
        number, kind, count, value = struct.unpack_from("<HHII", directory, entry)
        is_pointer = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind] * count > 4
        if not is_pointer:
            if number == 273:
                struct.pack_into("<I", directory, entry + 8, value + moved)
            continue
        if number == 273:
            form = f"<{count}{'HI'[kind == 4]}"
            place, table = (value - 8, bytearray(strips)) if value < at else (value - at, directory)
            struct.pack_into(form, table, place, *(one + moved for one in struct.unpack_from(form, table, place)))
            strips = bytes(table) if value < at else strips
        struct.pack_into("<I", directory, entry + 8, value + moved if value < at else value - at + 8)
    return tiff[:4] + struct.pack("<I", 8) + bytes(directory) + strips


KINDS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(photograph(), "JPEG", quality=88),
    "jpeg-cmyk": lambda: encoded(photograph().convert("CMYK"), "JPEG", quality=88),
    "jpeg-restarts": lambda: encoded(photograph(), "JPEG", restart_marker_rows=1),
    "png": lambda: encoded(photograph(), "PNG"),
    "png-transparency": lambda: encoded(photograph().convert("RGBA"), "PNG"),
    "tiff-raw": lambda: encoded(photograph(), "TIFF"),
    "tiff-lzw": lambda: directory_first(encoded(photograph(), "TIFF", compression="tiff_lzw")),
    "tiff-deflate": lambda: directory_first(encoded(photograph(), "TIFF", compression="tiff_adobe_deflate")),
    "webp": lambda: encoded(photograph(), "WEBP", quality=88),
    "webp-lossless": lambda: encoded(photograph(), "WEBP", lossless=True),
    "webp-alpha": lambda: encoded(photograph().convert("RGBA"), "WEBP", quality=88),
    "heic": lambda: encoded(photograph(), "HEIF", quality=80),
}


def known_rows(picture: Pixels) -> int:
    """How many there are above the grey that stands for what is missing."""
    is_grey = (picture == MISSING_LEVEL).all(axis=(1, 2))
    return int(len(picture) - is_grey[::-1].argmin())


def check_partial(result: DecodeResult, words: str = "the file ends early") -> Pixels:
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, True)
    assert result.reason is not None
    assert words in result.reason
    assert (result.claims["width"], result.claims["height"]) == SIZE
    assert result.picture is not None
    assert result.picture.shape == (SIZE[1], SIZE[0], 3)
    return result.picture


@pytest.mark.parametrize("name", all_but_slow(KINDS, ("heic",)))
def test_decode_when_a_picture_is_cut_off_then_the_rows_that_are_there_are_its_own_and_the_rest_is_grey(
    decode: Decode, name: str
) -> None:
    body = KINDS[name]()
    whole = decode(body)[0].picture
    assert whole is not None
    for fraction, least, most in ((0.35, 90, 240), (0.9, 340, 479)):
        result, frames = decode(cut(body, fraction))
        picture = check_partial(result)
        known = known_rows(picture)
        assert least <= known <= most, (name, fraction, known)
        percent = round(100 * (1 - known / SIZE[1]))
        assert result.reason == f"the file ends early: about {percent} % of the picture, the lower part, is missing"
        # The last row of blocks may be there in part, and a JPEG's colours blend into the next row.
        sure = known - 18
        assert np.array_equal(picture[:sure], whole[:sure]), name
        assert frames == []


def test_decode_when_a_progressive_jpeg_is_cut_off_then_it_is_whole_but_coarse(decode: Decode) -> None:
    body = encoded(photograph(), "JPEG", progressive=True, quality=88)
    for fraction in (0.3, 0.5, 0.9):
        picture = check_partial(decode(cut(body, fraction))[0], "some part or some detail of the picture is missing")
        assert hamming(PDQ.compute(picture).value, PDQ.compute(np.asarray(photograph())).value) <= 10


def test_decode_when_a_jpeg_of_a_phone_is_cut_off_then_it_is_upright_and_its_claims_are_read(decode: Decode) -> None:
    body = media_samples.with_exif(media_samples.PHOTOGRAPHS[1], orientation=6)
    whole, (result, _) = decode(body)[0], decode(cut(body, 0.6))
    assert (result.outcome, result.is_partial) == (DecodeOutcome.DECODED, True)
    assert result.claims == whole.claims
    assert result.picture is not None
    assert whole.picture is not None
    assert result.picture.shape == whole.picture.shape
    # The lower part of what the sensor saw is at the left once the picture stands upright.
    assert (result.picture[:, :20] == MISSING_LEVEL).all()
    assert np.array_equal(result.picture[:, -20:], whole.picture[:, -20:])


def test_decode_when_a_bitmap_is_cut_off_then_its_upper_part_is_missing(decode: Decode) -> None:
    result, _ = decode(cut(encoded(photograph(), "BMP"), 0.6))
    assert result.reason == "the file ends early: about 40 % of the picture, the upper part, is missing"
    picture = check_partial(result)
    assert (picture[:190] == MISSING_LEVEL).all()
    assert np.array_equal(picture[200:], np.asarray(photograph())[200:])


@pytest.mark.thorough
def test_decode_when_an_animation_is_cut_off_within_its_first_frame_then_that_is_shown(decode: Decode) -> None:
    for name in ("GIF", "PNG"):
        following = photograph().transpose(Image.Transpose.ROTATE_180)
        body = encoded(photograph(), name, save_all=True, append_images=[following], duration=500)
        check_partial(decode(cut(body, 0.2))[0])


def test_decode_when_a_webp_is_cut_off_behind_its_picture_then_nothing_of_that_is_missing(decode: Decode) -> None:
    body = encoded(photograph(), "WEBP", exif=b"Exif\0\0II*\0\x08" + bytes(400))
    picture = check_partial(decode(body[:-100])[0], "the file ends early, behind this picture")
    assert known_rows(picture) == SIZE[1]


def test_decode_when_bytes_within_a_png_are_broken_then_what_is_above_them_is_shown(decode: Decode) -> None:
    body = bytearray(encoded(photograph(), "PNG"))
    middle = len(body) // 2
    body[middle : middle + 200] = bytes(200)
    result, _ = decode(bytes(body))
    picture = check_partial(result, "the file is damaged")
    assert 100 < known_rows(picture) < 400


@pytest.mark.parametrize(
    "format_name", all_but_slow(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "HEIF", "AVIF"], ("HEIF",))
)
def test_decode_when_no_row_is_there_then_it_is_undecodable(decode: Decode, format_name: str) -> None:
    body = encoded(photograph(), format_name)
    start = {"JPEG": body.rfind(b"\xff\xda") + 14, "PNG": body.find(b"IDAT") + 8, "TIFF": 200, "BMP": 54}
    result, _ = decode(body[: start.get(format_name, 60)])
    assert (result.outcome, result.is_partial, result.picture) == (DecodeOutcome.UNDECODABLE, False, None)


def test_pdq_when_photographs_are_cut_off_then_nine_tenths_are_the_picture_and_no_part_is_another(
    decode: Decode,
) -> None:
    """What MATCHING calls certain (31 bits) is reached by most that lack a tenth; no grey makes two pictures alike."""
    wholes = [PDQ.compute(np.asarray(photograph(number))) for number in range(len(media_samples.PHOTOGRAPHS))]
    own: list[int] = []
    others: list[int] = []
    for number in (0, 2, 4):
        body = encoded(photograph(number), "JPEG", quality=88)
        for fraction in (0.4, 0.9):
            found = PDQ.compute(check_partial(decode(cut(body, fraction))[0]))
            distances = [hamming(found.value, whole.value) for whole in wholes]
            own += [distances[number]] if fraction == 0.9 else []
            if (found.quality or 0) >= PDQ.minimum_quality:
                others += distances[:number] + distances[number + 1 :]
    assert sorted(own)[len(own) // 2] <= 31
    assert min(others) > 80
