"""Times of frames, whatever their time stamps say: since the first frame, never going back. Pure.

Recordings have frames without a time stamp, stamps that go back (a camera that was restarted, a counter of 33 bits that
ran over), and stamps that jump by years. Every frame gets a time, so that none is lost and all stay in order.
"""

from math import isfinite

SAMPLES_RULE = "samples/1"
"""By which frames are taken of a recording: see ``videos``. By ``frames/1`` the last one was not."""
REORDERED_MS = 1000
"""A stamp that goes back by less is disorder; by more, a clock that was set anew."""
LONGEST_GAP_MS = 24 * 3600 * 1000
"""One frame an hour is a recording; a gap of more than a day is a broken stamp."""
LONGEST_RECORDING_MS = 30 * LONGEST_GAP_MS
"""Beyond it, no stamp is believed: frames follow one another step by step."""
ASSUMED_STEP_MS = 40
LONGEST_STEP_MS = 10_000


class FrameClock:
    """Gives each frame, in the order of decoding, its time in milliseconds since the first."""

    def __init__(self, step_ms: int | None = None) -> None:
        """``step_ms`` is what lies between two frames where nothing better is known: by the claimed frame rate."""
        self._step_ms = step_ms if step_ms is not None and 0 < step_ms <= LONGEST_STEP_MS else ASSUMED_STEP_MS
        self._zero_s: float | None = None
        self._last_ms = -1

    def time_of(self, stamp_s: float | None) -> int:
        """The time of a frame with this stamp (None: it has none): never less than the one before."""
        if stamp_s is not None and not isfinite(stamp_s):
            stamp_s = None
        if self._last_ms < 0:
            self._zero_s, self._last_ms = stamp_s, 0
            return 0
        self._last_ms = self._after_last(stamp_s)
        return self._last_ms

    def _after_last(self, stamp_s: float | None) -> int:
        expected_ms = self._last_ms + self._step_ms
        if stamp_s is None:
            return expected_ms
        if self._zero_s is None:
            self._zero_s = stamp_s - expected_ms / 1000
        since_last_ms = (stamp_s - self._zero_s) * 1000 - self._last_ms
        is_believed = self._last_ms + since_last_ms <= LONGEST_RECORDING_MS
        if -REORDERED_MS <= since_last_ms <= LONGEST_GAP_MS and is_believed:
            return max(self._last_ms, self._last_ms + round(since_last_ms))
        # The stamps begin anew: what follows is counted on from here.
        self._zero_s = stamp_s - expected_ms / 1000
        return expected_ms
