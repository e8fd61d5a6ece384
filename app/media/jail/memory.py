"""The memory in which a picture comes out of the jail: made by the worker, of a fixed size, written to by one child.

A file in memory that can neither shrink nor grow (F_SEAL_SHRINK, F_SEAL_GROW, and no seal after these): whatever a
child does, the worker's reading it cannot fault. The zygote maps it into the child before the child's walls are raised,
which then loses the descriptor like any other; so a confined child has no call more and no descriptor more than without
it. A child may change what is in it at any time, also while it is read: the worker copies the pixels once, whatever
they are, and looks at the copy alone.

It is used again, for pages that are there already are what makes it cheap; but only after the child that wrote to it is
known to be dead, and all of it was filled with zeros: no file's pixels are there for the next one.
"""

import fcntl
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.media.jail.result import Pixels
from app.media.jail.wire import MEMORY_BYTES, MEMORY_CHANNELS

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW

_MFD_NOEXEC_SEAL = 0x8
"""It cannot be run, nor be made to (Linux 6.3; before it, no confined child can run or map anything to run anyway)."""

InFour = np.ndarray[tuple[Any, ...], np.dtype[np.uint8]]
"""Height × width × 4, uint8."""
WithoutFourth = Callable[[InFour], Pixels]
"""Gives the pixels without the fourth byte, contiguous, in memory of their own; reads each of them once."""


def without_fourth(pixels: InFour) -> Pixels:
    """By numpy. Whoever has OpenCV has it in a fifth of the time."""
    copied = np.empty((*pixels.shape[:2], 3), np.uint8)
    for channel in range(3):
        copied[:, :, channel] = pixels[:, :, channel]
    return copied


class PictureMemory:
    """For one child at a time."""

    def __init__(self) -> None:
        """All zeros. Raises OSError."""
        self._fd = _sealed_file()
        self._map = mmap.mmap(self._fd, MEMORY_BYTES)
        self.clear()  # The pages are there from now on; no child waits for them.

    def fileno(self) -> int:
        return self._fd

    def pixels(self, width: int, height: int, copied: WithoutFourth) -> Pixels:
        """A copy of the picture at its beginning; at most 1024 × 1024."""
        return copied(np.frombuffer(self._map, np.uint8, width * height * MEMORY_CHANNELS).reshape(height, width, -1))

    def clear(self) -> None:
        """All of it, for a child may have written anywhere."""
        np.frombuffer(self._map, np.uint8).fill(0)

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)


@dataclass(slots=True)
class Loan:
    """A memory for one file, and whether it may be used for another one."""

    memory: PictureMemory | None
    is_over: bool = False
    """Nobody can write to it any more."""


class PictureMemories:
    """As many as files are decoded at once. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[PictureMemory] = []
        self._is_closed = False

    @contextmanager
    def lent(self, is_wanted: bool) -> Iterator[Loan]:
        """A memory full of zeros, if one is wanted. Raises OSError."""
        if not is_wanted:
            yield Loan(None)
            return
        with self._lock:
            memory = self._kept.pop() if self._kept else None
        loan = Loan(memory := memory or PictureMemory())
        try:
            yield loan
        finally:
            if loan.is_over:
                memory.clear()
            with self._lock:
                if loan.is_over and not self._is_closed:
                    self._kept.append(memory)
                else:
                    memory.close()

    def close(self) -> None:
        """Also of those that are lent, when they come back."""
        with self._lock:
            self._is_closed = True
            while self._kept:
                self._kept.pop().close()


def _sealed_file() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create("picture", flags | _MFD_NOEXEC_SEAL)
    except OSError:
        fd = os.memfd_create("picture", flags)
    try:
        os.ftruncate(fd, MEMORY_BYTES)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd
