"""Pictures of every kind of every format: what is shown is what was taken. Each row of docs/formats.md."""

import io
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageOps

from app.fingerprints.algorithms.algorithm import hamming
from app.fingerprints.algorithms.pdq import PDQ
from app.media.jail.result import DecodeOutcome
from app.media.sniff import HEAD_BYTES, sniff
from tests import media_samples
from tests.media_jail.conftest import Decode
from tests.media_jail.hand_made import interlaced_png, tiled_tiff
from tests.media_jail.test_formats import TRANSPOSITIONS, mean_difference
from tests.media_samples import encoded

PATH = media_samples.ASSETS / "park-dogs.jpg"


def photograph() -> Image.Image:
    return media_samples.upright(PATH).resize((320, 240)).copy()


def by_ffmpeg(codec: str, container: str, pixel_format: str) -> bytes:
    """A picture with samples that Pillow does not write."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as target:
        stream = target.add_stream(codec, rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, pixel_format
        frame = av.VideoFrame.from_ndarray(np.asarray(photograph()), format="rgb24").reformat(format=pixel_format)
        frame.pts, frame.time_base = 0, Fraction(1)
        target.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def ycck() -> bytes:
    """A JPEG as Photoshop writes CMYK: its first three components as luma and colour, all inverted."""
    inks = ImageOps.invert(photograph()).convert("YCbCr")
    planes = [ImageOps.invert(plane) for plane in inks.split()] + [Image.new("L", inks.size, 0)]
    whole = encoded(Image.merge("CMYK", planes), "JPEG", quality=95)
    transform = whole.index(b"Adobe") + 11
    return whole[:transform] + b"\x02" + whole[transform + 1 :]


def ten_bit_heic() -> bytes:
    samples = (np.asarray(photograph()).astype("<u2") << 8).tobytes()
    buffer = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(320, 240), data=samples).save(buffer, quality=90)
    return buffer.getvalue()


def palette() -> Image.Image:
    return photograph().convert("P", palette=Image.Palette.ADAPTIVE)


KINDS: dict[str, Callable[[], bytes]] = {
    "jpeg-progressive": lambda: encoded(photograph(), "JPEG", progressive=True, quality=90),
    "jpeg-4:4:4": lambda: encoded(photograph(), "JPEG", subsampling="4:4:4", quality=90),
    "jpeg-4:1:1": lambda: encoded(photograph(), "JPEG", subsampling="4:1:1", quality=90),
    "jpeg-restarts": lambda: encoded(photograph(), "JPEG", restart_marker_rows=1, quality=90),
    "jpeg-cmyk": lambda: encoded(photograph().convert("CMYK"), "JPEG", quality=90),
    "jpeg-ycck": ycck,
    "jpeg-grey": lambda: encoded(photograph().convert("L"), "JPEG", quality=90),
    "png-16-bit": lambda: by_ffmpeg("png", "image2pipe", "rgb48be"),
    "png-interlaced": lambda: interlaced_png(photograph()),
    "png-palette": lambda: encoded(palette(), "PNG"),
    "png-transparency": lambda: encoded(photograph().convert("RGBA"), "PNG"),
    "webp-lossless": lambda: encoded(photograph(), "WEBP", lossless=True),
    "webp-alpha": lambda: encoded(photograph().convert("RGBA"), "WEBP", quality=90),
    "gif": lambda: encoded(photograph(), "GIF"),
    "tiff-raw": lambda: encoded(photograph(), "TIFF"),
    "tiff-lzw": lambda: encoded(photograph(), "TIFF", compression="tiff_lzw"),
    "tiff-deflate": lambda: encoded(photograph(), "TIFF", compression="tiff_adobe_deflate"),
    "tiff-packbits": lambda: encoded(photograph(), "TIFF", compression="packbits"),
    "tiff-jpeg": lambda: encoded(photograph(), "TIFF", compression="jpeg"),
    "tiff-zstd": lambda: encoded(photograph(), "TIFF", compression="zstd"),
    "tiff-cmyk": lambda: encoded(photograph().convert("CMYK"), "TIFF"),
    "tiff-tiled": lambda: tiled_tiff(photograph()),
    "bigtiff": lambda: encoded(photograph(), "TIFF", big_tiff=True),
    "bigtiff-tiled": lambda: tiled_tiff(photograph(), is_big=True),
    "tiff-16-bit": lambda: by_ffmpeg("tiff", "image2pipe", "rgb48le"),
    "heic": lambda: encoded(photograph(), "HEIF", quality=90),
    "heic-10-bit": ten_bit_heic,
    "avif": lambda: encoded(photograph(), "AVIF", quality=90),
    "avif-10-bit": lambda: by_ffmpeg("libsvtav1", "avif", "yuv420p10le"),
    "bmp": lambda: encoded(photograph(), "BMP"),
    "bmp-palette": lambda: encoded(palette(), "BMP"),
}
MP4_BRANDS = (b"isom", b"mp41", b"mp42", b"M4V ", b"dash", b"avc1")
OF_GREY = ("jpeg-grey",)


@pytest.mark.parametrize("name", KINDS)
def test_decode_when_given_a_kind_of_picture_then_it_is_the_picture(decode: Decode, name: str) -> None:
    result, frames = decode(KINDS[name]())
    assert (result.outcome, result.reason, result.is_partial) == (DecodeOutcome.DECODED, None, False)
    assert result.picture is not None
    expected = photograph().convert("L").convert("RGB") if name in OF_GREY else photograph()
    assert mean_difference(result.picture, np.asarray(expected)) < 4
    assert (result.claims["width"], result.claims["height"], frames) == (320, 240, [])


def test_decode_when_a_jpeg_is_ultra_hdr_then_its_gain_map_is_no_page(decode: Decode) -> None:
    marked = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description hdrgm:Version="1.0"/></x:xmpmeta>'
    gain_map = photograph().convert("L").resize((80, 60))
    result, frames = decode(encoded(photograph(), "MPO", save_all=True, append_images=[gain_map], xmp=marked))
    assert (result.outcome, result.is_partial, frames) == (DecodeOutcome.DECODED, False, [])
    assert result.picture is not None
    assert mean_difference(result.picture, np.asarray(photograph())) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["TIFF", "PNG", "WEBP", "AVIF", "HEIF"])
def test_decode_when_a_format_says_how_it_was_held_then_the_picture_is_upright(
    decode: Decode, format_name: str, orientation: int
) -> None:
    """HEIF and AVIF say it by properties of their own (irot, imir), which their libraries apply."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    result, _ = decode(encoded(photograph(), format_name, exif=exif.tobytes()))
    shown = photograph() if orientation == 1 else photograph().transpose(TRANSPOSITIONS[orientation])
    assert result.picture is not None
    assert result.picture.shape == (shown.height, shown.width, 3)
    assert mean_difference(result.picture, np.asarray(shown)) < 4
    assert (result.claims["width"], result.claims["height"]) == shown.size


def in_display_p3(image: Image.Image) -> Image.Image:
    """The numbers that a phone writes for the same colours with a Display P3 profile."""
    encoded_rgb = np.asarray(image, dtype=np.float64) / 255
    linear = np.where(encoded_rgb <= 0.04045, encoded_rgb / 12.92, ((encoded_rgb + 0.055) / 1.055) ** 2.4)
    to_p3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
    mixed = np.clip(linear @ to_p3.T, 0, 1)
    samples = np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.round(samples * 255).astype(np.uint8))


@pytest.mark.thorough
def test_decode_when_a_photograph_is_in_display_p3_then_its_hash_is_nearly_that_in_srgb(decode: Decode) -> None:
    """Profiles are not applied: what they change hardly moves a hash of luma, and they are one more thing to attack."""
    for path in media_samples.PHOTOGRAPHS:
        image = media_samples.upright(path).resize((640, 480))
        hashes = []
        for shown in (image.copy(), in_display_p3(image)):
            picture = decode(encoded(shown, "JPEG", quality=92))[0].picture
            assert picture is not None
            hashes.append(PDQ.compute(picture).value)
        assert hamming(*hashes) <= 10


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        *((b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0isommp42", "video/mp4") for brand in MP4_BRANDS),
        *((b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0isom3gp4", "video/3gpp") for brand in (b"3gp4", b"3gp5", b"3g2a")),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "video/quicktime"),
        (b"\0\0\0\x08wide\0\0\1\0mdat", "video/quicktime"),
        (b"\0\0\1\0moov\0\0\0\x6cmvhd", "video/quicktime"),
        *((b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic", "image/heic") for brand in (b"heic", b"heix", b"mif1")),
        *((b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1avif", "image/avif") for brand in (b"avif", b"avis", b"mif1")),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "image/heif"),
        (b"RIFF\0\0\1\0AVI LIST", "video/x-msvideo"),
        (b"RIFF\0\0\1\0WEBPVP8 ", "image/webp"),
        (b"II+\0\x08\0\0\0" + bytes(8), "image/tiff"),
    ],
)  # fmt: skip
def test_sniff_when_given_the_first_bytes_of_a_kind_then_it_names_it(head: bytes, media_type: str) -> None:
    found = sniff(head.ljust(HEAD_BYTES, b"\0"))
    assert found is not None
    assert found.media_type == media_type
