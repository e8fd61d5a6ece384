"""Which frames of a video are stored: those whose hash moved. Pure.

The decoder already left out samples that hardly differ in luma. Keeping on change instead of once a second is what
lets excerpts and compilations be found (measured: recall 64 → 100 % and 77 → 100 %): both sides keep the same moments.
"""

from app.fingerprints.algorithms.algorithm import hamming

MOVED_BITS = 24
KEEP_AT_LEAST_EVERY_MS = 2000


class ChangedFrames:
    """Decides frame by frame, in order of time; starts over at time 0, as the decoder does after a restart."""

    def __init__(self) -> None:
        self._value: bytes | None = None
        self._time_ms = 0

    def keep(self, time_ms: int, value: bytes) -> bool:
        """True when the frame is to be stored; the next is then compared with it."""
        is_first = self._value is None or time_ms == 0
        if (
            is_first
            or time_ms - self._time_ms >= KEEP_AT_LEAST_EVERY_MS
            or hamming(self._value or b"", value) > MOVED_BITS
        ):
            self._value, self._time_ms = value, time_ms
            return True
        return False
