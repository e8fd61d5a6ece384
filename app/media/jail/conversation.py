"""One file's decoding, as the worker sees it: hand it over, take what the child says, learn how the child ended.

Nothing that a child says is believed: what breaks the rules ends the conversation as ``policy_violation``.
"""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.media.jail import wire
from app.media.jail.limits import DecodeLimits
from app.media.jail.memory import PictureMemory, WithoutFourth, without_fourth
from app.media.jail.request import EXIT_NOT_CONFINED, Request
from app.media.jail.result import (
    MAX_REASON_CHARACTERS,
    DecodeOutcome,
    DecodeResult,
    Pixels,
    VideoFrame,
    checked_claims,
    checked_int,
    checked_pixels,
    checked_text,
    merged_claims,
)
from app.media.jail.zygote_run import STATUS_TIMEOUT_S, JailUnavailable, Zygote, ZygoteDied, read_status
from app.media.sniff import MediaKind, SniffedType

LAST_WORD_TIMEOUT_S = 5.0
"""A child that closed its answer ends at once; giving two gigabytes back takes a second."""
PIPE_BYTES = 1024 * 1024
TELL_AT_MOST_EVERY_S = 0.5
"""However often a child says how far it has come."""
CRASHES = frozenset({signal.SIGSYS, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE})
"""Ends that may be an attack on the decoder's memory; the next file gets a zygote with another layout."""

OnFrame = Callable[[VideoFrame], None]
OnPicture = Callable[[Pixels], None]
OnProgress = Callable[[int, int | None], None]
"""Called now and then with the time, in milliseconds, up to which a video is decoded, and the length that it claims."""

MAX_TIME_MS = 2**40


@dataclass(slots=True)
class _Received:
    """What came of a file so far."""

    claims: dict[str, Any] = field(default_factory=dict)
    claims_messages: int = 0
    is_confined: bool = False
    """Said before the file's first byte is read: from then on no exit code can say that a wall was missing."""
    picture: Pixels | None = None
    frames: int = 0
    last_time_ms: int = -1
    """Of the last frame that was given."""
    end_ms: int = 0
    outcome: DecodeOutcome | None = None
    reason: str = ""
    is_complete: bool = True

    def end(self, outcome: DecodeOutcome, reason: str) -> None:
        self.outcome, self.reason, self.is_complete = outcome, reason, False


class Conversation:
    """One file's decoding: hand it over, take what comes, learn how the child ended."""

    def __init__(
        self,
        zygote: Zygote,
        sniffed: SniffedType,
        limits: DecodeLimits,
        on_frame: OnFrame | None,
        on_progress: OnProgress | None,
        on_picture: OnPicture | None = None,
        *,
        is_strict: bool = True,
        claims_only: bool = False,
        memory: PictureMemory | None = None,
        copied: WithoutFourth = without_fourth,
    ) -> None:
        self._claims_only = claims_only
        self._memory = memory
        self._copied = copied
        self._zygote = zygote
        self._sniffed = sniffed
        self._limits = limits
        self._is_strict = is_strict
        self._on_frame = on_frame
        self._on_progress = on_progress
        self._on_picture = on_picture
        self._is_image = sniffed.kind is MediaKind.IMAGE
        self._most_frames = limits.sequence_frames if self._is_image else limits.frames
        self._received = _Received()
        self._told_at_s = 0.0
        self._cut: str | None = None
        self.is_suspect = False
        """The child crashed, or did what no honest child does."""
        self.is_child_dead = False
        """The zygote has said so: nothing writes to the memory any more."""

    def hold(self, fd: int) -> DecodeResult:
        wall_s = self._limits.wall_s(self._sniffed.kind.value)
        answer_fd, child_answer_fd = os.pipe2(os.O_CLOEXEC)
        status, child_status = socket.socketpair()
        with status:
            try:
                if self._memory is None:
                    _widen(answer_fd)
                with child_status:
                    request = Request(
                        self._sniffed.kind.value,
                        self._sniffed.decoder,
                        self._limits,
                        self._is_strict,
                        self._claims_only,
                    )
                    try:
                        memory = [] if self._memory is None else [self._memory.fileno()]
                        self._zygote.ask(
                            request, [fd, child_answer_fd, child_status.fileno(), *memory], is_film=request.is_film
                        )
                    finally:
                        os.close(child_answer_fd)
                self._listen(wire.Channel(answer_fd, time.monotonic() + wall_s))
            finally:
                os.close(answer_fd)
            self._learn_end(status)
        return self._result()

    def _listen(self, channel: wire.Channel) -> None:
        """Takes messages until the child closes its end or is given up."""
        try:
            while self._received.outcome is None and (message := channel.receive()) is not None:
                self._take(*message)
        except wire.DeadlinePassed:
            self._received.end(DecodeOutcome.LIMIT_TIME, self._limits.wall_words(self._sniffed.kind.value))
        except wire.CutMessage as error:
            self._cut = f"the decoding process answered against the rules: {error}"  # Unless it was killed.
        except wire.BrokenMessage as error:
            self._accuse(f"the decoding process answered against the rules: {error}")

    def _accuse(self, reason: str) -> None:
        self.is_suspect = True
        self._received.end(DecodeOutcome.POLICY_VIOLATION, reason)

    def _take(self, header: dict[str, object], payload: memoryview) -> None:
        received = self._received
        match header.pop("type", None):
            case "confined":
                received.is_confined = True
            case "claims":
                received.claims_messages += 1
                received.claims = merged_claims(received.claims, checked_claims(header), received.claims_messages)
            case "picture" if self._is_image and received.picture is None:
                received.picture, received.last_time_ms = self._picture(header, payload), 0
                if self._on_picture is not None:
                    self._on_picture(received.picture)
            case "frame" if self._is_image == (received.picture is not None):
                if received.frames >= self._most_frames:
                    reason = f"more than {self._most_frames} frames changed; no more are kept of one file"
                    received.end(DecodeOutcome.LIMIT_TIME, reason)
                    return
                time_ms = checked_int(header, "time_ms", received.last_time_ms + 1, 2**40)
                received.last_time_ms = time_ms
                received.frames += 1
                if self._on_frame is not None:
                    self._on_frame(VideoFrame(time_ms, checked_pixels(header, payload)))
                if self._claims_only:
                    received.end(DecodeOutcome.DECODED, "")
            case "progress" if self._sniffed.kind is MediaKind.VIDEO:
                received.end_ms = checked_int(header, "time_ms", received.end_ms, MAX_TIME_MS)
                if self._on_progress is not None and time.monotonic() - self._told_at_s >= TELL_AT_MOST_EVERY_S:
                    self._told_at_s = time.monotonic()
                    self._on_progress(received.end_ms, self._claimed_length_ms())
            case "end":
                self._take_end(header)
            case kind:
                raise wire.BrokenMessage(f"a message of kind {checked_text(str(kind), 20)!r} was not expected here")

    def _picture(self, header: dict[str, object], payload: memoryview) -> Pixels:
        """From the memory, when the child says so and was given one; else what it sent. Raises BrokenMessage."""
        if header.get("in_memory") is not True or self._memory is None:
            return checked_pixels(header, payload)
        width, height = (checked_int(header, side, 1, wire.MAX_SIDE_PIXELS) for side in ("width", "height"))
        if payload:
            raise wire.BrokenMessage("pixels beside those in memory")
        return self._memory.pixels(width, height, self._copied)

    def _claimed_length_ms(self) -> int | None:
        claimed = self._received.claims.get("duration_ms")
        return claimed if type(claimed) is int and claimed > 0 else None

    def _take_end(self, header: dict[str, object]) -> None:
        if header.get("outcome") not in ("decoded", "undecodable", "limit_memory", "limit_pixels"):
            raise wire.BrokenMessage("an outcome that a child cannot have")
        self._received.outcome = DecodeOutcome(str(header["outcome"]))
        self._received.reason = checked_text(header.get("reason"), MAX_REASON_CHARACTERS)
        if self._received.outcome is DecodeOutcome.LIMIT_MEMORY:
            self._received.reason = self._limits.memory_words()
        self._received.is_complete = header.get("is_complete") is True

    def _learn_end(self, status: socket.socket) -> None:
        """Waits for the child's end. When nothing more is wanted of it, or it says nothing more and runs on, it is
        killed: that is its file's fault, and not the zygote's, which has others to care for."""
        given_up = self._received.outcome is not None
        text = None if given_up else read_status(status, LAST_WORD_TIMEOUT_S)
        if text is None:
            if not given_up:
                self._accuse("the decoding process closed its answer and ran on")
                given_up = True
            status.shutdown(socket.SHUT_WR)
            text = read_status(status, STATUS_TIMEOUT_S)
        if text is None:
            raise ZygoteDied
        self.is_child_dead = bool(text)
        if not text:
            if given_up:
                return  # The answer is whole; how its dying zygote ended does not matter any more.
            raise ZygoteDied
        if not given_up:
            exit_code, cpu_s = map(int, text.split())
            if exit_code == EXIT_NOT_CONFINED and not self._received.is_confined:
                raise JailUnavailable("a decoding process could not be confined, so that nothing was decoded")
            if self._cut is not None and exit_code >= 0:
                self._accuse(self._cut)
                return
            self.is_suspect = -exit_code in CRASHES
            is_time_over = cpu_s >= self._limits.cpu_s(self._sniffed.kind.value)
            self._received.end(*_outcome_of_exit(exit_code, is_time_over, self._limits, self._sniffed.kind.value))

    def _result(self) -> DecodeResult:
        received = self._received
        outcome = received.outcome or DecodeOutcome.UNDECODABLE
        has_pixels = received.picture is not None or received.frames > 0
        if outcome is DecodeOutcome.DECODED and not has_pixels:
            outcome, received.reason = DecodeOutcome.POLICY_VIOLATION, "the decoding process gave no pixels"
        return DecodeResult(
            outcome=outcome,
            reason=None if outcome is DecodeOutcome.DECODED and received.is_complete else received.reason,
            is_partial=has_pixels and not (outcome is DecodeOutcome.DECODED and received.is_complete),
            sniffed=self._sniffed,
            claims=received.claims | {"container": self._sniffed.media_type},
            picture=received.picture,
            frame_count=received.frames,
            end_ms=received.end_ms,
        )


def _widen(pipe_fd: int) -> None:
    """Fewer turns between the two processes. A user's pipes together have a limit, and then this one stays small."""
    try:
        fcntl.fcntl(pipe_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass


def _outcome_of_exit(exit_code: int, is_time_over: bool, limits: DecodeLimits, kind: str) -> tuple[DecodeOutcome, str]:
    """What a confined child's death without a last word means."""
    if exit_code == -signal.SIGXCPU or (exit_code == -signal.SIGKILL and is_time_over):
        return DecodeOutcome.LIMIT_TIME, limits.cpu_words(kind)
    if exit_code == -signal.SIGSYS:
        return DecodeOutcome.POLICY_VIOLATION, "the decoder tried what no decoder needs, and was ended"
    if exit_code == -signal.SIGKILL:
        return DecodeOutcome.LIMIT_MEMORY, "the system ended the decoding process, most likely for want of memory"
    if exit_code < 0:
        return DecodeOutcome.UNDECODABLE, f"the decoder crashed on this file ({signal.Signals(-exit_code).name})"
    return DecodeOutcome.UNDECODABLE, f"the decoder ended without an answer (exit code {exit_code})"
