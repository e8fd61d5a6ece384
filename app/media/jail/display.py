"""How a recording is to be shown: its display matrix as a turn and a mirroring. Pure.

Source: ISO/IEC 14496-12, 6.2.2: a point (x, y), y downwards, is shown at (a·x + c·y, b·x + d·y). Phones write quarter
turns; front cameras of some mirror as well. Other angles are shown as the nearest quarter.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np

Array = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class Display:
    """The four numbers of the matrix that turn and mirror."""

    a: int = 1
    b: int = 0
    c: int = 0
    d: int = 1

    @classmethod
    def from_side_data(cls, matrix: bytes | None) -> "Display":
        """Of FFmpeg's nine 32-bit numbers in this machine's order; None, another length or only zeros: as it is."""
        if matrix is None or len(matrix) != 36:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
        return cls(a, b, c, d) if (a or b) and (c or d) else cls()

    @classmethod
    def turned_by(cls, degrees: int) -> "Display":
        """Clockwise, to the nearest quarter; not mirrored."""
        a, b = ((1, 0), (0, 1), (-1, 0), (0, -1))[round(degrees / 90) % 4]
        return cls(a, b, -b, a)

    @property
    def rotation_degrees(self) -> int:
        """Clockwise, 0 to 359; of a mirrored recording after mirroring left and right."""
        return round(math.degrees(math.atan2(-self.c, self.d))) % 360

    @property
    def is_mirrored(self) -> bool:
        return self.a * self.d - self.b * self.c < 0

    def upright(self, stored: Array) -> Array:
        """The pixels as they are to be seen, contiguous."""
        if abs(self.b) + abs(self.c) > abs(self.a) + abs(self.d):
            stored, flips = np.swapaxes(stored, 0, 1), (self.b < 0, self.c < 0)
        else:
            flips = (self.d < 0, self.a < 0)
        rows, columns = (slice(None, None, -1) if is_flipped else slice(None) for is_flipped in flips)
        return np.ascontiguousarray(stored[rows, columns])
