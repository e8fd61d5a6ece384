"""What crosses the boundary between the worker and a confined decoder: small JSON headers and raw pixels.

A message is ``<header length u32><payload length u32><header: JSON object><payload: RGB bytes>``, little-endian.
The sender may be a hostile file's code, so the receiver checks every length before it reads and every field before it
uses it, and never unpickles nor evaluates anything.
"""

import json
import os
import select
import struct
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

MAX_HEADER_BYTES = 64 * 1024
MAX_SIDE_PIXELS = 1024
MAX_PAYLOAD_BYTES = MAX_SIDE_PIXELS * MAX_SIDE_PIXELS * 3
MEMORY_CHANNELS = 4
"""Red, green, blue, and a byte that says nothing: as Pillow has a picture."""
MEMORY_BYTES = MAX_SIDE_PIXELS * MAX_SIDE_PIXELS * MEMORY_CHANNELS
"""Of the memory that a picture may cross in beside the pipe (``memory.py``)."""

_LENGTHS = struct.Struct("<II")
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


class BrokenMessage(Exception):
    """The other side sent what no honest sender sends."""


class CutMessage(BrokenMessage):
    """The other side ended in the middle of a message. An honest one that is killed does so too."""


class DeadlinePassed(Exception):
    """The other side did not send in time."""


class Channel:
    """The receiving end of a child's pipe. Reads no more than one message into memory."""

    def __init__(self, fd: int, deadline_s: float) -> None:
        """``deadline_s`` is on the clock of :func:`time.monotonic`."""
        self._fd = fd
        self._deadline_s = deadline_s
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def receive(self) -> tuple[dict[str, object], memoryview] | None:
        """The next header and payload; None when the sender closed its end between two messages.

        Raises BrokenMessage, DeadlinePassed.
        """
        lengths = self._read(_LENGTHS.size, may_end=True)
        if not lengths:
            return None
        header_bytes, payload_bytes = _LENGTHS.unpack(lengths)
        if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
            raise BrokenMessage(f"lengths {header_bytes} and {payload_bytes} are beyond the limits")
        header = parse_object(bytes(self._read(header_bytes)))
        return header, self._read(payload_bytes)

    def _read(self, size_bytes: int, *, may_end: bool = False) -> memoryview:
        # Not a bytearray: that fills two megabytes with zeros first. All of it is written before anybody sees it.
        view = np.empty(size_bytes, np.uint8).data
        filled = 0
        while filled < size_bytes:
            self._wait()
            count = os.readv(self._fd, [view[filled:]])
            if count == 0:
                if may_end and filled == 0:
                    return view[:0]
                raise CutMessage("the sender ended in the middle of a message")
            filled += count
        return view

    def _wait(self) -> None:
        remaining_s = self._deadline_s - time.monotonic()
        if remaining_s <= 0 or not self._poll.poll(remaining_s * 1000):
            raise DeadlinePassed


class Stream(Protocol):
    """A payload that is never in memory as a whole: fresh memory is what a short-lived process pays for most."""

    @property
    def size_bytes(self) -> int: ...

    def write_to(self, write: Callable[[bytes], object]) -> None:
        """Gives ``size_bytes`` bytes, in pieces."""


def send(fd: int, header: Mapping[str, object], payload: bytes | memoryview | Stream = b"") -> None:
    """Writes one message. Raises OSError when nobody reads any more."""
    text = _ENCODER.encode(header).encode("ascii")
    if isinstance(payload, bytes | memoryview):
        view = memoryview(payload).cast("B")
        _write(fd, [memoryview(_LENGTHS.pack(len(text), len(view)) + text), view])
    else:
        _write(fd, [memoryview(_LENGTHS.pack(len(text), payload.size_bytes) + text)])
        payload.write_to(lambda piece: _write(fd, [memoryview(piece)]))


def _write(fd: int, parts: list[memoryview]) -> None:
    while parts:
        if not parts[0]:
            parts.pop(0)
            continue
        written = os.writev(fd, parts)
        while written and parts:
            taken = min(written, len(parts[0]))
            parts[0] = parts[0][taken:]
            written -= taken
            if not parts[0]:
                parts.pop(0)


def parse_object(text: bytes) -> dict[str, object]:
    """A JSON object of strict JSON: no NaN, no doubled keys, no deep nesting. Raises BrokenMessage."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_doubles)
    except (ValueError, RecursionError) as error:
        raise BrokenMessage("not strict JSON") from error
    if not isinstance(value, dict):
        raise BrokenMessage("not a JSON object")
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _refuse_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found
