"""Working pictures, opened to be laid upon each other: those of a stored blob, or of a file that is not kept.

What is opened is never a file of somebody else: a JPEG that we wrote from pixels that came out of the jail, and of a
stored one only after its digest was compared with the one in the database (``media.viewing.read_frame``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.blobs.store import BlobStore
from app.fingerprints.prints import Luma, Prints
from app.kernel.primitives import Sha256Hex
from app.media import viewing
from app.media.errors import ContentUnavailable
from app.media.frames import PackedFrame, opened


@dataclass(frozen=True)
class PackedPictures:
    """Those of a stored blob: where they lie, as the database says, and the store that has them."""

    pack_sha256: Sha256Hex
    frames: Mapping[int, PackedFrame]
    """By their times."""
    blobs: BlobStore | None = None
    """None while a job is planned, which has no store at hand."""

    def at(self, time_ms: int) -> Luma | None:
        """None also for one that the store does not give: that is no reason to call two pictures the same."""
        frame = self.frames.get(time_ms)
        if frame is None or self.blobs is None:
            return None
        try:
            return _luma(viewing.read_frame(self.blobs, self.pack_sha256, frame))
        except ContentUnavailable:
            return None


@dataclass(frozen=True)
class HeldPictures:
    """Those of a file that is not kept: JPEGs by their times, in memory."""

    jpegs: Mapping[int, bytes]

    def at(self, time_ms: int) -> Luma | None:
        jpeg = self.jpegs.get(time_ms)
        return None if jpeg is None else _luma(jpeg)


def with_store(prints: Prints, blobs: BlobStore) -> Prints:
    """The same, with its stored pictures ready to be read."""
    if not isinstance(prints.pictures, PackedPictures):
        return prints
    return replace(prints, pictures=replace(prints.pictures, blobs=blobs))


def _luma(jpeg: bytes) -> Luma:
    return np.asarray(opened(jpeg).convert("L"))
