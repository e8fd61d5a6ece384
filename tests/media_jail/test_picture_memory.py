"""The memory that a picture leaves the jail in: of a fixed size, empty for every file, and copied before it is used."""

import fcntl
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from app.fingerprints.algorithms import reducing
from app.media.jail import damaged, images
from app.media.jail.canvas import Canvas
from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from app.media.jail.memory import PictureMemories, PictureMemory, WithoutFourth, without_fourth
from app.media.jail.result import DecodeOutcome, Pixels
from app.media.jail.wire import MEMORY_BYTES, Stream
from tests.media_jail.hostile_zygote import NAME_AT
from tests.media_jail.test_hostile_child import LIMITS, TakenOver, act
from tests.media_samples import PHOTOGRAPHS, upright


@pytest.fixture(scope="module")
def taken_over() -> Iterator[Decoder]:
    with TakenOver(LIMITS) as made:
        yield made


def test_memory_when_anybody_tries_to_change_its_size_or_its_seals_then_it_stays() -> None:
    """Whoever could shrink it would end the worker, which reads where nothing is any more (SIGBUS)."""
    memory = PictureMemory()
    for change in (
        lambda: os.ftruncate(memory.fileno(), 4096),
        lambda: os.ftruncate(memory.fileno(), MEMORY_BYTES + 4096),
        lambda: fcntl.fcntl(memory.fileno(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE),
    ):
        with pytest.raises(PermissionError):
            change()
    assert os.fstat(memory.fileno()).st_size == MEMORY_BYTES
    memory.close()


@pytest.mark.parametrize("copied", [without_fourth, reducing.without_fourth])
def test_pixels_when_they_are_copied_then_they_are_those_in_memory_and_stay_so(copied: WithoutFourth) -> None:
    memory = PictureMemory()
    there = np.frombuffer(memory._map, np.uint8)
    there[:] = np.arange(len(there)) % 251
    pixels = memory.pixels(5, 3, copied)
    first = np.arange(5 * 3 * 4).reshape(3, 5, 4)[:, :, :3]
    there[:] = 7
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, first)


def test_memory_when_its_child_may_live_then_it_is_lent_to_nobody_else_and_else_it_is_lent_empty() -> None:
    memories = PictureMemories()
    with memories.lent(True) as first:
        assert first.memory is not None
        np.frombuffer(first.memory._map, np.uint8)[:] = 9
        first.is_over = True
    with memories.lent(True) as second:
        assert second.memory is first.memory
        assert second.memory is not None
        assert not np.frombuffer(second.memory._map, np.uint8).any()
    with memories.lent(True) as third:
        assert third.memory is not second.memory  # That one's child was not known to be over.
        third.is_over = True
        memories.close()
    assert memories._kept == []
    with memories.lent(False) as none:
        assert none.memory is None


def test_child_when_one_before_it_left_pixels_everywhere_then_it_finds_none(
    taken_over: Decoder, tmp_path: Path
) -> None:
    painted = act(taken_over, "paint all of it", tmp_path).picture
    found = act(taken_over, "show what is there", tmp_path).picture
    assert painted is not None
    assert found is not None
    assert (painted == 0xAB).all()
    assert not found.any()


def test_child_when_it_paints_again_after_it_showed_a_picture_then_that_stays_as_it_was(
    taken_over: Decoder, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xd8\xff".ljust(NAME_AT, b"\0") + b"paint again")
    fd = os.open(path, os.O_RDONLY)
    given: list[Pixels] = []
    result = taken_over.decode(fd, on_picture=given.append)
    os.close(fd)
    assert result.outcome is DecodeOutcome.DECODED
    assert (given[0] == 1).all()


@pytest.mark.parametrize(
    ("what", "outcome", "words"),
    [
        ("take its pages", DecodeOutcome.UNDECODABLE, "pages: 22"),
        ("make it executable", DecodeOutcome.UNDECODABLE, "executable: -1"),
        ("show more than there is", DecodeOutcome.POLICY_VIOLATION, "width is not"),
        ("show and send", DecodeOutcome.POLICY_VIOLATION, "pixels beside"),
    ],
)
def test_child_when_it_does_with_the_memory_what_no_decoder_does_then_that_is_refused(
    taken_over: Decoder, tmp_path: Path, what: str, outcome: DecodeOutcome, words: str
) -> None:
    result = act(taken_over, what, tmp_path)
    assert result.outcome is outcome
    assert words in (result.reason or "")
    assert result.picture is None


def test_memory_when_its_child_did_what_no_decoder_does_then_it_is_used_for_no_other_file(tmp_path: Path) -> None:
    with TakenOver(LIMITS) as decoder:
        act(decoder, "paint all of it", tmp_path)
        (memory,) = decoder._memories._kept
        act(decoder, "show and send", tmp_path)
        assert memory not in decoder._memories._kept


def test_canvas_when_a_picture_was_decoded_elsewhere_then_it_is_painted_at_the_beginning() -> None:

    memory = bytearray(MEMORY_BYTES)
    Canvas(memory).show(Image.new("RGB", (3, 2), (1, 2, 3)))
    assert bytes(memory[:24]) == bytes((1, 2, 3, 255)) * 6
    assert not any(memory[24:])


@pytest.mark.parametrize("orientation", [None, 6])
@pytest.mark.parametrize(
    ("format_name", "mode"),
    [
        *(("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("MPO", "RGB")),
        pytest.param("PNG", "RGBA", marks=pytest.mark.thorough),
    ],
)
def test_picture_when_it_leaves_in_memory_then_it_is_what_would_be_sent(
    format_name: str, mode: str, orientation: int | None
) -> None:
    """Decoded there (JPEG, MPO), or painted there afterwards."""
    body, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    made = upright(PHOTOGRAPHS[0]).resize((1500, 1001)).convert(mode)
    made.save(
        body,
        format_name,
        exif=exif,
        **({"save_all": True, "append_images": [made.rotate(180)]} if format_name == "MPO" else {}),
    )
    sent, memory = bytearray(), bytearray(MEMORY_BYTES)
    sizes: list[tuple[object, object]] = []

    def emit(header: dict[str, object], payload: memoryview | Stream) -> None:
        if header["type"] == "picture":
            sizes.append((header["height"], header["width"]))
            if not isinstance(payload, memoryview):
                payload.write_to(sent.extend)

    for canvas in (None, Canvas(memory)):
        images.decode_image(body, "JPEG" if format_name == "MPO" else format_name, DecodeLimits(), emit, canvas)
        body.seek(0)
    assert sizes[0] == sizes[1]
    height, width = sizes[0]
    assert isinstance(height, int)
    assert isinstance(width, int)
    found = np.frombuffer(memory, np.uint8, height * width * 4).reshape(height, width, 4)[:, :, :3]
    np.testing.assert_array_equal(found, np.frombuffer(sent, np.uint8).reshape(height, width, 3))


def test_picture_when_its_file_has_a_head_and_no_pixels_then_none_is_made_of_the_empty_memory() -> None:
    body = io.BytesIO()
    Image.new("RGB", (96, 64)).save(body, "JPEG")
    head = body.getvalue()[: body.getvalue().index(b"\xff\xda")]
    with pytest.raises((OSError, SyntaxError, damaged.NothingThere)):
        images.decode_image(io.BytesIO(head), "JPEG", DecodeLimits(), lambda *_: None, Canvas(bytearray(MEMORY_BYTES)))
