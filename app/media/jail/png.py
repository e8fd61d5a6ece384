"""Reads PNG files whose texts, colour profiles and other side notes are broken or bombs: no pixel depends on them.

Pillow gives up a whole picture for one such chunk, where browsers and phones show it. Pixels of a picture that people
can see must be compared, or one bad chunk would hide used footage.
"""

import struct
import zlib

from PIL import ImageFile, PngImagePlugin

_SIDE_NOTES = frozenset({b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"acTL"})
_BROKEN = (ValueError, SyntaxError, IndexError, TypeError, KeyError, OverflowError, struct.error, zlib.error)


class TolerantPngStream(PngImagePlugin.PngStream):
    """Passes over side notes that cannot be read; what pixels need stays as strict as it was."""

    def call(self, cid: bytes, pos: int, length: int) -> bytes:
        """The chunk's bytes, which the caller needs for the checksum, whether they made sense or not."""
        try:
            return super().call(cid, pos, length)
        except _BROKEN:
            if cid not in _SIDE_NOTES:
                raise
            assert self.fp is not None
            self.fp.seek(pos)
            return ImageFile._safe_read(self.fp, length)


def prepare_png() -> None:
    """Lets Pillow's PNG plugin read with :class:`TolerantPngStream` from now on."""
    # The plugin has no place for it but the name by which it makes its reader.
    PngImagePlugin.PngStream = TolerantPngStream  # type: ignore[misc]
