"""The worker's side of the decoding boundary: starts the zygote, asks for one file after another, trusts nothing.

``Decoder`` may be shared by threads; each file is decoded by a process of its own (``conversation.py``). A child that
dies is an outcome of its file. A zygote that dies (``zygote_run.py``) is started anew, and its files are decoded once
more.
"""

import fcntl
import os
import signal
import socket
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from app.media.jail.conversation import Conversation, OnFrame, OnPicture, OnProgress
from app.media.jail.limits import DecodeLimits
from app.media.jail.memory import PictureMemories, WithoutFourth, without_fourth
from app.media.jail.probes import PROBES
from app.media.jail.request import EXIT_NOT_CONFINED, Request
from app.media.jail.result import DecodeOutcome, DecodeResult
from app.media.jail.zygote_run import STATUS_TIMEOUT_S, JailUnavailable, Zygote, ZygoteDied
from app.media.sniff import HEAD_BYTES, MediaKind, sniff

__all__ = [
    "Decoder", "DecoderDied", "JailMode", "JailReport", "JailUnavailable", "OnFrame", "OnPicture", "OnProgress",
]  # fmt: skip

ATTEMPTS = 3

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


class Decoder:
    """Decodes files in confined processes. Use as a context manager; every method may be called from any thread."""

    zygote_module = "app.media.jail.zygote"

    def __init__(
        self,
        limits: DecodeLimits | None = None,
        *,
        mode: JailMode = "strict",
        without_fourth: WithoutFourth = without_fourth,
    ) -> None:
        """``without_fourth`` copies a picture out of the memory that its child wrote it to."""
        self._without_fourth = without_fourth
        self._memories = PictureMemories()
        self._limits = limits or DecodeLimits()
        self._mode = mode
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._retired: list[Zygote] = []
        self._is_closed = False

    def __enter__(self) -> Self:
        self.versions()  # Starts the zygote now: a machine where it cannot run is told at the start.
        return self

    def examine(self) -> JailReport:
        """Tries, in confined children, everything that must be refused. Raises JailUnavailable when one gets out.

        Once at a worker's start, before the first file: it takes about half a second.
        """
        zygote = self._living_zygote()
        escapes = tuple(
            name
            for name in PROBES
            if any(_has_escaped(zygote, name, self._limits, self._mode, is_film=is_film) for is_film in (False, True))
        )
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
        self._memories.close()

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
            with self._memories.lent(sniffed.kind is MediaKind.IMAGE) as loan:
                zygote = self._living_zygote(as_user=True)
                conversation = Conversation(
                    zygote,
                    sniffed,
                    self._limits,
                    on_frame,
                    on_progress,
                    on_picture,
                    is_strict=self._mode == "strict",
                    claims_only=claims_only,
                    memory=loan.memory,
                    copied=self._without_fourth,
                )
                try:
                    return conversation.hold(fd)
                except ZygoteDied:
                    self._bury(zygote)
                finally:
                    loan.is_over = conversation.is_child_dead and not conversation.is_suspect
                    self._leave(zygote, is_suspect=conversation.is_suspect)
        raise DecoderDied(f"the decoding process died {ATTEMPTS} times")

    def _living_zygote(self, *, as_user: bool = False) -> Zygote:
        """With ``as_user`` it is not ended by :meth:`_leave` of another before the caller has left it, too."""
        with self._lock:
            if self._is_closed:
                raise JailUnavailable("the decoder is closed")
            if self._zygote is None or not self._zygote.is_living():
                if self._zygote is not None:
                    self._zygote.end()
                self._zygote = Zygote(self.zygote_module)
            self._zygote.users += as_user
            return self._zygote

    def _leave(self, zygote: Zygote, *, is_suspect: bool) -> None:
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

    def _bury(self, zygote: Zygote) -> None:
        with self._lock:
            zygote.end()
            if self._zygote is zygote:
                self._zygote = None


def _has_escaped(zygote: Zygote, probe: str, limits: DecodeLimits, mode: JailMode, *, is_film: bool) -> bool:
    """Whether a confined child could do what the probe tries. Raises JailUnavailable without an answer."""
    nothing_fd, (answer_fd, child_answer_fd) = os.open(os.devnull, os.O_RDONLY), os.pipe2(os.O_CLOEXEC)
    status, child_status = socket.socketpair()
    try:
        request = Request("probe", probe, limits, mode == "strict")
        zygote.ask(request, [nothing_fd, child_answer_fd, child_status.fileno()], is_film=is_film)
        child_status.close()
        status.settimeout(STATUS_TIMEOUT_S)
        exit_code = int(status.recv(32).split()[0])
    except (ZygoteDied, TimeoutError, ValueError, IndexError) as error:
        raise JailUnavailable(f"the decoding process did not answer when it was tried: {probe}") from error
    finally:
        for fd in (nothing_fd, answer_fd, child_answer_fd):
            os.close(fd)
        child_status.close()
        status.close()
    if exit_code == EXIT_NOT_CONFINED:
        raise JailUnavailable("a decoding process could not be confined")
    return exit_code not in (0, -signal.SIGSYS)


def _require_read_only_file(fd: int) -> None:
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY or not stat.S_ISREG(os.fstat(fd).st_mode):
        raise ValueError("the decoder takes read-only descriptors of regular files only")
