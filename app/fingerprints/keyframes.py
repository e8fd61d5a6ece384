"""Which frames of a video are stored: those whose hash moved, and the last one (``hasher``). Pure.

The decoder already left out samples that hardly differ in luma. Keeping on change instead of once a second is what
lets excerpts and compilations be found (measured: recall 64 → 100 % and 77 → 100 %): both sides keep the same moments.
"""

from app.fingerprints.algorithms.algorithm import hamming

MOVED_BITS = 24
MOVED_FAR_BITS = 90
"""As far as a picture from what is left of it when a fifth of its area is cut off: most of both is in both."""
MOVED_FAR_AFTER_MS = 1000
KEEP_AT_LEAST_EVERY_MS = 2000


class ChangedFrames:
    """Decides frame by frame, in order of time; starts over at time 0, as the decoder does after a restart."""

    def __init__(self) -> None:
        self._value: bytes | None = None
        self._time_ms = 0

    def has_moved(self, time_ms: int, value: bytes) -> bool:
        """Whether the frame is to be stored."""
        return (
            self._value is None
            or time_ms == 0
            or time_ms - self._time_ms >= KEEP_AT_LEAST_EVERY_MS
            or hamming(self._value, value) > MOVED_BITS
        )

    def store(self, time_ms: int, value: bytes) -> None:
        """The frame is stored, for whatever reason: the next ones are compared with it."""
        self._value, self._time_ms = value, time_ms

    def keep(self, time_ms: int, value: bytes) -> bool:
        """True when the frame is to be stored; the next is then compared with it."""
        if self.has_moved(time_ms, value):
            self.store(time_ms, value)
            return True
        return False


class MovedFarFrames:
    """Of a shot in which the camera moves, further frames whose points are kept: each overlaps the one before. One
    frame for the whole of such a shot would not meet the one that stands for an excerpt of it."""

    def __init__(self) -> None:
        self._began_ms = -1
        self._time_ms = 0
        self._value = b""

    def keep(self, shot_began_ms: int, time_ms: int, value: bytes) -> bool:
        """In order of time. False for what begins a shot: another frame stands for it."""
        if shot_began_ms != self._began_ms:
            self._began_ms, self._time_ms, self._value = shot_began_ms, time_ms, value
            return False
        if time_ms - self._time_ms < MOVED_FAR_AFTER_MS or hamming(self._value, value) < MOVED_FAR_BITS:
            return False
        self._time_ms, self._value = time_ms, value
        return True
