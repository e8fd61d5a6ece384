"""The child's side of the memory that a picture leaves the jail in (``memory.py``): decoded where the worker reads it.

Fresh pages are what a child costs most, after the decoding itself. Pillow has a picture as four bytes a pixel, and can
take memory that is there for an image's own: then nothing is copied, packed or written into a pipe.
"""

import mmap

from PIL import Image, _imaging

from app.media.jail.wire import MAX_SIDE_PIXELS, MEMORY_BYTES

DRAFTED = ("JPEG", "MPO")
"""Formats of which a reduced picture is decoded, so that it may be there at once."""


class Canvas:
    """One child's picture memory."""

    def __init__(self, memory: mmap.mmap | bytearray) -> None:
        """``memory``: all zeros, of ``MEMORY_BYTES``."""
        self._memory = memory
        self._shown: _imaging.ImagingCore | None = None

    @classmethod
    def of_descriptor(cls, fd: int) -> "Canvas":
        """Raises OSError, ValueError."""
        return cls(mmap.mmap(fd, MEMORY_BYTES, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE))

    def decoded(self, image: Image.Image) -> Image.Image | None:
        """The opened image's pixels, decoded into the memory; None: it is none that can be. Raises as ``load``."""
        if image.format not in DRAFTED or image.mode != "RGB" or max(image.size) > MAX_SIDE_PIXELS:
            return None
        if not getattr(image, "tile", None):
            return None  # There are no pixels in the file; Pillow, which is given memory for them, would not say so.
        image.im = self._of_size(image.size)
        image.load()
        self._shown = image.im
        picture = _with_pixels(image.im, image.size)
        image._im = None  # A further picture of the same file has memory of its own.
        return picture

    def show(self, picture: Image.Image) -> None:
        """Puts the picture (RGB, at most 1024 × 1024) into the memory, if it is not there."""
        if picture.im is not self._shown:
            self._of_size(picture.size).paste(picture.im, (0, 0, *picture.size))

    def _of_size(self, size: tuple[int, int]) -> "_imaging.ImagingCore":
        core: _imaging.ImagingCore = _imaging.map_buffer(self._memory, size, "raw", 0, ("RGB", 0, 1))
        return core


def _with_pixels(core: "_imaging.ImagingCore", size: tuple[int, int]) -> Image.Image:
    image = Image.Image()
    image._im, image._mode, image._size = core, "RGB", size
    return image
