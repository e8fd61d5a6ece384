"""The worker's side of the decoding boundary: starts the zygote, asks for one file after another, trusts nothing.

``Decoder`` may be shared by threads; each file is decoded by a process of its own. A child that dies is an outcome of
its file. A zygote that dies is started anew, and its files are decoded once more.
"""

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from app.media.jail import wire
from app.media.jail.limits import DecodeLimits
from app.media.jail.probes import PROBES
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
from app.media.sniff import HEAD_BYTES, MediaKind, SniffedType, sniff

START_TIMEOUT_S = 60.0
STATUS_TIMEOUT_S = 10.0
LAST_WORD_TIMEOUT_S = 5.0
"""A child that closed its answer ends at once; giving two gigabytes back takes a second."""
ATTEMPTS = 3
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

_SOURCE_ROOT = Path(__file__).resolve().parents[3]


class JailUnavailable(Exception):
    """Nothing can be decoded now. It says nothing about the file: try the job again later."""


JailMode = Literal["strict", "degraded"]
"""Strict: a wall that is missing, or an attempt to get out that succeeds, and nothing is decoded. Degraded, which an
operator must ask for: decoding goes on, and says so."""


@dataclass(frozen=True, slots=True)
class JailReport:
    """How well decoding is confined on this machine, as tried at the start."""

    mode: JailMode
    walls: tuple[str, ...]
    """What stands between a file and the machine, by name; Landlock with the kernel's version."""
    escapes: tuple[str, ...]
    """Attempts to get out that were not refused; in strict mode there are none."""
    versions: Mapping[str, str]

    @property
    def is_sound(self) -> bool:
        return not self.escapes


class DecoderDied(Exception):
    """Decoding this file ended the decoding process again and again: the file may be why."""


class _ZygoteDied(Exception):
    """The zygote ended while a file was being decoded."""


class Decoder:
    """Decodes files in confined processes. Use as a context manager; every method may be called from any thread."""

    zygote_module = "app.media.jail.zygote"

    def __init__(self, limits: DecodeLimits | None = None, *, mode: JailMode = "strict") -> None:
        self._limits = limits or DecodeLimits()
        self._mode = mode
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._retired: list[_Zygote] = []
        self._is_closed = False

    def __enter__(self) -> Self:
        self.versions()  # Starts the zygote now: a machine where it cannot run is told at the start.
        return self

    def examine(self) -> JailReport:
        """Tries, in confined children, everything that must be refused. Raises JailUnavailable when one gets out.

        Once at a worker's start, before the first file: it takes about half a second.
        """
        zygote = self._living_zygote()
        escapes = tuple(name for name in PROBES if _has_escaped(zygote, name, self._limits, self._mode))
        if escapes and self._mode == "strict":
            raise JailUnavailable(f"a confined process could: {', '.join(escapes)}")
        return JailReport(self._mode, zygote.walls, escapes, zygote.versions)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def limits(self) -> DecodeLimits:
        """Under which every file is decoded."""
        return self._limits

    def versions(self) -> Mapping[str, str]:
        """Name → version of everything that decodes. Raises JailUnavailable."""
        return self._living_zygote().versions

    def close(self) -> None:
        """Ends the zygote and every child. Files under way fail with JailUnavailable."""
        with self._lock:
            self._is_closed = True
            if self._zygote is not None:
                self._zygote.end()
                self._zygote = None
            for retired in self._retired:
                retired.end()

    def decode(
        self,
        fd: int,
        on_frame: OnFrame | None = None,
        on_progress: OnProgress | None = None,
        on_picture: OnPicture | None = None,
    ) -> DecodeResult:
        """Decodes the regular file behind a read-only descriptor, which stays open and the caller's own.

        A video's frames go to ``on_frame`` in order, one at a time. An image goes to ``on_picture``, and the further
        frames or pages of its file, all later than 0, to ``on_frame``. When the zygote dies, the file is begun again:
        the picture, or a frame whose time is 0, is then the first once more, and both must start over with it.
        Raises JailUnavailable, DecoderDied, and whatever ``on_frame`` raises (the child is ended then).
        """
        return self._decode(fd, on_frame, on_progress, on_picture, claims_only=False)

    def read_claims(self, fd: int) -> DecodeResult:
        """What the file says of itself: nothing is decoded beyond its first frame or picture. Raises as ``decode``."""
        return self._decode(fd, None, None, None, claims_only=True)

    def _decode(
        self,
        fd: int,
        on_frame: OnFrame | None,
        on_progress: OnProgress | None,
        on_picture: OnPicture | None,
        *,
        claims_only: bool,
    ) -> DecodeResult:
        _require_read_only_file(fd)
        sniffed = sniff(os.pread(fd, HEAD_BYTES, 0))
        if sniffed is None:
            reason = "by its first bytes this is none of the image and video formats that are decoded"
            return DecodeResult(DecodeOutcome.UNDECODABLE, reason, is_partial=False, sniffed=None)
        for _ in range(ATTEMPTS):
            zygote = self._living_zygote(as_user=True)
            conversation = _Conversation(
                zygote, sniffed, self._limits, self._mode, on_frame, on_progress, on_picture, claims_only=claims_only
            )
            try:
                return conversation.hold(fd)
            except _ZygoteDied:
                self._bury(zygote)
            finally:
                self._leave(zygote, is_suspect=conversation.is_suspect)
        raise DecoderDied(f"the decoding process died {ATTEMPTS} times")

    def _living_zygote(self, *, as_user: bool = False) -> "_Zygote":
        """With ``as_user`` it is not ended by :meth:`_leave` of another before the caller has left it, too."""
        with self._lock:
            if self._is_closed:
                raise JailUnavailable("the decoder is closed")
            if self._zygote is None or not self._zygote.is_living():
                if self._zygote is not None:
                    self._zygote.end()
                self._zygote = _Zygote(self.zygote_module)
            self._zygote.users += as_user
            return self._zygote

    def _leave(self, zygote: "_Zygote", *, is_suspect: bool) -> None:
        """All children of one zygote have its memory layout, which a crash may have told: a suspect one gets no new
        file, and ends when the files under way are through."""
        with self._lock:
            zygote.users -= 1
            if is_suspect and self._zygote is zygote:
                self._zygote = None
                self._retired.append(zygote)
            if zygote in self._retired and zygote.users == 0:
                self._retired.remove(zygote)
                zygote.end()

    def _bury(self, zygote: "_Zygote") -> None:
        with self._lock:
            zygote.end()
            if self._zygote is zygote:
                self._zygote = None


class _Zygote:
    """One run of the zygote process and the socket to it."""

    def __init__(self, module: str) -> None:
        """Starts it and waits until its decoders are loaded. Raises JailUnavailable."""
        self.users = 0
        """Files that it is decoding; the Decoder counts them, under its lock."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing of our environment: it may hold passwords, and the zygote needs none of it. One thread for the
        # linear algebra of numpy, because only a process with one thread can be forked safely.
        environment = {"PYTHONPATH": str(_SOURCE_ROOT), "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
        with theirs:
            self._process = subprocess.Popen(
                # -P: no module comes from the directory that the worker happens to be in.
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._control.settimeout(START_TIMEOUT_S)
        try:
            greeting = self._control.recv(wire.MAX_HEADER_BYTES)
            if not greeting:
                raise JailUnavailable("the decoding process ended while it started")
            said = wire.parse_object(greeting)
            versions, walls = said.get("versions"), said.get("walls")
            if not isinstance(versions, dict) or not isinstance(walls, list):
                raise wire.BrokenMessage("the greeting names no versions or no walls")
            self.versions = {str(name): str(value) for name, value in versions.items()}
            self.walls = tuple(map(str, walls))
        except (OSError, wire.BrokenMessage) as error:
            self.end()
            raise JailUnavailable("the decoding process did not start") from error
        except JailUnavailable:
            self.end()
            raise
        self._control.settimeout(STATUS_TIMEOUT_S)

    def is_living(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Request, descriptors: list[int]) -> None:
        """Hands over one file. A packet goes as a whole, so threads need no lock. Raises _ZygoteDied."""
        try:
            socket.send_fds(self._control, [request.to_bytes()], descriptors)
        except OSError as error:
            raise _ZygoteDied from error

    def end(self) -> None:
        """Kills it; its children die with it. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        self._control.close()


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


class _Conversation:
    """One file's decoding: hand it over, take what comes, learn how the child ended."""

    def __init__(
        self,
        zygote: _Zygote,
        sniffed: SniffedType,
        limits: DecodeLimits,
        mode: JailMode,
        on_frame: OnFrame | None,
        on_progress: OnProgress | None,
        on_picture: OnPicture | None = None,
        *,
        claims_only: bool = False,
    ) -> None:
        self._claims_only = claims_only
        self._zygote = zygote
        self._sniffed = sniffed
        self._limits = limits
        self._is_strict = mode == "strict"
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

    def hold(self, fd: int) -> DecodeResult:
        wall_s = self._limits.wall_s(self._sniffed.kind.value)
        answer_fd, child_answer_fd = os.pipe2(os.O_CLOEXEC)
        status, child_status = socket.socketpair()
        with status:
            try:
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
                        self._zygote.ask(request, [fd, child_answer_fd, child_status.fileno()])
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

    def _take(self, header: dict[str, object], payload: bytearray) -> None:
        received = self._received
        match header.pop("type", None):
            case "confined":
                received.is_confined = True
            case "claims":
                received.claims_messages += 1
                received.claims = merged_claims(received.claims, checked_claims(header), received.claims_messages)
            case "picture" if self._is_image and received.picture is None:
                received.picture, received.last_time_ms = checked_pixels(header, payload), 0
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
        text = None if given_up else _read_status(status, LAST_WORD_TIMEOUT_S)
        if text is None:
            if not given_up:
                self._accuse("the decoding process closed its answer and ran on")
                given_up = True
            status.shutdown(socket.SHUT_WR)
            text = _read_status(status, STATUS_TIMEOUT_S)
        if text is None:
            raise _ZygoteDied
        if not text:
            if given_up:
                return  # The answer is whole; how its dying zygote ended does not matter any more.
            raise _ZygoteDied
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


def _has_escaped(zygote: _Zygote, probe: str, limits: DecodeLimits, mode: JailMode) -> bool:
    """Whether a confined child could do what the probe tries. Raises JailUnavailable without an answer."""
    nothing_fd, (answer_fd, child_answer_fd) = os.open(os.devnull, os.O_RDONLY), os.pipe2(os.O_CLOEXEC)
    status, child_status = socket.socketpair()
    try:
        request = Request("probe", probe, limits, mode == "strict")
        zygote.ask(request, [nothing_fd, child_answer_fd, child_status.fileno()])
        child_status.close()
        status.settimeout(STATUS_TIMEOUT_S)
        exit_code = int(status.recv(32).split()[0])
    except (_ZygoteDied, TimeoutError, ValueError, IndexError) as error:
        raise JailUnavailable(f"the decoding process did not answer when it was tried: {probe}") from error
    finally:
        for fd in (nothing_fd, answer_fd, child_answer_fd):
            os.close(fd)
        child_status.close()
        status.close()
    if exit_code == EXIT_NOT_CONFINED:
        raise JailUnavailable("a decoding process could not be confined")
    return exit_code not in (0, -signal.SIGSYS)


def _widen(pipe_fd: int) -> None:
    """Fewer turns between the two processes. A user's pipes together have a limit, and then this one stays small."""
    try:
        fcntl.fcntl(pipe_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass


def _read_status(status: socket.socket, timeout_s: float) -> bytes | None:
    """How the child ended; empty when the zygote ended without a word, None when nothing came in time."""
    status.settimeout(timeout_s)
    try:
        return status.recv(32)
    except TimeoutError:
        return None
    except ConnectionResetError:
        return b""


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


def _require_read_only_file(fd: int) -> None:
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY or not stat.S_ISREG(os.fstat(fd).st_mode):
        raise ValueError("the decoder takes read-only descriptors of regular files only")
